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

mod board;
mod entry;
mod flight;
mod openings;
mod policy;
mod removal;
mod settle;
mod shelf;
mod stats;
mod table;
mod times;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::buffer::Buffer;
use crate::buffer::failure::{Attempt, Failure};
use crate::cache::flight::{Boarding, Departure};
use crate::cache::removal::ShelfEvictor;
use crate::cache::settle::Known;
use crate::cache::shelf::Shelf;
use crate::error::{Error, Operation, Result};
use crate::options::{OnShort, Options, ThreadHook, ThreadHooks};
use crate::panic::catch;
use crate::source::Source;
use crate::store::budget::{Budget, Limits};
use crate::sync::shared::{Shared, try_box};
use crate::sync::thread::Thread;

pub(crate) use crate::cache::entry::{Home, Lease};
pub(crate) use crate::cache::stats::CacheStats;

/// The most bytes of a key.
pub(crate) const MAX_KEY: usize = 4096;

/// What an opener returns: the resource of a key, now.
pub(crate) struct Opened {
    /// None if the bytes that the cache has are the same and need no source.
    pub(crate) source: Option<Box<dyn Source>>,
    pub(crate) size: Option<u64>,
    /// Equal tags, except 0, mean equal bytes.
    pub(crate) tag: u64,
}

/// Opens the resource of a key. Called without a lock, on a thread that opens the key or on a helper.
pub(crate) trait Opener: Send + Sync {
    /// `old_tag` is the tag of the bytes that the cache has, if it needs no source for them. 0: it
    /// needs one.
    fn open(&self, key: &[u8], old_tag: u64) -> Result<Opened>;
}

/// Where the buffers of entries are known to the outside.
pub(crate) trait Directory: Send + Sync {
    /// Makes a buffer and returns it with its handle.
    fn add(
        &self,
        source: Box<dyn Source>,
        options: Options,
        budget: &Shared<Budget>,
    ) -> Result<(Shared<Buffer>, usize)>;

    /// Makes a handle invalid.
    fn remove(&self, handle: usize);
}

/// The options of a cache, which `sb_cache_options` describes.
pub(crate) struct CacheOptions {
    pub(crate) max_memory: u64,
    pub(crate) max_disk: u64,
    #[allow(dead_code, reason = "the budget will use it")]
    pub(crate) min_free: u64,
    pub(crate) max_entry: u64,
    /// Negative: no limit.
    pub(crate) fresh_ms: i64,
    pub(crate) idle_ms: i64,
    pub(crate) on_short: OnShort,
    pub(crate) prefetch: u64,
    pub(crate) prefetch_low: u64,
    pub(crate) spool_dir: Option<PathBuf>,
    /// The most helper threads.
    #[allow(dead_code, reason = "for the threads that the entries will share")]
    pub(crate) threads: u32,
    pub(crate) thread: ThreadHooks,
}

pub(crate) struct Cache {
    shelf: Shared<Shelf>,
    budget: Shared<Budget>,
    opener: Box<dyn Opener>,
    options: CacheOptions,
    hooks: Option<Shared<ThreadHooks>>,
}

/// How an open waits.
#[derive(Clone, Copy)]
pub(crate) struct OpenWait {
    /// The longest time that the call blocks.
    pub(crate) timeout: Option<Duration>,
    /// Whether the opener is not called for this open.
    pub(crate) buffered: bool,
}

impl OpenWait {
    /// When the call returns at the latest. None: it may take any time.
    fn deadline(self) -> Option<Instant> {
        let limit = match self.buffered {
            true => Some(self.timeout.unwrap_or(Duration::ZERO)),
            false => self.timeout,
        };
        limit.and_then(|limit| Instant::now().checked_add(limit))
    }
}

impl Cache {
    pub(crate) fn new(
        opener: Box<dyn Opener>,
        directory: Box<dyn Directory>,
        mut options: CacheOptions,
    ) -> Result<Cache> {
        let hooks = std::mem::take(&mut options.thread);
        let hooks = (!hooks.is_empty()).then(|| Shared::try_new(hooks));
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
            hooks: hooks.transpose()?,
        })
    }

    /// Opens the entry of a key, and makes it if there is none. `sb_cache_open` describes the result.
    pub(crate) fn open(this: &Shared<Cache>, key: &[u8], wait: OpenWait) -> Attempt<Lease> {
        check(key)?;
        let deadline = wait.deadline();
        this.shelf.expire();
        let boarding = match wait.buffered {
            true => Shelf::board_buffered(&this.shelf, key)?.ok_or(Error::Timeout)?,
            false => Shelf::board(&this.shelf, key)?,
        };
        let flight = match boarding {
            Boarding::Hit(lease) => return Ok(lease),
            Boarding::Joined(flight) => flight,
            Boarding::Leads(departure) => {
                let flight = departure.flight.clone();
                match wait.timeout {
                    None => this.run(departure),
                    Some(_) => Cache::start(this, departure),
                }
                flight
            }
        };
        let landed = this.shelf.wait(&flight, deadline);
        landed.map_err(failure_of)
    }

    /// Runs a flight on another thread, so that the caller's time limit holds whatever the opener
    /// does.
    fn start(this: &Shared<Cache>, departure: Departure) {
        let (flight, key) = (departure.flight.clone(), departure.key.clone());
        let cache = this.clone();
        let started = Thread::start(move || {
            let (shelf, hooks) = (cache.shelf.clone(), cache.hooks.clone());
            let flight = departure.flight.clone();
            call(hooks.as_ref(), |hooks| &hooks.begin);
            cache.fly(departure);
            drop(cache);
            call(hooks.as_ref(), |hooks| &hooks.end);
            shelf.ground(&flight);
        });
        if let Err(error) = started {
            Shelf::land(&this.shelf, &flight, &key, None, Err(error));
            this.shelf.ground(&flight);
        }
    }

    fn run(&self, departure: Departure) {
        let flight = departure.flight.clone();
        self.fly(departure);
        self.shelf.ground(&flight);
    }

    /// Calls the opener for everyone who waits for the flight.
    fn fly(&self, departure: Departure) {
        let Departure { flight, key, old } = departure;
        self.shelf.enter_opener(&flight);
        let landing = catch(Err(Error::Panic), || {
            let old = old.as_ref().map(|old| self.shelf.known(old));
            let opened = self
                .opener
                .open(key.bytes(), old.as_ref().map_or(0, Known::old_tag))?;
            self.settle(old, opened)
        });
        Shelf::land(&self.shelf, &flight, &key, old, landing);
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
            thread: self
                .hooks
                .as_ref()
                .map_or_else(|| Ok(ThreadHooks::default()), hooks_of)?,
            ..Options::default()
        })
    }

    /// Removes the entry of a key; without a key, every entry without a lease.
    pub(crate) fn remove(&self, key: Option<&[u8]>) -> Result<()> {
        self.shelf.expire();
        match key {
            Some(key) => {
                check(key)?;
                self.shelf.remove(key);
            }
            None => self.shelf.remove_idle(),
        }
        Ok(())
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

fn check(key: &[u8]) -> Result<()> {
    match key.len() {
        1..=MAX_KEY => Ok(()),
        _ => Err(Error::Invalid),
    }
}

/// Why an open failed: a failure to open the source, unless the error names another operation.
fn failure_of(error: Error) -> Failure {
    match error {
        Error::Canceled | Error::Timeout | Error::NoMemory => error.into(),
        Error::Io { .. } | Error::DiskFull { .. } => error.into(),
        error => Failure::during(Operation::SourceOpen, error),
    }
}

/// Calls one of the host's hooks, if there is one.
fn call(hooks: Option<&Shared<ThreadHooks>>, which: fn(&ThreadHooks) -> &Option<ThreadHook>) {
    if let Some(hook) = hooks.and_then(|hooks| which(hooks).as_ref()) {
        // If it panics, no caller is left to whom the panic could be reported.
        catch((), hook);
    }
}

/// Hooks for one of several buffers, which call the same functions.
fn hooks_of(hooks: &Shared<ThreadHooks>) -> Result<ThreadHooks> {
    let forward = |which: fn(&ThreadHooks) -> &Option<ThreadHook>| {
        let hooks = hooks.clone();
        let call = move || {
            if let Some(hook) = which(&hooks) {
                hook();
            }
        };
        Ok::<ThreadHook, Error>(try_box(call)?)
    };
    Ok(ThreadHooks {
        begin: Some(forward(|hooks| &hooks.begin)?),
        end: Some(forward(|hooks| &hooks.end)?),
    })
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
