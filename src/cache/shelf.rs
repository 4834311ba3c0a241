//! The shelf: the entries, who has a lease of which, and which one goes when there is no room.

use crate::buffer::Buffer;
use crate::cache::entry::{Entry, Lease};
use crate::cache::flight::Flight;
use crate::cache::policy::{EntryId, Policy};
use crate::cache::settle::{Known, Landing};
use crate::cache::table::{EntryTable, Key, Record};
use crate::cache::times::Clock;
use crate::cache::{CacheOptions, Directory};
use crate::error::{Error, Result};
use crate::sync::shared::Shared;
use crate::sync::{Condvar, Mutex, lock, wait};

pub(crate) struct Shelf {
    pub(super) table: Mutex<EntryTable>,
    /// Notified when an opening has ended.
    pub(super) grounded: Condvar,
    pub(super) directory: Box<dyn Directory>,
    pub(super) clock: Clock,
    pub(super) fresh_ms: i64,
    pub(super) idle_ms: i64,
}

/// What the end of a lease leaves to do, without the lock.
enum Released {
    Nothing,
    /// The last lease of an entry that is not kept.
    Ended(Record),
    /// The last lease of an entry that is kept.
    Idle {
        generation: u64,
    },
}

impl Shelf {
    pub(super) fn new(directory: Box<dyn Directory>, options: &CacheOptions) -> Shelf {
        let budget = options.max_memory.saturating_add(options.max_disk);
        Shelf {
            table: Mutex::new(EntryTable::new(Policy::new(options.max_entry, budget))),
            grounded: Condvar::new(),
            directory,
            clock: Clock::new(),
            fresh_ms: options.fresh_ms,
            idle_ms: options.idle_ms,
        }
    }

    pub(super) fn grant(&self, table: &mut EntryTable, entry: &Shared<Entry>) -> Lease {
        table.policy.leased(entry.id);
        if let Some(record) = table.record_mut(entry.id) {
            record.leases += 1;
        }
        Lease::granted(entry.clone())
    }

    /// One more lease of an entry that has one.
    #[allow(dead_code, reason = "for the cursors of Rust")]
    pub(super) fn lease(&self, entry: &Shared<Entry>) -> Lease {
        self.grant(&mut lock(&self.table), entry)
    }

    /// A lease of the entry with this number, if it still is that of the buffer.
    pub(super) fn lease_of(&self, id: EntryId, buffer: &Shared<Buffer>) -> Result<Lease> {
        let mut table = lock(&self.table);
        let record = table.record(id).filter(|record| record.leases > 0);
        let entry = record.map(|record| record.entry.clone());
        let entry = entry.filter(|entry| Shared::is_same(&entry.buffer, buffer));
        let entry = entry.ok_or(Error::Invalid)?;
        Ok(self.grant(&mut table, &entry))
    }

    /// Ends a flight: everyone on board gets a lease, or the error.
    pub(super) fn land(
        this: &Shared<Shelf>,
        flight: &Shared<Flight>,
        key: &Key,
        old: Option<Lease>,
        landing: Result<Landing>,
    ) {
        let mut table = lock(&this.table);
        let is_listed = table.end_flight(key, flight);
        let held = landing.and_then(|landing| this.enter(&mut table, landing, old.as_ref()));
        if let (true, Ok(lease)) = (is_listed, &held) {
            // If memory runs out, the entry goes with its last lease.
            let _ = table.list(key, lease.entry().id);
        }
        flight.land(|waiters| match (&held, table.is_closed) {
            (_, true) => Err(Error::Canceled),
            (Err(error), _) => Err(error.clone()),
            (Ok(lease), _) => {
                let entry = lease.entry();
                if let Some(record) = table.record_mut(entry.id) {
                    record.leases += waiters;
                }
                Ok(entry.clone())
            }
        });
        drop(table);
        // The flight's own leases end after those of the others have begun, and without the lock.
        drop((held, old));
    }

    /// Records what a flight brought. Returns a lease for the flight itself.
    fn enter(
        &self,
        table: &mut EntryTable,
        landing: Landing,
        old: Option<&Lease>,
    ) -> Result<Lease> {
        let now = self.clock.now();
        match landing {
            Landing::New { entry, tag } => {
                let record = Record {
                    generation: entry.buffer.source_generation(),
                    entry: entry.clone(),
                    key: None,
                    tag,
                    opened: now,
                    leases: 0,
                    is_unplugged: false,
                };
                table.fill(entry.id, record);
                Ok(self.grant(table, &entry))
            }
            Landing::Same => {
                let old = old.ok_or(Error::Invalid)?.entry();
                if let Some(record) = table.record_mut(old.id) {
                    record.opened = now;
                    record.is_unplugged = false;
                    record.generation = old.buffer.source_generation();
                }
                Ok(self.grant(table, old))
            }
        }
    }

    /// Ends a lease.
    pub(super) fn release(entry: &Shared<Entry>) {
        let shelf = &entry.shelf;
        let buffer = &entry.buffer;
        let (bytes, is_complete) = (buffer.held(), buffer.is_complete());
        // What delivered other bytes than before is not continued.
        let is_spoiled = buffer
            .failure()
            .is_some_and(|failure| failure.is_mismatch());
        let mut table = lock(&shelf.table);
        if is_spoiled {
            table.unlist_entry(entry.id);
        }
        let released = shelf.end_lease(&mut table, entry.id, bytes, is_complete);
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
        record.is_unplugged |= !is_complete;
        let generation = record.generation;
        table.policy.released(id, bytes, self.clock.now());
        match is_complete {
            true => Released::Nothing,
            false => Released::Idle { generation },
        }
    }

    /// What an opener has to know of an entry.
    pub(super) fn known<'l>(&self, lease: &'l Lease) -> Known<'l> {
        let buffer = lease.buffer();
        let has_failed = buffer.failure().is_some();
        let table = lock(&self.table);
        let record = table.record(lease.entry().id);
        let (tag, is_unplugged) = record.map_or((0, true), |it| (it.tag, it.is_unplugged));
        drop(table);
        Known {
            lease,
            tag,
            needs_source: (is_unplugged || has_failed) && !buffer.is_complete(),
        }
    }

    pub(super) fn unlist(&self, lease: &Lease) {
        lock(&self.table).unlist_entry(lease.entry().id);
    }

    pub(super) fn reserve(&self) -> Result<EntryId> {
        lock(&self.table).reserve()
    }

    pub(super) fn give_back(&self, id: EntryId) {
        lock(&self.table).give_back(id);
    }

    /// Frees every entry. Waits until no other thread is inside the opener.
    pub(super) fn close(&self) {
        let places = lock(&self.table).close();
        for flight in places.values().filter_map(|place| place.flight.as_ref()) {
            flight.land(|_| Err(Error::Canceled));
        }
        drop(places);
        self.end_all();
        let mut table = lock(&self.table);
        while table.openings.is_any_elsewhere() {
            table = wait(&self.grounded, table);
        }
        drop(table);
        self.remove_idle();
    }

    /// Ends the entries, also those with leases, whose records stay until these end.
    fn end_all(&self) {
        let mut next = 0;
        loop {
            let table = lock(&self.table);
            let entry = match table.slot(next) {
                None => return,
                Some(slot) => slot.map(|record| record.entry.clone()),
            };
            drop(table);
            if let Some(entry) = entry {
                entry.end();
            }
            next += 1;
        }
    }

    /// Calls `work` with the table.
    pub(super) fn with_table<T>(&self, work: impl FnOnce(&EntryTable) -> T) -> T {
        work(&lock(&self.table))
    }
}
