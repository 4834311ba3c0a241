//! The budget: limits for the memory and the disk that several stores use together.
//!
//! Every store in a budget is a *member*. It charges memory before it takes it, and removes the
//! charge once the memory is free again, so that the sum of the members never exceeds what the
//! budget has counted. Counted are the segments, as whole pages where they are mapped, the index, and
//! the owner of the store with what the cache keeps of it. A member uses no arenas, keeps no spare
//! chunks and reserves no disk blocks ahead. What the budget does not know is small, and the docs of
//! `max_memory` in `sb_cache_options` list it.
//!
//! A member that needs a segment calls [`make_room`](Budget::make_room), without a lock and before
//! the source is asked. While the segment does not fit, the oldest segment of all members is spilled,
//! by the calling thread: the [`registry`] knows which that is. If its chunk has the right size, the new
//! segment takes it over, with its charge. A tail that nobody fills is sealed for a spill. A member whose
//! spool file fails is passed over. If nothing could be spilled and some member failed, the [`Evictor`]
//! removes a store. The call fails if it cannot. If all that is left is being filled, the segment is
//! charged all the same: each member that is being filled may exceed the limit by its tail.
//!
//! Disk space is charged before it is written, too. If there is none, in the budget or on the disk, the
//! evictor removes a store. It is called without a lock and while no member is held, so that what it
//! removes is really freed. If it cannot, that is a full disk.
//!
//! # The order of the locks
//!
//! ```text
//! spilling   of one store; held while its file is used and while readers finish their copies
//!   writing  of the same store; for a few instructions
//!     registry   of the budget; for a comparison of all members at most
//!   free_space   of the budget; for a few instructions
//! ```
//!
//! A thread holds the locks of one store at most, and nothing is called under the budget's. It charges
//! with one atomic operation and no lock.

pub(crate) mod account;
mod free_space;
pub(crate) mod member;
pub(super) mod registry;
pub(super) mod room;

use std::io;

use crate::error::Result;
use crate::store::budget::account::{Account, Charge};
use crate::store::budget::free_space::FreeSpace;
use crate::store::budget::member::{Cause, Evictor, Member};
use crate::store::budget::registry::Registry;
use crate::sync::shared::Shared;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};

/// The limits of a budget, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_memory: u64,
    pub(crate) max_disk: u64,
    /// The bytes that must stay free on the file system with the spool files, which is checked now and
    /// then; 0 for no such limit.
    pub(crate) min_free: u64,
}

pub(crate) struct Budget {
    /// Charges keep it.
    memory: Shared<Account>,
    disk: Account,
    /// The part of the memory that no spill frees: the index and the owners of the stores.
    overhead: AtomicU64,
    registry: Mutex<Registry>,
    free_space: FreeSpace,
    evictor: Option<Box<dyn Evictor>>,
}

/// Memory that the owner of a member takes, charged until this is dropped. No spill frees it.
pub(crate) struct OwnerCharge {
    budget: Shared<Budget>,
    bytes: u64,
}

impl Budget {
    /// The memory that a member takes in a budget, in bytes.
    pub(super) const MEMBER: u64 = Registry::SLOT as u64;

    pub(crate) fn new(limits: Limits, evictor: Option<Box<dyn Evictor>>) -> Result<Shared<Budget>> {
        Shared::try_new(Budget {
            memory: Shared::try_new(Account::new(limits.max_memory))?,
            disk: Account::new(limits.max_disk),
            overhead: AtomicU64::new(0),
            registry: Mutex::new(Registry::default()),
            free_space: FreeSpace::new(limits.min_free),
            evictor,
        })
    }

    pub(crate) fn memory(&self) -> &Account {
        &self.memory
    }

    pub(crate) fn disk(&self) -> &Account {
        &self.disk
    }

    /// Removes one store that is not in use. Called without a lock.
    pub(super) fn evict(&self, cause: Cause) -> bool {
        let evictor = self.evictor.as_ref();
        let evicted = evictor.is_some_and(|evictor| evictor.evict_one(cause));
        if evicted {
            self.free_space.forget();
        }
        evicted
    }

    /// Whether the file system would have too few free bytes after a write of `bytes`. `ask` asks it.
    pub(super) fn is_short_of_space(
        &self,
        bytes: u64,
        ask: impl FnOnce() -> io::Result<u64>,
    ) -> bool {
        self.free_space.is_short(bytes, ask)
    }

    /// Charges what the owner of a member takes besides, even if that exceeds the limit.
    pub(crate) fn charge_owner(this: &Shared<Budget>, bytes: u64) -> OwnerCharge {
        this.grow_overhead(bytes, None);
        OwnerCharge {
            budget: this.clone(),
            bytes,
        }
    }

    /// Charges what a member needs besides its bytes, as far as possible out of a charge, and even if
    /// the rest exceeds the limit.
    pub(super) fn grow_overhead(&self, bytes: u64, charge: Option<&mut Charge>) {
        let taken = charge.map_or(0, |charge| charge.take(bytes));
        self.memory.add(bytes - taken);
        self.overhead.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn remove_overhead(&self, bytes: u64) {
        self.memory.remove(bytes);
        self.overhead.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Charges disk space, if there is some.
    pub(super) fn add_disk(&self, bytes: u64) -> bool {
        self.disk.try_add(bytes)
    }

    pub(super) fn remove_disk(&self, bytes: u64) {
        self.disk.remove(bytes);
    }

    /// Adds a member. Returns its slot, which the member must `leave` before its drop has returned.
    pub(super) fn join<M: Member + 'static>(&self, member: &Shared<M>) -> Result<usize> {
        lock(&self.registry).join(member)
    }

    pub(super) fn leave(&self, slot: usize) {
        lock(&self.registry).leave(slot);
    }

    /// Hides a member from the registry's `oldest`, if `is_alone`. It leaves soon then. Nobody looks for
    /// members while `is_alone` is asked. Returns whether it was.
    pub(super) fn hide_if(&self, slot: usize, is_alone: &dyn Fn() -> bool) -> bool {
        let mut registry = lock(&self.registry);
        let is_alone = is_alone();
        if is_alone {
            registry.hide(slot);
        }
        is_alone
    }

    /// The birth of a segment of a member that begins now. If it is the `only` one that the member has
    /// in memory, it is the oldest.
    pub(super) fn bear(&self, slot: usize, only: bool) -> u64 {
        let mut registry = lock(&self.registry);
        let birth = registry.bear();
        if only {
            registry.publish(slot, birth);
        }
        birth
    }

    /// Sets the birth of a member's oldest segment in memory.
    pub(super) fn publish(&self, slot: usize, oldest: u64) {
        lock(&self.registry).publish(slot, oldest);
    }
}

impl Drop for OwnerCharge {
    fn drop(&mut self) {
        self.budget.remove_overhead(self.bytes);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
