//! The spool file: the resource's bytes at their own offsets, in a file without a name.
//!
//! It decides nothing: what is written to it, and when, is the store's business. Reads and writes
//! are positioned, from any number of threads, and never overlap.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;

pub(crate) struct Spool {
    file: File,
    directory: PathBuf,
    in_memory: bool,
}

impl Spool {
    /// Makes the file, in the directory given or the default one.
    pub(crate) fn create(directory: Option<&Path>) -> io::Result<Spool> {
        let directory = directory.map_or_else(disk::default_directory, Path::to_path_buf);
        let file = disk::create_unnamed(&directory)?;
        let in_memory = disk::is_memory_backed(&directory);
        Ok(Spool {
            file,
            directory,
            in_memory,
        })
    }

    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        disk::write_all_at(&self.file, bytes, offset)
    }

    pub(crate) fn read(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        disk::read_exact_at(&self.file, out, offset)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        self.in_memory
    }
}
