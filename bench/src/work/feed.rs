//! A feed: many buffers are prefetched at once.

use super::opener::{Opener, sample};
use super::values::{KIB, MIB, Values, rate};
use crate::source::{self, Pace, Plan};
use std::time::Instant;

const COUNT: u64 = 50;
/// Enough memory for all of them together.
const MEMORY: u64 = 64 * MIB;

/// Fetches 1 MiB each.
pub fn run(open: Opener, pace: Option<Pace>) -> Values {
    let plan = Plan {
        pace,
        ..Plan::new(MIB, 64 * KIB)
    };
    source::block();
    let start = Instant::now();
    let buffers: Vec<_> = (0..COUNT).map(|_| open(plan, MEMORY)).collect();
    buffers.iter().for_each(|buffer| buffer.prefetch());
    let tasks = threads();
    for buffer in &buffers {
        assert_eq!(buffer.read(plan.size - 1, &mut [0]), 1, "the last byte");
    }
    let time = start.elapsed();
    buffers.iter().for_each(|buffer| sample(&**buffer, &plan));
    vec![("rate", rate(COUNT * plan.size, time)), ("tasks", tasks)]
}

/// The number of threads of this process.
fn threads() -> f64 {
    std::fs::read_dir("/proc/self/task").map_or(0.0, |tasks| tasks.count() as f64)
}
