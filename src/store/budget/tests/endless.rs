//! A call that makes room ends, however fast others use it.

use std::sync::OnceLock;

use super::*;
use crate::error::Error;
use crate::store::budget::member::Spilled;
use crate::store::memory::BLOCK;
use crate::store::memory::chunk::Chunk;

/// More than a call that ends needs.
const ENDLESS: u64 = 1000;

/// A member whose source delivers a segment while one is spilled.
struct Fast {
    budget: Shared<Budget>,
    slot: OnceLock<usize>,
    spills: AtomicU64,
}

impl Fast {
    fn new(budget: &Shared<Budget>) -> Shared<Fast> {
        let fast = Shared::try_new(Fast {
            budget: budget.clone(),
            slot: OnceLock::new(),
            spills: AtomicU64::new(0),
        });
        let fast = fast.expect("memory");
        let slot = budget.join(&fast).expect("memory");
        assert!(fast.slot.set(slot).is_ok());
        budget.memory.add(BLOCK);
        budget.disk.add(BLOCK);
        fast.deliver();
        fast
    }

    fn deliver(&self) {
        self.budget
            .bear(self.slot.get().copied().expect("joined"), true);
    }

    fn spills(&self) -> u64 {
        self.spills.load(Ordering::Relaxed)
    }
}

impl Member for Fast {
    fn spill_oldest(&self, _is_needed: &dyn Fn() -> bool) -> Result<Spilled> {
        assert!(self.spills.fetch_add(1, Ordering::Relaxed) < ENDLESS);
        self.deliver();
        Ok(Spilled::Done(None))
    }

    fn note(&self, error: &Error) {
        panic!("{error:?}");
    }
}

impl Drop for Fast {
    fn drop(&mut self) {
        self.budget.leave(self.slot.get().copied().expect("joined"));
        self.budget.memory.remove(BLOCK);
        self.budget.disk.remove(BLOCK);
    }
}

#[test]
fn a_trim_ends_while_sources_deliver() {
    let budget = budget(UNLIMITED, UNLIMITED);
    let fast = Fast::new(&budget);
    budget.trim(0, UNLIMITED).expect("the disk has space");
    assert_eq!(fast.spills(), 1);
    drop(fast);
    is_empty(&budget);
}

/// A member that finds no room behind those that take it at once exceeds the budget by its tail.
#[test]
fn a_segment_finds_room_while_sources_deliver() {
    let budget = budget(BLOCK, UNLIMITED);
    let fast = Fast::new(&budget);
    let charge = Budget::make_room(&budget, BLOCK as usize, 0, || Ok(())).expect("memory");
    let used = BLOCK + Chunk::footprint(BLOCK as usize);
    assert_eq!((fast.spills(), budget.memory().used()), (1, used));
    drop((charge, fast));
    is_empty(&budget);
}

/// Stores go out of use as fast as they are evicted.
struct Busy(Arc<AtomicU64>);

impl Evictor for Busy {
    fn evict_one(&self, _cause: Cause) -> bool {
        assert!(self.0.fetch_add(1, Ordering::Relaxed) < ENDLESS);
        true
    }

    fn expire(&self) {}
}

#[test]
fn a_trim_ends_while_stores_go_out_of_use() {
    let evicted = Arc::new(AtomicU64::new(0));
    let evictor: Box<dyn Evictor> = Box::new(Busy(evicted.clone()));
    let budget = Budget::new(limits(UNLIMITED, UNLIMITED), Some(evictor)).expect("memory");
    let members = [Fast::new(&budget), Fast::new(&budget)];
    let owner = Budget::charge_owner(&budget, 2 * room::OVERHEAD);
    budget.trim(0, 0).expect("the disk has space");
    // Before and after the spills, and for what the members need besides.
    assert_eq!(evicted.load(Ordering::Relaxed), 3 * members.len() as u64);
    drop((members, owner));
    is_empty(&budget);
}

/// A call that makes room exceeds the limit by its segment then.
#[test]
fn a_segment_finds_room_while_stores_go_out_of_use() {
    let evicted = Arc::new(AtomicU64::new(0));
    let evictor: Box<dyn Evictor> = Box::new(Busy(evicted.clone()));
    let budget = Budget::new(limits(0, UNLIMITED), Some(evictor)).expect("memory");
    let members = [Fast::new(&budget), Fast::new(&budget)];
    let owner = Budget::charge_owner(&budget, 2 * room::OVERHEAD);
    let charge = Budget::make_room(&budget, BLOCK as usize, 0, || Ok(())).expect("memory");
    assert_eq!(evicted.load(Ordering::Relaxed), members.len() as u64);
    drop((charge, members, owner));
    is_empty(&budget);
}
