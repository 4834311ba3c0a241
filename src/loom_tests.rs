//! Loom tests, the models: what can't be tested by running it often is run in every order there is.
//!
//! `.ci/models` builds the library on loom's locks,
//! atomics and threads (see [`sync`](crate::sync)) and runs each model once for every order in which
//! its threads can take their steps and every value that a weak memory may show them, with a bound
//! on how often a thread is interrupted. A call that sleeps for ever ends the run: that is how a
//! lost wake-up shows.
//!
//! Faults that were put in on purpose, and the models that turned red:
//!
//! | fault | red |
//! |---|---|
//! | `Domain::enter` or `Domain::synchronize` without its fence; a guard dropped, or drained, `Relaxed`; `synchronize` without its second drain; only the first line drained | `a_reader_and_two_waits`, `two_readers_and_a_wait` |
//! | `Domain::synchronize` without its first drain | `a_reader_and_two_waits` |
//! | `wake_ready` rings nobody | `helper`, `prefetch_against_wait` |
//! | `pass_turn` elects without ringing | `hand_over`, `reader_stop_against_hand_over` |
//! | a turn ends without `pass_turn` | `hand_over`, `helper`, `publish_against_wait` and others |
//! | a call that was elected and is stopped does not pass the turn on | `reader_stop_against_hand_over` |
//! | `cancel` wakes nobody | `stop_of_all_against_wait` |
//! | `free` wakes nobody | `free_against_blocked_read`, `free_against_the_helper` |
//! | `free` leaves the helper asleep | `helper`, `prefetch_against_wait` |
//! | a call that waits for the helper does not call it | `helper_sleeps_between_calls` |
//! | `wake_reader` wakes nobody | `reader_stop_against_wait`, `reader_stop_with_a_prefetch` |
//! | nobody announces having left the source | `free_against_blocked_read`, `free_against_the_helper` |
//! | a source is called while an interrupt is on its way | `resume_against_cancel` |
//! | `settle` wakes only those whose bytes have come, at a failure as well | `turns` (the run aborts, as in the rows that name a file) |
//! | an error ends the wait of a call that was elected, and passes no turn on | `cancel_against_hand_over` |
//! | a call that was elected keeps the election; so does the helper | `turns`; `helper` |
//! | a helper without work, or a call that has its verdict, passes no turn on | more than one file |
//! | a bell is given back before the sleep | `helper` |
//! | the turn puts the source back after handing over; it stays inside for ever | `helper` and others |
//! | bytes are told of before they are taken in | `helper`, `prefetch_against_wait` and others |
//! | what is read is told of later | `read_is_buffered` |
//! | `free` announces nothing; a call at the source's door is deaf to it | `stops` |
//! | `free` does not join the helper, or waits for no interrupt | `helper`, `free_against_an_interrupt` |
//! | the source is dropped under an interrupt, or nobody closes it after one | `free_against_an_interrupt`, `free_against_blocked_read` |
//! | an interrupted read is a failure; calls from before a cancel go on | `resume_against_cancel` |
//! | a reader's stop that was lifted is none | `stops` |
//! | who finds somebody else in `Domain::synchronize` does not wait as well | `read_by_handle_against_spill_and_free` |
//! | memory, or segments, go without waiting for readers; before the write; a block is collapsed with memory in it | `read_against_spill` |
//! | a leaf goes without waiting for readers | `read_against_folding` |
//! | what hangs alone from a slot does not move into the node that company makes, or goes meanwhile | `read_against_company`, `read_against_folding_alone` |
//! | readers count on one phase only, or `Domain::synchronize` leaves the phase as it is | `a_wait_is_not_for_those_who_come_later` |
//! | the head of the list of free slots without its count (ABA) | `a_free_slot_goes_to_one` |
//! | a row of slots replaces one that another thread made | `a_new_slot_goes_to_one` |
//! | `remove` does not synchronize | `a_look_up_against_a_removal` |
//! | `remove` takes the generation away unseen | `two_removals` |
//! | a slot's generation is shown `Relaxed` | `a_made_up_handle` |
//! | a segment is linked `Relaxed`; a root is shown without its child | `read_against_filling` |
//! | a spill takes the segment that is being filled | `spill_against_filling` |
//! | the filling of the last bytes ends without the lock | `spill_of_what_was_read` |
//!
//! Harmless, and so green: `settle` wakes only the ready at the end (they know it); any waiter is elected, also an awake one (it
//! looks, and passes on); a cancel's error is not kept (calls know by its number); `prefetch` wakes nobody (they ask again when it
//! is their turn); `Domain::synchronize` without its lock (each drains both phases; those who come later may then prolong it); `Relaxed` where a fence of `Domain::synchronize` follows. Beyond the models: barging past the elected (`tests/it/api/turns.rs`),
//! and bytes published `Relaxed`, since loom does not follow them (ThreadSanitizer does).

mod handles;
mod helper;
mod poison;
mod rcu;
mod stops;
mod store;
mod tap;
mod turns;

use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `model` in every order with up to so many interruptions.
fn explore(interruptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(interruptions);
    builder.max_branches = 100_000;
    // For a machine that is busy; an idle one is done in a fraction of it.
    builder.max_duration = Some(std::time::Duration::from_secs(60));
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let runs = runs.load(Ordering::Relaxed);
    println!("{runs} orders");
    assert!(runs > 1, "nothing was explored");
}
