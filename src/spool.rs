//! The spool file: the resource's bytes at their own offsets, in a file without a name.
//!
//! It decides nothing: what is written to it, and when, is the store's business. Reads and writes
//! are positioned, from any number of threads, and never overlap.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::sync::{AtomicU64, Ordering};

/// Blocks are reserved so far ahead of the writes, which is worth a third of the time that writes
/// take on ext4 (`bench/`), and makes a full disk show early.
const AHEAD: u64 = 8 * 1024 * 1024;
/// Not for files that stay smaller than this.
const WORTH_IT: u64 = 1024 * 1024;

pub(crate) struct Spool {
    file: File,
    /// The end of the last write, and up to where blocks are reserved. One thread writes at a time.
    written: AtomicU64,
    reserved: AtomicU64,
    directory: PathBuf,
    in_memory: bool,
}

impl Spool {
    /// Makes the file, in the directory given or the default one.
    pub(crate) fn create(directory: Option<&Path>) -> io::Result<Spool> {
        let directory = match directory {
            Some(directory) => disk::copy_of(directory)?,
            None => disk::default_directory()?,
        };
        let file = disk::create_unnamed(&directory)?;
        let in_memory = disk::is_memory_backed(&file);
        Ok(Spool {
            file,
            written: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            directory,
            in_memory,
        })
    }

    /// Writes `bytes` at `offset`; `ahead` says that more are likely to follow.
    pub(crate) fn write(&self, bytes: &[u8], offset: u64, ahead: bool) -> io::Result<()> {
        if ahead {
            self.reserve(offset, offset + bytes.len() as u64);
        }
        disk::write_all_at(&self.file, bytes, offset)
    }

    /// Reserves ahead while writes follow each other.
    fn reserve(&self, start: u64, end: u64) {
        let follows = self.written.swap(end, Ordering::Relaxed) == start;
        if !follows || start < WORTH_IT || self.in_memory {
            return;
        }
        if end > self.reserved.load(Ordering::Relaxed) {
            // Without room for that much there may be enough for the write.
            let _ = disk::reserve(&self.file, start, AHEAD);
            self.reserved.store(start + AHEAD, Ordering::Relaxed);
        }
    }

    /// Gives back what is reserved and not written; nobody writes meanwhile, and nothing more is to
    /// come.
    pub(crate) fn trim(&self) {
        if self.reserved.swap(0, Ordering::Relaxed) > 0 {
            // What can't be given back now goes with the file.
            let _ = self
                .file
                .metadata()
                .and_then(|about| disk::trim(&self.file, about.len()));
        }
    }

    pub(crate) fn read(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        disk::read_exact_at(&self.file, out, offset)
    }

    /// Copies inside the kernel; returns how much that was, at least 1. A file that ends too early
    /// is an error.
    pub(crate) fn copy_to_file(
        &self,
        offset: u64,
        length: u64,
        file: &File,
        to: u64,
    ) -> io::Result<u64> {
        match disk::copy_range(&self.file, offset, file, to, length)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }

    /// Makes the file, which holds the first `size` bytes of the resource, the file at `path`.
    pub(crate) fn link(&self, path: &Path, keep: bool, size: u64, sync: bool) -> io::Result<()> {
        if sync {
            disk::sync(&self.file)?;
        }
        disk::link(&self.file, path, keep, size)
    }

    #[cfg(test)]
    pub(crate) fn cut(&self, size: u64) {
        self.file.set_len(size).expect("an open file");
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        self.in_memory
    }
}
