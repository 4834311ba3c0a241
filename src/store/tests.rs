//! The store finds the bytes that were committed, wherever the source jumped, and no others.

use std::sync::LazyLock;

use super::*;
use crate::pull::ranges::Ranges;
use crate::store::fill::{LARGE_RUN, SMALLEST, capacity, is_large};
use crate::store::memory::BLOCK;
use crate::store::memory::arena::ARENA;
use crate::store::segment::{Segment, WriteGrant};
use crate::sync::shared::Shared;

const NODE: u64 = 64 * BLOCK;

/// The largest number of bytes compared at a time.
const LONGEST: u64 = (1 << 20) + 5;

/// The resource repeats after this many bytes, a prime, so that no two blocks are the same.
const PERIOD: u64 = 600_011;
static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let byte = |at: u64| ((at % PERIOD).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as u8;
    (0..PERIOD + LONGEST).map(byte).collect()
});

fn bytes_at(offset: u64, length: usize) -> &'static [u8] {
    &TABLE[(offset % PERIOD) as usize..][..length]
}

struct Case {
    store: Store,
    held: Ranges,
    dice: u64,
}

impl Case {
    fn new(max: u64, seed: u64) -> Case {
        let mut options = Options {
            max_memory: max,
            ..Options::default()
        };
        Case {
            store: Store::new(&mut options, DomainRef::own()),
            held: Ranges::default(),
            dice: seed,
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        let next = self.dice.wrapping_mul(6_364_136_223_846_793_005);
        self.dice = next.wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    /// An offset: often near another one, in its block, beside it, or far away in the tree.
    fn offset(&mut self) -> u64 {
        let far = [0, NODE, 3 * NODE, 64 * NODE, 65 * NODE, 4096 * NODE];
        let far = far[self.roll(6) as usize];
        let block = [0, 1, 2, 63, 64, 4000][self.roll(6) as usize] * BLOCK;
        let within = [0, 1, 20_000, BLOCK - 10, BLOCK - 20_000][self.roll(5) as usize];
        far + block + within
    }

    /// Commits the missing part of `[from, from + length)`, up to the next held bytes, as a source
    /// that jumped there delivers it.
    fn fill(&mut self, from: u64, length: u64) {
        let (start, next) = self.held.gap(from);
        let end = next.unwrap_or(u64::MAX).min(start + length);
        let (mut at, mut kept) = (start, None);
        while at < end {
            let grant = kept.take().unwrap_or_else(|| {
                let grant = self.store.reserve(at, at - start, None, || Ok(()));
                grant.expect("grant")
            });
            at = self.put(grant, at, end, &mut kept);
        }
        self.held.add(start..end.max(start));
    }

    fn put(
        &mut self,
        mut grant: WriteGrant,
        at: u64,
        end: u64,
        kept: &mut Option<WriteGrant>,
    ) -> u64 {
        assert_eq!(grant.position(), at);
        let most = 1 + self.roll(70_000);
        let bytes = grant.bytes(most.min(end - at) as usize);
        bytes.copy_from_slice(bytes_at(at, bytes.len()));
        let count = bytes.len();
        let end_here = at + count as u64;
        *kept = self.store.commit(grant, count, end_here < end);
        end_here
    }

    #[track_caller]
    fn check(&self, from: u64, length: u64) {
        let mut out = vec![0; length as usize];
        let mut done = 0;
        self.store.copy(from, &mut out, &mut done).expect("a copy");
        let due = (self.held.end_of(from) - from).min(length);
        assert_eq!(done as u64, due, "from {from}");
        assert!(out[..done] == *bytes_at(from, done), "from {from}");
    }

    #[track_caller]
    fn check_all(&self) {
        for range in self.held.iter() {
            for from in (range.start..range.end).step_by(1 << 20) {
                self.check(from, LONGEST);
            }
            self.check(range.start.saturating_sub(3), 10);
            self.check(range.end - 1, 10);
        }
    }
}

/// Blocks that are alone under a slot, that get a neighbor, near or far, and that collapse to
/// sentinels.
#[test]
fn bytes_from_seeks_are_found() {
    for (seed, max) in [(1, 0), (2, 100_000), (3, 1_000_000), (4, u64::MAX)] {
        let mut case = Case::new(max, seed);
        for round in 0..60 {
            let (offset, length) = (case.offset(), [1, 9_000, 300_000, 600_000]);
            let length = length[case.roll(4) as usize];
            case.fill(offset, length);
            let elsewhere = case.offset();
            case.check(elsewhere, 300_000);
            case.check(offset, 1000);
            if round % 20 == 19 {
                case.store.spill().expect("grant");
                assert_eq!(case.store.spooled(), case.held.total());
            }
            if round % 20 == 19 {
                case.check_all();
            }
        }
        let full = case.store.taken();
        case.store.spill().expect("grant");
        case.store.finish();
        case.check_all();
        assert_eq!(case.store.spooled(), case.held.total());
        assert!(case.store.taken() <= full);
    }
}

/// The index takes memory only for what it holds: a block that is entirely in the file takes none,
/// and neither do sixty-four.
#[test]
fn sentinels_take_nothing() {
    let mut case = Case::new(0, 1);
    let empty = case.store.taken();
    assert_eq!(empty, 0);
    let mut taken = Vec::new();
    for node in 0..4 {
        case.fill(node * NODE, NODE);
        case.store.spill().expect("grant");
        taken.push(case.store.taken());
    }
    // The first leaf is the root, and stays below the next root. The others are sentinels in that
    // root.
    assert_eq!(taken[1], taken[2]);
    assert_eq!(taken[2], taken[3]);
    assert!(taken[3] < 1200, "{taken:?}");
    case.check(NODE - 5, LONGEST);
    // A byte in the next leaf's range hangs from the root without a leaf.
    case.fill(5 * NODE, 1);
    case.store.spill().expect("grant");
    let one = case.store.taken() - taken[3];
    assert_eq!(one, Shared::<Segment>::SIZE as u64);
    case.fill(5 * NODE + BLOCK, 1);
    case.store.spill().expect("grant");
    let leaf = case.store.taken() - taken[3] - 2 * one;
    let slots = 64 * size_of::<usize>() as u64;
    assert!(slots < leaf && leaf < slots + 64, "{leaf}");
}

/// The chunk of a spilled block is used for the next one.
#[test]
fn memory_that_was_spilled_is_used_again() {
    let mut case = Case::new(0, 1);
    case.fill(0, BLOCK);
    let mut before = None;
    for block in 1..5 {
        let mut grant = case
            .store
            .reserve(block * BLOCK, block * BLOCK, None, || Ok(()))
            .expect("grant");
        let here = grant.bytes(1).as_ptr().addr();
        if let Some(before) = before {
            assert_eq!(here, before, "block {block}");
        }
        let mut kept = None;
        let mut at = block * BLOCK;
        let end = at + BLOCK;
        at = case.put(grant, at, end, &mut kept);
        while at < end {
            let grant = kept.take().expect("the rest of it");
            at = case.put(grant, at, end, &mut kept);
        }
        case.held.add(block * BLOCK..end);
        before = (block > 1).then_some(here);
    }
    case.check(0, 5 * BLOCK);
}

/// A segment is filled up before the next one begins, by one write or by many.
#[test]
fn a_segment_is_filled_up() {
    let mut case = Case::new(u64::MAX, 1);
    let (mut at, mut first) = (0, None);
    while at < 2 * SMALLEST {
        let mut grant = case.store.reserve(at, at, None, || Ok(())).expect("grant");
        let end = (at + 1000).min((at / SMALLEST + 1) * SMALLEST);
        let bytes = grant.bytes((end - at) as usize);
        assert_eq!(bytes.len() as u64, end - at);
        bytes.copy_from_slice(bytes_at(at, bytes.len()));
        // The start of the segment's memory, if these bytes are a part of it.
        let start = bytes.as_ptr().addr() as u64 - at % SMALLEST;
        if at % SMALLEST > 0 {
            assert_eq!(Some(start), first, "at {at}");
        }
        let left = case.store.commit(grant, (end - at) as usize, false);
        assert!(left.is_none(), "no more is to come at once");
        case.held.add(at..end);
        (at, first) = (end, Some(start));
    }
    case.check(0, 2 * SMALLEST + 1);
    // Elsewhere the segment grants nothing. Not at the start of a block, which may get a chunk of
    // an arena.
    let elsewhere = 10 * BLOCK + 5;
    let mut other = case
        .store
        .reserve(elsewhere, 0, None, || Ok(()))
        .expect("grant");
    assert_eq!(other.position(), elsewhere);
    assert_eq!(other.bytes(usize::MAX).len() as u64, SMALLEST);
    case.store.discard(other);
}

/// The chunk of a spilled block is kept for the next one, unless the source has finished.
#[test]
fn memory_that_was_spilled_is_kept() {
    for finished in [false, true] {
        let case = Case::new(0, 1);
        let mut grant = case
            .store
            .reserve(BLOCK, BLOCK, None, || Ok(()))
            .expect("grant");
        let whole = grant.bytes(usize::MAX).len();
        assert_eq!(whole as u64, BLOCK);
        case.store.commit(grant, whole, false);
        if finished {
            case.store.finish();
        }
        lock(&case.store.writing).seal_unless(|_| false);
        case.store.make_space().expect("grant");
        assert_eq!(case.store.spooled(), BLOCK);
        let kept = lock(&case.store.writing).spare.as_ref().map(Chunk::size);
        assert_eq!(kept, (!finished).then_some(whole));
        case.store.finish();
        assert!(lock(&case.store.writing).spare.is_none());
    }
}

/// The next grant uses the memory of a grant that was discarded.
#[test]
fn memory_of_a_discarded_grant_is_used_again() {
    let case = Case::new(u64::MAX, 1);
    let mut addresses = Vec::new();
    for _ in 0..3 {
        let mut grant = case
            .store
            .reserve(4 * BLOCK, 4 * BLOCK, None, || Ok(()))
            .expect("grant");
        addresses.push(grant.bytes(1).as_ptr().addr());
        case.store.discard(grant);
        assert!(case.store.taken() >= BLOCK);
        assert_eq!(case.store.copy(4 * BLOCK, &mut [0], &mut 0).ok(), Some(()));
    }
    assert!(addresses.iter().all(|at| *at == addresses[0]));
    case.store.finish();
    assert!(case.store.taken() < 2000, "{}", case.store.taken());
}

/// The size of a new segment.
#[test]
fn a_segment_is_as_large_as_the_bytes_likely_to_follow() {
    // A short resource gets its size, a long one a whole block.
    assert_eq!(capacity(0, 0, Some(5_000)), 5_000);
    assert_eq!(capacity(0, 0, Some(1 << 30)), BLOCK as usize);
    assert_eq!(capacity(BLOCK, BLOCK, Some(5_000)), 5_000);
    // Segments past the declared size, and those of an unknown size, start small and double.
    assert_eq!(capacity(100, 100, Some(0)), 16_384);
    assert_eq!(capacity(0, 0, None), 16_384);
    assert_eq!(capacity(16_384, 16_384, None), 16_384);
    assert_eq!(capacity(65_536, 65_536, None), 65_536);
    assert_eq!(capacity(131_072, 131_072, None), 131_072);
    // So do segments after a jump, whatever the declared size.
    assert_eq!(capacity(BLOCK, 0, Some(1 << 30)), 16_384);
    assert_eq!(capacity(BLOCK + 50_000, 50_000, Some(1 << 30)), 50_000);
    // No segment extends past the end of its block.
    assert_eq!(capacity(BLOCK - 10, 0, None), 10);
    assert_eq!(capacity(BLOCK - 10, BLOCK - 10, Some(1000)), 10);
    assert_eq!(capacity(3 * BLOCK, 3 * BLOCK, None), BLOCK as usize);
}

/// Whether an arena is likely to be filled.
#[test]
fn only_a_long_stream_gets_an_arena() {
    assert!(!is_large(LARGE_RUN - 1, None));
    assert!(is_large(LARGE_RUN, None));
    assert!(!is_large(LARGE_RUN / 2 - 1, Some(1 << 30)));
    assert!(is_large(LARGE_RUN / 2, Some(ARENA as u64 / 2)));
    assert!(!is_large(LARGE_RUN / 2, Some(ARENA as u64 / 2 - 1)));
    assert_eq!((LARGE_RUN, SMALLEST), (524_288, 16_384));
}

/// A source that was replaced still writes to its grant, where the new source goes on.
#[test]
fn a_lent_segment_is_spilled_once_the_old_source_has_returned() {
    let store = Case::new(0, 1).store;
    let no_spill = || Ok(());
    let mut grant = store.reserve(0, 0, None, no_spill).expect("memory");
    grant.bytes(1000).copy_from_slice(bytes_at(0, 1000));
    let mut old = store.commit(grant, 1000, true).expect("space is left");
    store.expect_orphans(1).expect("memory");
    let mut grant = store.reserve(1000, 1000, None, no_spill).expect("memory");
    grant.bytes(500).copy_from_slice(bytes_at(1000, 500));
    old.bytes(500).fill(0xff);
    store.commit(grant, 500, false);
    let same = |store: &Store| {
        let (mut out, mut done) = (vec![0; 1500], 0);
        store.copy(0, &mut out, &mut done).expect("the file");
        assert_eq!((done, &out[..]), (1500, bytes_at(0, 1500)));
    };
    same(&store);
    store.spill().expect("the disk has space");
    store.set_max_memory(0).expect("the disk has space");
    store.make_space().expect("the disk has space");
    // The old source's segment stays in memory, and is counted.
    assert_eq!(store.spooled(), 500);
    assert!(store.taken() >= SMALLEST, "{}", store.taken());
    same(&store);
    store.discard(old);
    store.take_back();
    store.spill().expect("the disk has space");
    assert_eq!(store.spooled(), 1500);
    assert!(store.taken() < SMALLEST, "{}", store.taken());
    same(&store);
}

/// The thread of a replaced source reserves memory elsewhere before it learns of that. This seals the
/// segment that the new source fills.
#[test]
fn a_segment_that_was_sealed_by_an_old_source_is_spilled() {
    let store = Case::new(0, 1).store;
    let no_spill = || Ok(());
    store.expect_orphans(1).expect("memory");
    let mut grant = store.reserve(0, 0, None, no_spill).expect("memory");
    grant.bytes(1000).copy_from_slice(bytes_at(0, 1000));
    let mut new = store.commit(grant, 1000, true).expect("space is left");
    let old = store.reserve(50_000, 0, None, no_spill).expect("memory");
    store.discard(old);
    store.take_back();
    new.bytes(500).copy_from_slice(bytes_at(1000, 500));
    assert!(store.commit(new, 500, false).is_none());
    store.spill().expect("the disk has space");
    assert_eq!(store.spooled(), 1500);
}
