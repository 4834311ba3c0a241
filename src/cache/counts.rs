//! The cache's counters.

use crate::store::budget::member::Cause;

/// What the table counts.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) expired: u64,
    pub(super) evicted_disk: u64,
    pub(super) evicted_free: u64,
    pub(super) evicted_memory: u64,
    pub(super) evicted_large: u64,
    /// What the sources of entries that have ended delivered.
    pub(super) pulled: u64,
}

impl Counts {
    pub(super) fn note_eviction(&mut self, cause: Cause, is_large: bool) {
        let count = match cause {
            _ if is_large => &mut self.evicted_large,
            Cause::Disk => &mut self.evicted_disk,
            Cause::FreeSpace => &mut self.evicted_free,
            Cause::Memory => &mut self.evicted_memory,
        };
        *count += 1;
    }
}
