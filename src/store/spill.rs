//! Spilling: while memory holds more than its limit, the oldest segments are written to the spool
//! file.

use std::mem::take;

use crate::error::{Error, Operation, Result};
use crate::options::OnFull;
use crate::store::Store;
use crate::store::budget::member::{Cause, Spilled};
use crate::store::budget::room::full_disk;
use crate::store::extras::Extras;
use crate::store::index::Spiller;
use crate::store::index::unlinked::Retired;
use crate::store::memory::BLOCK;
use crate::store::memory::chunk::Chunk;
use crate::store::memory::chunk_allocator::ChunkAllocator;
use crate::store::segment::Segment;
use crate::store::write_state::WriteState;
use crate::sync::{Ordering, lock};

/// The most chunks that are kept for pushes, besides one.
const SPARES: usize = 4;

/// How far below its limit `max` memory is kept by a thread that spills for pushes. In a small memory
/// no segment could stay.
pub(super) fn margin_of(max: u64) -> u64 {
    let quarter = max / 4;
    (quarter - quarter % BLOCK).min(SPARES as u64 * BLOCK)
}

impl Store {
    /// Moves all bytes in memory to the spool file, except the segment that the source is filling.
    pub(crate) fn spill(&self) -> Result<()> {
        let newest = {
            let mut writing = lock(&self.writing);
            writing.seal_unless(Segment::is_filling);
            writing.take_back();
            writing.sealed.back().cloned()
        };
        // Only up to the newest segment at the time of the call: a source that goes on does not
        // make this endless. One segment at a time, so that a thread that needs memory waits for at
        // most one write.
        let is_left = |it: &Segment| it.is_in_memory() && !self.has_dropped(it);
        while newest.as_deref().is_some_and(is_left) {
            let spilled = self.spill_if(|| newest.as_deref().is_some_and(is_left));
            self.log_spill(&spilled);
            spilled?;
        }
        let spare = lock(&self.writing).spare.take();
        if let Some(spare) = spare {
            spare.release_pages();
        }
        if self.is_pushed.load(Ordering::Relaxed) {
            self.release_spares();
        }
        if self.finished.load(Ordering::Relaxed) {
            self.trim();
        }
        Ok(())
    }

    /// The source delivers nothing more.
    pub(crate) fn finish(&self) {
        self.finish_memory();
        self.trim();
    }

    /// The part of `finish` that does not touch the spool file.
    pub(crate) fn finish_memory(&self) {
        let mut writing = lock(&self.writing);
        // Under the lock, which a thread that spills takes before each segment. If there is no file
        // yet, none gets blocks reserved ahead: the first write reserves none.
        self.finished.store(true, Ordering::Relaxed);
        let spare = writing.spare.take();
        writing.chunks = ChunkAllocator::default();
        drop(writing);
        if let Some(spare) = spare {
            spare.release_pages();
        }
        if self.is_pushed.load(Ordering::Relaxed) {
            self.release_spares();
        }
    }

    fn trim(&self) {
        // A thread that is spilling writes one segment, so this wait is short.
        let _spiller = lock(&self.spilling);
        if let Some(spool) = self.spool.get() {
            spool.trim();
        }
    }

    /// Changes the memory limit, and spills until memory is within it, except the segment that the
    /// source is filling. The limit is changed even if that fails.
    pub(crate) fn set_max_memory(&self, max: u64) -> Result<()> {
        let max = self.window.limit(max);
        self.max_memory.store(max, Ordering::Relaxed);
        let mut spilled = self.spill_down(0, usize::MAX);
        if spilled.is_ok() && lock(&self.writing).held() > max {
            // The tail is left.
            lock(&self.writing).seal_unless(Segment::is_filling);
            spilled = self.spill_down(0, usize::MAX);
        }
        let mut writing = lock(&self.writing);
        let spare = writing.spare.take();
        writing.chunks.release_pages();
        drop(writing);
        if let Some(spare) = spare {
            spare.release_pages();
        }
        if self.is_pushed.load(Ordering::Relaxed) {
            self.release_spares();
        }
        spilled
    }

    /// Spills until memory is within its limit. Returns true if that failed and the buffer may grow
    /// then.
    pub(crate) fn make_space(&self) -> Result<bool> {
        match self.spill_down(0, usize::MAX) {
            Err(Error::DiskFull { .. } | Error::Io { .. }) if self.on_full == OnFull::Memory => {
                Ok(true)
            }
            result => result.map(|()| false),
        }
    }

    /// The same for pushes, which go on while a thread spills for them: makes space for more than
    /// one segment, so that the threads do not wake each other for each.
    pub(crate) fn make_space_for_pushes(&self) -> Result<bool> {
        let grows = self.make_space()?;
        if !grows {
            // What fails here is not needed yet.
            let _ = self.spill_down(self.margin() / 2, usize::MAX);
        }
        Ok(grows)
    }

    /// Spills the oldest segment if memory is nearly full.
    pub(crate) fn spill_ahead(&self) -> Result<()> {
        self.spill_down(self.margin(), 1)
    }

    /// Whether `spill_ahead` has something to do.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.is_over_full(self.margin())
    }

    fn margin(&self) -> u64 {
        margin_of(self.max_memory())
    }

    /// Spills until `spare` bytes below `max_memory` are free, but at most `most` segments.
    fn spill_down(&self, spare: u64, most: usize) -> Result<()> {
        let (mut done, mut passed_over) = (0, 0);
        while done < most && self.is_over_full(spare) {
            // Another thread may have spilled meanwhile.
            let spilled = self.spill_if(|| self.is_over_full(spare));
            done += usize::from(spilled.is_ok());
            let goes_on = match &spilled {
                Ok(()) => true,
                Err(error) => error.depends_on_offset() && self.pass_over(&mut passed_over),
            };
            if spilled.is_ok() || !goes_on {
                self.log_spill(&spilled);
            }
            if !goes_on {
                return spilled;
            }
        }
        Ok(())
    }

    /// Moves the oldest segment to the back of the queue, so that the others are tried: its offset
    /// may be beyond the largest size of a file. Returns false once all have been tried.
    fn pass_over(&self, passed_over: &mut usize) -> bool {
        let mut writing = lock(&self.writing);
        *passed_over += 1;
        let untried = *passed_over < writing.sealed.len();
        writing.defer_oldest();
        untried
    }

    /// Whether memory is over its limit less `spare`, and a segment can be spilled.
    fn is_over_full(&self, spare: u64) -> bool {
        let limit = self.max_memory().saturating_sub(spare);
        lock(&self.writing).is_over(limit)
    }

    /// Spills the oldest segment if `is_needed` still holds when this thread's turn has come.
    fn spill_if(&self, is_needed: impl Fn() -> bool) -> Result<()> {
        loop {
            let mut spiller = lock(&self.spilling);
            if !is_needed() {
                return Ok(());
            }
            let spilled = self.spill_oldest(&mut spiller);
            drop(spiller);
            match spilled {
                Ok(Spilled::NoSpace(cause)) if self.evict(cause) => {}
                Ok(Spilled::NoSpace(_)) => return Err(full_disk()),
                Err(error) if error.is_full_disk() && self.evict(Cause::FreeSpace) => {}
                spilled => return spilled.map(|_| ()),
            }
        }
    }

    pub(super) fn spill_oldest(&self, spiller: &mut Spiller) -> Result<Spilled> {
        // It stays the oldest: only the thread that holds the spiller removes it.
        let (segment, is_member) = {
            let mut writing = lock(&self.writing);
            let is_member = writing.member().is_some();
            (writing.sealed.front().cloned(), is_member)
        };
        let Some(segment) = segment else {
            return Ok(Spilled::Nothing);
        };
        if self.is_abandoned() {
            self.drop_oldest(spiller);
            return Ok(Spilled::Done(None));
        }
        let spool = self.spool_or_new()?;
        if let Some(cause) = is_member
            .then(|| self.charge_write(spool, &segment))
            .flatten()
        {
            return Ok(Spilled::NoSpace(cause));
        }
        let ahead = !is_member && !self.finished.load(Ordering::Relaxed) && !self.has_window();
        let place = self.window.place(segment.start());
        let mut done = 0;
        let written = spool.write(self.index.bytes(spiller, &segment), place, ahead, &mut done);
        if let Err(error) = written {
            self.keep_charge(&segment, done as u64);
            return Err(Error::from_file(Operation::SpoolWrite, &error));
        }
        let mut writing = lock(&self.writing);
        if self.has_dropped(&segment) {
            writing.remove_block(segment.start() / BLOCK);
            return Ok(Spilled::Done(None));
        }
        self.spooled
            .fetch_add(segment.filled() as u64, Ordering::Relaxed);
        let retired = self.index.unlink(&mut writing.writer, spiller, &segment);
        drop(writing);
        let chunk = retired.and_then(Retired::wait);
        if is_member {
            self.forget_oldest();
            return Ok(Spilled::Done(chunk));
        }
        self.keep_chunk(chunk, &segment);
        Ok(Spilled::Done(None))
    }

    /// Removes the oldest segment, whose bytes are in the spool file, and keeps its memory if it will
    /// be used again.
    fn keep_chunk(&self, chunk: Option<Chunk>, segment: &Segment) {
        let mut writing = lock(&self.writing);
        // A thread that drops it from the window may have removed it already.
        match self.has_dropped(segment) {
            true => writing.remove_block(segment.start() / BLOCK),
            false => writing.remove_oldest(),
        }
        let finished = self.finished.load(Ordering::Relaxed);
        let (kept, released) = match chunk {
            // Kept for the next segment, for which memory is being freed. It holds bytes of this
            // same resource.
            Some(chunk) if !finished && chunk.size() as u64 == BLOCK => {
                (Some(chunk), writing.spare.take())
            }
            chunk => (writing.spare.take(), chunk),
        };
        writing.spare = kept;
        let released = released.and_then(|chunk| self.keep_more(&mut writing, chunk));
        drop(writing);
        if let Some(chunk) = released {
            chunk.release_pages();
        }
    }

    /// Keeps one more chunk if pushes will use it and it fits under the memory limit. Returns one that
    /// is not kept.
    fn keep_more(&self, writing: &mut WriteState, chunk: Chunk) -> Option<Chunk> {
        let kept = (writing.spares().len() + 1) as u64 * BLOCK;
        let fits = self.is_pushed.load(Ordering::Relaxed)
            && writing.spares().len() < SPARES
            && writing.held().saturating_add(kept) <= self.max_memory();
        if !fits {
            return Some(chunk);
        }
        let Ok(Extras { spares, .. }) = writing.extras_or_new() else {
            return Some(chunk);
        };
        if spares.try_reserve_exact(SPARES).is_err() {
            return Some(chunk);
        }
        spares.push(chunk);
        None
    }

    /// Releases the chunks that were kept for pushes.
    #[cold]
    pub(super) fn release_spares(&self) {
        let spares = match &mut lock(&self.writing).extras {
            Some(extras) => take(&mut extras.spares),
            None => return,
        };
        for chunk in spares {
            chunk.release_pages();
        }
    }
}
