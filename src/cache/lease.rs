//! A lease: keeps an entry from being evicted.

use crate::buffer::Buffer;
use crate::cache::entry::CacheEntry;
use crate::cache::policy::EntryId;
use crate::cache::shelf::Shelf;
use crate::error::Result;
use crate::sync::shared::Shared;

/// Keeps an entry from being evicted. Ends when it is dropped; that never waits.
pub(crate) struct Lease {
    shelf: Shared<Shelf>,
    entry: Shared<CacheEntry>,
}

impl Lease {
    /// A lease that the shelf has counted.
    pub(super) fn granted(shelf: &Shared<Shelf>, entry: Shared<CacheEntry>) -> Lease {
        let shelf = shelf.clone();
        Lease { shelf, entry }
    }

    pub(super) fn entry(&self) -> &Shared<CacheEntry> {
        &self.entry
    }

    pub(crate) fn buffer(&self) -> &Shared<Buffer> {
        &self.entry.buffer
    }

    /// The buffer's handle.
    pub(crate) fn handle(&self) -> usize {
        self.entry.handle
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shelf.release(&self.entry);
    }
}

/// How a buffer finds the entry that it belongs to, for further readers of it. Does not keep the entry.
pub(crate) struct EntryHome {
    pub(super) shelf: Shared<Shelf>,
    pub(super) id: EntryId,
}

impl EntryHome {
    /// A further lease of the entry, if it has one.
    pub(crate) fn lease(&self, buffer: &Shared<Buffer>) -> Result<Lease> {
        let entry = self.shelf.lease_of(self.id, buffer)?;
        Ok(Lease::granted(&self.shelf, entry))
    }
}
