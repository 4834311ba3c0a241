//! A store's membership in a budget: what it has charged, and the births of its segments in memory.
//!
//! It is a part of the store's write state, and changes under the `writing` lock. The chunks carry
//! their own charges, so that each is removed when its memory is free, wherever that happens.

use std::collections::VecDeque;
use std::mem::take;

use crate::error::{Error, Result};
use crate::store::budget::Budget;
use crate::store::budget::account::Charge;
use crate::store::budget::member::Member;
use crate::store::budget::registry::NEVER;
use crate::sync::shared::Shared;

/// The disk space that is charged for `filled` bytes at `start`: the blocks that they touch.
pub(super) fn blocks_of(start: u64, filled: u64) -> u64 {
    const BLOCK: u64 = 4096;
    if filled == 0 {
        return 0;
    }
    let end = start.saturating_add(filled);
    let end = end.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX);
    end - start / BLOCK * BLOCK
}

pub(super) struct Membership {
    budget: Shared<Budget>,
    slot: usize,
    /// The births of the sealed segments and of the tail, oldest first.
    births: VecDeque<u64>,
    /// The memory that the owner of the store takes besides, in bytes.
    owner: u64,
    /// What is charged for the owner and the index.
    overhead: u64,
    /// What is charged for the spool file.
    disk: u64,
    /// The part of it that failed writes used: the next write uses it again.
    reusable: u64,
    /// The part of `reusable` that the last write took.
    reused: u64,
}

impl Membership {
    /// Joins a budget. `owner` is the memory that the member takes besides the store's, in bytes.
    pub(super) fn new<M: Member + 'static>(
        member: &Shared<M>,
        budget: Shared<Budget>,
        owner: u64,
    ) -> Result<Membership> {
        let slot = budget.join(member)?;
        let owner = owner + Budget::MEMBER;
        budget.grow_overhead(owner, None);
        Ok(Membership {
            budget,
            slot,
            births: VecDeque::new(),
            owner,
            overhead: owner,
            disk: 0,
            reusable: 0,
            reused: 0,
        })
    }

    pub(super) fn budget(&self) -> &Shared<Budget> {
        &self.budget
    }

    /// Allocates what `begin` will need, for the next segment and for one that was lent.
    pub(super) fn reserve(&mut self) -> Result<()> {
        self.births.try_reserve(2).map_err(|_| Error::NoMemory)
    }

    /// A segment begins, or is taken back.
    pub(super) fn begin(&mut self) {
        let birth = self.budget.bear(self.slot, self.births.is_empty());
        self.births.push_back(birth);
    }

    /// The tail is lent, so that it cannot be spilled.
    pub(super) fn lend(&mut self) {
        self.births.pop_back();
        if self.births.is_empty() {
            self.publish();
        }
    }

    /// The oldest segment has left memory.
    pub(super) fn remove_oldest(&mut self) {
        self.births.pop_front();
        self.publish();
    }

    /// The oldest segment is to be spilled after all others.
    pub(super) fn defer_oldest(&mut self) {
        self.births.pop_front();
        self.begin();
        self.publish();
    }

    fn publish(&self) {
        let oldest = self.births.front().copied().unwrap_or(NEVER);
        self.budget.publish(self.slot, oldest);
    }

    /// Hides the member from the registry's `oldest`, if `is_alone`. It leaves soon then. Returns whether
    /// it was.
    pub(super) fn hide_if(&self, is_alone: &dyn Fn() -> bool) -> bool {
        self.budget.hide_if(self.slot, is_alone)
    }

    /// The number of segments whose births are known.
    pub(super) fn segments(&self) -> usize {
        self.births.len()
    }

    /// Charges what the index takes now, as far as possible out of a charge.
    pub(super) fn settle(&mut self, index: u64, charge: Option<&mut Charge>) {
        let births = self.births.capacity() * size_of::<u64>();
        let now = self.owner + index + births as u64;
        match now.checked_sub(self.overhead) {
            Some(more) => self.budget.grow_overhead(more, charge),
            None => self.budget.remove_overhead(self.overhead - now),
        }
        self.overhead = now;
    }

    /// Charges disk space for a write. Returns false if there is none.
    pub(super) fn charge_disk(&mut self, bytes: u64) -> bool {
        let reused = bytes.min(self.reusable);
        let more = bytes - reused;
        if !self.budget.add_disk(more) {
            return false;
        }
        self.disk += more;
        self.reusable -= reused;
        self.reused = reused;
        true
    }

    /// The write for which `bytes` were charged failed, and `used` only these. They stay charged, and so
    /// does what earlier ones used. The next one uses them again: nearly always it is for the same segment.
    pub(super) fn keep_disk(&mut self, bytes: u64, used: u64) {
        let kept = used.max(self.reused);
        self.reusable += kept;
        self.disk -= bytes - kept;
        self.budget.remove_disk(bytes - kept);
    }

    /// The spool file has no blocks any more.
    pub(super) fn remove_disk(&mut self) {
        (self.reusable, self.reused) = (0, 0);
        self.budget.remove_disk(take(&mut self.disk));
    }
}

#[cfg(test)]
impl Membership {
    /// The memory charged for the owner.
    pub(super) fn owner(&self) -> u64 {
        self.owner + (self.births.capacity() * size_of::<u64>()) as u64
    }

    /// The disk space charged.
    pub(super) fn disk(&self) -> u64 {
        self.disk
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.budget.leave(self.slot);
        self.budget.remove_overhead(self.overhead);
        // The spool file was dropped before.
        self.budget.remove_disk(self.disk);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_block_that_is_touched_is_charged() {
        assert_eq!(blocks_of(0, 4096), 4096);
        assert_eq!(blocks_of(4095, 2), 8192);
        assert_eq!(blocks_of(4096, 1), 4096);
        assert_eq!(blocks_of(5000, 0), 0);
        assert_eq!(blocks_of(u64::MAX - 1, 1), 4095);
    }
}
