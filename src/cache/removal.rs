//! Removal: entries go because their key was removed, their time is up, or their room is needed.

use std::iter;

use crate::buffer::Buffer;
use crate::cache::entry::CacheEntry;
use crate::cache::shelf::Shelf;
use crate::cache::table::EntryRecord;
use crate::cache::times::is_over;
use crate::error::Error;
use crate::store::budget::member::{Cause, Evictor};
use crate::sync::shared::Shared;
use crate::sync::{Ordering, lock, wait};

impl Shelf {
    /// Makes whoever comes later begin anew.
    pub(super) fn remove(&self, key: &[u8]) {
        let mut table = lock(&self.table);
        // Dropped without the lock.
        let flight = table.take_flight(key);
        let id = table.unlist(key);
        let idle = id.and_then(|id| table.take_if_idle(id));
        drop(table);
        drop(flight);
        if let Some(record) = idle {
            record.entry.end();
        }
    }

    /// Ends every entry that has no lease now. Looks at each place once: more may come as fast as they go.
    pub(super) fn remove_idle(&self) {
        let places = lock(&self.table).places();
        for place in 0..places {
            let idle = self.with_table(|table| table.take_idle_at(place));
            if let Some(record) = idle {
                record.entry.end();
            }
        }
    }

    /// Ends what has had its time: the entries that have been idle too long, and what is unclaimed.
    #[inline(never)]
    pub(super) fn expire(&self) {
        self.give_up_unclaimed();
        if self.idle_ms < 0 {
            return;
        }
        // More may be released as fast as these go.
        let end = self.with_table(|table| table.policy.releases());
        for record in iter::from_fn(|| self.take_expired(end)) {
            record.entry.end();
        }
    }

    /// Takes an entry whose time is up, and that was released before the turn `end`.
    fn take_expired(&self, end: u64) -> Option<EntryRecord> {
        let mut table = lock(&self.table);
        let (id, released) = table.policy.oldest(end)?;
        if !is_over(released, self.clock.now(), self.idle_ms) {
            return None;
        }
        table.counts.expired += 1;
        table.take_idle(id)
    }

    /// Gives up what nobody has claimed in time, or what is too much: the sources of entries, and failures.
    #[inline(never)]
    pub(super) fn give_up_unclaimed(&self) {
        if !self.may_have_unclaimed.load(Ordering::Relaxed) {
            return;
        }
        // More may come as fast as these go, so the number of looks is limited. The one extra look finds that
        // none is left.
        let most = self.with_table(|table| table.unclaimed.len());
        for _ in 0..=most {
            if !self.give_up_overdue() {
                return;
            }
        }
    }

    /// Returns false if there was none.
    fn give_up_overdue(&self) -> bool {
        let mut table = lock(&self.table);
        let overdue = table.unclaimed.take_overdue(self.clock.now());
        let is_left = !table.unclaimed.is_empty();
        self.may_have_unclaimed.store(is_left, Ordering::Relaxed);
        let Some(key) = overdue else { return false };
        let failed = table.take_flight(key.bytes());
        let idle = table.take_source(key.bytes());
        drop(table);
        drop(failed);
        if let Some((entry, generation)) = idle {
            Buffer::unplug(&entry.buffer, generation);
        }
        true
    }

    fn take_victim(&self, cause: Cause) -> Option<EntryRecord> {
        let mut table = lock(&self.table);
        let id = table.policy.victim()?;
        let is_large = table.policy.is_large(id);
        table.counts.note_eviction(cause, is_large);
        table.take_idle(id)
    }

    /// Frees every entry. Waits until no other thread is inside the opener.
    pub(super) fn close(&self) {
        let mut table = lock(&self.table);
        let listings = table.close();
        // Also those whose keys were removed: the opener in which this is called may wait for one.
        for flight in table.openings.flights() {
            flight.land(|_| Err(Error::Canceled));
        }
        drop(table);
        drop(listings);
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
}

/// Evicts for the budget.
pub(super) struct ShelfEvictor(pub(super) Shared<Shelf>);

impl Evictor for ShelfEvictor {
    fn evict_one(&self, cause: Cause) -> bool {
        let victim = self.0.take_victim(cause);
        victim.is_some_and(|record| {
            CacheEntry::evict(&record.entry);
            true
        })
    }

    fn expire(&self) {
        self.0.expire();
    }
}
