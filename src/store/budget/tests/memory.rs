//! The memory of all members together stays within the budget.

use super::*;
use crate::disk::faults::{self, Fault, Plan};
use crate::error::Error;
use crate::store::budget::room::OVERHEAD;
use crate::store::memory::BLOCK;
use crate::store::memory::chunk::Chunk;

#[test]
fn fifty_members_stay_within_one_budget() {
    const MAX: u64 = 64 << 20;
    let budget = budget(MAX, UNLIMITED);
    let owners: Vec<_> = (0..50).map(|it| Filler::new(&budget, it)).collect();
    for _ in 0..32 {
        for owner in &owners {
            owner.fill(BLOCK).expect("the disk has space");
        }
    }
    assert!(budget.memory().most() <= MAX);
    assert!(budget.memory().used() > MAX - 2 * BLOCK);
    for owner in &owners {
        assert_eq!(owner.filled(), 8 << 20);
        owner.check();
    }
    drop(owners);
    is_empty(&budget);
}

/// What is counted is what the stores have, and what the process has mapped for them.
#[test]
fn what_is_counted_is_real() {
    let budget = budget(3 << 20, UNLIMITED);
    #[cfg(unix)]
    let before = crate::store::memory::map::MAPPED.get() as u64;
    let owners: Vec<_> = (0..4).map(|it| Filler::new(&budget, it)).collect();
    for round in 0..40 {
        for owner in &owners {
            owner.fill(50_000 + 7 * round).expect("the disk has space");
            // A segment that is not whole pages.
            let odd = ((100 + round) << 20) + BLOCK - 40_001;
            let grant = owner.reserve(odd, BLOCK).expect("space");
            owner.commit(grant, odd + 100);
            let counted: u64 = owners.iter().map(|it| it.store.counted()).sum();
            let used = budget.memory().used();
            // Each store has charged one segment's place in the index ahead, at most.
            let ahead = used.checked_sub(counted).expect("all of it is charged");
            assert!(ahead <= 4 * 128, "{used} for {counted}");
            let taken: u64 = owners.iter().map(|it| it.store.taken()).sum();
            assert!(taken < used && used < taken + 4 * 4096 + used / 20);
            #[cfg(unix)]
            is_mapped(before, used - budget.overhead.load(Ordering::Relaxed));
        }
    }
    drop(owners);
    is_empty(&budget);
    #[cfg(unix)]
    assert_eq!(crate::store::memory::map::MAPPED.get() as u64, before);
}

#[cfg(unix)]
#[track_caller]
fn is_mapped(before: u64, used: u64) {
    let mapped = crate::store::memory::map::MAPPED.get() as u64 - before;
    assert!(mapped <= used, "{mapped} bytes are mapped, {used} counted");
    assert!(mapped > used / 2);
}

/// The oldest bytes of all members leave memory first.
#[test]
fn the_oldest_segment_is_spilled_whoever_has_it() {
    let budget = budget(8 * BLOCK + 8 * 4096, UNLIMITED);
    let owners: Vec<_> = (0..4).map(|it| Filler::new(&budget, it)).collect();
    let order = [2, 0, 0, 3, 1, 2, 3, 0];
    let mut next = [0; 4];
    let fill = |next: &mut [u64; 4], owner: usize| {
        let at = next[owner] * 4 * BLOCK;
        next[owner] += 1;
        // As a long run, so that a whole block is one segment.
        let grant = owners[owner].reserve(at, BLOCK).expect("space");
        owners[owner].commit(grant, at + BLOCK);
    };
    for owner in order {
        fill(&mut next, owner);
    }
    let spooled = || [0, 1, 2, 3].map(|it: usize| owners[it].store.spooled() / BLOCK);
    let mut due = spooled();
    assert_eq!(due, [0; 4]);
    for owner in order {
        fill(&mut next, 1);
        due[owner] += 1;
        assert_eq!(spooled(), due);
    }
}

/// Once memory is full, a new segment gets the memory of the one that is spilled for it, but none of
/// its bytes.
#[test]
fn the_memory_of_a_spilled_segment_is_used_again() {
    let budget = budget(4 * BLOCK, UNLIMITED);
    let owners = [1, 2].map(|it| Filler::new(&budget, it));
    let mut used = 0;
    for round in 0..10 {
        for owner in &owners {
            #[cfg(unix)]
            let before = crate::store::memory::map::MAPS.get();
            let at = round * BLOCK;
            let mut grant = owner.reserve(at, BLOCK).expect("space");
            if round >= 2 {
                #[cfg(unix)]
                assert_eq!(crate::store::memory::map::MAPS.get(), before);
                let bytes = grant.bytes(BLOCK as usize);
                assert!(bytes.iter().all(|byte| *byte == 0));
            }
            owner.commit(grant, at + BLOCK);
        }
        used = used.max(budget.memory().used());
    }
    assert!(used <= 4 * BLOCK);
    owners.iter().for_each(|owner| owner.check());
    drop(owners);
    is_empty(&budget);
}

/// A short tail that nobody fills leaves memory for bytes of another member.
#[test]
fn idle_tails_are_spilled() {
    const MAX: u64 = 20 * 20 * 1024;
    let budget = budget(MAX, UNLIMITED);
    let owners: Vec<_> = (0..60).map(|it| Filler::new(&budget, it)).collect();
    let overhead = budget.memory().used();
    for owner in &owners {
        owner.fill(1000).expect("space");
        assert!(budget.memory().used() <= MAX.max(overhead + 20 * 1024));
    }
    for owner in &owners {
        owner.fill(1000).expect("space");
        owner.check();
    }
    assert!(owners[0].store.spooled() >= 1000);
}

/// A segment that is being filled cannot be spilled: each member may exceed the budget by one.
#[test]
fn each_tail_may_exceed_the_budget() {
    let budget = budget(0, UNLIMITED);
    let owners: Vec<_> = (0..5).map(|it| Filler::new(&budget, it)).collect();
    for round in 0..3 {
        let mut grants = Vec::new();
        for owner in &owners {
            let at = round * BLOCK;
            grants.push((owner, owner.reserve(at, BLOCK).expect("the segment")));
        }
        let overhead = budget.overhead.load(Ordering::Relaxed);
        let used = budget.memory().used() - overhead;
        assert_eq!(used, 5 * Chunk::footprint(BLOCK as usize));
        for (owner, grant) in grants {
            owner.commit(grant, (round + 1) * BLOCK);
        }
    }
    // So does one that has bytes already.
    let kept = owners.iter().map(|owner| {
        let grant = owner.reserve(3 * BLOCK, BLOCK).expect("the segment");
        let (_, kept) = owner.commit_part(grant, 3 * BLOCK + 1, 4 * BLOCK);
        kept.expect("most of it is left")
    });
    let kept: Vec<_> = kept.collect();
    let overhead = budget.overhead.load(Ordering::Relaxed);
    let used = budget.memory().used() - overhead;
    assert_eq!(used, 5 * Chunk::footprint(BLOCK as usize));
    for (owner, grant) in owners.iter().zip(kept) {
        assert_eq!(owner.store.spooled(), 3 * BLOCK);
        owner.commit(grant, 4 * BLOCK);
        owner.check();
    }
}

/// A grant that is given back, dropped or orphaned leaves nothing charged.
#[test]
fn grants_without_bytes_are_removed() {
    let budget = budget(UNLIMITED, UNLIMITED);
    let owner = Filler::new(&budget, 1);
    owner.fill(5000).expect("memory");
    owner.store.expect_orphans(1).expect("memory");
    let far = owner.reserve(10 * BLOCK, 0).expect("memory");
    owner.store.discard(far);
    let before = budget.memory().used();
    for round in 0..3 {
        // A whole block, as a store outside of a budget would keep.
        let far = owner.reserve(10 * BLOCK, BLOCK).expect("memory");
        assert!(budget.memory().used() > before);
        if round == 0 {
            owner.store.discard(far);
        } else {
            drop(far);
        }
        assert_eq!(budget.memory().used(), before);
    }
    drop(owner);
    is_empty(&budget);
}

/// A segment that a replaced source may still write to stays in memory and is counted. Later it is
/// spilled like any other.
#[test]
fn a_lent_segment_is_spilled_later() {
    let budget = budget(0, UNLIMITED);
    let (one, other) = (Filler::new(&budget, 1), Filler::new(&budget, 2));
    one.store.expect_orphans(1).expect("memory");
    let grant = one.reserve(0, 0).expect("memory");
    let (at, old) = one.commit(grant, 1000);
    assert!(old.is_none());
    let old = one.reserve(at, at).expect("the same segment");
    let new = one.reserve(at, at).expect("another one");
    one.commit(new, 1500);
    other.fill(BLOCK).expect("space");
    assert_eq!(one.store.spooled(), 500);
    one.store.discard(old);
    one.store.take_back();
    other.fill(BLOCK).expect("space");
    assert_eq!(one.store.spooled(), 1500);
    one.check();
    drop((one, other));
    is_empty(&budget);
}

/// A member whose spool file fails is passed over, and its error is noted there.
#[test]
fn a_failing_member_is_passed_over() {
    let budget = budget(4 * BLOCK, UNLIMITED);
    let nowhere = Some("/nowhere/at/all".into());
    let failing = Filler::in_directory(&budget, 1, nowhere.clone());
    failing.fill(BLOCK).expect("memory");
    let working = Filler::new(&budget, 2);
    working.fill(10 * BLOCK).expect("it spills itself");
    assert!(budget.memory().most() <= 4 * BLOCK);
    assert!(failing.notes() > 0);
    assert_eq!((working.notes(), failing.store.spooled()), (0, 0));
    // Bytes that nobody can spill end up filling the memory.
    let refused = (0..10).find_map(|_| failing.fill(BLOCK).err());
    assert!(matches!(refused, Some(Error::Io { .. })), "{refused:?}");
    assert!(budget.memory().most() <= 4 * BLOCK);
    let other = Filler::in_directory(&budget, 3, nowhere);
    let refused = (0..2).find_map(|_| other.fill(BLOCK).err());
    assert!(matches!(refused, Some(Error::Io { .. })), "{refused:?}");
    drop(failing);
    other.fill(BLOCK).expect("there is room again");
    working.check();
    other.check();
}

/// A segment whose offset is beyond the largest size of a file does not keep the others in memory.
#[test]
fn a_segment_that_cannot_be_written_is_passed_over() {
    const EFBIG: i32 = if cfg!(windows) { 223 } else { 27 };
    let budget = budget(4 * BLOCK, UNLIMITED);
    let owner = Filler::new(&budget, 1);
    owner.fill(3 * BLOCK).expect("memory");
    // The file is created, then the write of the first segment fails.
    faults::plan(Some(Plan {
        after: 1,
        lasting: false,
        fault: Fault::Code(EFBIG),
    }));
    owner.fill(3 * BLOCK).expect("the others are spilled");
    assert_eq!(faults::plan(None), 1);
    assert_eq!(owner.notes(), 1);
    assert!(budget.memory().most() <= 4 * BLOCK);
    owner.store.spill().expect("the disk has space");
    assert_eq!(owner.store.spooled(), 6 * BLOCK);
    // If no segment can be written, each is tried once: a block is up to five segments.
    owner.fill(3 * BLOCK).expect("memory");
    faults::plan(Some(Plan {
        after: 0,
        lasting: true,
        fault: Fault::Code(EFBIG),
    }));
    let refused = (0..2).find_map(|_| owner.fill(BLOCK).err());
    assert!(matches!(refused, Some(Error::DiskFull { code: EFBIG, .. })));
    assert!(faults::plan(None) <= 2 * 5 * 4);
    owner.check();
}

/// Nor does it keep a tail in memory that nobody fills.
#[test]
fn a_tail_behind_a_segment_that_cannot_be_written_is_spilled() {
    const EFBIG: i32 = if cfg!(windows) { 223 } else { 27 };
    let budget = budget(3 * BLOCK, UNLIMITED);
    let (owner, other) = (Filler::new(&budget, 1), Filler::new(&budget, 2));
    let grant = owner.reserve(0, BLOCK).expect("memory");
    owner.commit(grant, BLOCK);
    let grant = owner.reserve(9 * BLOCK, BLOCK).expect("memory");
    owner.commit(grant, 9 * BLOCK + 100);
    faults::plan(Some(Plan {
        after: 1,
        lasting: false,
        fault: Fault::Code(EFBIG),
    }));
    let grant = other.reserve(0, BLOCK).expect("memory");
    assert_eq!(faults::plan(None), 1);
    other.commit(grant, BLOCK);
    assert_eq!(owner.store.spooled(), 100);
    owner.check();
}

/// What members need besides their bytes counts. If it is too much, those that are not in use go.
#[test]
fn members_without_bytes_are_evicted_in_the_end() {
    let idle = Idle::default();
    let budget = idle.budget(limits(0, UNLIMITED));
    let used = Filler::new(&budget, 0);
    for resource in 1..500 {
        idle.add(Filler::new(&budget, resource));
    }
    assert!(budget.memory().used() > OVERHEAD);
    assert_eq!(idle.len(), 499);
    used.fill(1).expect("memory");
    assert!(budget.overhead.load(Ordering::Relaxed) <= OVERHEAD + 4096);
    assert!(idle.len() > 50, "{}", idle.len());
    assert!(idle.causes().iter().all(|it| *it == Cause::Memory));
    idle.take();
}

#[test]
fn a_trim_spills_and_evicts_once() {
    let idle = Idle::default();
    let budget = idle.budget(limits(UNLIMITED, UNLIMITED));
    let used = Filler::new(&budget, 0);
    used.fill(5 * BLOCK).expect("memory");
    for resource in 1..5 {
        let owner = Filler::new(&budget, resource);
        owner.fill(5 * BLOCK).expect("memory");
        idle.add(owner);
    }
    budget
        .trim(8 * BLOCK, UNLIMITED)
        .expect("the disk has space");
    assert!(budget.memory().used() <= 8 * BLOCK);
    assert_eq!(idle.len(), 4);
    budget.trim(0, 12 * BLOCK).expect("the disk has space");
    assert!(budget.disk().used() <= 12 * BLOCK);
    assert_eq!(
        budget.memory().used(),
        budget.overhead.load(Ordering::Relaxed)
    );
    assert_eq!(idle.len(), 1);
    used.fill(20 * BLOCK).expect("memory");
    assert!(budget.memory().used() > 20 * BLOCK);
    used.check();
    idle.take().iter().for_each(|owner| owner.check());
}
