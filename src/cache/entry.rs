//! An entry: a buffer of the cache. A lease keeps it.

use crate::buffer::Buffer;
use crate::cache::policy::EntryId;
use crate::cache::shelf::Shelf;
use crate::error::Result;
use crate::sync::shared::Shared;

pub(crate) struct Entry {
    pub(super) shelf: Shared<Shelf>,
    pub(super) id: EntryId,
    pub(super) buffer: Shared<Buffer>,
    /// The buffer's handle.
    pub(super) handle: usize,
}

/// Keeps an entry from being evicted. Ends when it is dropped; that never waits.
pub(crate) struct Lease(Shared<Entry>);

impl Lease {
    /// A lease that the shelf has counted.
    pub(super) fn granted(entry: Shared<Entry>) -> Lease {
        Lease(entry)
    }

    pub(super) fn entry(&self) -> &Shared<Entry> {
        &self.0
    }

    pub(crate) fn buffer(&self) -> &Shared<Buffer> {
        &self.0.buffer
    }

    /// The buffer's handle.
    pub(crate) fn handle(&self) -> usize {
        self.0.handle
    }

    /// One more lease of the same entry.
    #[allow(dead_code, reason = "for the cursors of Rust")]
    pub(crate) fn again(&self) -> Lease {
        self.0.shelf.lease(&self.0)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        Shelf::release(&self.0);
    }
}

impl Entry {
    /// Frees the buffer: nobody has a lease any more, or the cache is freed. More than once is
    /// harmless.
    pub(super) fn end(&self) {
        self.shelf.directory.remove(self.handle);
        self.buffer.free();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end();
    }
}

/// How a buffer finds the entry that it belongs to, for further readers of it. Does not keep the entry.
pub(crate) struct Home {
    pub(super) shelf: Shared<Shelf>,
    pub(super) id: EntryId,
}

impl Home {
    /// A lease of the entry, unless it has ended.
    pub(crate) fn lease(&self, buffer: &Shared<Buffer>) -> Result<Lease> {
        self.shelf.lease_of(self.id, buffer)
    }
}
