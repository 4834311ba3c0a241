//! The spool file: the resource's bytes at their own offsets, in a file without a name.
//!
//! It decides nothing: the store decides what is written to it, and when. Reads and writes are
//! positioned, come from any number of threads, and never overlap. Of a [window](crate::store::window) it
//! is a ring.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::preallocate::Preallocation;
use crate::disk::{self, Target};
use crate::sync::{AtomicBool, Ordering};

pub(crate) struct Spool {
    file: File,
    preallocation: Preallocation,
    directory: PathBuf,
    in_memory: bool,
    /// The file has, or had, a name: other processes may have it open.
    was_linked: AtomicBool,
    /// The process that created it: a child of fork() has a copy of this struct.
    process: u32,
}

impl Spool {
    /// Wraps a file without a name, which was created in `directory`.
    pub(crate) fn new(file: File, directory: PathBuf) -> Spool {
        Spool {
            in_memory: disk::is_memory_backed(&file),
            file,
            preallocation: Preallocation::new(),
            directory,
            was_linked: AtomicBool::new(false),
            process: std::process::id(),
        }
    }

    /// Writes `bytes` at `offset`. `more` says that more writes are likely to follow. Sets `done` to
    /// the number of bytes written, even if it fails.
    pub(crate) fn write(
        &self,
        bytes: &[u8],
        offset: u64,
        more: bool,
        done: &mut usize,
    ) -> io::Result<()> {
        if more && !self.in_memory {
            self.preallocation
                .reserve(&self.file, offset, bytes.len() as u64);
        }
        disk::write_all_at(&self.file, bytes, offset, done)
    }

    /// Frees the preallocated blocks that were not written. No other thread may write meanwhile,
    /// and no more writes may follow.
    pub(crate) fn trim(&self) {
        self.preallocation.trim(&self.file);
    }

    /// Fills `out` from `offset` on. Adds the number of bytes filled to `done`, even if it fails.
    pub(crate) fn read(&self, out: &mut [u8], offset: u64, done: &mut usize) -> io::Result<()> {
        disk::read_exact_at(&self.file, out, offset, done)
    }

    /// The number of bytes that may still be written on its file system.
    pub(crate) fn free_space(&self) -> io::Result<u64> {
        disk::free_space(&self.file, &self.directory)
    }

    /// Makes another file share blocks of this one. Returns the number of bytes.
    pub(crate) fn clone_to(
        &self,
        offset: u64,
        length: u64,
        file: &File,
        to: u64,
    ) -> io::Result<u64> {
        disk::clone_range(&self.file, offset, file, to, length)
    }

    /// Whether the file could become the target, which it can do once and on its own file system.
    pub(crate) fn can_link(&self, target: &Target) -> bool {
        !self.was_linked.load(Ordering::Relaxed)
            && disk::can_link(Some(&self.file), &self.directory, target)
    }

    /// Makes the file the target. It holds the first `size` bytes of the resource.
    pub(crate) fn link(
        &self,
        target: &Target,
        keep: bool,
        size: u64,
        sync: bool,
    ) -> io::Result<()> {
        disk::link(&self.file, target, keep, size, sync)?;
        self.was_linked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Frees the blocks of the file, unless it became a target or belongs to the parent of fork(). No
    /// other thread uses it meanwhile.
    pub(crate) fn discard(&self) {
        if self.process == std::process::id() && !self.was_linked.load(Ordering::Relaxed) {
            disk::discard(&self.file);
        }
    }

    /// The disk space that the file takes, in bytes.
    #[cfg(all(test, unix))]
    pub(crate) fn taken(&self) -> u64 {
        disk::taken(&self.file)
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

impl Drop for Spool {
    fn drop(&mut self) {
        // A child of fork() may keep the file open for long.
        self.discard();
    }
}
