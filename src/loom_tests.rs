//! Loom tests: code whose races ordinary tests hardly ever hit runs in every possible order.
//!
//! `.ci/models` builds the library with loom's locks, atomics and threads (see
//! [`sync`](crate::sync)). It runs each test once for every order in which its threads can take
//! their steps, and for every value that a weak memory model may show them, with a bound on how
//! often a thread is preempted. A call that sleeps forever ends the run, which is how a lost wakeup
//! shows.
//!
//! The table lists the faults that were put into the code on purpose, and the tests that failed.
//! Where the run aborts, it names the file of the tests (`turns`, `stops`).
//!
//! | fault | failed |
//! |---|---|
//! | `Domain::enter` or `Domain::synchronize` without its fence; a guard is dropped, or drained, `Relaxed`; `synchronize` without its second drain; only the first stripe is drained | `a_reader_and_two_waits`, `two_readers_and_a_wait` |
//! | `Domain::synchronize` without its first drain | `a_reader_and_two_waits` |
//! | `wake_ready` notifies no call | `helper`, `prefetch_against_wait` |
//! | `hand_off` elects a call without notifying it | `hand_off`, `reader_cancel_against_hand_off` |
//! | a `SourceGuard` is dropped without `hand_off` | `hand_off`, `helper`, `commit_against_wait` and others |
//! | a call that was elected and is canceled does not `hand_off` | `reader_cancel_against_hand_off` |
//! | `cancel` wakes no call | `cancel_of_all_against_wait` |
//! | `free` wakes no call | `free_against_blocked_read`, `free_against_the_helper` |
//! | `free` leaves the helper asleep | `helper`, `prefetch_against_wait` |
//! | a call that waits for the helper does not notify it | `helper_sleeps_between_calls` |
//! | `note_read` does not call the helper | `low_mark_against_read` |
//! | `wake_reader` wakes no call | `reader_cancel_against_wait`, `reader_cancel_with_a_prefetch` |
//! | `settle` without `notify_source_idle` | `free_against_blocked_read`, `free_against_the_helper` |
//! | a source is called while an interrupt of it is running | `resume_against_cancel` |
//! | `settle` wakes only the calls whose bytes have arrived, after a failure as well | `turns` |
//! | an error ends the wait of a call that was elected, which does not `hand_off` | `cancel_against_hand_off` |
//! | a call that was elected stays elected (no `has_looked`); so does the helper (no `helper_has_looked`) | `turns`; `helper` |
//! | a helper without work, or a call that has its verdict, does not `hand_off` | more than one file |
//! | a condition variable is given back before the sleep | `helper` |
//! | `SourceGuard::drop` puts the source back after `hand_off`; `settle` without `leave` | `helper` and others |
//! | `arrived` records bytes before `Store::commit` | `helper`, `prefetch_against_wait` and others |
//! | `Store::commit` before the lock under which `arrived` records the bytes | `read_is_buffered` |
//! | `free` without `notify_source_idle`; a call that waits for an interrupt to end ignores `free` | `stops` |
//! | `free` does not join the helper, or does not wait for interrupts | `helper`, `free_against_an_interrupt` |
//! | the source is closed during an interrupt, or not closed after one | `free_against_an_interrupt`, `free_against_blocked_read` |
//! | an interrupted read is a failure; calls from before a cancel continue | `resume_against_cancel` |
//! | a reader's cancellation has no effect once it is lifted | `stops` |
//! | a thread that finds another one in `Domain::synchronize` does not wait as well | `read_by_handle_against_spill_and_free` |
//! | a spill frees memory, or segments, without waiting for readers; it unlinks before the write; a block is collapsed with bytes in memory | `read_against_spill` |
//! | a leaf is freed without waiting for readers | `read_against_collapsing` |
//! | segments that hang alone from a slot are not moved into the node that a second block needs, or are freed meanwhile | `read_against_a_second_block`, `read_against_collapsing_a_lone_segment` |
//! | readers count in one group only, or `Domain::synchronize` leaves the phase as it is | `synchronize_does_not_wait_for_later_readers` |
//! | the head of the list of free slots without its count (ABA) | `a_free_slot_is_taken_once` |
//! | a row of slots replaces one that another thread made | `a_new_slot_is_taken_once` |
//! | `Table::remove` does not synchronize | `a_look_up_against_a_removal` |
//! | `Table::remove` stores the generation without comparing it | `two_removals` |
//! | `Table::insert` stores a slot's generation `Relaxed` | `a_forged_handle` |
//! | a segment is linked `Relaxed`; a root is stored before its child | `read_against_filling` |
//! | a spill takes the segment that is being filled | `spill_against_filling` |
//! | a push, an end, a cancel, a free or a read does not wake the calls or the pushes that wait for it | `push` |
//! | the result of a spill wakes no push; a push that needs one does not notify the helper | `push_against_spill`; `helper_sleeps_between_spills` |
//! | pushes do not take turns; events are counted after a push found no space | `push` |
//! | a push that loses to a free starts the helper | `free_against_spill_for_a_push` |
//! | a watch is armed without a second look at the state; a change of the state fires no watch | `when` |
//! | a watch does not notify the helper; the result of a spill fires no watch | `when` |
//! | a watch for space is armed although another thread made the space meanwhile | `when_wanted_against_space` |
//! | a reopen starts no second helper | `when_against_reopen` |
//! | the end of a call of `ready` is not notified, or a free of its watch does not wait for it | `cancel_against_watch_free`, `push_against_watch_free` |
//! | a thread that enters the source wakes no call that has to watch it; a call that made the source leave is not served next; a guard whose call was interrupted goes on | `leaving` |
//! | a source that was interrupted while it read on is read on again | `read_on` |
//! | a reader that was canceled inside the source enters it again | `read_on` |
//! | a reader that was canceled before it enters the source enters it | `reader_cancel_against_entry` |
//! | a read of the ring checks the tail before the copy alone | `read_against_drop_and_overwrite` |
//! | a dropped block is freed without waiting for readers | `read_against_drop_in_memory` |
//! | a spill does not look whether its segment was dropped meanwhile; or leaves it in the queue | `drop_against_spill` |
//! | the grant of the last bytes ends without the lock | `spill_of_what_was_read` |
//! | a member does not leave its budget, or is taken from it while it is dropped | `drop_against_spill`, `join_against_spill` |
//! | a member that goes with its last user is found for a spill meanwhile | `give_up_against_spill` |
//! | a charge is removed by a load and a store | `budget` |
//! | whoever ends a filling compares the charges without a fence, or spills nothing | `memory_fits_after_two_fillers` |
//! | the end of an unclaimed entry's time closes whatever source it has by then | `a_poll_against_the_end_of_its_time` |
//! | a wait for an opener is noted after its check | `a_circle_of_openers` |
//! | an opener does not run what waits for its helper | `an_opener_against_a_queued_one` |
//! | a helper that leaves a buffer with work does not put it into the queue again | `crew_serves_two_in_turn` |
//! | a helper is elected although no thread of its crew is free | `crew_work_reads_behind_a_timed_call` and others |
//! | a helper that leaves work to others stays elected, or hands nothing off | `crew_work_waits_for_a_read` |
//! | a job, or the end of a crew, wakes no thread of it | `crew` |
//! | a closed crew keeps its queue | `crew_call_against_close` |
//!
//! Some changes are harmless, and so no test fails: `settle` wakes only the ready calls at the end
//! of the source (the others notice it); `hand_off` elects any waiter, even one that is awake (it
//! checks the state, and hands off); the error of a cancel is not kept (calls compare `cancels`);
//! `set_prefetch` wakes no call (calls check again when they are elected); `Domain::synchronize`
//! without its lock (each call drains both groups, but later readers may prolong it); `Relaxed`
//! where a fence of `Domain::synchronize` follows.
//!
//! Three things are beyond loom: a call that takes the source before the elected one
//! (`tests/it/api/turns.rs` tests that), a call that stops watching the source before it has
//! stalled (`tests/c/leaving.c`), and bytes committed `Relaxed`, since loom does not track them
//! (ThreadSanitizer does).

mod budget;
mod cache;
mod crew;
mod handles;
mod helper;
mod leaving;
mod poison;
mod push;
mod rcu;
mod read_on;
mod reopen;
mod stops;
mod store;
mod tap;
mod turns;
mod when;
mod window;

use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `model` in every order with at most `interruptions` preemptions.
fn explore(interruptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(interruptions);
    builder.max_branches = 100_000;
    // Generous, for a busy machine; an idle one needs a fraction of it.
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
