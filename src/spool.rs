//! The spool file: the resource's bytes at their own offsets, in a file without a name.
//!
//! It decides nothing: what is written to it, and when, is the store's business. Reads and writes
//! are positioned, from any number of threads, and never overlap.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::ahead::Ahead;
use crate::disk::{self, Target};

pub(crate) struct Spool {
    file: File,
    ahead: Ahead,
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
            ahead: Ahead::new(),
            directory,
            in_memory,
        })
    }

    /// Writes `bytes` at `offset`; `more` says that more are likely to follow.
    pub(crate) fn write(&self, bytes: &[u8], offset: u64, more: bool) -> io::Result<()> {
        if more && !self.in_memory {
            self.ahead.reserve(&self.file, offset, bytes.len() as u64);
        }
        disk::write_all_at(&self.file, bytes, offset)
    }

    /// Gives back what is reserved and not written; nobody writes meanwhile, and nothing more is to
    /// come.
    pub(crate) fn trim(&self) {
        self.ahead.trim(&self.file);
    }

    pub(crate) fn read(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        disk::read_exact_at(&self.file, out, offset)
    }

    /// Has another file share blocks of this one; returns of how many bytes.
    pub(crate) fn clone_to(
        &self,
        offset: u64,
        length: u64,
        file: &File,
        to: u64,
    ) -> io::Result<u64> {
        disk::clone_range(&self.file, offset, file, to, length)
    }

    /// Makes the file, which holds the first `size` bytes of the resource, the target.
    pub(crate) fn link(
        &self,
        target: &Target,
        keep: bool,
        size: u64,
        sync: bool,
    ) -> io::Result<()> {
        disk::link(&self.file, target, keep, size, sync)
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
