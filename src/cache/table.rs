//! The table: which entries there are, and what the cache knows of each. Under the shelf's lock.

use std::collections::HashMap;

use crate::cache::counts::Counts;
use crate::cache::entry::CacheEntry;
use crate::cache::flight::Flight;
use crate::cache::key::Key;
use crate::cache::openings::Openings;
use crate::cache::policy::{EntryId, Policy};
use crate::cache::unclaimed::Unclaimed;
use crate::error::{Error, Result};
use crate::sync::shared::Shared;

/// What a key has: an entry, a flight, or both while the opener is asked whether the entry's bytes
/// are still the same.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) entry: Option<EntryId>,
    pub(super) flight: Option<Shared<Flight>>,
}

/// What the cache knows of an entry.
pub(super) struct EntryRecord {
    pub(super) entry: Shared<CacheEntry>,
    /// The key under which it is found. None once it is to go with its last lease.
    pub(super) key: Option<Key>,
    pub(super) tag: u64,
    /// When it was opened, or found to be the same.
    pub(super) opened: i64,
    pub(super) leases: usize,
    /// Which of the buffer's sources the opener brought last.
    pub(super) generation: u64,
    /// That source was closed with the last lease before the buffer was complete.
    pub(super) is_unplugged: bool,
    /// The number of bytes that its sources have delivered, once that stays so until the next lease.
    delivered: Option<u64>,
}

impl EntryRecord {
    /// A new entry, which has no key and no lease yet.
    pub(super) fn new(entry: &Shared<CacheEntry>, tag: u64, now: i64) -> EntryRecord {
        EntryRecord {
            generation: entry.buffer.source_generation(),
            entry: entry.clone(),
            key: None,
            tag,
            opened: now,
            leases: 0,
            is_unplugged: false,
            delivered: None,
        }
    }

    /// The number of bytes that its sources have delivered. Of an entry without a lease the buffer is asked
    /// once, so that a snapshot of many entries is quick.
    pub(super) fn pulled(&mut self) -> u64 {
        self.delivered.unwrap_or_else(|| {
            let (pulled, is_final) = self.entry.buffer.pulled();
            self.delivered = (is_final && self.leases == 0).then_some(pulled);
            pulled
        })
    }
}

pub(super) struct EntryTable {
    listings: HashMap<Key, Listing>,
    records: Vec<Option<EntryRecord>>,
    pub(super) policy: Policy,
    pub(super) counts: Counts,
    pub(super) openings: Openings,
    pub(super) unclaimed: Unclaimed,
    pub(super) is_closed: bool,
}

impl EntryTable {
    /// The memory that a key takes here: its listing, with the byte that a map keeps beside each.
    pub(super) const LISTING: usize = size_of::<(Key, Listing)>() + 1;

    /// The memory that an entry takes here: its record, and its key's listing.
    pub(super) const PLACE: usize = size_of::<Option<EntryRecord>>() + EntryTable::LISTING;

    pub(super) fn new(policy: Policy) -> EntryTable {
        EntryTable {
            listings: HashMap::new(),
            records: Vec::new(),
            policy,
            counts: Counts::default(),
            openings: Openings::default(),
            unclaimed: Unclaimed::default(),
            is_closed: false,
        }
    }

    // The next functions are not inlined: each copy would have the code that hashes a key.

    #[inline(never)]
    pub(super) fn listing(&self, key: &[u8]) -> Option<&Listing> {
        self.listings.get(key)
    }

    #[inline(never)]
    fn listing_mut(&mut self, key: &[u8]) -> Option<&mut Listing> {
        self.listings.get_mut(key)
    }

    /// The listing of a key, which is made if there is none.
    #[inline(never)]
    pub(super) fn make_listing(&mut self, key: &Key) -> Result<&mut Listing> {
        self.listings.try_reserve(1).map_err(|_| Error::NoMemory)?;
        Ok(self.listings.entry(key.clone()).or_default())
    }

    #[inline(never)]
    fn tidy(&mut self, key: &[u8]) {
        let is_empty = |place: &Listing| place.entry.is_none() && place.flight.is_none();
        if self.listing(key).is_some_and(is_empty) {
            self.listings.remove(key);
        }
    }

    pub(super) fn record(&self, id: EntryId) -> Option<&EntryRecord> {
        self.records.get(id.index())?.as_ref()
    }

    pub(super) fn record_mut(&mut self, id: EntryId) -> Option<&mut EntryRecord> {
        self.records.get_mut(id.index())?.as_mut()
    }

    pub(super) fn records_mut(&mut self) -> impl Iterator<Item = &mut EntryRecord> {
        self.records.iter_mut().flatten()
    }

    /// Allocates a number for an entry, and a place for its record.
    pub(super) fn reserve(&mut self) -> Result<EntryId> {
        let id = self.policy.insert().map_err(|_| Error::NoMemory)?;
        let missing = (id.index() + 1).saturating_sub(self.records.len());
        if self.records.try_reserve(missing).is_err() {
            self.policy.removed(id);
            return Err(Error::NoMemory);
        }
        let length = self.records.len() + missing;
        self.records.resize_with(length, || None);
        Ok(id)
    }

    /// Gives a number back for which no record came.
    pub(super) fn give_back(&mut self, id: EntryId) {
        self.policy.removed(id);
    }

    /// Adds the record of an entry whose number was reserved.
    pub(super) fn fill(&mut self, record: EntryRecord) {
        let at = record.entry.id.index();
        self.records[at] = Some(record);
    }

    /// Counts one more lease.
    pub(super) fn grant(&mut self, entry: &CacheEntry) {
        self.policy.leased(entry.id);
        if let Some(record) = self.record_mut(entry.id) {
            record.leases += 1;
            record.delivered = None;
        }
    }

    /// Allocates the place of a key and what a flight takes, and begins the flight.
    pub(super) fn begin_flight(&mut self, key: &Key, flight: &Shared<Flight>) -> Result<()> {
        self.openings.reserve()?;
        self.make_listing(key)?.flight = Some(flight.clone());
        self.openings.begin(flight);
        Ok(())
    }

    /// Ends a flight. Returns whether its key still waits for it.
    pub(super) fn end_flight(&mut self, key: &Key, flight: &Shared<Flight>) -> bool {
        let Some(place) = self.listing_mut(key.bytes()) else {
            return false;
        };
        let mine = |held: &mut Shared<Flight>| Shared::is_same(held, flight);
        let is_listed = place.flight.take_if(mine).is_some();
        self.tidy(key.bytes());
        is_listed
    }

    /// Takes the flight of a key: whoever comes later does not join it.
    #[inline(never)]
    pub(super) fn take_flight(&mut self, key: &[u8]) -> Option<Shared<Flight>> {
        let flight = self.listing_mut(key)?.flight.take();
        self.tidy(key);
        flight
    }

    /// What an unclaimed key has is for the caller. A failure is there no longer for whoever comes later.
    pub(super) fn claim(&mut self, key: &[u8]) {
        if self.unclaimed.claim(key) {
            self.take_flight(key);
        }
    }

    /// Makes an entry the one of a key. The place is there, or allocated.
    pub(super) fn list(&mut self, key: &Key, id: EntryId) -> Result<()> {
        let old = self.make_listing(key)?.entry.replace(id);
        if let Some(record) = old.and_then(|id| self.record_mut(id)) {
            record.key = None;
        }
        if let Some(record) = self.record_mut(id) {
            record.key = Some(key.clone());
        }
        Ok(())
    }

    /// Takes the entry of a key away from those who come later. Returns it.
    #[inline(never)]
    pub(super) fn unlist(&mut self, key: &[u8]) -> Option<EntryId> {
        let place = self.listing_mut(key)?;
        let id = place.entry.take();
        if let Some(record) = id.and_then(|id| self.record_mut(id)) {
            record.key = None;
        }
        self.tidy(key);
        id
    }

    /// The same for an entry, if it is the one of its key.
    #[inline(never)]
    pub(super) fn unlist_entry(&mut self, id: EntryId) {
        if let Some(key) = self.record(id).and_then(|record| record.key.clone()) {
            self.unlist(key.bytes());
        }
    }

    /// Whether an entry is for the next open of its key.
    pub(super) fn is_unclaimed(&self, id: EntryId) -> bool {
        let key = self.record(id).and_then(|record| record.key.as_ref());
        let key = key.filter(|key| self.unclaimed.has(key.bytes()));
        let listing = key.and_then(|key| self.listing(key.bytes()));
        listing.is_some_and(|it| it.flight.is_none())
    }

    /// The entry of a key and its source's generation, if it has no lease: that source is to be closed.
    pub(super) fn take_source(&mut self, key: &[u8]) -> Option<(Shared<CacheEntry>, u64)> {
        let id = self.listing(key)?.entry?;
        let record = self.record_mut(id).filter(|record| record.leases == 0)?;
        record.is_unplugged = true;
        Some((record.entry.clone(), record.generation))
    }

    /// Takes an entry without a lease out of the table.
    #[inline(never)]
    pub(super) fn take_idle(&mut self, id: EntryId) -> Option<EntryRecord> {
        self.unlist_entry(id);
        let mut record = self.records[id.index()].take()?;
        self.policy.removed(id);
        self.counts.pulled += record.pulled();
        Some(record)
    }

    /// The same, unless it has a lease.
    pub(super) fn take_if_idle(&mut self, id: EntryId) -> Option<EntryRecord> {
        let is_idle = self.record(id)?.leases == 0;
        is_idle.then(|| self.take_idle(id)).flatten()
    }

    /// The number of places for records.
    pub(super) fn places(&self) -> usize {
        self.records.len()
    }

    /// Takes the entry in a place out of the table, if there is one and it has no lease.
    pub(super) fn take_idle_at(&mut self, place: usize) -> Option<EntryRecord> {
        let id = self.slot(place)??.entry.id;
        self.take_if_idle(id)
    }

    /// Makes the table know no key any more. Returns what the keys had.
    pub(super) fn close(&mut self) -> HashMap<Key, Listing> {
        self.is_closed = true;
        for record in self.records_mut() {
            record.key = None;
        }
        std::mem::take(&mut self.listings)
    }

    /// The record in a slot, which may be empty. None past the last slot.
    pub(super) fn slot(&self, index: usize) -> Option<Option<&EntryRecord>> {
        self.records.get(index).map(Option::as_ref)
    }
}
