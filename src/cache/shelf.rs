//! The shelf: the entries, who has a lease of which, and which one goes when there is no room.

use crate::buffer::Buffer;
use crate::cache::directory::EntryDirectory;
use crate::cache::entry::CacheEntry;
use crate::cache::options::CacheOptions;
use crate::cache::policy::{EntryId, Policy};
use crate::cache::table::{EntryRecord, EntryTable};
use crate::cache::times::Clock;
use crate::error::{Error, Result};
use crate::sync::shared::Shared;
use crate::sync::{AtomicBool, Condvar, Mutex, lock};

pub(crate) struct Shelf {
    pub(super) table: Mutex<EntryTable>,
    /// Notified when an opening has ended.
    pub(super) grounded: Condvar,
    /// False: no key is unclaimed. Set under the table's lock, and read without it.
    pub(super) may_have_unclaimed: AtomicBool,
    pub(super) directory: Shared<Box<dyn EntryDirectory>>,
    pub(super) clock: Clock,
    pub(super) fresh_ms: i64,
    pub(super) idle_ms: i64,
}

/// What the end of a lease leaves to do, without the lock.
enum Released {
    Nothing,
    /// The last lease of an entry that is not kept.
    Ended(EntryRecord),
    /// The last lease of an entry that is kept.
    Idle {
        generation: u64,
    },
}

impl Shelf {
    pub(super) fn new(directory: Shared<Box<dyn EntryDirectory>>, options: &CacheOptions) -> Shelf {
        let budget = options.max_memory.saturating_add(options.max_disk);
        Shelf {
            table: Mutex::new(EntryTable::new(Policy::new(options.max_entry, budget))),
            grounded: Condvar::new(),
            may_have_unclaimed: AtomicBool::new(false),
            directory,
            clock: Clock::new(),
            fresh_ms: options.fresh_ms,
            idle_ms: options.idle_ms,
        }
    }

    /// Counts a further lease of the entry with this number, if that has one and is that of the buffer.
    pub(super) fn lease_of(
        &self,
        id: EntryId,
        buffer: &Shared<Buffer>,
    ) -> Result<Shared<CacheEntry>> {
        let mut table = lock(&self.table);
        let record = table.record(id).filter(|record| record.leases > 0);
        let entry = record.map(|record| record.entry.clone());
        let entry = entry.filter(|entry| Shared::is_same(&entry.buffer, buffer));
        let entry = entry.ok_or(Error::Invalid)?;
        table.grant(&entry);
        Ok(entry)
    }

    /// Ends a lease.
    #[inline(never)]
    pub(super) fn release(&self, entry: &CacheEntry) {
        let buffer = &entry.buffer;
        let (bytes, is_complete) = (buffer.held(), buffer.is_complete());
        // What delivered other bytes than before is not continued.
        let is_spoiled = buffer
            .failure()
            .is_some_and(|failure| failure.is_mismatch());
        let mut table = lock(&self.table);
        if is_spoiled {
            table.unlist_entry(entry.id);
        }
        let released = self.end_lease(&mut table, entry.id, bytes, is_complete);
        drop(table);
        match released {
            Released::Nothing => {}
            Released::Ended(record) => record.entry.end(),
            Released::Idle { generation } => Buffer::unplug(buffer, generation),
        }
    }

    fn end_lease(
        &self,
        table: &mut EntryTable,
        id: EntryId,
        bytes: u64,
        is_complete: bool,
    ) -> Released {
        let needs_no_source = is_complete || table.is_unclaimed(id);
        let Some(record) = table.record_mut(id) else {
            return Released::Nothing;
        };
        record.leases -= 1;
        if record.leases > 0 {
            return Released::Nothing;
        }
        if record.key.is_none() {
            let ended = table.take_idle(id);
            return ended.map_or(Released::Nothing, Released::Ended);
        }
        record.is_unplugged |= !needs_no_source;
        let generation = record.generation;
        table.policy.released(id, bytes, self.clock.now());
        match needs_no_source {
            true => Released::Nothing,
            false => Released::Idle { generation },
        }
    }

    /// Makes whoever comes later get another entry.
    pub(super) fn unlist(&self, entry: &CacheEntry) {
        lock(&self.table).unlist_entry(entry.id);
    }

    pub(super) fn reserve(&self) -> Result<EntryId> {
        lock(&self.table).reserve()
    }

    pub(super) fn give_back(&self, id: EntryId) {
        lock(&self.table).give_back(id);
    }

    /// Calls `work` with the table.
    pub(super) fn with_table<T>(&self, work: impl FnOnce(&mut EntryTable) -> T) -> T {
        work(&mut lock(&self.table))
    }
}
