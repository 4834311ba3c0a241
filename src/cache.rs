//! The cache: many buffers under one budget, each known by a key.
//!
//! An open of a key finds its [entry](entry), or makes one [flight] of the opener for everyone who
//! asks for that key meanwhile. It returns a [lease](entry::Lease). An entry with a lease is never
//! evicted. When its last lease ends, the [shelf] keeps it until the budget needs its room, its time
//! is up or its key is removed; what goes first is the [policy]'s decision. An idle entry holds no
//! connection: if it is incomplete, its source is closed, and the next open has to bring another one.
//! Only that of an [unclaimed] key stays open a little longer.
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
//! The shelf's lock is held for a few instructions, and by a snapshot for a few for each entry. Under it
//! the locks of flights and of the buffers' gates are taken; none of these is held when it is taken.
//! Entries are ended, sources closed and the opener called without it.

mod board;
mod counts;
mod directory;
mod entry;
mod flight;
mod key;
mod landing;
mod lease;
mod maker;
mod opener;
mod openings;
mod options;
mod policy;
mod removal;
mod shelf;
mod stats;
mod table;
mod times;
mod unclaimed;

use std::time::Duration;

use crate::buffer::failure::{Attempt, Failure};
use crate::cache::board::{Boarding, Departure};
use crate::cache::flight::Flight;
use crate::cache::key::Key;
use crate::cache::landing::Landing;
use crate::cache::maker::{ALLOCATION, EntryMaker, Known};
use crate::cache::openings::Openings;
use crate::cache::removal::ShelfEvictor;
use crate::cache::shelf::Shelf;
use crate::cache::table::EntryTable;
use crate::error::{Error, Operation, Result};
use crate::pull::crew::Crew;
use crate::store::budget::{Budget, Limits};
use crate::sync::host_call::HostCall;
use crate::sync::shared::{Shared, try_box};

pub(crate) use crate::cache::directory::{EntryDirectory, Unnamed};
pub(crate) use crate::cache::lease::{EntryHome, Lease};
pub(crate) use crate::cache::opener::{Opened, Opener};
pub(crate) use crate::cache::options::{CacheOptions, OpenWait};
pub use crate::cache::stats::CacheStats;

/// The most bytes of a key.
pub(crate) const MAX_KEY: usize = 4096;

pub(crate) struct BufferCache {
    maker: EntryMaker,
    opener: Box<dyn Opener>,
}

impl BufferCache {
    pub(crate) fn new(
        opener: Box<dyn Opener>,
        directory: Box<dyn EntryDirectory>,
        mut options: CacheOptions,
    ) -> Result<BufferCache> {
        let hooks = std::mem::take(&mut options.thread);
        let crew = Crew::new(options.threads, hooks)?;
        let shelf = Shared::try_new(Shelf::new(Shared::try_new(directory)?, &options))?;
        let limits = Limits {
            max_memory: options.max_memory,
            max_disk: options.max_disk,
            min_free: options.min_free,
        };
        let evictor = try_box(ShelfEvictor(shelf.clone()))?;
        let maker = EntryMaker {
            budget: Budget::new(limits, Some(evictor))?,
            shelf,
            options,
            crew,
        };
        Ok(BufferCache { maker, opener })
    }

    fn shelf(&self) -> &Shared<Shelf> {
        &self.maker.shelf
    }

    /// Opens the entry of a key, and makes it if there is none. `sb_cache_open` describes the result.
    pub(crate) fn open(this: &Shared<BufferCache>, key: &[u8], wait: OpenWait) -> Attempt<Lease> {
        check(key)?;
        let deadline = wait.deadline();
        this.shelf().expire();
        let boarding = match wait.buffered {
            true => Shelf::board_buffered(this.shelf(), key, wait)?.ok_or(Error::Timeout)?,
            false => Shelf::board(this.shelf(), key, wait)?,
        };
        let flight = match boarding {
            Boarding::Hit(lease) => return Ok(lease),
            Boarding::Joined(flight) => flight,
            Boarding::Leads(departure) => {
                let flight = departure.flight.clone();
                match wait.timeout {
                    None => this.run(departure),
                    Some(_) => BufferCache::start(this, departure),
                }
                flight
            }
        };
        let landed = Shelf::wait(this.shelf(), &flight, deadline, wait.launches());
        landed.map_err(failure_of)
    }

    /// Runs a flight on a helper, so that the caller's time limit holds whatever the opener does.
    fn start(this: &Shared<BufferCache>, mut departure: Departure) {
        let taken = Start::taken(&departure.key);
        departure.charge = Some(Budget::charge_owner(&this.maker.budget, taken));
        let waiting = Waiting(departure.flight.clone());
        let mut start = Start {
            cache: this.clone(),
            departure: Some(departure),
        };
        // If memory runs out or there is no helper, the start is dropped.
        let Ok(launch) = try_box(move || start.run()) else {
            return;
        };
        waiting.0.leave_launch(launch);
        if let Ok(work) = try_box(move || waiting.run()) {
            let _ = Crew::call(&this.maker.crew, work);
        }
    }

    fn run(&self, departure: Departure) {
        let flight = departure.flight.clone();
        self.shelf().enter_opener(&flight);
        self.fly(departure);
        self.shelf().ground(&flight);
        // Without anyone waiting for it.
        self.maker.fit_budget();
    }

    /// Calls the opener for everyone who waits for the flight.
    fn fly(&self, departure: Departure) {
        let mut landing = Err(Error::Panic);
        HostCall::Work.run(|| landing = self.bring(&departure.key, departure.old.as_ref()));
        Shelf::land(self.shelf(), departure, landing);
    }

    fn bring(&self, key: &Key, old: Option<&Lease>) -> Result<Landing> {
        let old = old.map(|old| Known::of(self.shelf(), old));
        let old_tag = old.as_ref().map_or(0, Known::old_tag);
        let opened = self.opener.open(key.bytes(), old_tag)?;
        self.maker.settle(key, old, opened)
    }

    /// Removes the entry of a key; without a key, every entry without a lease.
    pub(crate) fn remove(&self, key: Option<&[u8]>) -> Result<()> {
        self.shelf().expire();
        match key {
            Some(key) => {
                check(key)?;
                self.shelf().remove(key);
            }
            None => self.shelf().remove_idle(),
        }
        Ok(())
    }

    /// Evicts and spills until no more than this is used. Once: the limits stay.
    pub(crate) fn trim(&self, max_memory: u64, max_disk: u64) -> Result<()> {
        self.shelf().expire();
        self.maker.budget.trim(max_memory, max_disk)
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.shelf().expire();
        stats::of(self.shelf(), &self.maker.budget)
    }

    /// Frees every entry, as `sb_free` would. Waits until no other thread is inside the opener.
    pub(crate) fn close(&self) {
        self.maker.crew.close();
        self.shelf().close();
        self.maker.crew.join();
    }

    /// Evicts an entry, as the budget does.
    #[cfg(all(test, loom))]
    pub(crate) fn evict_one(&self) -> bool {
        use crate::store::budget::member::{Cause, Evictor};
        ShelfEvictor(self.shelf().clone()).evict_one(Cause::Disk)
    }

    /// Lets time pass, for tests.
    pub(crate) fn advance_clock(&self, by: Duration) {
        self.shelf().clock.advance(by);
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

/// A flight in the queue of the helpers. If this is dropped there, nobody launches it any more.
struct Waiting(Shared<Flight>);

impl Waiting {
    fn run(&self) {
        if let Some(launch) = self.0.take_launch() {
            launch();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.0.take_launch());
    }
}

/// The start of a flight. If it is dropped before, since there is no helper or the cache is freed, the
/// flight fails.
struct Start {
    cache: Shared<BufferCache>,
    departure: Option<Departure>,
}

impl Start {
    /// Those of the start, of what waits in the queue, of the flight, of the key and of its bytes.
    const ALLOCATIONS: usize = 5;

    /// The memory that it takes, with its flight, its key and their places in the tables, which double
    /// when they grow.
    fn taken(key: &Key) -> u64 {
        let own = size_of::<Start>() + size_of::<Waiting>() + Shared::<Flight>::SIZE;
        let places = 2 * (EntryTable::LISTING + Openings::PLACE + Crew::PLACE);
        let allocations = Start::ALLOCATIONS * ALLOCATION;
        (own + places + allocations + Key::SIZE + key.bytes().len()) as u64
    }

    fn run(&mut self) {
        if let Some(departure) = self.departure.take() {
            self.cache.run(departure);
        }
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        if let Some(departure) = self.departure.take() {
            let flight = departure.flight.clone();
            let shelf = self.cache.shelf();
            let error = match self.cache.maker.crew.is_closed() {
                true => Error::Canceled,
                false => Error::NoMemory,
            };
            Shelf::land(shelf, departure, Err(error));
            shelf.ground(&flight);
        }
    }
}

impl Drop for BufferCache {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
