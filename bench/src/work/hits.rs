//! Hits: a cache hands out what it has.

use super::opener::{Opener, pulled, sample};
use super::reads::alternate;
use super::values::{KIB, MIB, Values};
use crate::contender::Hit;
use crate::source::Plan;

/// One key for each thread. Nobody has a lease between two hits.
pub fn run(open: Opener, len: usize) -> Values {
    let plan = Plan::new(MIB, 64 * KIB);
    let hits: Vec<Hit> = (0..2)
        .map(|_| {
            let buffer = pulled(open, plan);
            sample(&*buffer, &plan);
            // A whole entry needs no source. Only the end tells that it is whole.
            assert_eq!(buffer.read(plan.size, &mut [0]), 0, "the end");
            buffer.into_hit().expect("a contender with a cache")
        })
        .collect();
    let mut first = vec![1; len];
    for hit in &hits {
        hit(&mut first);
        assert!(plan.agrees(0, &first), "wrong bytes");
    }
    alternate(len, |thread, _, out| hits[thread](out))
}
