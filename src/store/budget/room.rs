//! Room for a segment: the oldest segments of all members are spilled until it fits.
//!
//! The attempts of one call are a *round*. A member that cannot spill is passed over: the round goes on
//! with the next older segment. What is newer than the round is left alone, so that it ends even if
//! sources deliver as fast as the disk writes, and even if a member moves the segments that it could not
//! write behind all others.
//!
//! A spilled segment's chunk is used for the new segment, if it has the right size: pages that are mapped
//! anew take three times as long to fill. It stays charged meanwhile.
//!
//! What the members that are being filled use above the limit is spilled at the end of each filling, by a
//! round for no segment: [`restore`](Budget::restore).

use crate::error::{Error, Operation, Result};
use crate::store::budget::Budget;
use crate::store::budget::account::Charge;
use crate::store::budget::member::{Cause, Spilled};
use crate::store::memory::chunk::Chunk;
use crate::sync::shared::Shared;
use crate::sync::{Ordering, fence, lock};

/// The memory that may be used besides the bytes of the members before stores are evicted for that, at
/// least: a budget of nothing still has members.
pub(super) const OVERHEAD: u64 = 256 * 1024;

impl Budget {
    /// Charges the memory of a segment of this capacity and `more` bytes, after spilling what has to
    /// leave memory for them. If it returns a chunk, which a spilled segment has left, the charge is for
    /// `more` alone. `before_spill` is called before a spool file is used. The caller holds no lock.
    pub(crate) fn make_room(
        this: &Shared<Budget>,
        capacity: usize,
        more: u64,
        before_spill: impl FnOnce() -> Result<()>,
    ) -> Result<(Charge, Option<Chunk>)> {
        if let Some(evictor) = &this.evictor {
            evictor.expire();
        }
        let charge = |bytes| Charge::new(&this.memory, bytes);
        let bytes = Chunk::footprint(capacity) + more;
        if this.memory.try_add(bytes) {
            return Ok((charge(bytes), None));
        }
        before_spill()?;
        let mut round = Round::new(this);
        (round.capacity, round.more) = (capacity, more);
        this.spill_for(&mut round)?;
        Ok((charge(round.needed()), round.chunk))
    }

    /// Spills and evicts, once, until the members use no more than this, except the segments that are
    /// being filled and the stores that are in use, and what is newer than the call.
    pub(crate) fn trim(&self, max_memory: u64, max_disk: u64) -> Result<()> {
        // First, so that nothing is spilled only to be removed.
        self.evict_down(max_disk);
        // No spill frees what the members need besides their bytes.
        let most = max_memory.max(OVERHEAD);
        self.evict_while(Cause::Memory, || {
            self.overhead.load(Ordering::Relaxed) > most
        });
        let mut round = Round::new(self);
        let is_needed = || self.memory.used() > max_memory;
        let mut spilled = Ok(true);
        while is_needed() && matches!(spilled, Ok(true)) {
            spilled = round.spill(self, &is_needed);
        }
        self.evict_down(max_disk);
        spilled.map(|_| ())
    }

    fn evict_down(&self, max_disk: u64) {
        self.evict_while(Cause::Disk, || self.disk.used() > max_disk);
    }

    /// Evicts as many stores as there are now, at most: more may come as fast as they go.
    fn evict_while(&self, cause: Cause, is_needed: impl Fn() -> bool) {
        let members = lock(&self.registry).slots();
        let _ = (0..members).all(|_| is_needed() && self.evict(cause));
    }

    /// Whether the members use more than the limit.
    pub(crate) fn is_exceeded(&self) -> bool {
        // Of two members that end a filling, one at least sees what the other one has charged, or that
        // it is not being filled any more.
        fence(Ordering::SeqCst);
        !self.memory.fits(0)
    }

    /// Spills and evicts until the members use no more than the limit. A member that may have exceeded
    /// it calls this, without a lock, when it is not being filled any more. Each of them does, so that
    /// together they write what they exceeded it by. A share for each would not do: one that writes
    /// older segments could leave its own to a member whose round has ended.
    pub(crate) fn restore(&self) -> Result<()> {
        self.spill_for(&mut Round::new(self))
    }

    fn spill_for(&self, round: &mut Round) -> Result<()> {
        while !self.memory.try_add(round.needed()) {
            let bytes = round.needed();
            let spilled = match round.spill(self, &|| !self.memory.fits(bytes)) {
                // No spool file takes bytes. Evicting what is not in use frees memory as well. This has no
                // limit: the call must not fail while something can go.
                Err(_) if self.evict(round.cause) => {
                    round.restart(self);
                    continue;
                }
                spilled => spilled?,
            };
            if spilled || (self.is_heavy() && round.count_eviction() && self.evict(Cause::Memory)) {
                continue;
            }
            // Everything that is left is being filled or in use, or newer than the call.
            self.memory.add(bytes);
            break;
        }
        Ok(())
    }

    /// Whether what the members need besides their bytes takes all of the memory.
    fn is_heavy(&self) -> bool {
        self.overhead.load(Ordering::Relaxed) > self.memory.max().max(OVERHEAD)
    }
}

struct Round {
    /// The birth of the last segment that was passed over.
    floor: u64,
    /// The first birth after the round began. Segments from here on are left alone.
    end: u64,
    /// How many more stores may be evicted for what the members need besides their bytes: as many as
    /// there were when the round began.
    evictions_left: usize,
    /// The first failure.
    failure: Option<Error>,
    /// What an eviction after that failure is for.
    cause: Cause,
    /// The capacity of the segment that needs room, and what is needed besides; 0 for none.
    capacity: usize,
    more: u64,
    /// The chunk of a spilled segment, for the segment that needs room. It stays charged.
    chunk: Option<Chunk>,
}

impl Round {
    fn new(budget: &Budget) -> Round {
        let registry = lock(&budget.registry);
        Round {
            floor: 0,
            end: registry.next(),
            evictions_left: registry.slots(),
            failure: None,
            cause: Cause::FreeSpace,
            capacity: 0,
            more: 0,
            chunk: None,
        }
    }

    /// Tries every segment again.
    fn restart(&mut self, budget: &Budget) {
        (self.floor, self.end) = (0, lock(&budget.registry).next());
        (self.failure, self.cause) = (None, Cause::FreeSpace);
    }

    /// Counts an eviction. Returns false if there were enough: more stores may come as fast as they go.
    fn count_eviction(&mut self) -> bool {
        let left = self.evictions_left.checked_sub(1);
        self.evictions_left = left.unwrap_or(0);
        left.is_some()
    }

    /// The memory to charge, in bytes.
    fn needed(&self) -> u64 {
        match self.chunk.is_some() || self.capacity == 0 {
            true => self.more,
            false => Chunk::footprint(self.capacity) + self.more,
        }
    }

    /// Keeps a chunk for the segment that needs room, or drops it.
    fn keep(&mut self, chunk: Option<Chunk>) {
        let fits = |chunk: &Chunk| chunk.size() == self.capacity;
        if self.chunk.is_none() {
            self.chunk = chunk.filter(fits).map(Chunk::forget_bytes);
        }
    }

    /// Spills the oldest segment, or passes over it, or makes space on the disk for it, unless
    /// `is_needed` does not hold any more. Returns false if no segment is left that is older than the
    /// round and not being filled, and the first failure if there was one.
    #[inline(never)]
    fn spill(&mut self, budget: &Budget, is_needed: &dyn Fn() -> bool) -> Result<bool> {
        let oldest = lock(&budget.registry).oldest(self.floor, self.end);
        let Some((member, birth)) = oldest else {
            return self.failure.take().map_or(Ok(false), Err);
        };
        match member.spill_oldest(is_needed) {
            Ok(Spilled::Done(chunk)) => self.keep(chunk),
            Ok(Spilled::Nothing) => self.floor = birth,
            Ok(Spilled::NoSpace(cause)) => {
                // Dropped first: it may be what is evicted.
                drop(member);
                if !budget.evict(cause) {
                    self.pass_over(birth, full_disk(), cause);
                }
            }
            Err(error) => {
                member.note(&error);
                drop(member);
                let is_mended = error.is_full_disk() && budget.evict(Cause::FreeSpace);
                if !is_mended {
                    self.pass_over(birth, error, Cause::FreeSpace);
                }
            }
        }
        Ok(true)
    }

    fn pass_over(&mut self, birth: u64, error: Error, cause: Cause) {
        self.floor = birth;
        if self.failure.is_none() {
            (self.failure, self.cause) = (Some(error), cause);
        }
    }
}

/// The error of a budget without space on the disk: a full disk, of which the system knows nothing.
pub(in crate::store) fn full_disk() -> Error {
    Error::DiskFull {
        operation: Operation::SpoolWrite,
        code: 0,
    }
}
