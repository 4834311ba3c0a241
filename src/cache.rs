//! The cache: many buffers under one budget, each known by a key.
//!
//! An open of a key finds its [entry](entry), or makes one [flight] of the opener for everyone who
//! asks for that key meanwhile. It returns a [lease](entry::Lease). An entry with a lease is never
//! evicted. When its last lease ends, the [shelf] keeps it until the budget needs its room, its time
//! is up or its key is removed; what goes first is the [policy]'s decision. An idle entry holds no
//! connection: if it is incomplete, its source is closed, and the next open has to bring another one.
//!
//! ```text
//!               board              opener, without a lock           land
//!  open(key) --+-----> flight ----------------------------> entry --------> leases
//!              |                                              ^
//!              +-------------- hit ---------------------------+
//! ```
//!
//! The budget is the [store's](crate::store::budget). It spills the oldest segment of any entry while
//! memory is short, and asks the shelf to evict while the disk is.
//!
//! The shelf's lock is held for a few instructions. Under it only the locks of flights are taken.
//! Entries are ended, sources closed and the opener called without it.

mod entry;
mod flight;
mod policy;
mod settle;
mod shelf;
mod stats;
mod table;
mod times;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::buffer::Buffer;
use crate::cache::flight::{Boarding, Flight};
use crate::cache::shelf::{Shelf, ShelfEvictor};
use crate::cache::table::Key;
use crate::error::{Error, Result};
use crate::options::{OnShort, Options};
use crate::panic::catch;
use crate::source::Source;
use crate::store::budget::{Budget, Limits};
use crate::sync::rcu::DomainRef;
use crate::sync::shared::{Shared, try_box};

pub(crate) use crate::cache::entry::Lease;
pub(crate) use crate::cache::stats::CacheStats;

/// The most bytes of a key.
pub(crate) const MAX_KEY: usize = 4096;

/// What an opener returns: the resource of a key, now.
pub(crate) struct Opened {
    /// None if the bytes that the cache has are the same and complete.
    pub(crate) source: Option<Box<dyn Source>>,
    pub(crate) size: Option<u64>,
    /// Equal tags, except 0, mean equal bytes.
    pub(crate) tag: u64,
}

/// Opens the resource of a key. Called without a lock, on a thread that opens the key or on a helper.
pub(crate) trait Opener: Send + Sync {
    /// `old_tag` is the tag of the bytes that the cache has, 0 if it has none that could be used.
    fn open(&self, key: &[u8], old_tag: u64) -> Result<Opened>;
}

/// Makes a buffer in the domain that protects it.
pub(crate) type MakeBuffer<'m> = dyn FnOnce(DomainRef) -> Result<Shared<Buffer>> + 'm;

/// Where the buffers of entries are known to the outside.
pub(crate) trait Directory: Send + Sync {
    /// Makes a buffer and returns it with its handle.
    fn add(&self, make: Box<MakeBuffer<'_>>) -> Result<(Shared<Buffer>, usize)>;

    /// Makes a handle invalid.
    fn remove(&self, handle: usize);
}

/// The options of a cache, which `sb_cache_options` describes.
pub(crate) struct CacheOptions {
    pub(crate) max_memory: u64,
    pub(crate) max_disk: u64,
    pub(crate) min_free: u64,
    pub(crate) max_entry: u64,
    /// Negative: no limit.
    pub(crate) fresh_ms: i64,
    pub(crate) idle_ms: i64,
    pub(crate) on_short: OnShort,
    pub(crate) prefetch: u64,
    pub(crate) prefetch_low: u64,
    pub(crate) spool_dir: Option<PathBuf>,
}

pub(crate) struct Cache {
    shelf: Shared<Shelf>,
    budget: Shared<Budget>,
    opener: Box<dyn Opener>,
    options: CacheOptions,
}

/// How an open waits.
#[derive(Clone, Copy)]
pub(crate) struct OpenWait {
    /// The longest time that the call blocks.
    pub(crate) timeout: Option<Duration>,
    /// Whether the opener is not called for this open.
    pub(crate) buffered: bool,
}

impl Cache {
    pub(crate) fn new(
        opener: Box<dyn Opener>,
        directory: Box<dyn Directory>,
        options: CacheOptions,
    ) -> Result<Cache> {
        let shelf = Shared::try_new(Shelf::new(directory, &options))?;
        let limits = Limits {
            max_memory: options.max_memory,
            max_disk: options.max_disk,
        };
        let evictor = try_box(ShelfEvictor(shelf.clone()))?;
        Ok(Cache {
            budget: Budget::new(limits, Some(evictor))?,
            shelf,
            opener,
            options,
        })
    }

    /// Opens the entry of a key, and makes it if there is none. `sb_cache_open` describes the result.
    pub(crate) fn open(this: &Shared<Cache>, key: &[u8], wait: OpenWait) -> Result<Lease> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(Error::Invalid);
        }
        let deadline = wait
            .timeout
            .and_then(|time| Instant::now().checked_add(time));
        this.shelf.expire();
        let flight = match Shelf::board(&this.shelf, key, !wait.buffered)? {
            Boarding::Hit(lease) => return Ok(lease),
            Boarding::Joined(flight) => flight,
            Boarding::Leads { flight, key, old } => {
                this.fly(&flight, &key, old);
                flight
            }
        };
        flight.wait(deadline).map(Lease::granted)
    }

    /// Calls the opener for everyone who waits for the flight.
    fn fly(&self, flight: &Shared<Flight>, key: &Key, old: Option<Lease>) {
        let tag = old.as_ref().map_or(0, |old| self.shelf.tag_of(old));
        let opened = catch(Err(Error::Panic), || self.opener.open(key.bytes(), tag));
        let landing = opened.and_then(|opened| self.settle(old.as_ref(), tag, opened));
        Shelf::land(&self.shelf, flight, key, old, landing);
    }

    /// The options of the buffer of a new entry.
    fn buffer_options(&self, size: Option<u64>) -> Result<Options> {
        let spool_dir = self.options.spool_dir.as_deref();
        Ok(Options {
            size,
            max_memory: u64::MAX,
            spool_dir: spool_dir
                .map(crate::disk::copy_of)
                .transpose()
                .map_err(|_| Error::NoMemory)?,
            on_short: self.options.on_short,
            prefetch: self.options.prefetch,
            prefetch_low: self.options.prefetch_low,
            ..Options::default()
        })
    }

    /// Removes the entry of a key; without a key, every entry without a lease. Returns whether there
    /// was one.
    pub(crate) fn remove(&self, key: Option<&[u8]>) -> bool {
        self.shelf.expire();
        match key {
            Some(key) => self.shelf.remove(key),
            None => self.shelf.remove_idle(),
        }
    }

    /// Evicts and spills until no more than this is used. Once: the limits stay.
    pub(crate) fn trim(&self, max_memory: u64, max_disk: u64) -> Result<()> {
        self.shelf.expire();
        let _ = (max_memory, max_disk);
        Ok(())
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.shelf.expire();
        stats::of(&self.shelf, &self.budget)
    }

    /// Frees every entry, as `sb_free` would. Waits until no other thread is inside the opener.
    pub(crate) fn close(&self) {
        self.shelf.close();
    }

    /// Lets time pass, for tests.
    pub(crate) fn advance_clock(&self, by: Duration) {
        self.shelf.clock.advance(by);
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
