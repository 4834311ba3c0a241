//! The store: holds the buffered bytes, in memory and in the spool file.
//!
//! Bytes enter through a [write grant](segment::WriteGrant) at the end of the *tail*, the segment
//! that the source is filling ([`fill`]). A tail that is full, or that the source has left, is
//! *sealed*. Sealed segments wait in order of arrival. When they and the tail together hold more
//! than `max_memory`, the oldest are written to the spool file and leave memory ([`spill`]), one at
//! a time, before the source is asked for more. A failed write therefore loses nothing, and memory
//! stays bounded.
//!
//! The thread that pulls also spills. A second thread that writes while the source is pulled was
//! measured (`bench/`, rows `overlap-*`): an instant source loses a sixth or more, a socket gains
//! nothing, and only a source that itself works at 10 Gbit/s gains, 8 %. A push does not touch the
//! file, so a second thread spills for it, several segments at a time and before memory is full.
//!
//! A store may be a [member](member) of a [budget], which limits the memory and the disk space of several
//! stores together: the oldest segment of all members is spilled, by whichever needs memory.
//!
//! There are two locks, and readers take neither. `spilling` orders the threads that spill and is
//! held across the write to the file. `writing` is held for a few instructions at a time, so that
//! received bytes can be committed during a spill. Readers look up bytes in the index. They hold a
//! read guard while they copy from memory, but not while they read the spool file, since its bytes
//! never change. Only in a [`window`] they do: what was read there is checked afterwards.

mod abandonment;
pub(crate) mod budget;
mod extras;
mod fill;
pub(crate) mod index;
mod lap;
mod member;
mod membership;
pub(crate) mod memory;
mod refusals;
pub(crate) mod segment;
mod spill;
mod spill_log;
pub(crate) mod spool;
mod spool_creation;
mod window;
mod write_state;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::disk::{self, Target};
use crate::error::{Error, Operation, Result};
use crate::log;
use crate::options::{OnFull, Options};
use crate::store::index::{Index, Location, Spiller};
use crate::store::memory::chunk::Chunk;
use crate::store::refusals::Refusals;
use crate::store::spool::Spool;
use crate::store::window::Window;
use crate::store::write_state::WriteState;
use crate::sync::rcu::{DomainRef, ReadGuard};
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, lock};

pub(crate) struct Store {
    index: Index,
    spool: OnceLock<Spool>,
    /// The number of bytes in the spool file.
    spooled: AtomicU64,
    max_memory: AtomicU64,
    window: Window,
    spool_dir: Option<PathBuf>,
    /// The directories in which the spool file could not be created at the first attempt.
    refusals: OnceLock<Refusals>,
    on_full: OnFull,
    /// The buffer's number in the log.
    number: u64,
    /// What the log has been told: where the spool file is, and that it takes no bytes.
    announced: AtomicBool,
    stuck: AtomicBool,
    /// The source delivers nothing more.
    finished: AtomicBool,
    /// The bytes are pushed.
    is_pushed: AtomicBool,
    /// It is in a budget.
    is_member: AtomicBool,
    /// It was evicted.
    abandoned: AtomicBool,
    spilling: Mutex<Spiller>,
    writing: Mutex<WriteState>,
}

impl Store {
    /// Takes the path out of the options.
    pub(crate) fn new(options: &mut Options, domain: DomainRef) -> Store {
        let (index, writer, spiller) = Index::new(domain);
        let window = Window::new(options.window);
        Store {
            index,
            spool: OnceLock::new(),
            spooled: AtomicU64::new(0),
            max_memory: AtomicU64::new(window.limit(options.max_memory)),
            window,
            spool_dir: options.spool_dir.take(),
            refusals: OnceLock::new(),
            on_full: options.on_full,
            number: log::next_number(),
            announced: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            is_pushed: AtomicBool::new(false),
            is_member: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            spilling: Mutex::new(spiller),
            writing: Mutex::new(WriteState::new(writer)),
        }
    }

    /// Protects the memory that the caller is about to copy from.
    #[inline]
    pub(crate) fn enter(&self) -> ReadGuard<'_> {
        self.index.enter()
    }

    /// Copies the bytes that are in memory from `offset` on without a gap, under a read guard of
    /// this store. Adds their number to `done`. Returns how many bytes follow in the spool file, at
    /// least.
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

    /// Copies the bytes that are buffered from `offset` on without a gap. Adds their number to
    /// `done`.
    pub(crate) fn copy(&self, offset: u64, out: &mut [u8], done: &mut usize) -> Result<()> {
        // The guard is dropped before the file is read.
        let spooled = self.copy_memory(offset, out, done, &self.index.enter());
        match spooled {
            0 => Ok(()),
            _ => self.copy_on(offset, out, done, spooled),
        }
    }

    /// The same, if at least `spooled` bytes are known to be next, in the spool file.
    pub(crate) fn copy_on(
        &self,
        offset: u64,
        out: &mut [u8],
        done: &mut usize,
        mut spooled: u64,
    ) -> Result<()> {
        while let (1.., Some(spool)) = (spooled, self.spool.get()) {
            if self.has_window() {
                return self.copy_ring(offset, out, done, spooled);
            }
            let (at, most) = (offset + *done as u64, out.len() - *done);
            let run = self.extend(at, spooled, most as u64) as usize;
            let (before, range) = (*done, *done..*done + run);
            let read = spool.read(&mut out[range], at, done);
            if self.is_abandoned() {
                *done = before;
                return Err(Error::Canceled);
            }
            // The kind does not matter: a file that is too short is not a full disk.
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

    /// The number of bytes, at most `most`, that are in the spool file from `offset` on without a
    /// gap.
    pub(crate) fn spooled_run(&self, offset: u64, most: u64) -> u64 {
        self.extend(offset, 0, most)
    }

    /// The same, if `run` bytes are known to be in the spool file.
    #[inline]
    fn extend(&self, offset: u64, run: u64, most: u64) -> u64 {
        match run < most {
            true => self.look_on(offset, run, most),
            false => most,
        }
    }

    // Not in line: most reads end in the block in which they begin.
    #[inline(never)]
    fn look_on(&self, offset: u64, mut run: u64, most: u64) -> u64 {
        while run < most {
            match self.index.find(offset + run, &self.index.enter()) {
                Location::Spool(count) => run += count,
                _ => break,
            }
        }
        run.min(most)
    }

    /// The directory of the spool file, or the one in which it could not be created.
    pub(crate) fn spool_directory(&self) -> Option<&Path> {
        match self.spool() {
            Some(spool) => Some(spool.directory()),
            None => self.refusals.get().and_then(Refusals::first),
        }
    }

    /// Makes another file share the blocks of the bytes that are in the spool file at `offset`.
    /// Returns the number of bytes, 0 if none are in the spool file.
    pub(crate) fn clone_to(&self, offset: u64, most: u64, file: &File, to: u64) -> io::Result<u64> {
        let Some(spool) = self.spool.get() else {
            return Ok(0);
        };
        if self.has_window() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        match self.spooled_run(offset, most) {
            0 => Ok(0),
            run => {
                let cloned = spool.clone_to(offset, run, file, to)?;
                match self.is_abandoned() {
                    // A copy of the bytes fails, too.
                    true => Err(io::ErrorKind::Unsupported.into()),
                    false => Ok(cloned),
                }
            }
        }
    }

    /// Whether the spool file, or the one that would be created, could become the target. Changes
    /// nothing.
    pub(crate) fn can_link(&self, target: &Target) -> bool {
        match (self.spool.get(), &self.spool_dir) {
            (Some(spool), _) => spool.can_link(target),
            (None, Some(directory)) => disk::can_link(None, directory, target),
            (None, None) => disk::default_directories().is_ok_and(|directories| {
                let first = directories.into_iter().flatten().next();
                first.is_some_and(|directory| disk::can_link(None, &directory, target))
            }),
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
        // No other thread writes to the spool file meanwhile.
        let _spiller = lock(&self.spilling);
        let in_memory = {
            let writing = lock(&self.writing);
            writing.has_bytes()
        };
        match self.spool.get() {
            Some(spool) if !in_memory && self.spooled() == size && !self.is_abandoned() => {
                spool.link(target, keep, size, sync).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// The spool file, if it exists.
    pub(crate) fn spool(&self) -> Option<&Spool> {
        self.spool.get()
    }

    /// The memory taken, in bytes: for the resource's bytes, for the index, and for memory kept for
    /// the next segments.
    pub(crate) fn taken(&self) -> u64 {
        let writing = lock(&self.writing);
        let spares = writing.spares().iter().map(Chunk::size).sum::<usize>();
        let spare = writing.spare.as_ref().map_or(0, Chunk::size);
        let kept = spare + spares + writing.chunks.left();
        let tail = writing.tail.as_ref().map_or(0, |tail| tail.capacity());
        writing.sealed_bytes + writing.index_taken() + (tail + kept) as u64
    }

    /// Whether it is in a budget.
    #[inline]
    pub(crate) fn is_member(&self) -> bool {
        self.is_member.load(Ordering::Relaxed)
    }

    /// The buffer's number in the log.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The memory limit; none for a window that fits.
    fn max_memory(&self) -> u64 {
        // Relaxed: it concerns no other memory, and takes effect when the next bytes are requested.
        self.max_memory.load(Ordering::Relaxed)
    }

    /// The number of bytes in the spool file.
    pub(crate) fn spooled(&self) -> u64 {
        self.spooled.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
