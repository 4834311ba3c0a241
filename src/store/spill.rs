//! Spilling: the oldest segments go to the spool file while memory holds more than it may.

use std::sync::atomic::Ordering;

use crate::disk;
use crate::error::{Error, Result};
use crate::options::OnFull;
use crate::store::Store;
use crate::store::index::{Retired, Spiller};
use crate::store::memory::BLOCK;
use crate::store::memory::chunk_allocator::ChunkAllocator;
use crate::store::segment::Segment;
use crate::store::spool::Spool;
use crate::sync::lock;

impl Store {
    /// Moves everything in memory to the spool file, but for what the source is filling right now.
    pub(crate) fn spill(&self) -> Result<()> {
        let newest = {
            let mut writing = lock(&self.writing);
            writing.seal_unless(Segment::is_filling);
            writing.sealed.back().cloned()
        };
        // Up to what was there at the call: a source that goes on does not make this endless. One
        // at a time, so that whoever needs room for one waits for no more than that.
        while newest.as_ref().is_some_and(|newest| newest.is_in_memory()) {
            self.spill_oldest(&mut lock(&self.spilling))?;
        }
        let spare = lock(&self.writing).spare.take();
        if let Some(spare) = spare {
            spare.release_pages();
        }
        if self.finished.load(Ordering::Relaxed) {
            self.trim();
        }
        Ok(())
    }

    /// Nothing more is to come.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Relaxed);
        let mut writing = lock(&self.writing);
        let spare = writing.spare.take();
        writing.pieces = ChunkAllocator::default();
        drop(writing);
        if let Some(spare) = spare {
            spare.release_pages();
        }
        self.trim();
    }

    fn trim(&self) {
        // Whoever spills at this moment is done with one piece soon.
        let _spiller = lock(&self.spilling);
        if let Some(spool) = self.spool.get() {
            spool.trim();
        }
    }

    /// Spills until memory holds no more than `max`.
    pub(super) fn make_room(&self) -> Result<()> {
        let mut passed_over = 0;
        while self.is_over_full() {
            let mut spiller = lock(&self.spilling);
            // Somebody else may have done it meanwhile.
            if !self.is_over_full() {
                break;
            }
            let Err(error) = self.spill_oldest(&mut spiller) else {
                continue;
            };
            if error.depends_on_offset() && self.pass_over(&mut passed_over) {
                continue;
            }
            let bears_it = self.on_full == OnFull::Memory;
            match error {
                Error::DiskFull(_) | Error::Io(_) if bears_it => break,
                _ => return Err(error),
            }
        }
        Ok(())
    }

    /// Moves the oldest segment to the back of the queue, for the others to be tried: its offset may
    /// lie further out than a file can be long. False once all were.
    fn pass_over(&self, passed_over: &mut usize) -> bool {
        let mut writing = lock(&self.writing);
        *passed_over += 1;
        let untried = *passed_over < writing.sealed.len();
        writing.sealed.rotate_left(1);
        untried
    }

    fn is_over_full(&self) -> bool {
        lock(&self.writing).is_over(self.max)
    }

    fn spill_oldest(&self, spiller: &mut Spiller) -> Result<()> {
        // It stays the oldest: only who spills takes it away.
        let Some(segment) = lock(&self.writing).sealed.front().cloned() else {
            return Ok(());
        };
        let spool = self.spool_or_new()?;
        let ahead = !self.finished.load(Ordering::Relaxed);
        let written = spool.write(self.index.bytes(spiller, &segment), segment.start(), ahead);
        written.map_err(|error| Error::from_file(&error))?;
        self.spooled
            .fetch_add(segment.filled() as u64, Ordering::Relaxed);
        let unlinked = self
            .index
            .unlink(&mut lock(&self.writing).writer, spiller, &segment);
        let block = unlinked.and_then(Retired::wait);
        let mut writing = lock(&self.writing);
        writing.sealed.pop_front();
        writing.sealed_bytes -= segment.capacity() as u64;
        let finished = self.finished.load(Ordering::Relaxed);
        let (kept, given_back) = match block {
            // For the piece that room is made for. It holds bytes of this very resource.
            Some(block) if !finished && block.size() as u64 == BLOCK => {
                (Some(block), writing.spare.take())
            }
            block => (writing.spare.take(), block),
        };
        writing.spare = kept;
        drop(writing);
        if let Some(block) = given_back {
            block.release_pages();
        }
        Ok(())
    }

    fn spool_or_new(&self) -> Result<&Spool> {
        if let Some(spool) = self.spool.get() {
            return Ok(spool);
        }
        let directory = match &self.spool_dir {
            Some(directory) => disk::copy_of(directory),
            None => disk::default_directory(),
        };
        let directory = directory.map_err(|error| Error::from_file(&error))?;
        match disk::create_unnamed(&directory) {
            // Only ever set here, under the `spilling` lock.
            Ok(file) => Ok(self.spool.get_or_init(|| Spool::new(file, directory))),
            Err(error) => {
                let _ = self.refused.set(directory);
                Err(Error::from_file(&error))
            }
        }
    }
}
