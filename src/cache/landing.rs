//! Landing: the opener has returned, and everyone who waits for it gets a lease or an error.

use crate::cache::board::Departure;
use crate::cache::entry::CacheEntry;
use crate::cache::flight::Flight;
use crate::cache::key::Key;
use crate::cache::lease::Lease;
use crate::cache::shelf::Shelf;
use crate::cache::table::{EntryRecord, EntryTable};
use crate::error::{Error, Result};
use crate::sync::shared::Shared;
use crate::sync::{Ordering, lock};

/// What a flight brings.
pub(super) enum Landing {
    /// The entry that there was has the same bytes.
    Same,
    New {
        entry: Shared<CacheEntry>,
        tag: u64,
    },
}

impl Shelf {
    /// Ends a flight: everyone on board gets a lease, or the error.
    pub(super) fn land(this: &Shared<Shelf>, departure: Departure, landing: Result<Landing>) {
        let Departure {
            flight,
            key,
            old,
            charge,
        } = departure;
        // From now on the entry is charged.
        drop(charge);
        let mut table = lock(&this.table);
        let is_listed = table.end_flight(&key, &flight);
        let held = landing.and_then(|landing| this.enter(&mut table, landing, old.as_ref()));
        let held = held.map(|entry| Lease::granted(this, entry));
        if let (true, Ok(lease)) = (is_listed, &held) {
            // If memory runs out, the entry goes with its last lease.
            let _ = table.list(&key, lease.entry().id);
        }
        flight.land(|waiters| {
            if table.is_closed {
                return Err(Error::Canceled);
            }
            if waiters == 0 && is_listed {
                this.leave_unclaimed(&mut table, &key, held.is_err().then_some(&flight));
            }
            let entry = held.as_ref().map_err(Error::clone)?.entry();
            if let Some(record) = table.record_mut(entry.id) {
                record.leases += waiters;
            }
            Ok(entry.clone())
        });
        drop(table);
        // The flight's own leases end after those of the others have begun, and without the lock.
        drop((held, old));
        this.give_up_unclaimed();
    }

    /// Nobody was on board: what the flight brought is for the next open of its key. If memory runs out,
    /// that begins anew.
    fn leave_unclaimed(&self, table: &mut EntryTable, key: &Key, failed: Option<&Shared<Flight>>) {
        if table.unclaimed.add(key, self.clock.now()).is_err() {
            return;
        }
        self.may_have_unclaimed.store(true, Ordering::Relaxed);
        let Some(flight) = failed else { return };
        if let Ok(listing) = table.make_listing(key) {
            listing.flight = Some(flight.clone());
        }
    }

    /// Records what a flight brought. Counts a lease of it for the flight itself.
    fn enter(
        &self,
        table: &mut EntryTable,
        landing: Landing,
        old: Option<&Lease>,
    ) -> Result<Shared<CacheEntry>> {
        let now = self.clock.now();
        match landing {
            Landing::New { entry, tag } => {
                table.fill(EntryRecord::new(&entry, tag, now));
                table.grant(&entry);
                Ok(entry)
            }
            Landing::Same => {
                let old = old.ok_or(Error::Invalid)?.entry();
                if let Some(record) = table.record_mut(old.id) {
                    record.opened = now;
                    record.is_unplugged = false;
                    record.generation = old.buffer.source_generation();
                }
                table.grant(old);
                Ok(old.clone())
            }
        }
    }
}
