//! Models: what can't be tested by running it often is run in every order there is.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib models` builds the library on loom's locks,
//! atomics and threads (see [`sync`](crate::sync)) and runs each model once for every order in which
//! its threads can take their steps and every value that a weak memory may show them, with a bound
//! on how often a thread is interrupted. A call that sleeps for ever ends the run: that is how a
//! lost wake-up shows.
//!
//! Faults that were put in on purpose, and the models that turned red:
//!
//! | fault | red |
//! |---|---|
//! | `Pins::enter` or `Pins::wait` without its fence; a pin dropped, or drained, `Relaxed`; `wait` without its second drain; only the first line drained | `a_reader_and_two_waits`, `two_readers_and_a_wait` |
//! | `Pins::wait` without its first drain | `a_reader_and_two_waits` |
//! | `wake_ready` rings nobody | `helper`, `prefetch_against_wait` |
//! | `pass_turn` elects without ringing | `hand_over`, `reader_stop_against_hand_over` |
//! | a turn ends without `pass_turn` | `hand_over`, `helper`, `publish_against_wait` and others |
//! | a call that was elected and is stopped does not pass the turn on | `reader_stop_against_hand_over` |
//! | `cancel` wakes nobody | `stop_of_all_against_wait` |
//! | `free` wakes nobody | `free_against_blocked_read`, `free_against_the_helper` |
//! | `free` leaves the helper asleep | `helper`, `prefetch_against_wait` |
//! | a call that waits for the helper does not call it | `helper_sleeps_between_calls` |
//! | `cancel_reader` wakes nobody | `reader_stop_against_wait`, `reader_stop_with_a_prefetch` |
//! | nobody announces having left the source | `free_against_blocked_read`, `free_against_the_helper` |
//! | a source is called while an interrupt is on its way | `resume_against_cancel` |
//!
//! Not caught, because the hand-over makes up for it: that `settle` wakes all at the end.

mod helper;
mod pins;
mod poison;
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
