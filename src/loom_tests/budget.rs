//! Stores that share a budget: memory is charged, spilled and freed by several threads, and the sums
//! are right.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::tap::byte;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::store::Store;
use crate::store::budget::member::{Cause, Evictor, Member, Spilled};
use crate::store::budget::{Budget, Limits};
use crate::store::index::{GROWTH, SEGMENT};
use crate::store::memory::BLOCK;
use crate::store::segment::WriteGrant;
use crate::sync::rcu::DomainRef;
use crate::sync::shared::Shared;
use crate::sync::{Mutex, lock, take_stripe};

/// Less than a block.
const PART: usize = BLOCK as usize / 2;

struct Entry {
    store: Store,
}

impl Member for Entry {
    fn spill_oldest(&self, is_needed: &dyn Fn() -> bool) -> Result<Spilled> {
        self.store.spill_for_budget(is_needed)
    }

    fn note(&self, error: &Error) {
        panic!("{error:?}");
    }
}

impl Entry {
    fn new(budget: &Shared<Budget>) -> Shared<Entry> {
        let mut options = Options {
            max_memory: u64::MAX,
            ..Options::default()
        };
        let store = Store::new(&mut options, DomainRef::own());
        let entry = Shared::try_new(Entry { store }).unwrap();
        entry.store.join(&entry, budget, 0).unwrap();
        entry
    }

    /// Fills one whole block, as a source that delivered the block before.
    fn fill(&self, block: u64) {
        assert!(self.write(block * BLOCK, BLOCK as usize, false).is_none());
    }

    /// Fills a part of the first block. As at the end of a turn at the source, the filling ends without
    /// a lock.
    fn begin(&self) {
        let rest = self.write(0, PART, true);
        drop(rest.expect("the block has space"));
    }

    /// Writes to a new block. Returns the rest of the grant if `more` bytes follow.
    fn write(&self, at: u64, count: usize, more: bool) -> Option<WriteGrant> {
        let mut grant = self.store.reserve(at, BLOCK, None, || Ok(())).unwrap();
        let bytes = grant.bytes(count);
        for (byte_out, offset) in bytes.iter_mut().zip(at..) {
            *byte_out = byte(offset);
        }
        self.store.commit(grant, count, more)
    }

    fn check(&self, block: u64) {
        self.check_bytes(block * BLOCK, BLOCK as usize);
    }

    fn check_bytes(&self, at: u64, count: usize) {
        let (mut out, mut done) = (vec![0; count], 0);
        self.store.copy(at, &mut out, &mut done).unwrap();
        assert_eq!(done, count);
        for (found, offset) in out.iter().zip(at..) {
            assert_eq!(*found, byte(offset), "at {offset}");
        }
    }
}

fn limits(max_memory: u64, max_disk: u64) -> Limits {
    Limits {
        max_memory,
        max_disk,
        min_free: 0,
    }
}

/// The memory of an entry with this many blocks in memory.
fn taken(blocks: u64) -> u64 {
    let budget = Budget::new(limits(u64::MAX, 0), None).unwrap();
    let entry = Entry::new(&budget);
    (0..blocks).for_each(|block| entry.fill(block));
    budget.memory().used()
}

/// A budget for two entries that have one block in memory, and no second one.
fn budget() -> Shared<Budget> {
    let max = taken(0) + taken(1) + GROWTH as u64;
    Budget::new(limits(max, u64::MAX), None).unwrap()
}

#[track_caller]
fn is_empty(budget: &Budget) {
    assert_eq!((budget.memory().used(), budget.disk().used()), (0, 0));
}

/// Two threads fill an entry each, with memory for one block.
#[test]
fn two_fillers() {
    explore(2, || {
        let budget = budget();
        let (one, other) = (Entry::new(&budget), Entry::new(&budget));
        let filler = thread::spawn({
            let other = other.clone();
            move || {
                take_stripe(1);
                other.fill(0);
            }
        });
        one.fill(0);
        one.fill(1);
        filler.join().unwrap();
        one.check(0);
        one.check(1);
        other.check(0);
        // Each entry may exceed it by the block that it fills.
        let tail = taken(1) - taken(0) + GROWTH as u64;
        assert!(budget.memory().most() <= budget.memory().max() + 2 * tail);
        drop((one, other));
        is_empty(&budget);
    });
}

/// Two entries are filled at once, where memory is for a bit less. Afterwards it fits, unless it has no
/// bytes any more: the bookkeeping of the small blocks exceeds it by itself.
#[test]
fn memory_fits_after_two_fillers() {
    explore(2, || {
        let budget = Budget::new(limits(2 * taken(1) - 1, u64::MAX), None).unwrap();
        let (one, other) = (Entry::new(&budget), Entry::new(&budget));
        let fill = |entry: &Entry, budget: &Budget| {
            entry.begin();
            if budget.is_exceeded() {
                budget.restore().unwrap();
            }
        };
        let filler = thread::spawn({
            let (other, budget) = (other.clone(), budget.clone());
            move || {
                take_stripe(1);
                fill(&other, &budget);
            }
        });
        fill(&one, &budget);
        filler.join().unwrap();
        let is_spilled = |entry: &Entry| entry.store.spooled() == PART as u64;
        assert!(!budget.is_exceeded() || (is_spilled(&one) && is_spilled(&other)));
        one.check_bytes(0, PART);
        other.check_bytes(0, PART);
        drop((one, other));
        is_empty(&budget);
    });
}

/// An entry is dropped while another one needs its memory.
#[test]
fn drop_against_spill() {
    explore(3, || {
        let budget = budget();
        let (one, other) = (Entry::new(&budget), Entry::new(&budget));
        one.fill(0);
        let dropper = thread::spawn(move || {
            take_stripe(1);
            drop(one);
        });
        other.fill(0);
        other.fill(1);
        dropper.join().unwrap();
        other.check(0);
        other.check(1);
        drop(other);
        is_empty(&budget);
    });
}

/// An entry joins while the budget's members are searched.
#[test]
fn join_against_spill() {
    explore(2, || {
        let budget = budget();
        let other = Entry::new(&budget);
        other.fill(0);
        let joiner = thread::spawn({
            let budget = budget.clone();
            move || {
                take_stripe(1);
                let one = Entry::new(&budget);
                one.fill(0);
                one.check(0);
            }
        });
        other.fill(1);
        joiner.join().unwrap();
        other.check(0);
        other.check(1);
        drop(other);
        is_empty(&budget);
    });
}

/// A read from an entry whose memory another one takes.
#[test]
fn read_against_another_filler() {
    explore(3, || {
        let budget = budget();
        let (one, other) = (Entry::new(&budget), Entry::new(&budget));
        one.fill(0);
        let reader = thread::spawn({
            let one = one.clone();
            move || {
                take_stripe(1);
                one.check(0);
            }
        });
        other.fill(0);
        reader.join().unwrap();
        one.check(0);
        other.check(0);
    });
}

/// What a budget may evict: entries that nobody uses.
#[derive(Clone)]
struct Unused(Arc<Mutex<Vec<Shared<Entry>>>>);

impl Evictor for Unused {
    fn evict_one(&self, _cause: Cause) -> bool {
        let entry = lock(&self.0).pop();
        entry.is_some()
    }

    fn expire(&self) {}
}

/// Two threads need memory, and disk space that only an eviction frees.
#[test]
fn evict_against_spill() {
    explore(2, || {
        let unused = Unused(Arc::new(Mutex::new(Vec::new())));
        let max = limits(0, 2 * 4096);
        let budget = Budget::new(max, Some(Box::new(unused.clone()))).unwrap();
        let (one, other) = (Entry::new(&budget), Entry::new(&budget));
        let idle = Entry::new(&budget);
        idle.fill(0);
        lock(&unused.0).push(idle);
        let filler = thread::spawn({
            let other = other.clone();
            move || {
                take_stripe(1);
                other.fill(0);
            }
        });
        one.fill(0);
        filler.join().unwrap();
        one.fill(1);
        one.check(0);
        one.check(1);
        other.check(0);
        assert!(budget.disk().most() <= 2 * 4096);
        lock(&unused.0).clear();
        drop((one, other));
        is_empty(&budget);
    });
}

/// An entry is abandoned while a thread fills it, for which a segment of it is spilled.
#[test]
fn abandon_against_a_filler() {
    explore(2, || {
        // For one block.
        let max = limits(taken(1) + GROWTH as u64, u64::MAX);
        let budget = Budget::new(max, None).unwrap();
        let entry = Entry::new(&budget);
        entry.fill(0);
        let filler = thread::spawn({
            let entry = entry.clone();
            move || {
                take_stripe(1);
                entry.fill(1);
            }
        });
        entry.store.abandon();
        filler.join().unwrap();
        entry.store.abandon();
        assert_eq!(budget.disk().used(), 0);
        let rest = budget.memory().used() - entry.store.counted();
        assert!(rest <= SEGMENT as u64, "{rest}");
        drop(entry);
        is_empty(&budget);
    });
}

/// An entry that nobody uses is evicted while another one needs its memory. Nothing of it is left then,
/// although a thread may be about to spill it.
#[test]
fn give_up_against_spill() {
    explore(3, || {
        let budget = budget();
        let (one, other) = (Entry::new(&budget), Entry::new(&budget));
        one.fill(0);
        let filler = thread::spawn({
            let other = other.clone();
            move || {
                take_stripe(1);
                other.fill(0);
            }
        });
        one.store.give_up(&|| one.is_unique());
        drop(one);
        // The other one has one block, which fits.
        assert_eq!(budget.disk().used(), 0);
        filler.join().unwrap();
        other.check(0);
        drop(other);
        is_empty(&budget);
    });
}
