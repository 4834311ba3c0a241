//! A store in a budget: what it does for the other members, and what it charges.

use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::budget::Budget;
use crate::store::budget::account::Charge;
use crate::store::budget::member::{Cause, Member, Spilled};
use crate::store::extras::Extras;
use crate::store::fill::capacity;
use crate::store::index::{GROWTH, SEGMENT, Spiller};
use crate::store::membership::{Membership, blocks_of};
use crate::store::memory::chunk::Chunk;
use crate::store::segment::{Segment, WriteGrant};
use crate::store::spool::Spool;
use crate::store::write_state::WriteState;
use crate::sync::shared::Shared;
use crate::sync::{Ordering, lock};

impl Store {
    /// Makes an empty store a member of a budget, for as long as it exists. It is a part of `member`,
    /// which takes `owner` bytes of memory.
    pub(crate) fn join<M: Member + 'static>(
        &self,
        member: &Shared<M>,
        budget: &Shared<Budget>,
        owner: u64,
    ) -> Result<()> {
        let whole = std::ptr::from_ref(&**member).addr();
        let part = std::ptr::from_ref(self).addr();
        assert!(
            (whole..whole + size_of::<M>()).contains(&part),
            "the member has the store, and drops it"
        );
        let owner = owner + size_of::<Extras>() as u64;
        let membership = Membership::new(member, budget.clone(), owner)?;
        lock(&self.writing).extras_or_new()?.member = Some(membership);
        self.is_member.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The budget, if the store is in one.
    pub(crate) fn budget(&self) -> Option<Shared<Budget>> {
        let mut writing = lock(&self.writing);
        writing.member().map(|it| it.budget().clone())
    }

    /// `reserve` for a new segment of a member, which is charged first.
    #[cold]
    pub(super) fn reserve_in_budget(
        &self,
        position: u64,
        run: u64,
        expected: Option<u64>,
        before_spill: impl Fn() -> Result<()>,
    ) -> Result<WriteGrant> {
        let budget = self.budget().expect("a member has a budget");
        let capacity = capacity(position, run, expected);
        let (charge, chunk) = Budget::make_room(&budget, capacity, GROWTH as u64, before_spill)?;
        let mut writing = lock(&self.writing);
        // The tail may be another one by now.
        writing.seal_unless(|tail| tail.has_space_at(position));
        writing.spare = chunk;
        let granted = self.grant(&mut writing, position, run, expected, Some(charge));
        let unused = writing.spare.take();
        drop(writing);
        drop(unused);
        Ok(granted?.expect("the segment is charged"))
    }

    /// Memory for a segment that was charged, after what the index has taken for it.
    #[cold]
    pub(super) fn charged_chunk(
        writing: &mut WriteState,
        capacity: usize,
        mut charge: Charge,
    ) -> Result<Chunk> {
        if let Some(member) = writing.member() {
            member.reserve()?;
        }
        let spare = writing.spare.take();
        let own = spare.as_ref().map_or(Chunk::footprint(capacity), |_| 0);
        let mut rest = charge.split(own);
        writing.settle(SEGMENT as u64, Some(&mut rest));
        spare.map_or_else(|| Chunk::charged(capacity, charge), Ok)
    }

    /// The memory that a member should have charged while nobody fills it, counted anew.
    #[cfg(test)]
    pub(crate) fn counted(&self) -> u64 {
        let mut writing = lock(&self.writing);
        let segments = writing
            .sealed
            .iter()
            .chain(writing.lent())
            .chain(&writing.tail);
        let chunks: u64 = segments.map(|it| Chunk::footprint(it.capacity())).sum();
        let owner = writing.member().map_or(0, |it| it.owner());
        chunks + writing.index_taken() + owner
    }

    /// The disk space that a member has charged.
    #[cfg(test)]
    pub(crate) fn disk_charged(&self) -> u64 {
        lock(&self.writing).member().map_or(0, |it| it.disk())
    }

    /// Spills the oldest segment for any member, if `is_needed` still holds when its turn has come.
    pub(crate) fn spill_for_budget(&self, is_needed: &dyn Fn() -> bool) -> Result<Spilled> {
        let spilled = {
            let mut spiller = lock(&self.spilling);
            if !is_needed() {
                return Ok(Spilled::Done(None));
            }
            self.spill_one_for_budget(&mut spiller)
        };
        match &spilled {
            Ok(Spilled::Done(_)) => self.log_spill(&Ok(())),
            Err(error) if !error.depends_on_offset() => self.log_spill(&Err(error.clone())),
            _ => {}
        }
        spilled
    }

    fn spill_one_for_budget(&self, spiller: &mut Spiller) -> Result<Spilled> {
        {
            let mut writing = lock(&self.writing);
            if writing.sealed.is_empty() {
                writing.seal_unless(Segment::is_filling);
            }
        }
        let spilled = self.spill_oldest(spiller);
        if spilled.as_ref().is_err_and(Error::depends_on_offset) {
            // Its offset may be beyond the largest size of a file. The others are tried next, and so
            // is a tail that nobody fills.
            let mut writing = lock(&self.writing);
            writing.seal_unless(Segment::is_filling);
            writing.defer_oldest();
        }
        spilled
    }

    /// Charges the disk space for a segment. Returns what there is too little of, if so.
    pub(super) fn charge_write(&self, spool: &Spool, segment: &Segment) -> Option<Cause> {
        let bytes = blocks_of(segment.start(), segment.filled() as u64);
        let budget = self.budget()?;
        if budget.is_short_of_space(bytes, || spool.free_space()) {
            return Some(Cause::FreeSpace);
        }
        let mut writing = lock(&self.writing);
        let member = writing.member()?;
        (!member.charge_disk(bytes)).then_some(Cause::Disk)
    }

    /// The write of a segment failed after `done` bytes, whose blocks stay charged.
    #[cold]
    pub(super) fn keep_charge(&self, segment: &Segment, done: u64) {
        let start = segment.start();
        let bytes = blocks_of(start, segment.filled() as u64);
        if let Some(member) = lock(&self.writing).member() {
            member.keep_disk(bytes, blocks_of(start, done));
        }
    }

    /// Removes the oldest segment of a member, whose memory is free.
    pub(super) fn forget_oldest(&self) {
        let mut writing = lock(&self.writing);
        writing.remove_oldest();
        writing.settle(SEGMENT as u64, None);
    }

    /// Makes the budget remove a store that is not in use, if there is one. Called without a lock.
    #[cold]
    pub(super) fn evict(&self, cause: Cause) -> bool {
        let budget = self.budget();
        budget.is_some_and(|budget| budget.evict(cause))
    }
}
