//! Reserving disk blocks ahead of writes that follow each other.
//!
//! Worth a third of the time that large writes take on ext4 (`bench/`, rows `pull-256-64` and
//! `save-256`), and it makes a full disk show early.

use std::fs::File;

use crate::disk;
use crate::sync::{AtomicU64, Ordering};

/// How far ahead, in bytes.
const DISTANCE: u64 = 8 * 1024 * 1024;
/// Not for files that stay smaller than this.
const WORTH_IT: u64 = 1024 * 1024;

/// How far a file is written and reserved. One thread writes at a time.
pub(crate) struct Preallocation {
    written: AtomicU64,
    reserved: AtomicU64,
}

impl Preallocation {
    pub(crate) fn new() -> Preallocation {
        Preallocation {
            written: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
        }
    }

    /// To be called before a write of `length` bytes at `offset`.
    pub(crate) fn reserve(&self, file: &File, offset: u64, length: u64) {
        let end = offset.saturating_add(length);
        let follows = self.written.swap(end, Ordering::Relaxed) == offset;
        if follows && offset >= WORTH_IT && end > self.reserved.load(Ordering::Relaxed) {
            // Without room for that much there may be enough for the write.
            let _ = disk::reserve(file, offset, DISTANCE);
            let reserved = offset.saturating_add(DISTANCE);
            self.reserved.store(reserved, Ordering::Relaxed);
        }
    }

    /// Gives back what is reserved past the end of the file, also by the file system on its own.
    pub(crate) fn trim(&self, file: &File) {
        self.reserved.store(0, Ordering::Relaxed);
        // What can't be given back now goes with the file.
        let _ = file
            .metadata()
            .and_then(|about| disk::trim(file, about.len()));
    }
}
