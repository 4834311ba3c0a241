//! An entry: a buffer of the cache.

use crate::buffer::Buffer;
use crate::cache::policy::EntryId;
use crate::error::Result;
use crate::options::Options;
use crate::source::Source;
use crate::store::budget::Budget;
use crate::sync::shared::Shared;

/// Where the buffers of entries are known to the outside.
pub(crate) trait EntryDirectory: Send + Sync {
    /// Makes a buffer and returns it with its handle.
    fn add(
        &self,
        source: Box<dyn Source>,
        options: Options,
        budget: &Shared<Budget>,
    ) -> Result<(Shared<Buffer>, usize)>;

    /// Makes a handle invalid.
    fn remove(&self, handle: usize);
}

pub(crate) struct CacheEntry {
    pub(super) id: EntryId,
    pub(super) buffer: Shared<Buffer>,
    /// The buffer's handle, in this directory.
    pub(super) handle: usize,
    pub(super) directory: Shared<Box<dyn EntryDirectory>>,
}

impl CacheEntry {
    /// Frees the buffer: nobody has a lease any more, or the cache is freed. More than once is
    /// harmless.
    pub(super) fn end(&self) {
        self.directory.remove(self.handle);
        self.buffer.free();
    }
}

impl Drop for CacheEntry {
    fn drop(&mut self) {
        self.end();
    }
}
