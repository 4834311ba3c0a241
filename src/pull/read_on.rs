//! Reading on: a call that has its bytes makes the source deliver more of the run on which it is,
//! before another call makes it jump elsewhere.
//!
//! That is for sources that are read at [several places in turn](crate::pull::recent_runs) and
//! deliver less at a time than they are asked for: they would jump for every few bytes. The call
//! has jumped to a run that goes on, and reads up to where that is wanted, for at most as long as
//! the jump [took](crate::pull::jump_cost).
//!
//! Its source must be [interruptible](crate::source::Source::is_interruptible). A call that needs
//! bytes elsewhere meanwhile can then make a source [leave](crate::pull::gate) that stalls here.
//! Any other source could keep a call that has its bytes, for as long as it stalls: however fast it was
//! before, it jumps for each of its pieces.

use crate::pull::demand::Demand;
use crate::pull::gate::StateGuard;
use crate::pull::jump_cost::Tally;
use crate::pull::source_guard::SourceGuard;
use crate::pull::stall::Stall;
use crate::pull::state::State;
use crate::store::memory::BLOCK;

impl State {
    /// What the source's calls have taken so far.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            time: self.counters.pull_time,
            reads: self.counters.pulls,
        }
    }

    /// Whether more is wanted of the run on which the source is.
    pub(super) fn goes_on(&self) -> bool {
        self.position.run_wanted_to() > self.position.offset()
    }

    /// The need of a call is met. The last read took `last` nanoseconds.
    fn meet(&mut self, last: u64) {
        let tally = self.tally();
        if let Some(cost) = self.position.jump_cost() {
            cost.meet(tally, last);
        }
    }

    /// The rest of the run on which the source is, if it may be read on.
    fn rest_of_run(&mut self, cancels: u64) -> Option<Demand> {
        let offset = self.position.offset();
        let length = self.missing_of_run(offset)?;
        let demand = Demand {
            offset,
            length,
            capacity: length,
            cancels,
        };
        let may_be_called = !self.stops(demand)
            && self.health.failure().is_none()
            && !self.prefetch.is_on()
            && self.slot.is_interruptible();
        let cost = self.position.jump_cost().filter(|_| may_be_called)?;
        cost.allows().then_some(demand)
    }

    /// The number of bytes that are missing at the source's position, `offset`, and wanted. Like a
    /// request, a run ends at the end of a block.
    fn missing_of_run(&self, offset: u64) -> Option<u64> {
        let is_cut = offset % BLOCK == 0 && self.position.run() > 0;
        let is_exact = self.read_granularity == 0;
        if is_cut || is_exact || !self.is_next(offset) {
            return None;
        }
        let held = self.extent.ranges().next_start(offset);
        let wanted = self.position.run_wanted_to();
        let until = wanted.min(held.unwrap_or(u64::MAX));
        until.checked_sub(offset).filter(|length| *length > 0)
    }

    /// Whether the source delivers missing bytes next, at its position.
    fn is_next(&self, position: u64) -> bool {
        self.extent.buffered(position) == 0
            && !self.extent.is_past_end(position)
            && !self.may_compare()
    }

    /// The source was read on once, from `offset`, in this many nanoseconds.
    fn has_read_on(&mut self, offset: u64, spent: u64) {
        let is_interrupted = self.is_next(offset);
        let is_slow = Stall::is_slow(spent) && self.longest_waiting().is_some();
        let Some(cost) = self.position.jump_cost() else {
            return;
        };
        cost.note(spent);
        if is_interrupted {
            cost.stalled();
        } else if is_slow {
            cost.end();
        }
    }
}

impl<'b> SourceGuard<'b> {
    /// Reads on for a call whose need is met, and which saw `cancels` when it began.
    #[cold]
    pub(crate) fn read_on(&mut self, mut state: StateGuard<'b>, cancels: u64) {
        state.meet(self.spent());
        while let Some(demand) = state.rest_of_run(cancels) {
            let Ok(after) = self.advance(state, demand, true) else {
                // A call that needs these bytes tries again.
                return;
            };
            state = after;
            state.has_read_on(demand.offset, self.spent());
        }
    }
}
