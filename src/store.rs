//! The store: what is buffered, and what of it stays in memory.
//!
//! Bytes enter through a [write grant](segment::WriteGrant) at the end of the *tail*, the segment that
//! the source is filling ([`fill`]). A tail that is full, or that the source has left, is *sealed*. Sealed segments wait in order of
//! arrival; when they and the tail together hold more than `max`, the oldest are written to the
//! spool file and leave memory ([`spill`]), one at a time, before the source is asked for more. So a
//! write that fails loses nothing and memory stays bounded.
//!
//! Whoever pulls also spills. A second thread that writes while the source is pulled was measured
//! (`bench/`, rows `overlap-*`): an instant source loses a sixth or more to it, a socket gains nothing,
//! and only a source that itself works at 10 Gbit/s gains, 8 %.
//!
//! Two locks, and readers take neither. `spilling` orders those who spill and is held across the
//! write to the file. `writing` is held for a few instructions at a time, so that bytes that have
//! come are taken in while a spill goes on. Readers look bytes up in the index, under a read
//! guard while they copy from memory, without one when they read the spool file, since what is there stays
//! there.

mod fill;
pub(crate) mod index;
pub(crate) mod memory;
pub(crate) mod segment;
mod spill;
pub(crate) mod spool;
mod write_state;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::disk::{self, Target};
use crate::error::{Error, Result};
use crate::options::{OnFull, Options};
use crate::store::index::{Index, Location, Spiller};
use crate::store::memory::chunk::Chunk;
use crate::store::segment::Segment;
use crate::store::spool::Spool;
use crate::store::write_state::WriteState;
use crate::sync::rcu::{DomainRef, ReadGuard};
use crate::sync::shared::Shared;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, lock};

pub(crate) struct Store {
    index: Index,
    spool: OnceLock<Spool>,
    /// Bytes that are in the spool file.
    spooled: AtomicU64,
    max: u64,
    spool_dir: Option<PathBuf>,
    /// Where the spool file could not be made at the first attempt.
    refused: OnceLock<PathBuf>,
    on_full: OnFull,
    /// Nothing more is to come.
    finished: AtomicBool,
    spilling: Mutex<Spiller>,
    writing: Mutex<WriteState>,
}

impl Store {
    pub(crate) fn new(options: Options, domain: DomainRef) -> Store {
        let (index, writer, spiller) = Index::new(domain);
        Store {
            index,
            spool: OnceLock::new(),
            spooled: AtomicU64::new(0),
            max: options.max,
            spool_dir: options.spool_dir,
            refused: OnceLock::new(),
            on_full: options.on_full,
            finished: AtomicBool::new(false),
            spilling: Mutex::new(spiller),
            writing: Mutex::new(WriteState::new(writer)),
        }
    }

    /// Protects the memory that is being copied from.
    #[inline]
    pub(crate) fn enter(&self) -> ReadGuard<'_> {
        self.index.enter()
    }

    /// Copies what is in memory from `offset` on without a gap, under a read guard of this store. Adds to
    /// `done` how much that was; returns how much more the spool file has at least.
    #[inline]
    pub(crate) fn copy_memory(
        &self,
        offset: u64,
        out: &mut [u8],
        done: &mut usize,
        guard: &ReadGuard<'_>,
    ) -> u64 {
        while *done < out.len() {
            match self.index.find(offset + *done as u64, guard) {
                Location::Memory(bytes) => {
                    let count = bytes.len().min(out.len() - *done);
                    out[*done..*done + count].copy_from_slice(&bytes[..count]);
                    *done += count;
                }
                Location::Spool(run) => return run,
                Location::Absent => break,
            }
        }
        0
    }

    /// Copies what is buffered from `offset` on without a gap. Adds to `done` how much that was.
    pub(crate) fn copy(&self, offset: u64, out: &mut [u8], done: &mut usize) -> Result<()> {
        let spooled = self.copy_memory(offset, out, done, &self.index.enter());
        self.copy_on(offset, out, done, spooled)
    }

    /// The same, where it is known how much the spool file has there at least.
    pub(crate) fn copy_on(
        &self,
        offset: u64,
        out: &mut [u8],
        done: &mut usize,
        mut spooled: u64,
    ) -> Result<()> {
        while let (1.., Some(spool)) = (spooled, self.spool.get()) {
            let (at, most) = (offset + *done as u64, out.len() - *done);
            let run = self.extend(at, spooled, most as u64) as usize;
            let range = *done..*done + run;
            // Not by its kind: a file that is too short is no full disk.
            spool
                .read(&mut out[range], at, done)
                .map_err(|error| Error::Io(error.raw_os_error().unwrap_or(0)))?;
            if run == most {
                break;
            }
            spooled = self.copy_memory(offset, out, done, &self.index.enter());
        }
        Ok(())
    }

    /// How many bytes from `offset` on, up to `most`, are in the spool file without a gap.
    pub(crate) fn spooled_run(&self, offset: u64, most: u64) -> u64 {
        self.extend(offset, 0, most)
    }

    /// The same, where `run` of them are known to be there.
    fn extend(&self, offset: u64, mut run: u64, most: u64) -> u64 {
        while run < most {
            match self.index.find(offset + run, &self.index.enter()) {
                Location::Spool(count) => run += count,
                _ => break,
            }
        }
        run.min(most)
    }

    /// The directory of the spool file, or the one where it could not be made.
    pub(crate) fn spool_directory(&self) -> Option<&Path> {
        match self.spool() {
            Some(spool) => Some(spool.directory()),
            None => self.refused.get().map(PathBuf::as_path),
        }
    }

    /// Has another file share the blocks of what is in the spool file at `offset`; returns of how many
    /// bytes, 0 if nothing is there.
    pub(crate) fn clone_to(&self, offset: u64, most: u64, file: &File, to: u64) -> io::Result<u64> {
        match (self.spooled_run(offset, most), self.spool.get()) {
            (run @ 1.., Some(spool)) => spool.clone_to(offset, run, file, to),
            _ => Ok(0),
        }
    }

    /// Whether the spool file, or the one that would be made, could become the target. Changes nothing.
    pub(crate) fn can_link(&self, target: &Target) -> bool {
        match (self.spool.get(), &self.spool_dir) {
            (Some(spool), _) => spool.can_link(target),
            (None, Some(directory)) => disk::can_link(None, directory, target),
            (None, None) => disk::default_directory()
                .is_ok_and(|directory| disk::can_link(None, &directory, target)),
        }
    }

    /// Makes the spool file the target, if it holds the first `size` bytes and nothing else.
    pub(crate) fn link(
        &self,
        target: &Target,
        keep: bool,
        size: u64,
        sync: bool,
    ) -> io::Result<bool> {
        // Nobody writes to it meanwhile.
        let _spiller = lock(&self.spilling);
        let in_memory = {
            let writing = lock(&self.writing);
            !writing.sealed.is_empty() || writing.tail.is_some()
        };
        match self.spool.get() {
            Some(spool) if !in_memory && self.spooled() == size => {
                spool.link(target, keep, size, sync).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// The spool file, once there is one.
    pub(crate) fn spool(&self) -> Option<&Spool> {
        self.spool.get()
    }

    /// Memory taken, in bytes: for the resource's bytes, for knowing where they are, and what is kept for
    /// those to come.
    pub(crate) fn taken(&self) -> u64 {
        let writing = lock(&self.writing);
        let kept = writing.spare.as_ref().map_or(0, Chunk::size) + writing.pieces.left();
        let tail = writing.tail.as_ref().map_or(0, |tail| tail.capacity());
        let queue = writing.sealed.capacity() * size_of::<Shared<Segment>>();
        writing.sealed_bytes + (writing.writer.taken() + queue + tail + kept) as u64
    }

    /// How many bytes are in the spool file.
    pub(crate) fn spooled(&self) -> u64 {
        self.spooled.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
