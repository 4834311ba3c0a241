//! The unclaimed keys: those whose opener returned when nobody waited any more.
//!
//! What it brought is for the next open of the key, which would have to call the opener again otherwise:
//! an event loop that polls would never get an entry, nor learn why there is none. The entry has no
//! lease, so it is evicted, removed and expires as idle ones do, but its source stays open. A failure
//! stays in the key's listing, as the flight that has landed. Both only for a short time, and for a few
//! keys, since an idle entry is to hold no connection.
//!
//! An open of the key that may call the opener claims it first. So as long as a key is unclaimed, its
//! listing has what the flight left there, or nothing.

use crate::cache::key::Key;
use crate::cache::times::is_over;
use crate::error::{Error, Result};

/// For how many milliseconds a key is unclaimed.
const LONGEST: i64 = 5000;

/// How many keys are unclaimed at a time.
const MOST: usize = 16;

/// The keys, and when their flights landed. The oldest first.
#[derive(Default)]
pub(super) struct Unclaimed(Vec<(Key, i64)>);

impl Unclaimed {
    /// A flight has landed with nobody on board. If memory runs out, nothing is kept.
    pub(super) fn add(&mut self, key: &Key, now: i64) -> Result<()> {
        self.0.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.0.push((key.clone(), now));
        Ok(())
    }

    #[inline(never)]
    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.0.iter().any(|it| it.0.bytes() == key)
    }

    /// What the flight left is for the caller. Returns whether there was one.
    #[inline(never)]
    pub(super) fn claim(&mut self, key: &[u8]) -> bool {
        let at = self.0.iter().position(|it| it.0.bytes() == key);
        at.map(|at| self.0.remove(at)).is_some()
    }

    /// Takes one whose time is up, or that is one too many.
    pub(super) fn take_overdue(&mut self, now: i64) -> Option<Key> {
        let (_, landed) = self.0.first()?;
        let is_overdue = self.0.len() > MOST || is_over(*landed, now, LONGEST);
        is_overdue.then(|| self.0.remove(0).0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
