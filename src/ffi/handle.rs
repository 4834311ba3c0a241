//! Handles, in a generational slab: what C holds instead of pointers. This module knows nothing of
//! buffers.
//!
//! ```text
//! 64 bits   | generation, 39 bits            | slot number, 24 bits | 1 |
//! 32 bits   | generation, 16 bits            | slot number, 15 bits | 1 |
//! ```
//!
//! A handle names a slot of the table and the generation that the slot had when its value was
//! inserted. A slot's generation is even while the slot is empty and odd while it holds a value,
//! and is incremented by each change. A handle is therefore valid as long as its slot has its
//! generation: a handle that was freed, freed twice or forged is not. The lowest bit is always 1,
//! so that no aligned pointer, and not NULL, is a handle.
//!
//! - **Slots are never freed.** They live in rows of 64, 128, 256 and so on, which are never freed
//!   or moved: looking at a slot is safe whatever number C passes.
//! - **Lookup against removal.** A lookup enters the slot's RCU [domain](crate::sync::rcu), then
//!   compares the generation. A removal first changes the generation, then synchronizes, then takes
//!   the value. Either the lookup sees the new generation, or the removal waits for it. The same
//!   read guard protects the bytes of a buffer (see [`DomainRef`](crate::sync::rcu::DomainRef)), so
//!   that a read from memory counts itself once.
//! - **Removal against removal.** Both compare and exchange the generation; one succeeds.
//! - **ABA.** Empty slots form a list whose head is one atomic: the number of its first slot and a
//!   count. A thread that pops loads the head and the slot's successor, then exchanges the head. If
//!   other threads have popped that slot and pushed it again meanwhile, the number is the same but
//!   the count is not, and the exchange fails. The count has 32 bits: to defeat it, 2^32 changes
//!   would have to happen between a load and an exchange.
//! - **Wraparound.** A slot that has used up its generations stays empty, so that no handle is ever
//!   valid twice. On 32 bits that happens after 16,384 to 32,768 values per slot, on 64 bits never
//!   in practice.
//! - **Fork.** Nothing here locks. A forked child starts with empty tables and abandons whatever
//!   its parent's threads were in the middle of. Its slots start at other generations than its
//!   parent's, so that its parent's handles are invalid there.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::null_mut;
use std::sync::atomic::AtomicUsize as PlainUsize;

use crate::error::{Error, Result};
use crate::sync::rcu::{Domain, ReadGuard};
use crate::sync::shared::Shared;
use crate::sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// A handle as an integer.
pub(crate) type Raw = usize;

/// Bits of a handle, from the lowest: 1, the slot's number, the generation.
const SLOT_BITS: u32 = if usize::BITS == 64 { 24 } else { 15 };
const SLOT_MASK: usize = (1 << SLOT_BITS) - 1;
const GENERATION_BITS: u32 = usize::BITS - 1 - SLOT_BITS;
const GENERATION_MASK: usize = (1 << GENERATION_BITS) - 1;

/// Rows of 64, 128, 256 slots and so on.
const FIRST_ROW: usize = if cfg!(loom) { 2 } else { 64 };
#[cfg(not(loom))]
const ROWS: usize = (SLOT_BITS - FIRST_ROW.ilog2()) as usize;
// Few, since each is one more object that loom has to follow.
#[cfg(loom)]
const ROWS: usize = 2;

pub(crate) struct Table<T: Send + Sync + 'static> {
    rows: [AtomicPtr<Slot<T>>; ROWS],
    /// The number of slots handed out so far.
    used: AtomicUsize,
    /// The most recently freed slot: its number plus 1, below a count of the changes.
    free: AtomicU64,
    holds: PhantomData<Shared<T>>,
}

/// A value that was looked up. The guard of the slot's domain protects it.
pub(crate) struct Entry<'t, T> {
    value: *mut T,
    guard: ReadGuard<'t>,
}

impl<T> Entry<'_, T> {
    #[inline]
    pub(crate) fn guard(&self) -> &ReadGuard<'_> {
        &self.guard
    }

    /// Turns the entry into a counted pointer, for a call that may block: it drops the guard.
    #[inline]
    pub(crate) fn upgrade(self) -> Shared<T> {
        // SAFETY: the table drops its count of the value only after `synchronize`, which waits for
        // the guard that is held here.
        unsafe { Shared::clone_raw(self.value) }
    }
}

impl<T> Deref for Entry<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard was taken before the slot was seen to have the handle's generation, and
        // `remove` waits for such guards before it drops the value.
        unsafe { &*self.value }
    }
}

struct Slot<T> {
    /// Even while the slot is empty, odd while it is taken; incremented by each change.
    generation: AtomicUsize,
    value: AtomicPtr<T>,
    /// Who inserted the value removes it, not the holder of the handle. Set before the generation.
    is_kept: AtomicBool,
    next_free: AtomicU32,
    domain: Domain,
}

impl<T: Send + Sync> Table<T> {
    /// The memory that a value takes here, in bytes.
    pub(crate) const SLOT: usize = size_of::<Slot<T>>();

    #[cfg(not(loom))]
    pub(crate) const fn new() -> Table<T> {
        Table {
            rows: [const { AtomicPtr::new(null_mut()) }; ROWS],
            used: AtomicUsize::new(0),
            free: AtomicU64::new(0),
            holds: PhantomData,
        }
    }

    /// The same with loom's atomics, whose constructors are not const.
    #[cfg(loom)]
    pub(crate) fn new() -> Table<T> {
        Table {
            rows: std::array::from_fn(|_| AtomicPtr::new(null_mut())),
            used: AtomicUsize::new(0),
            free: AtomicU64::new(0),
            holds: PhantomData,
        }
    }

    /// Inserts a value, which `make` creates with the domain that will protect it.
    pub(crate) fn insert(
        &'static self,
        make: impl FnOnce(&'static Domain) -> Result<Shared<T>>,
    ) -> Result<Raw> {
        self.insert_for(false, make)
    }

    /// The same for a value that `remove` leaves alone: only `remove_kept` removes it.
    pub(crate) fn insert_kept(
        &'static self,
        make: impl FnOnce(&'static Domain) -> Result<Shared<T>>,
    ) -> Result<Raw> {
        self.insert_for(true, make)
    }

    #[inline(always)]
    fn insert_for(
        &'static self,
        is_kept: bool,
        make: impl FnOnce(&'static Domain) -> Result<Shared<T>>,
    ) -> Result<Raw> {
        let (number, slot) = self.take_slot()?;
        let value = make(&slot.domain).inspect_err(|_| self.give_slot_back(number, slot))?;
        slot.value.store(value.into_raw(), Ordering::Relaxed);
        slot.is_kept.store(is_kept, Ordering::Relaxed);
        // Only the thread that took an empty slot from the list changes it.
        let generation = slot.generation.load(Ordering::Relaxed) + 1;
        slot.generation.store(generation, Ordering::SeqCst);
        Ok((generation & GENERATION_MASK) << (SLOT_BITS + 1) | number << 1 | 1)
    }

    /// Looks up a value for a moment. `upgrade` the entry before a wait.
    #[inline]
    pub(crate) fn get(&self, handle: Raw) -> Result<Entry<'_, T>> {
        let slot = self.slot_of(handle).ok_or(Error::Invalid)?;
        let guard = slot.domain.enter();
        // SeqCst: R3 in `sync::rcu`. The generation of a slot that holds a value is odd.
        let generation = slot.generation.load(Ordering::SeqCst);
        if generation & GENERATION_MASK != handle >> (SLOT_BITS + 1) || generation % 2 == 0 {
            return Err(Error::Invalid);
        }
        let value = slot.value.load(Ordering::Relaxed);
        Ok(Entry { value, guard })
    }

    /// Looks up a value to hold it for longer.
    #[inline]
    pub(crate) fn get_shared(&self, handle: Raw) -> Result<Shared<T>> {
        self.get(handle).map(Entry::upgrade)
    }

    /// Removes the value and makes the handle invalid. If several threads call this at once, one
    /// gets the value.
    pub(crate) fn remove(&self, handle: Raw) -> Result<Shared<T>> {
        self.remove_for(false, handle)
    }

    /// The same for a value that was inserted with `insert_kept`.
    pub(crate) fn remove_kept(&self, handle: Raw) -> Result<Shared<T>> {
        self.remove_for(true, handle)
    }

    #[inline(always)]
    fn remove_for(&self, is_kept: bool, handle: Raw) -> Result<Shared<T>> {
        let slot = self.slot_of(handle).ok_or(Error::Invalid)?;
        let generation = slot.generation.load(Ordering::SeqCst);
        // If the slot is taken by another value meanwhile, the exchange fails.
        if slot.is_kept.load(Ordering::Relaxed) != is_kept {
            return Err(Error::Invalid);
        }
        let same = generation & GENERATION_MASK == handle >> (SLOT_BITS + 1);
        let (order, seen) = (Ordering::SeqCst, Ordering::Relaxed);
        let empty = generation.wrapping_add(1);
        if !same
            || generation % 2 == 0
            || slot
                .generation
                .compare_exchange(generation, empty, order, seen)
                .is_err()
        {
            return Err(Error::Invalid);
        }
        let value = slot.value.load(Ordering::Relaxed);
        slot.domain.synchronize();
        // SAFETY: `insert` stored the pointer with its count, and the exchange succeeds for one
        // caller per insert, so the count is taken once.
        let value = unsafe { Shared::from_raw(value) };
        // A slot that has used up its generations is not used again.
        if (empty + 1) & GENERATION_MASK > 1 {
            self.give_slot_back((handle >> 1) & SLOT_MASK, slot);
        }
        Ok(value)
    }

    #[inline]
    fn slot_of(&self, handle: Raw) -> Option<&Slot<T>> {
        if handle % 2 == 0 {
            None
        } else {
            self.slot((handle >> 1) & SLOT_MASK)
        }
    }

    #[inline]
    fn slot(&self, number: usize) -> Option<&Slot<T>> {
        // Rows start at powers of two if slots are numbered from FIRST_ROW on.
        let number = number + FIRST_ROW;
        let row = number.ilog2() - FIRST_ROW.ilog2();
        let start = self.rows.get(row as usize)?.load(Ordering::Acquire);
        if start.is_null() {
            return None;
        }
        // SAFETY: `make_row` stored a row of this size, which is never freed, and the Acquire load
        // sees its slots initialized.
        Some(unsafe { &*start.add(number - (FIRST_ROW << row)) })
    }

    fn take_slot(&self) -> Result<(usize, &Slot<T>)> {
        let mut head = self.free.load(Ordering::Acquire);
        while let Some(number) = (head as u32 as usize).checked_sub(1) {
            let Some(slot) = self.slot(number) else { break };
            let next = count_up(head) | u64::from(slot.next_free.load(Ordering::Relaxed));
            match self
                .free
                .compare_exchange(head, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ok((number, slot)),
                Err(now) => head = now,
            }
        }
        let number = self.used.fetch_add(1, Ordering::Relaxed);
        let row = ((number + FIRST_ROW).ilog2() - FIRST_ROW.ilog2()) as usize;
        let slot = self.rows.get(row).ok_or(Error::NoMemory).and_then(|start| {
            make_row(start, FIRST_ROW << row)?;
            self.slot(number).ok_or(Error::NoMemory)
        });
        // If memory runs out, the number is lost; there are millions.
        slot.map(|slot| (number, slot))
    }

    fn give_slot_back(&self, number: usize, slot: &Slot<T>) {
        let mut head = self.free.load(Ordering::Relaxed);
        loop {
            slot.next_free.store(head as u32, Ordering::Relaxed);
            let next = count_up(head) | (number as u64 + 1);
            match self
                .free
                .compare_exchange(head, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Empties the table in a forked child.
    #[cfg(all(unix, not(loom)))]
    pub(super) fn forget(&self) {
        for row in &self.rows {
            row.store(null_mut(), Ordering::Relaxed);
        }
        self.used.store(0, Ordering::Relaxed);
        self.free.store(0, Ordering::Relaxed);
    }
}

/// The handle of the next value in the same slot.
#[cfg(all(test, loom))]
pub(crate) fn next_of(handle: Raw) -> Raw {
    handle.wrapping_add(2 << (SLOT_BITS + 1))
}

/// The head of the free list with its count incremented and no slot number.
fn count_up(head: u64) -> u64 {
    ((head >> 32) + 1) << 32
}

/// Allocates a row of slots unless another thread has done so.
fn make_row<T>(start: &AtomicPtr<Slot<T>>, size: usize) -> Result<()> {
    if !start.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let mut row: Vec<Slot<T>> = Vec::new();
    row.try_reserve_exact(size).map_err(|_| Error::NoMemory)?;
    row.resize_with(size, Slot::new);
    let made = Box::into_raw(row.into_boxed_slice());
    let first = made.cast::<Slot<T>>();
    if start
        .compare_exchange(null_mut(), first, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        // SAFETY: `made` came from `Box::into_raw` above, and the exchange failed, so nobody else
        // has it.
        drop(unsafe { Box::from_raw(made) });
    }
    Ok(())
}

impl<T> Slot<T> {
    fn new() -> Slot<T> {
        // Start at a pseudo-random generation, so that an arbitrary integer is unlikely to be a
        // valid handle, and at a different one after fork(), so that the parent's handles are
        // rejected.
        static SEED: PlainUsize = PlainUsize::new(1);
        let seed = SEED.fetch_add(1, Ordering::Relaxed) + (FORKS.load(Ordering::Relaxed) << 20);
        let scattered = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize);
        // Only the lower half of the generations is used to start at, so that there are some left
        // to count up.
        let generation = (scattered >> (usize::BITS - GENERATION_BITS + 1)) & !1;
        Slot {
            generation: AtomicUsize::new(generation),
            value: AtomicPtr::new(null_mut()),
            is_kept: AtomicBool::new(false),
            next_free: AtomicU32::new(0),
            domain: Domain::new(),
        }
    }
}

/// The number of forks between the first process and this one.
pub(super) static FORKS: PlainUsize = PlainUsize::new(0);

#[cfg(all(test, not(loom)))]
mod tests;
