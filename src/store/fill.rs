//! Filling: memory granted to the source, and committed once it holds bytes.

use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::memory::BLOCK;
use crate::store::memory::arena::ARENA;
use crate::store::memory::chunk::Chunk;
use crate::store::segment::{Segment, WriteGrant};
use crate::store::write_state::WriteState;
use crate::sync::lock;

/// The smallest segment, in bytes: what a short stream, or a jump, costs at first.
pub(super) const SMALLEST: u64 = if cfg!(loom) { 2 } else { 16 * 1024 };

/// A resource of unknown size that has come so far without a jump is likely to fill an arena.
pub(super) const LARGE_RUN: u64 = 512 * 1024;

impl Store {
    /// Memory for the source to write bytes at `position` to, after making room for it. `run` is how far
    /// the source has come without a jump, `expected` how much is said to follow. `before_spill` is
    /// called, without a lock, before the spool file is worked on.
    pub(crate) fn reserve(
        &self,
        position: u64,
        run: u64,
        expected: Option<u64>,
        before_spill: impl FnOnce() -> Result<()>,
    ) -> Result<WriteGrant> {
        let mut writing = lock(&self.writing);
        writing.seal_unless(|tail| tail.has_room_at(position));
        if writing.is_over(self.max) {
            drop(writing);
            before_spill()?;
            self.make_room()?;
            writing = lock(&self.writing);
            // Not the one that was looked at, if a spill came between.
            writing.seal_unless(|tail| tail.has_room_at(position));
        }
        if let Some(tail) = &writing.tail {
            return Segment::grant(tail).ok_or(Error::NoMemory);
        }
        // Everything that the commit will need, so that it can't fail.
        self.index.prepare(&mut writing.writer, position)?;
        writing.sealed.try_reserve(1).map_err(|_| Error::NoMemory)?;
        let block = self.block(&mut writing, position, run, expected)?;
        let segment = Segment::new(position, block)?;
        Ok(Segment::grant(&segment).expect("a new segment grants its memory"))
    }

    /// Makes `count` bytes that the source wrote readable. If `more` are to come at once, returns what is
    /// left of the grant.
    pub(crate) fn commit(
        &self,
        mut grant: WriteGrant,
        count: usize,
        more: bool,
    ) -> Option<WriteGrant> {
        // With the last ones the filling ends under the lock, so that a spill that comes after them
        // takes them too.
        let mut writing = (grant.is_first() || !more).then(|| lock(&self.writing));
        if let (Some(writing), true) = (&mut writing, grant.is_first()) {
            let segment = grant.segment();
            self.index.insert(&mut writing.writer, segment.clone());
            writing.tail = Some(segment.clone());
        }
        grant.commit(count);
        (more && grant.has_space()).then_some(grant)
    }

    /// Takes a grant back that the source wrote nothing to. If it had a segment of its own, the segment
    /// goes, and its memory is for the next one.
    pub(crate) fn discard(&self, grant: WriteGrant) {
        let segment = grant.is_first().then(|| grant.segment().clone());
        drop(grant);
        let Some(block) = segment.and_then(|segment| segment.release()) else {
            return;
        };
        let mut writing = lock(&self.writing);
        if block.size() as u64 == BLOCK && writing.spare.is_none() {
            writing.spare = Some(block);
        } else {
            drop(writing);
            block.release_pages();
        }
    }

    /// Memory for a new segment at `position`.
    fn block(
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
            // An arena is taken if all of it fits into what memory may hold: one that is kept at
            // once, a new one if it can be expected to be filled.
            let fits = writing.held().saturating_add(ARENA as u64) <= self.max;
            let fits = fits && expected != Some(0);
            if let Some(piece) = writing.pieces.take(fits, is_large(run, expected)) {
                return Ok(piece);
            }
        }
        // The source has jumped: memory for a whole piece would be one too many beside this one.
        if let Some(spare) = writing.spare.take() {
            spare.release_pages();
        }
        writing.pieces.release_pages();
        Chunk::zeroed(capacity(position, run, expected))
    }
}

/// Whether so much is likely to follow that it fills an arena.
pub(super) fn is_large(run: u64, expected: Option<u64>) -> bool {
    match expected {
        // Not by what is said to follow alone: a short stream may be said to be long, and of a long
        // one only the start may be wanted.
        Some(left) => run >= LARGE_RUN / 2 && left >= ARENA as u64 / 2,
        None => run >= LARGE_RUN,
    }
}

/// How large a new segment at `position` is: up to the block's end, for a short resource no larger
/// than it, after a jump or with an unknown size doubling from a small start.
pub(super) fn capacity(position: u64, run: u64, expected: Option<u64>) -> usize {
    let to_block_end = BLOCK - position % BLOCK;
    let wanted = match expected {
        Some(left @ 1..) if run == position => left,
        // All that was said to come has come: this one is for the end, or for a little more.
        Some(0) => SMALLEST,
        _ => run.max(SMALLEST),
    };
    wanted.min(to_block_end) as usize
}
