//! Filling: memory granted to the source, and committed once it holds bytes.
//!
//! A source that was replaced while a thread was inside it keeps its grant until that thread returns,
//! and never commits. If the new source needs the same segment, the segment is *lent* to the old one:
//! it is sealed with the bytes that it has, and cannot be spilled before the old source has returned.

use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::budget::account::Charge;
use crate::store::memory::BLOCK;
use crate::store::memory::arena::ARENA;
use crate::store::memory::chunk::Chunk;
use crate::store::segment::{Segment, WriteGrant};
use crate::store::spill::margin_of;
use crate::store::write_state::WriteState;
use crate::sync::{Ordering, lock};

/// The smallest segment, in bytes: the initial cost of a short stream or of a jump.
pub(super) const SMALLEST: u64 = if cfg!(loom) { 2 } else { 16 * 1024 };

/// A resource of unknown size that has delivered this many bytes without a jump is likely to fill
/// an arena.
pub(super) const LARGE_RUN: u64 = 512 * 1024;

impl Store {
    /// Reserves memory for the source to write the bytes at `position` to, after spilling if memory
    /// is over its limit. `run` is how many bytes the source has delivered without a jump,
    /// `expected` how many are said to follow. `before_spill` is called, without a lock, before a
    /// spool file is used.
    pub(crate) fn reserve(
        &self,
        position: u64,
        run: u64,
        expected: Option<u64>,
        before_spill: impl Fn() -> Result<()>,
    ) -> Result<WriteGrant> {
        let mut writing = lock(&self.writing);
        writing.seal_unless(|tail| tail.has_space_at(position));
        if writing.is_over(self.max_memory()) {
            drop(writing);
            before_spill()?;
            self.make_space()?;
            writing = lock(&self.writing);
            // After a spill this may be another tail than the one that was checked.
            writing.seal_unless(|tail| tail.has_space_at(position));
        }
        let granted = self.grant(&mut writing, position, run, expected, None)?;
        match granted {
            Some(grant) => Ok(grant),
            None => {
                drop(writing);
                self.reserve_in_budget(position, run, expected, before_spill)
            }
        }
    }

    /// The same without a spill, for a push: None if memory is over its limit, unless it may `exceed`
    /// it. Also returns whether memory is so full that another thread should spill.
    pub(crate) fn reserve_in_memory(
        &self,
        position: u64,
        run: u64,
        expected: Option<u64>,
        exceed: bool,
    ) -> Result<Option<(WriteGrant, bool)>> {
        self.is_pushed.store(true, Ordering::Relaxed);
        let mut writing = lock(&self.writing);
        writing.seal_unless(|tail| tail.has_space_at(position));
        let max = self.max_memory();
        if writing.is_over(max) && !exceed {
            return Ok(None);
        }
        let is_crowded = writing.is_over(max - margin_of(max) / 2);
        if writing.tail.is_none() && !writing.spares().is_empty() {
            if position % BLOCK == 0 && writing.spare.is_none() {
                let extras = writing.extras.as_mut();
                writing.spare = extras.and_then(|extras| extras.spares.pop());
            } else if position % BLOCK != 0 {
                drop(writing);
                self.release_spares();
                writing = lock(&self.writing);
            }
        }
        let grant = self.grant(&mut writing, position, run, expected, None)?;
        // A push must not spill for other stores, nor exceed a budget.
        let grant = grant.ok_or(Error::Unsupported)?;
        Ok(Some((grant, is_crowded)))
    }

    /// Whether `reserve_in_memory` would refuse the bytes at `position`. If so, the tail is sealed as
    /// it would be there, so that a spill makes the space.
    pub(crate) fn is_full_at(&self, position: u64) -> bool {
        let mut writing = lock(&self.writing);
        let max = self.max_memory();
        let is_fine = |tail: &Segment| tail.has_space_at(position) || tail.is_filling();
        let left = writing.tail.as_ref().filter(|tail| !is_fine(tail));
        let capacity = left.map_or(0, |tail| tail.capacity() as u64);
        if capacity > 0 && writing.sealed_bytes + capacity > max {
            writing.seal_unless(is_fine);
        }
        writing.is_over(max)
    }

    /// None if the store is a member of a budget and needs a segment for which it has no `charge` yet.
    // Always: as a call of its own it costs the pull tens of instructions, and so does `commit`.
    #[inline(always)]
    pub(super) fn grant(
        &self,
        writing: &mut WriteState,
        position: u64,
        run: u64,
        expected: Option<u64>,
        charge: Option<Charge>,
    ) -> Result<Option<WriteGrant>> {
        if let Some(tail) = &writing.tail {
            if let Some(grant) = Segment::grant(tail) {
                return Ok(Some(grant));
            }
            // A source that was replaced may still write to its memory.
            writing.seal_unless(|_| false);
        }
        if writing.extras.is_some() {
            // An old source's thread may have sealed what the new one was filling.
            writing.take_back();
            if writing.member().is_some() && charge.is_none() {
                return Ok(None);
            }
        }
        // Allocates everything that the commit will need, so that the commit cannot fail.
        self.index.prepare(&mut writing.writer, position)?;
        writing.sealed.try_reserve(1).map_err(|_| Error::NoMemory)?;
        let chunk = match charge {
            Some(charge) => {
                Store::charged_chunk(writing, capacity(position, run, expected), charge)?
            }
            None => self.chunk(writing, position, run, expected)?,
        };
        let segment = Segment::new(position, chunk)?;
        let grant = Segment::grant(&segment).expect("a new segment grants its memory");
        Ok(Some(grant))
    }

    /// Makes `count` bytes that the source wrote readable. If `more` bytes follow at once, returns
    /// the rest of the grant.
    #[inline(always)]
    pub(crate) fn commit(
        &self,
        mut grant: WriteGrant,
        count: usize,
        more: bool,
    ) -> Option<WriteGrant> {
        // The last bytes end the filling under the lock, so that a spill that starts after them
        // takes them too.
        let mut writing = (grant.is_first() || !more).then(|| lock(&self.writing));
        if let (Some(writing), true) = (&mut writing, grant.is_first()) {
            let segment = grant.segment();
            self.index.insert(&mut writing.writer, segment.clone());
            writing.begin(segment.clone());
        }
        grant.commit(count);
        (more && grant.has_space()).then_some(grant)
    }

    /// Takes back a grant to which the source wrote nothing. If the grant's segment is empty, the
    /// segment is dropped, and its memory is kept for the next one.
    pub(crate) fn discard(&self, grant: WriteGrant) {
        let segment = grant.is_first().then(|| grant.segment().clone());
        drop(grant);
        let Some(chunk) = segment.and_then(|segment| segment.release()) else {
            return;
        };
        let mut writing = lock(&self.writing);
        let kept = chunk.size() as u64 == BLOCK && writing.spare.is_none();
        if kept && writing.member().is_none() {
            writing.spare = Some(chunk);
        } else {
            drop(writing);
            chunk.release_pages();
        }
    }

    /// Allocates the list of the segments to which replaced sources may still write, and of those that
    /// their threads may seal while the new source writes to them.
    pub(crate) fn expect_orphans(&self, count: usize) -> Result<()> {
        let mut writing = lock(&self.writing);
        let lent = &mut writing.extras_or_new()?.lent;
        lent.try_reserve(2 * count).map_err(|_| Error::NoMemory)
    }

    /// Lets the segments be spilled to which a replaced source no longer writes.
    pub(crate) fn take_back(&self) {
        lock(&self.writing).take_back();
    }

    /// Allocates memory for a new segment at `position`.
    #[inline(always)]
    fn chunk(
        &self,
        writing: &mut WriteState,
        position: u64,
        run: u64,
        expected: Option<u64>,
    ) -> Result<Chunk> {
        if position % BLOCK == 0 {
            if let Some(spare) = writing.spare.take() {
                return Ok(spare);
            }
            // An arena is used if all of it fits under the memory limit: a kept one at once, a new
            // one if it is expected to be filled.
            let most = self.window.most(self.max_memory());
            let fits = writing.held().saturating_add(ARENA as u64) <= most;
            let fits = fits && expected != Some(0);
            if let Some(chunk) = writing.chunks.take(fits, is_large(run, expected)) {
                return Ok(chunk);
            }
        }
        // The source has jumped: memory for a whole block would be one too many beside this
        // segment's.
        if let Some(spare) = writing.spare.take() {
            spare.release_pages();
        }
        writing.chunks.release_pages();
        Chunk::zeroed(capacity(position, run, expected))
    }
}

/// Whether enough bytes are likely to follow to fill an arena.
pub(super) fn is_large(run: u64, expected: Option<u64>) -> bool {
    match expected {
        // The expected size alone is not enough: the declared size of a short stream may be large,
        // and only the start of a long one may be wanted.
        Some(left) => run >= LARGE_RUN / 2 && left >= ARENA as u64 / 2,
        None => run >= LARGE_RUN,
    }
}

/// The size of a new segment at `position`. It ends at the end of the block at the latest. For a
/// short resource it is no larger than the resource. After a jump, or if the size is unknown,
/// segments start small and double.
pub(super) fn capacity(position: u64, run: u64, expected: Option<u64>) -> usize {
    let to_block_end = BLOCK - position % BLOCK;
    let wanted = match expected {
        Some(left @ 1..) if run == position => left,
        // Every byte that was declared has arrived: this segment is for the end, or for a few more
        // bytes.
        Some(0) => SMALLEST,
        _ => run.max(SMALLEST),
    };
    wanted.min(to_block_end) as usize
}
