//! An entry: a buffer of the cache.

use crate::buffer::Buffer;
use crate::cache::directory::EntryDirectory;
use crate::cache::policy::EntryId;
use crate::store::budget::OwnerCharge;
use crate::sync::shared::Shared;

pub(crate) struct CacheEntry {
    pub(super) id: EntryId,
    pub(super) buffer: Shared<Buffer>,
    /// The buffer's handle, in this directory.
    pub(super) handle: usize,
    pub(super) directory: Shared<Box<dyn EntryDirectory>>,
    /// What the entry takes besides its buffer. Dropped last.
    pub(super) _charge: OwnerCharge,
}

impl CacheEntry {
    /// Frees the buffer: nobody has a lease any more, or the cache is freed. More than once is
    /// harmless.
    #[inline(never)]
    pub(super) fn end(&self) {
        self.directory.remove(self.handle);
        self.buffer.free();
    }

    /// The same for an entry without a lease whose room is needed now: frees it even if another thread
    /// is still inside the buffer.
    pub(super) fn evict(this: &Shared<CacheEntry>) {
        this.end();
        // So that no more threads enter it.
        this.buffer.leave_crew();
        let is_alone = || this.is_unique() && this.buffer.is_unique();
        this.buffer.store.give_up(&is_alone);
    }
}

impl Drop for CacheEntry {
    fn drop(&mut self) {
        self.end();
    }
}
