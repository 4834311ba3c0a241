//! The shelf: the entries, who has a lease of which, and which one goes when there is no room.

use crate::buffer::Buffer;
use crate::cache::entry::{Entry, Lease};
use crate::cache::flight::{Boarding, Flight};
use crate::cache::policy::{EntryId, Policy};
use crate::cache::settle::Landing;
use crate::cache::table::{Key, Record, Table};
use crate::cache::times::{Clock, is_over};
use crate::cache::{CacheOptions, Directory};
use crate::error::{Error, Result};
use crate::store::budget::member::{Cause, Evictor};
use crate::sync::shared::Shared;
use crate::sync::{Condvar, Mutex, lock, this_thread, wait};

pub(crate) struct Shelf {
    table: Mutex<Table>,
    /// Notified when a thread has left the opener.
    grounded: Condvar,
    pub(super) directory: Box<dyn Directory>,
    pub(super) clock: Clock,
    fresh_ms: i64,
    idle_ms: i64,
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
            table: Mutex::new(Table::new(Policy::new(options.max_entry, budget))),
            grounded: Condvar::new(),
            directory,
            clock: Clock::new(),
            fresh_ms: options.fresh_ms,
            idle_ms: options.idle_ms,
        }
    }

    /// Finds the entry of a key, or the flight that brings it. Begins one if neither is there.
    /// `may_lead` is false for an open that calls no opener.
    pub(super) fn board(this: &Shared<Shelf>, key: &[u8], may_lead: bool) -> Result<Boarding> {
        let mut table = lock(&this.table);
        if table.is_closed {
            return Err(Error::Canceled);
        }
        let place = table.place(key);
        if let Some(flight) = place.and_then(|place| place.flight.clone()) {
            flight.join()?;
            table.counts.misses += 1;
            return Ok(Boarding::Joined(flight));
        }
        let found = place.and_then(|place| place.entry);
        let old = found.and_then(|id| table.record(id));
        let is_usable = old.is_some_and(|record| this.is_usable(record));
        let old = old.map(|record| record.entry.clone());
        if let Some(entry) = old.as_ref().filter(|_| is_usable) {
            table.counts.hits += 1;
            return Ok(Boarding::Hit(this.grant(&mut table, entry)));
        }
        if !may_lead {
            return Err(Error::Timeout);
        }
        let (flight, key) = Shelf::lead(&mut table, key)?;
        let old = old.map(|entry| this.grant(&mut table, &entry));
        Ok(Boarding::Leads { flight, key, old })
    }

    fn lead(table: &mut Table, key: &[u8]) -> Result<(Shared<Flight>, Key)> {
        let flight = Shared::try_new(Flight::new())?;
        let key = Key::copy(key)?;
        table.begin_flight(&key, &flight)?;
        table.counts.misses += 1;
        Ok((flight, key))
    }

    /// Whether an entry is handed out without asking the opener.
    fn is_usable(&self, record: &Record) -> bool {
        !record.is_unplugged
            && !is_over(record.opened, self.clock.now(), self.fresh_ms)
            && record.entry.buffer.failure().is_none()
    }

    fn grant(&self, table: &mut Table, entry: &Shared<Entry>) -> Lease {
        table.policy.leased(entry.id);
        if let Some(record) = table.record_mut(entry.id) {
            record.leases += 1;
        }
        Lease::granted(entry.clone())
    }

    /// One more lease of an entry that has one.
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
        this.grounded.notify_all();
        // The flight's own leases end after those of the others have begun, and without the lock.
        drop((held, old));
    }

    /// Records what a flight brought. Returns a lease for the flight itself.
    fn enter(&self, table: &mut Table, landing: Landing, old: Option<&Lease>) -> Result<Lease> {
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

    fn end_lease(&self, table: &mut Table, id: EntryId, bytes: u64, is_complete: bool) -> Released {
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

    pub(super) fn tag_of(&self, lease: &Lease) -> u64 {
        let table = lock(&self.table);
        table
            .record(lease.entry().id)
            .map_or(0, |record| record.tag)
    }

    pub(super) fn is_unplugged(&self, lease: &Lease) -> bool {
        let table = lock(&self.table);
        let record = table.record(lease.entry().id);
        record.is_some_and(|record| record.is_unplugged)
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

    /// Makes whoever comes later begin anew. Returns whether the key was known.
    pub(super) fn remove(&self, key: &[u8]) -> bool {
        let mut table = lock(&self.table);
        let was_known = table.place(key).is_some();
        let id = table.forget(key);
        let idle = id.and_then(|id| table.take_if_idle(id));
        drop(table);
        if let Some(record) = idle {
            record.entry.end();
        }
        was_known
    }

    /// Ends every entry without a lease. Returns whether there was one.
    pub(super) fn remove_idle(&self) -> bool {
        let next = || {
            let mut table = lock(&self.table);
            let victim = table.policy.victim()?;
            table.take_idle(victim)
        };
        let mut removed = false;
        while let Some(record) = next() {
            record.entry.end();
            removed = true;
        }
        removed
    }

    /// Ends the entries that have been idle too long.
    pub(super) fn expire(&self) {
        if self.idle_ms < 0 {
            return;
        }
        while let Some(record) = self.take_expired() {
            record.entry.end();
        }
    }

    fn take_expired(&self) -> Option<Record> {
        let mut table = lock(&self.table);
        let (id, released) = table.policy.oldest()?;
        if !is_over(released, self.clock.now(), self.idle_ms) {
            return None;
        }
        table.counts.expired += 1;
        table.take_idle(id)
    }

    fn take_victim(&self, cause: Cause) -> Option<Record> {
        let mut table = lock(&self.table);
        let id = table.policy.victim()?;
        let is_large = table.policy.is_large(id);
        table.counts.note_eviction(cause, is_large);
        table.take_idle(id)
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
        while table.openers.iter().any(|thread| *thread != this_thread()) {
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
    pub(super) fn with_table<T>(&self, work: impl FnOnce(&Table) -> T) -> T {
        work(&lock(&self.table))
    }
}

/// Evicts for the budget.
pub(super) struct ShelfEvictor(pub(super) Shared<Shelf>);

impl Evictor for ShelfEvictor {
    fn evict_one(&self, cause: Cause) -> bool {
        let victim = self.0.take_victim(cause);
        victim.is_some_and(|record| {
            record.entry.end();
            true
        })
    }

    fn expire(&self) {
        self.0.expire();
    }
}
