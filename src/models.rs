//! Models: what can't be tested by running it often is run in every order there is.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib models` builds the library on loom's locks,
//! atomics and threads (see [`sync`](crate::sync)) and runs each model once for every order in which
//! its threads can take their steps and every value that a weak memory may show them, with a bound
//! on how often a thread is interrupted. A call that sleeps for ever ends the run: that is how a
//! lost wake-up shows.

mod pins;
mod turns;

use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `model` in every order with up to so many interruptions.
fn explore(interruptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(interruptions);
    builder.max_branches = 100_000;
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
