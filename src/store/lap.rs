//! Lapping: the oldest blocks leave a [window](crate::store::window), and reads that they leave behind
//! are discarded.

use std::io;

use crate::error::{Error, Operation, Result};
use crate::store::Store;
use crate::store::memory::BLOCK;
use crate::store::memory::chunk::Chunk;
use crate::store::segment::Segment;
use crate::store::spool::Spool;
use crate::sync::{Ordering, lock};

impl Store {
    /// Whether only the newest bytes are kept.
    pub(crate) fn has_window(&self) -> bool {
        self.window.exists()
    }

    /// Whether a segment has left the window, or is about to.
    pub(super) fn has_dropped(&self, segment: &Segment) -> bool {
        self.has_window() && self.window.has_dropped(segment.start())
    }

    /// Drops the blocks before `tail`. One thread at a time calls it: the one that adds bytes.
    #[cold]
    pub(crate) fn drop_before(&self, tail: u64) {
        let from = self.window.tail();
        if tail <= from {
            return;
        }
        self.window.move_tail(tail);
        for block in from / BLOCK..tail / BLOCK {
            self.drop_block(block);
        }
    }

    fn drop_block(&self, block: u64) {
        let mut writing = lock(&self.writing);
        writing.remove_block(block);
        let dropped = self.index.drop_block(&mut writing.writer, block);
        self.spooled.fetch_sub(dropped.spooled(), Ordering::Relaxed);
        drop(writing);
        if let Some(chunk) = dropped.wait() {
            self.use_again(chunk);
        }
    }

    /// Keeps the memory of a dropped block for the next one.
    fn use_again(&self, chunk: Chunk) {
        let mut writing = lock(&self.writing);
        if chunk.size() as u64 == BLOCK && writing.spare.is_none() {
            writing.spare = Some(chunk);
        } else {
            drop(writing);
            chunk.release_pages();
        }
    }

    /// `copy_on` for a window. A run of bytes that was lapped while it was read is discarded.
    #[cold]
    pub(super) fn copy_ring(
        &self,
        offset: u64,
        out: &mut [u8],
        done: &mut usize,
        mut spooled: u64,
    ) -> Result<()> {
        while let (1.., Some(spool)) = (spooled, self.spool.get()) {
            let (at, before) = (offset + *done as u64, *done);
            let most = out.len() - before;
            let run = self.extend(at, spooled, most as u64) as usize;
            let read = self.read_ring(spool, &mut out[before..before + run], at, done);
            if self.window.has_dropped(at) {
                *done = before;
                return Err(Error::Lapped);
            }
            read.map_err(|error| Error::Io {
                operation: Operation::SpoolRead,
                code: error.raw_os_error().unwrap_or(0),
            })?;
            if run == most {
                break;
            }
            spooled = self.copy_memory(offset, out, done, &self.index.enter());
        }
        Ok(())
    }

    /// Reads a run of bytes that may go past the end of the ring.
    fn read_ring(
        &self,
        spool: &Spool,
        out: &mut [u8],
        offset: u64,
        done: &mut usize,
    ) -> io::Result<()> {
        let (mut rest, mut from) = (out, self.window.place(offset));
        while !rest.is_empty() {
            let to_end = usize::try_from(self.window.ring() - from).unwrap_or(usize::MAX);
            let (first, after) = rest.split_at_mut(rest.len().min(to_end));
            spool.read(first, from, done)?;
            (rest, from) = (after, 0);
        }
        Ok(())
    }
}
