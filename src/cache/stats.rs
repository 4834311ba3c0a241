//! What a cache reports.

use crate::cache::shelf::Shelf;
use crate::store::budget::Budget;

/// A snapshot, in bytes where nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CacheStats {
    /// Opens of an entry that could be handed out at once.
    pub hits: u64,
    /// Opens for which the opener was called, was running, or had failed.
    pub misses: u64,
    /// Openers that are running now, or wait for a helper thread.
    pub opening: u64,
    /// Bytes that sources have delivered, for all entries since the cache was made.
    pub pulled: u64,
    /// Entries that were idle too long.
    pub expired: u64,
    /// Entries evicted because the disk budget was used up.
    pub evicted_disk: u64,
    /// Entries evicted because the file system had too little free space.
    pub evicted_free: u64,
    /// Entries evicted because what entries need besides their bytes took all of the memory.
    pub evicted_memory: u64,
    /// Entries evicted before all others, because they are large.
    pub evicted_large: u64,
    /// The memory in use.
    pub memory: u64,
    /// The most memory that was in use at any time.
    pub memory_peak: u64,
    /// The disk space in use.
    pub disk: u64,
    /// The most disk space that was in use at any time.
    pub disk_peak: u64,
    /// The number of entries, with those that were removed and still have a lease.
    pub entries: u64,
    /// The number of leases.
    pub leases: u64,
}

pub(super) fn of(shelf: &Shelf, budget: &Budget) -> CacheStats {
    let mut stats = shelf.with_table(|table| {
        let counts = table.counts;
        let mut stats = CacheStats {
            hits: counts.hits,
            misses: counts.misses,
            opening: table.openings.len() as u64,
            pulled: counts.pulled,
            expired: counts.expired,
            evicted_disk: counts.evicted_disk,
            evicted_free: counts.evicted_free,
            evicted_memory: counts.evicted_memory,
            evicted_large: counts.evicted_large,
            ..CacheStats::default()
        };
        for record in table.records_mut() {
            stats.entries += 1;
            stats.leases += record.leases as u64;
            stats.pulled += record.pulled();
        }
        stats
    });
    (stats.memory, stats.memory_peak) = (budget.memory().used(), budget.memory().most());
    (stats.disk, stats.disk_peak) = (budget.disk().used(), budget.disk().most());
    stats
}
