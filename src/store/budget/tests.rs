//! Several stores share a budget: it holds at every moment, and no byte is lost.

mod disk;
mod endless;
mod filler;
mod memory;
mod random;

use std::collections::VecDeque;
use std::sync::Arc;

use super::*;
use crate::store::budget::tests::filler::Filler;

pub(super) const UNLIMITED: u64 = u64::MAX;

fn limits(max_memory: u64, max_disk: u64) -> Limits {
    Limits {
        max_memory,
        max_disk,
        min_free: 0,
    }
}

/// A budget that can evict nothing.
fn budget(max_memory: u64, max_disk: u64) -> Shared<Budget> {
    Budget::new(limits(max_memory, max_disk), None).expect("memory")
}

/// Everything that was charged is removed with the members.
#[track_caller]
fn is_empty(budget: &Budget) {
    let used = (budget.memory().used(), budget.disk().used());
    assert_eq!(used, (0, 0));
    assert_eq!(budget.overhead.load(Ordering::Relaxed), 0);
}

/// Plays the cache: it removes the owners that are not in use, the first one first.
#[derive(Clone, Default)]
struct Idle {
    owners: Arc<Mutex<VecDeque<Shared<Filler>>>>,
    causes: Arc<Mutex<Vec<Cause>>>,
    expired: Arc<AtomicU64>,
}

impl Idle {
    fn budget(&self, limits: Limits) -> Shared<Budget> {
        Budget::new(limits, Some(Box::new(self.clone()))).expect("memory")
    }

    fn add(&self, owner: Shared<Filler>) {
        lock(&self.owners).push_back(owner);
    }

    fn take(&self) -> VecDeque<Shared<Filler>> {
        std::mem::take(&mut *lock(&self.owners))
    }

    fn len(&self) -> usize {
        lock(&self.owners).len()
    }

    fn causes(&self) -> Vec<Cause> {
        lock(&self.causes).clone()
    }
}

impl Evictor for Idle {
    fn evict_one(&self, cause: Cause) -> bool {
        // Dropped without the lock.
        let owner = lock(&self.owners).pop_front();
        if owner.is_some() {
            lock(&self.causes).push(cause);
        }
        owner.is_some()
    }

    fn expire(&self) {
        self.expired.fetch_add(1, Ordering::Relaxed);
    }
}
