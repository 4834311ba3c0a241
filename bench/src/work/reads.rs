//! Reads of buffered bytes at random unaligned offsets, on one thread and on two.

use super::opener::{Opener, pulled, sample};
use super::values::Values;
use crate::contender::MAX;
use crate::source::Plan;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// One and two threads in turn, so that a change of the machine's speed affects both.
const SLICES: usize = 7;
const SLICE: Duration = Duration::from_millis(15);

/// Fills a buffer and reads from it.
pub fn run(open: Opener, plan: Plan, len: usize) -> Values {
    let buffer = pulled(open, plan);
    // A row about the disk does not measure bytes that a contender still has in memory.
    let span = if plan.size > MAX {
        plan.size - MAX - (1 << 20)
    } else {
        plan.size
    };
    let span = span - len as u64;
    let values = alternate(len, |_, places, out| {
        let off = places.next(span);
        assert_eq!(buffer.read(off, out), len);
    });
    sample(&*buffer, &plan);
    values
}

/// The time of a call of `read`, which gets the number of its thread, and how many more calls two
/// threads make.
pub fn alternate(len: usize, read: impl Fn(usize, &mut Places, &mut [u8]) + Sync) -> Values {
    let (mut alone, mut both) = (Vec::new(), Vec::new());
    slice(1, len, &read);
    for _ in 0..SLICES {
        alone.push(slice(1, len, &read));
        both.push(slice(2, len, &read));
    }
    alone.sort_by(f64::total_cmp);
    both.sort_by(f64::total_cmp);
    let (alone, both) = (alone[SLICES / 2], both[SLICES / 2]);
    vec![("ns", 1e9 / alone), ("threads", both / alone)]
}

/// Reads per second, of all threads.
fn slice(
    threads: usize,
    len: usize,
    read: &(impl Fn(usize, &mut Places, &mut [u8]) + Sync),
) -> f64 {
    let barrier = Barrier::new(threads);
    let one = |thread: usize| {
        let mut places = Places(thread as u64 + 1);
        let mut out = vec![0; len];
        let batch = (64 << 10) / len.clamp(1 << 10, 32 << 10);
        let mut count = 0;
        barrier.wait();
        let start = Instant::now();
        loop {
            for _ in 0..batch {
                read(thread, &mut places, &mut out);
                std::hint::black_box(&mut out);
            }
            count += batch;
            let time = start.elapsed();
            if time >= SLICE {
                return count as f64 / time.as_secs_f64();
            }
        }
    };
    std::thread::scope(|scope| {
        let one = &one;
        let all: Vec<_> = (0..threads).map(|t| scope.spawn(move || one(t))).collect();
        all.into_iter().map(|t| t.join().unwrap()).sum()
    })
}

/// Random offsets, at almost no cost (xorshift).
pub struct Places(pub u64);

impl Places {
    /// An offset below `span`.
    pub fn next(&mut self, span: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * u128::from(span)) >> 64) as u64
    }
}
