//! Settling: the outcome of a source call is recorded, and whoever waited for it is woken.

use super::{FAIR_SHARE, SourceGuard, Stated};
use crate::error::{Error, Result};
use crate::pull::demand::Demand;
use crate::pull::gate::StateGuard;
use crate::pull::stall::Stall;
use crate::pull::state::State;

impl<'b> SourceGuard<'b> {
    /// Records the outcome of a source call. Returns `Canceled` if the caller was canceled
    /// meanwhile, or an error that concerns this caller alone. The bytes are kept either way, unless
    /// the source was replaced.
    pub(super) fn settle<T>(
        &mut self,
        demand: Demand,
        result: Result<T>,
        good: impl FnOnce(&mut State, T) -> Result<()>,
        bad: impl FnOnce(&mut State, Error) -> Result<()>,
    ) -> Result<StateGuard<'b>> {
        let mut state = self.gate.lock();
        if self.is_orphaned(&state) {
            return self.settle_orphan(state, demand, result.err());
        }
        state.slot.leave();
        // Before the outcome: whether an end comes short depends on it.
        let panicked = !matches!(self.stated, Stated::Nothing) && self.record_size(&mut state);
        state.counters.pull_time += self.spent;
        if Stall::is_slow(self.spent) && !matches!(result, Err(Error::Canceled)) {
            state.note_slow(self.spent);
        }
        let settled = match result {
            Ok(value) => good(&mut state, value),
            Err(Error::Canceled) if state.obeyed(demand) => {
                // So that the guard is over: the call may have been interrupted for another one.
                self.delivered = FAIR_SHARE;
                Ok(())
            }
            Err(error) => bad(&mut state, error.into_source()),
        };
        if panicked {
            state.size_panicked();
        }
        if state.failure().is_some() {
            state.wake_all(None);
        } else {
            state.wake_ready();
        }
        state.update_prefetch_trigger();
        state.notify_source_idle();
        if state.stops(demand) {
            // Unlocks before the replaced error is dropped, since the user may have supplied its
            // payload.
            drop(state);
            return Err(Error::Canceled);
        }
        settled.map(|()| state)
    }

    /// The same for a source that was replaced, whose outcome is discarded.
    #[cold]
    fn settle_orphan(
        &mut self,
        mut state: StateGuard<'b>,
        demand: Demand,
        error: Option<Error>,
    ) -> Result<StateGuard<'b>> {
        state.slot.leave_orphan(self.generation);
        // So that the guard is over.
        self.delivered = FAIR_SHARE;
        state.counters.pull_time += self.spent;
        state.notify_source_idle();
        let stops = state.stops(demand);
        drop(state);
        // The user may have supplied its payload.
        drop(error);
        if stops {
            return Err(Error::Canceled);
        }
        Ok(self.gate.lock())
    }

    /// Records the size that the source stated. Returns whether it panicked instead.
    #[cold]
    fn record_size(&mut self, state: &mut State) -> bool {
        match std::mem::replace(&mut self.stated, Stated::Nothing) {
            Stated::Nothing => false,
            Stated::Panicked => true,
            Stated::Size(size) => {
                state.extent.declare(size);
                false
            }
        }
    }
}
