//! The spool files of all members together stay within the budget.

use super::*;
use crate::disk::faults::{self, Fault, Plan};
use crate::error::{Error, Operation};
use crate::store::memory::BLOCK;

const ENOSPC: i32 = if cfg!(windows) { 112 } else { 28 };

fn is_full(result: Result<()>) -> bool {
    let found = result.err();
    matches!(
        found,
        Some(Error::DiskFull {
            operation: Operation::SpoolWrite,
            code: 0
        })
    )
}

/// Those that are not in use are removed, the first one first, and no more than necessary.
#[test]
fn what_is_not_in_use_makes_space() {
    const MAX: u64 = 20 * BLOCK;
    let idle = Idle::default();
    let budget = idle.budget(limits(4 * BLOCK, MAX));
    let used = Filler::new(&budget, 0);
    used.fill(4 * BLOCK).expect("space");
    for resource in 1..20 {
        let owner = Filler::new(&budget, resource);
        owner.fill(4 * BLOCK).expect("space");
        idle.add(owner);
        assert!(budget.disk().used() + 4 * BLOCK > MAX.min(4 * BLOCK * resource));
    }
    assert!(budget.disk().most() <= MAX);
    assert!(budget.memory().most() <= 4 * BLOCK);
    assert!(idle.causes().iter().all(|it| *it == Cause::Disk));
    assert!(idle.len() >= 4, "{}", idle.len());
    used.check();
    let idle = idle.take();
    idle.iter().for_each(|owner| owner.check());
    drop((idle, used));
    is_empty(&budget);
}

/// A segment of what is evicted for it need not be spilled any more.
#[test]
fn the_evicted_one_may_be_the_one_that_spills() {
    let idle = Idle::default();
    let budget = idle.budget(limits(4 * BLOCK, 0));
    let owner = Filler::new(&budget, 1);
    owner.fill(3 * BLOCK).expect("memory");
    idle.add(owner);
    let used = Filler::new(&budget, 2);
    used.fill(2 * BLOCK).expect("the other one goes");
    assert_eq!((idle.len(), idle.causes().len()), (0, 1));
    assert!(budget.memory().most() <= 4 * BLOCK);
    used.check();
}

/// With everything in use, the budget is a full disk: memory holds, nothing is lost, and the next
/// call tries again.
#[test]
fn a_full_budget_is_a_full_disk() {
    let budget = budget(4 * BLOCK, 4 * BLOCK);
    let one = Filler::new(&budget, 1);
    let other = Filler::new(&budget, 2);
    other.fill(3 * BLOCK).expect("space");
    let full = (0..20).find_map(|_| one.fill(BLOCK / 3).err());
    assert!(is_full(full.map_or(Ok(()), Err)));
    assert!(budget.memory().most() <= 4 * BLOCK);
    assert!(budget.disk().most() <= 4 * BLOCK);
    let filled = one.filled();
    for _ in 0..3 {
        assert!(is_full(one.fill(BLOCK)));
        assert!(is_full(one.store.spill()));
        other.check();
        one.check();
    }
    assert_eq!(one.filled(), filled);
    drop(other);
    one.fill(2 * BLOCK).expect("there is space again");
    one.check();
    drop(one);
    is_empty(&budget);
}

/// The file system is full before the budget is.
#[test]
fn a_full_disk_below_the_budget_loses_nothing() {
    for lasting in [false, true] {
        for after in 0..6 {
            let budget = budget(3 * BLOCK, 100 * BLOCK);
            let owners = [1, 2].map(|it| Filler::new(&budget, it));
            faults::plan(Some(Plan {
                after,
                lasting,
                fault: Fault::Code(ENOSPC),
            }));
            let mut failures = 0;
            for round in 0..12 {
                if let Err(error) = owners[round % 2].fill(BLOCK) {
                    assert!(matches!(error, Error::DiskFull { .. }), "{error:?}");
                    failures += 1;
                }
            }
            assert!(faults::plan(None) > 0);
            assert_eq!(failures > 0, lasting, "one that fails is passed over");
            assert!(budget.memory().most() <= 3 * BLOCK);
            for owner in &owners {
                owner.fill(3 * BLOCK).expect("the disk has space");
                owner.store.spill().expect("the disk has space");
                owner.check();
                let due = owner.filled();
                assert_eq!(
                    (owner.store.spooled(), owner.store.disk_charged()),
                    (due, due)
                );
            }
        }
    }
}

/// The files are no larger than what is charged for them, wherever the segments begin and end.
#[cfg(unix)]
#[test]
fn what_is_charged_is_real() {
    let budget = budget(BLOCK, UNLIMITED);
    let owner = Filler::new(&budget, 1);
    let mut least = 0;
    for round in 0..40 {
        owner.fill(30_001).expect("space");
        owner
            .fill_at((20 << 20) + round * 50_000, 17)
            .expect("space");
        least = least.max(owner.on_disk());
        let charged = owner.store.disk_charged();
        assert!(
            owner.on_disk() <= charged,
            "{} of {charged}",
            owner.on_disk()
        );
        assert_eq!(charged, budget.disk().used());
    }
    assert!(least > 0);
    owner.check();
}

/// A failed write leaves nothing charged except the blocks that it wrote, which the next one uses.
#[test]
fn a_failed_write_is_charged_as_far_as_it_got() {
    let budget = budget(UNLIMITED, UNLIMITED);
    let owner = Filler::new(&budget, 1);
    owner.fill(BLOCK).expect("memory");
    let full = Plan {
        after: 0,
        lasting: true,
        fault: Fault::Code(ENOSPC),
    };
    faults::plan(Some(Plan { after: 1, ..full }));
    for _ in 0..5 {
        owner.store.spill().expect_err("the disk is full");
        assert_eq!(budget.disk().used(), 0);
    }
    for _ in 0..5 {
        faults::plan(Some(Plan {
            after: 0,
            lasting: false,
            fault: Fault::ShortThen(ENOSPC),
        }));
        owner.store.spill().expect_err("the disk is full");
        assert_eq!(budget.disk().used(), 4096);
        assert_eq!(owner.store.disk_charged(), 4096);
    }
    // It has that block even if the next write gets less far.
    faults::plan(Some(full));
    owner.store.spill().expect_err("the disk is full");
    assert_eq!(budget.disk().used(), 4096);
    assert_eq!(owner.store.disk_charged(), 4096);
    faults::plan(None);
    owner.store.spill().expect("the disk has space");
    assert_eq!(budget.disk().used(), BLOCK);
    assert_eq!(budget.disk().most(), BLOCK);
}

/// A file system with too few free bytes is like a budget without space.
#[test]
fn too_little_free_space_evicts_first() {
    let idle = Idle::default();
    let none_is_enough = Limits {
        min_free: 1 << 60,
        ..limits(2 * BLOCK, UNLIMITED)
    };
    let budget = idle.budget(none_is_enough);
    let used = Filler::new(&budget, 0);
    for resource in 1..4 {
        let owner = Filler::new(&budget, resource);
        owner.fill(10_000).expect("memory");
        idle.add(owner);
    }
    let full = (0..3).find_map(|_| used.fill(BLOCK).err());
    assert!(is_full(full.map_or(Ok(()), Err)));
    assert_eq!(idle.causes(), [Cause::FreeSpace; 3]);
    assert_eq!(budget.disk().used(), 0);
    // If the system does not know, the writes are tried.
    idle.add(Filler::new(&budget, 9));
    faults::plan(Some(Plan {
        after: 0,
        lasting: false,
        fault: Fault::Code(5),
    }));
    used.store.spill().expect("it is tried");
    assert_eq!(faults::plan(None), 1);
    used.check();
}

/// A disk that takes no bytes is like a budget without space, too, whatever the limits say.
#[test]
fn a_disk_that_takes_no_bytes_evicts() {
    const EIO: i32 = 5;
    for code in [ENOSPC, EIO] {
        let idle = Idle::default();
        let budget = idle.budget(limits(3 * BLOCK, UNLIMITED));
        let used = Filler::new(&budget, 0);
        for resource in 1..4 {
            let owner = Filler::new(&budget, resource);
            owner.fill(BLOCK).expect("space");
            idle.add(owner);
        }
        faults::plan(Some(Plan {
            after: 0,
            lasting: true,
            fault: Fault::Code(code),
        }));
        used.fill(2 * BLOCK).expect("what is not in use goes");
        assert!(!idle.causes().is_empty());
        assert!(budget.memory().most() <= 3 * BLOCK);
        let failure = (0..3).find_map(|_| used.fill(BLOCK).err());
        let found = match failure {
            Some(Error::DiskFull { code, .. } | Error::Io { code, .. }) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!((found, idle.len()), (code, 0));
        assert_eq!(idle.causes(), [Cause::FreeSpace; 3]);
        assert!(faults::plan(None) > 0);
        used.fill(BLOCK).expect("the disk has space");
        used.check();
    }
}

/// The same for a spill of one store.
#[test]
fn a_spill_to_a_full_disk_evicts() {
    let idle = Idle::default();
    let budget = idle.budget(limits(UNLIMITED, UNLIMITED));
    let used = Filler::new(&budget, 0);
    used.fill(BLOCK).expect("memory");
    let owner = Filler::new(&budget, 1);
    owner.fill(BLOCK).expect("memory");
    idle.add(owner);
    faults::plan(Some(Plan {
        after: 0,
        lasting: true,
        fault: Fault::Code(ENOSPC),
    }));
    assert!(used.store.spill().is_err());
    assert!(faults::plan(None) > 0);
    assert_eq!(idle.causes(), [Cause::FreeSpace]);
    used.store.spill().expect("the disk has space");
    used.check();
}

/// It is told before memory is charged.
#[test]
fn what_is_too_old_is_removed_first() {
    let idle = Idle::default();
    let budget = idle.budget(limits(UNLIMITED, UNLIMITED));
    let owner = Filler::new(&budget, 1);
    assert_eq!(idle.expired.load(Ordering::Relaxed), 0);
    owner.fill(16 * 1024).expect("memory");
    owner.fill(1).expect("memory");
    assert_eq!(idle.expired.load(Ordering::Relaxed), 2);
}

/// What is evicted while a thread is inside it frees its room at once, except the segment that this
/// thread fills. The thread may go on.
#[test]
fn an_abandoned_store_frees_its_room() {
    let budget = budget(6 * BLOCK, UNLIMITED);
    let owner = Filler::new(&budget, 1);
    let empty = budget.memory().used();
    owner.fill(10 * BLOCK).expect("space");
    let grant = owner.reserve(10 * BLOCK, 0).expect("space");
    assert!(budget.disk().used() >= 4 * BLOCK);
    owner.store.abandon();
    assert_eq!((budget.disk().used(), owner.store.disk_charged()), (0, 0));
    assert!(budget.memory().used() < empty + 2 * BLOCK);
    #[cfg(unix)]
    assert_eq!(owner.on_disk(), 0);
    let (mut out, mut done) = ([0; 1], 0);
    owner
        .store
        .copy(0, &mut out, &mut done)
        .expect_err("no bytes of it are left");
    owner.commit(grant, 11 * BLOCK);
    // Its segments are dropped in place of a spill.
    owner.fill(9 * BLOCK).expect("space");
    assert!(budget.memory().used() <= 6 * BLOCK);
    assert_eq!(budget.disk().used(), 0);
    let read = owner.store.copy(0, &mut out, &mut done);
    assert!(matches!((read, done), (Err(Error::Canceled), 0)));
    drop(owner);
    is_empty(&budget);
}

/// What is evicted with nobody inside it is dropped next. Nobody spills it meanwhile.
#[test]
fn a_store_that_goes_is_not_found_for_a_spill() {
    let budget = budget(3 * BLOCK, UNLIMITED);
    let (going, other) = (Filler::new(&budget, 1), Filler::new(&budget, 2));
    going.fill(2 * BLOCK).expect("memory");
    going.store.give_up(&|| going.is_unique());
    other.fill(2 * BLOCK).expect("memory");
    assert_eq!((going.store.spooled(), going.store.disk_charged()), (0, 0));
    drop(going);
    other.check();
    drop(other);
    is_empty(&budget);
}
