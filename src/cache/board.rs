//! Boarding: an open finds its entry, or the flight that brings it.

use std::time::Instant;

use crate::cache::entry::CacheEntry;
use crate::cache::flight::{Flight, FlightResult};
use crate::cache::key::Key;
use crate::cache::lease::Lease;
use crate::cache::openings::Openings;
use crate::cache::options::OpenWait;
use crate::cache::shelf::Shelf;
use crate::cache::table::{EntryRecord, EntryTable};
use crate::cache::times::is_over;
use crate::error::{Error, Result};
use crate::store::budget::OwnerCharge;
use crate::sync::shared::Shared;
use crate::sync::{MutexGuard, lock};

/// How an open begins.
pub(super) enum Boarding {
    /// The entry is there.
    Hit(Lease),
    /// The opener is running for another open.
    Joined(Shared<Flight>),
    /// The opener has to be called for this open.
    Leads(Departure),
}

/// What a flight leaves with.
pub(super) struct Departure {
    pub(super) flight: Shared<Flight>,
    pub(super) key: Key,
    /// The entry that may prove to be the same.
    pub(super) old: Option<Lease>,
    /// For the memory that it takes while it waits for a helper, and until the opener has returned.
    pub(super) charge: Option<OwnerCharge>,
}

impl EntryTable {
    /// Joins the flight of a key. The opener is running for another open.
    fn join(&mut self, flight: Shared<Flight>, how: OpenWait) -> Result<Boarding> {
        self.openings.check_wait(&flight, how)?;
        if how.deadline().is_none() {
            // Under the same lock as the check: two openers that wait for each other would both
            // pass it.
            self.openings.note_wait(Some(&flight));
        }
        flight.join();
        self.counts.misses += 1;
        Ok(Boarding::Joined(flight))
    }

    /// Takes the failure that nobody has claimed: a flight that has landed.
    fn claim_failure(&mut self, key: &[u8], failed: Shared<Flight>) -> Boarding {
        self.claim(key);
        self.counts.misses += 1;
        Boarding::Joined(failed)
    }
}

impl Shelf {
    /// Finds the entry of a key, or the flight that brings it. Begins one if neither is there.
    pub(super) fn board(this: &Shared<Shelf>, key: &[u8], how: OpenWait) -> Result<Boarding> {
        // Dropped without the lock.
        let flight;
        let mut table = this.lock_open()?;
        let is_unclaimed = table.unclaimed.has(key);
        // Whoever polls is content with what came since the last poll.
        let is_recent = is_unclaimed && how.timeout.is_some();
        let listing = table.listing(key);
        let found = listing.and_then(|it| it.entry);
        flight = listing.and_then(|it| it.flight.clone());
        match flight.clone() {
            Some(failed) if is_recent => return Ok(table.claim_failure(key, failed)),
            Some(running) if !is_unclaimed => return table.join(running, how),
            _ => {}
        }
        let old = found.and_then(|id| table.record(id));
        let is_usable = old.is_some_and(|record| this.is_usable(record, is_recent));
        let old = old.map(|record| record.entry.clone());
        if let Some(entry) = old.as_ref().filter(|_| is_usable) {
            table.claim(key);
            table.counts.hits += 1;
            return Ok(Boarding::Hit(Shelf::grant(this, &mut table, entry)));
        }
        // If this open is refused, a failure that nobody has claimed stays there.
        Openings::check_call(how)?;
        let (flight, key) = Shelf::lead(&mut table, key)?;
        let old = old.map(|entry| Shelf::grant(this, &mut table, &entry));
        Ok(Boarding::Leads(Departure {
            flight,
            key,
            old,
            charge: None,
        }))
    }

    /// The same for an open that calls no opener: it takes the entry that is there, even if it is
    /// stale or incomplete. None if there is neither an entry nor a flight.
    pub(super) fn board_buffered(
        this: &Shared<Shelf>,
        key: &[u8],
        how: OpenWait,
    ) -> Result<Option<Boarding>> {
        let mut table = this.lock_open()?;
        let listing = table.listing(key);
        let (found, flight) = listing.map_or((None, None), |it| (it.entry, it.flight.clone()));
        let entry = found.and_then(|id| table.record(id));
        if let Some(entry) = entry.map(|record| record.entry.clone()) {
            table.counts.hits += 1;
            return Ok(Some(Boarding::Hit(Shelf::grant(this, &mut table, &entry))));
        }
        let is_running = |_: &Shared<Flight>| !table.unclaimed.has(key);
        let Some(flight) = flight.filter(is_running) else {
            table.counts.misses += 1;
            return Ok(None);
        };
        table.join(flight, how).map(Some)
    }

    fn grant(this: &Shared<Shelf>, table: &mut EntryTable, entry: &Shared<CacheEntry>) -> Lease {
        table.grant(entry);
        Lease::granted(this, entry.clone())
    }

    fn lock_open(&self) -> Result<MutexGuard<'_, EntryTable>> {
        let table = lock(&self.table);
        match table.is_closed {
            true => Err(Error::Canceled),
            false => Ok(table),
        }
    }

    fn lead(table: &mut EntryTable, key: &[u8]) -> Result<(Shared<Flight>, Key)> {
        let flight = Shared::try_new(Flight::new())?;
        let key = Key::copy(key)?;
        table.begin_flight(&key, &flight)?;
        table.unclaimed.claim(key.bytes());
        table.counts.misses += 1;
        Ok((flight, key))
    }

    /// Waits for a flight that the caller has boarded. If it `launches`, it does not wait for a helper to
    /// call the opener: this thread may be inside an opener itself, and the only helper.
    pub(super) fn wait(
        this: &Shared<Shelf>,
        flight: &Shared<Flight>,
        deadline: Option<Instant>,
        launches: bool,
    ) -> Result<Lease> {
        let landed = loop {
            this.note_wait(deadline, Some(flight));
            let awaited = flight.wait(deadline, launches);
            this.note_wait(deadline, None);
            match awaited {
                FlightResult::Launch(launch) => launch(),
                FlightResult::Landed(landed) => break landed,
            }
        };
        landed.map(|entry| Lease::granted(this, entry))
    }

    /// Only a wait that may take any time is noted.
    fn note_wait(&self, deadline: Option<Instant>, flight: Option<&Shared<Flight>>) {
        if deadline.is_none() {
            lock(&self.table).openings.note_wait(flight);
        }
    }

    /// This thread is about to call the opener for a flight.
    pub(super) fn enter_opener(&self, flight: &Shared<Flight>) {
        lock(&self.table).openings.enter(flight);
    }

    /// The thread that called the opener for a flight needs the cache no more.
    pub(super) fn ground(&self, flight: &Shared<Flight>) {
        lock(&self.table).openings.end(flight);
        self.grounded.notify_all();
    }

    /// Whether an entry is handed out without asking the opener.
    fn is_usable(&self, record: &EntryRecord, is_recent: bool) -> bool {
        let buffer = &record.entry.buffer;
        (is_recent || !is_over(record.opened, self.clock.now(), self.fresh_ms))
            && (!record.is_unplugged || buffer.is_complete())
            && buffer.failure().is_none()
    }
}
