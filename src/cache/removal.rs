//! Removal: entries go because their key was removed, their time is up, or their room is needed.

use crate::cache::shelf::Shelf;
use crate::cache::table::Record;
use crate::cache::times::is_over;
use crate::store::budget::member::{Cause, Evictor};
use crate::sync::lock;
use crate::sync::shared::Shared;

impl Shelf {
    /// Makes whoever comes later begin anew.
    pub(super) fn remove(&self, key: &[u8]) {
        let mut table = lock(&self.table);
        let id = table.forget(key);
        let idle = id.and_then(|id| table.take_if_idle(id));
        drop(table);
        if let Some(record) = idle {
            record.entry.end();
        }
    }

    /// Ends every entry without a lease.
    pub(super) fn remove_idle(&self) {
        let next = || {
            let mut table = lock(&self.table);
            let victim = table.policy.victim()?;
            table.take_idle(victim)
        };
        while let Some(record) = next() {
            record.entry.end();
        }
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
