//! Handles, in a generational slab: what C holds instead of pointers. It knows no buffer.
//!
//! ```text
//! 64 bits   | generation, 39 bits            | slot number, 24 bits | 1 |
//! 32 bits   | generation, 16 bits            | slot number, 15 bits | 1 |
//! ```
//!
//! A handle names a slot of the table and the generation that the slot had when the value was put in.
//! A slot's generation is even while it is empty and odd while it holds a value, and counts up at each
//! change. So a handle is valid as long as its slot has its generation: one that was freed, freed
//! twice, or made up is not. The lowest bit is always 1, so that no aligned pointer, and not NULL, is
//! a handle.
//!
//! - **Slots never go.** They live in rows of 64, 128, 256 and so on, which are never freed or moved:
//!   looking at a slot is safe whatever number C passes.
//! - **Look-up against removal.** A look-up enters the slot's RCU [domain](crate::sync::rcu), then
//!   compares the generation; a removal first changes the generation, then synchronizes, then takes
//!   the value. Either the look-up sees the new generation, or the removal waits for it. The same
//!   read guard protects the bytes of a buffer (see [`DomainRef`](crate::sync::rcu::DomainRef)), so
//!   that a read from memory counts itself once.
//! - **Removal against removal.** Both compare and exchange the generation; one succeeds.
//! - **ABA.** Empty slots form a list, whose head is one atomic: the number of its first slot and a
//!   count. A thread that pops loads the head and the slot's successor and exchanges the head. If
//!   others have popped that slot and pushed it again meanwhile, the number is the same but the count
//!   is not, and the exchange fails. The count has 32 bits: that many changes would have to fit between
//!   a load and an exchange.
//! - **Wrap-around.** A slot whose generations are used up is left empty for good, so that no handle
//!   is ever valid twice. On 32 bits that is after 16,384 to 32,768 values a slot, on 64 bits never in
//!   practice.
//! - **Fork.** Nothing here locks. A forked child starts with empty tables: what its parent's threads
//!   were in the middle of is left behind. Its slots start at other generations than its parent's, so
//!   that its parent's handles are invalid there.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::null_mut;
use std::sync::atomic::AtomicUsize as PlainUsize;

use crate::error::{Error, Result};
use crate::sync::rcu::{Domain, ReadGuard};
use crate::sync::shared::Shared;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

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
// Each is one more object that a model has to follow.
#[cfg(loom)]
const ROWS: usize = 2;

pub(crate) struct Table<T: Send + Sync + 'static> {
    rows: [AtomicPtr<Slot<T>>; ROWS],
    /// Slots handed out so far.
    used: AtomicUsize,
    /// The most recently freed slot: its number plus 1, under a count that tells changes apart.
    free: AtomicU64,
    holds: PhantomData<Shared<T>>,
}

/// A value that was looked up: the slot's domain protects it.
pub(crate) struct Entry<'t, T> {
    value: *mut T,
    guard: ReadGuard<'t>,
}

impl<T> Entry<'_, T> {
    #[inline]
    pub(crate) fn guard(&self) -> &ReadGuard<'_> {
        &self.guard
    }

    /// The value, for a call that may wait: no guard is held then.
    #[inline]
    pub(crate) fn upgrade(self) -> Shared<T> {
        // SAFETY: as in `deref`: the table's count of the value is not dropped while the guard is held.
        unsafe { Shared::clone_raw(self.value) }
    }
}

impl<T> Deref for Entry<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard was taken before the slot was seen to have the handle's generation, and `remove` waits for such guards before it drops the value.
        unsafe { &*self.value }
    }
}

struct Slot<T> {
    /// Even while the slot is empty, odd while it is taken; counts up with both.
    generation: AtomicUsize,
    value: AtomicPtr<T>,
    next_free: AtomicU32,
    domain: Domain,
}

impl<T: Send + Sync> Table<T> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Table<T> {
        Table {
            rows: [const { AtomicPtr::new(null_mut()) }; ROWS],
            used: AtomicUsize::new(0),
            free: AtomicU64::new(0),
            holds: PhantomData,
        }
    }

    /// The same of loom's atomics, which are not made by constant functions.
    #[cfg(loom)]
    pub(crate) fn new() -> Table<T> {
        Table {
            rows: std::array::from_fn(|_| AtomicPtr::new(null_mut())),
            used: AtomicUsize::new(0),
            free: AtomicU64::new(0),
            holds: PhantomData,
        }
    }

    /// Puts a value into the table. It is made with the domain that will protect it.
    pub(crate) fn insert(
        &'static self,
        make: impl FnOnce(&'static Domain) -> Result<Shared<T>>,
    ) -> Result<Raw> {
        let (number, slot) = self.take_slot()?;
        let value = make(&slot.domain).inspect_err(|_| self.give_slot_back(number, slot))?;
        slot.value.store(value.into_raw(), Ordering::Relaxed);
        // The only one to change an empty slot is who took it from the list.
        let generation = slot.generation.load(Ordering::Relaxed) + 1;
        slot.generation.store(generation, Ordering::SeqCst);
        Ok((generation & GENERATION_MASK) << (SLOT_BITS + 1) | number << 1 | 1)
    }

    /// Looks a value up, for a moment. Before a wait, `upgrade` it.
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

    /// Looks a value up, to hold it for longer.
    #[inline]
    pub(crate) fn get_shared(&self, handle: Raw) -> Result<Shared<T>> {
        self.get(handle).map(Entry::upgrade)
    }

    /// Takes the value out: from here on the handle is invalid. Of several callers one gets the value.
    pub(crate) fn remove(&self, handle: Raw) -> Result<Shared<T>> {
        let slot = self.slot_of(handle).ok_or(Error::Invalid)?;
        let generation = slot.generation.load(Ordering::SeqCst);
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
        // SAFETY: `insert` stored the pointer with the count that it stands for, and the exchange lets one caller through for each insert.
        let value = unsafe { Shared::from_raw(value) };
        // A slot whose generations are used up is not used again.
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
        // Numbered from FIRST_ROW on, a row is a power of two.
        let number = number + FIRST_ROW;
        let row = number.ilog2() - FIRST_ROW.ilog2();
        let start = self.rows.get(row as usize)?.load(Ordering::Acquire);
        if start.is_null() {
            return None;
        }
        // SAFETY: `make_row` published a row of this many slots, which is never freed.
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
        let slot = self.rows.get(row).ok_or(Error::NoMemory).and_then(|place| {
            make_row(place, FIRST_ROW << row)?;
            self.slot(number).ok_or(Error::NoMemory)
        });
        // Without memory the number is lost; there are millions.
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

    /// Starts over in a forked child.
    #[cfg(all(unix, not(loom)))]
    pub(super) fn forget(&self) {
        for row in &self.rows {
            row.store(null_mut(), Ordering::Relaxed);
        }
        self.used.store(0, Ordering::Relaxed);
        self.free.store(0, Ordering::Relaxed);
    }
}

/// The handle that a slot has next.
#[cfg(all(test, loom))]
pub(crate) fn next_of(handle: Raw) -> Raw {
    handle.wrapping_add(2 << (SLOT_BITS + 1))
}

/// The head of the free list with its count one up and no number.
fn count_up(head: u64) -> u64 {
    ((head >> 32) + 1) << 32
}

/// Makes a row of slots, unless somebody else has.
fn make_row<T>(place: &AtomicPtr<Slot<T>>, size: usize) -> Result<()> {
    if !place.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let mut row: Vec<Slot<T>> = Vec::new();
    row.try_reserve_exact(size).map_err(|_| Error::NoMemory)?;
    row.resize_with(size, Slot::new);
    let made = Box::into_raw(row.into_boxed_slice());
    let first = made.cast::<Slot<T>>();
    if place
        .compare_exchange(null_mut(), first, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        // SAFETY: made by `into_raw` above; the exchange failed, so nobody else has it.
        drop(unsafe { Box::from_raw(made) });
    }
    Ok(())
}

impl<T> Slot<T> {
    fn new() -> Slot<T> {
        // Start at a pseudo-random generation, so that an arbitrary integer is unlikely to be a valid
        // handle, and at a different one after fork(), so that the parent's handles are rejected.
        static SEED: PlainUsize = PlainUsize::new(1);
        let seed = SEED.fetch_add(1, Ordering::Relaxed) + (FORKS.load(Ordering::Relaxed) << 20);
        let scattered = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize);
        // The upper half of the generations is left to count up.
        let generation = (scattered >> (usize::BITS - GENERATION_BITS + 1)) & !1;
        Slot {
            generation: AtomicUsize::new(generation),
            value: AtomicPtr::new(null_mut()),
            next_free: AtomicU32::new(0),
            domain: Domain::new(),
        }
    }
}

/// How many forks lie between this process and the first.
pub(super) static FORKS: PlainUsize = PlainUsize::new(0);

#[cfg(all(test, not(loom)))]
mod tests;
