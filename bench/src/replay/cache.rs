//! A cache of whole resources, without their bytes: what a policy would have kept.
//!
//! It does what the library's cache does with one user at a time. A request leases the resource. If
//! it is missing, its bytes are received, and the policy makes room for them. A resource that
//! is larger than the budget pushes out everything and is not kept, whatever the policy.

use super::trace::Trace;

/// Decides what goes. It knows exactly the resources that are in the cache.
pub trait Policy {
    /// A resource in the cache was asked for.
    fn hit(&mut self, id: usize);
    /// A resource came into the cache.
    fn insert(&mut self, id: usize, bytes: u64);
    /// Whether a resource that is not in the cache may push others out, where `free` bytes are free.
    fn admits(&self, _bytes: u64, _free: u64) -> bool {
        true
    }
    /// Names at least one resource that leaves the cache, if there is one.
    fn evict(&mut self, gone: &mut Vec<usize>);
}

/// What was found in the cache.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Hits {
    pub requests: u64,
    pub bytes: u64,
}

/// The hits of a trace, and its sums.
pub struct Outcome {
    pub hits: Hits,
    pub all: Hits,
}

impl Outcome {
    /// In percent: of the requests, and of the bytes.
    pub fn shares(&self) -> [f64; 2] {
        let of = |part: u64, all: u64| 100.0 * part as f64 / all.max(1) as f64;
        [
            of(self.hits.requests, self.all.requests),
            of(self.hits.bytes, self.all.bytes),
        ]
    }
}

/// Replays a trace from an empty cache.
pub fn replay(trace: &Trace, budget: u64, policy: &mut dyn Policy) -> Outcome {
    let mut is_kept = vec![false; trace.sizes.len()];
    let (mut used, mut gone) = (0_u64, Vec::new());
    let (mut hits, mut all) = (Hits::default(), Hits::default());
    for &id in &trace.requests {
        let bytes = trace.sizes[id];
        all.add(bytes);
        if is_kept[id] {
            hits.add(bytes);
            policy.hit(id);
            continue;
        }
        if !policy.admits(bytes, budget - used) {
            continue;
        }
        while bytes > budget - used && used > 0 {
            policy.evict(&mut gone);
            assert!(!gone.is_empty(), "{used} bytes are kept, and nothing goes");
            for out in gone.drain(..) {
                assert!(is_kept[out], "{out} is not in the cache");
                is_kept[out] = false;
                used -= trace.sizes[out];
            }
        }
        if bytes <= budget {
            policy.insert(id, bytes);
            is_kept[id] = true;
            used += bytes;
        }
    }
    Outcome { hits, all }
}

impl Hits {
    fn add(&mut self, bytes: u64) {
        self.requests += 1;
        self.bytes += bytes;
    }
}

/// What a cache without a limit would find.
pub fn unlimited(trace: &Trace) -> Outcome {
    struct KeepAll;
    impl Policy for KeepAll {
        fn hit(&mut self, _: usize) {}
        fn insert(&mut self, _: usize, _: u64) {}
        fn evict(&mut self, _: &mut Vec<usize>) {}
    }
    replay(trace, u64::MAX, &mut KeepAll)
}
