//! The registry: the members of a budget, and the birth of the oldest segment that each has in memory.
//!
//! A birth is the number of a segment, counted over all members. To find the oldest segment of all members,
//! those of all members are compared: a thousand members take a few microseconds, and a spill writes a
//! whole segment to the disk. A queue of all segments would need no comparisons, but would have to
//! be cleaned up after members that leave or spill by themselves, and to grow without failing.

#![allow(unsafe_code)]

use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::store::budget::member::Member;
use crate::sync::shared::{Backlink, Counted, Shared};

/// The birth of the oldest segment of a member that has none in memory.
pub(crate) const NEVER: u64 = u64::MAX;

#[derive(Default)]
pub(super) struct Registry {
    slots: Vec<Registration>,
    /// The slots without a member. Their number never exceeds the capacity.
    free: Vec<usize>,
    /// The number of segments so far.
    births: u64,
}

struct Registration {
    member: Option<Backlink<dyn Member>>,
    /// The birth of the member's oldest segment in memory.
    oldest: u64,
}

impl Registry {
    /// The memory that a member takes here, in bytes.
    pub(super) const SLOT: usize = size_of::<Registration>() + size_of::<usize>();

    /// Adds a member. Returns its slot, which `leave` empties before the member's drop has returned.
    pub(super) fn join<M: Member + 'static>(&mut self, member: &Shared<M>) -> Result<usize> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.grow()?,
        };
        let allocation = Shared::allocation(member);
        let member: NonNull<Counted<dyn Member>> = allocation;
        self.slots[slot].member = Some(Backlink::new(member));
        Ok(slot)
    }

    /// Adds a slot.
    fn grow(&mut self) -> Result<usize> {
        let count = self.slots.len();
        // So that `leave` cannot fail.
        self.free
            .try_reserve(count + 1)
            .and_then(|()| self.slots.try_reserve(1))
            .map_err(|_| Error::NoMemory)?;
        self.slots.push(Registration {
            member: None,
            oldest: NEVER,
        });
        Ok(count)
    }

    /// Hides a member from `oldest`. It leaves soon.
    pub(super) fn hide(&mut self, slot: usize) {
        self.slots[slot].member = None;
    }

    pub(super) fn leave(&mut self, slot: usize) {
        self.slots[slot] = Registration {
            member: None,
            oldest: NEVER,
        };
        self.free.push(slot);
    }

    /// The birth of a segment that begins now.
    pub(super) fn bear(&mut self) -> u64 {
        self.births += 1;
        self.births
    }

    /// The number of slots: that of the members, at least.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The birth that the next segment will have.
    pub(super) fn next(&self) -> u64 {
        self.births + 1
    }

    /// Sets the birth of a member's oldest segment in memory.
    pub(super) fn publish(&mut self, slot: usize, oldest: u64) {
        self.slots[slot].oldest = oldest;
    }

    /// The member with the oldest segment among those born after `floor` and before `end`, and its birth.
    pub(super) fn oldest(&self, mut floor: u64, end: u64) -> Option<(Shared<dyn Member>, u64)> {
        loop {
            let due = |slot: &&Registration| floor < slot.oldest && slot.oldest < end;
            let slot = self.slots.iter().filter(due).min_by_key(|it| it.oldest)?;
            // SAFETY: the member's drop has not returned, since it empties the slot first, and waits
            // for the lock of this registry to do so.
            let member = slot.member.as_ref().and_then(|it| unsafe { it.upgrade() });
            if let Some(member) = member {
                return Some((member, slot.oldest));
            }
            // It is being dropped, or hidden.
            floor = slot.oldest;
        }
    }
}
