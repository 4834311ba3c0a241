//! A read that misses bytes: what it waits for, and what ends it.

use std::time::Instant;

use super::{ReadRequest, Wait};
use crate::error::{Error, Result};
use crate::pull::cancel_token::CancelToken;
use crate::pull::demand::Demand;
use crate::pull::state::{State, Verdict};
use crate::store::memory::BLOCK;
use crate::sync::host_call::is_inside_any;

pub(super) struct PendingRead<'s> {
    pub(super) request: ReadRequest<'s>,
    /// The token's generation when the call began.
    generation: u64,
    /// The state's `cancels` when the call first locked it.
    pub(super) cancels: Option<u64>,
    pub(super) deadline: Option<Instant>,
}

impl<'s> PendingRead<'s> {
    pub(super) fn new(request: ReadRequest<'s>) -> PendingRead<'s> {
        PendingRead {
            request,
            // Loaded before the lock is taken, so that a cancellation cannot be missed: a later one
            // finds the call at the gate.
            generation: request.cancel_token().map_or(0, CancelToken::generation),
            cancels: None,
            deadline: match request.wait {
                Wait::Forever | Wait::Never => None,
                wait => wait
                    .limit()
                    .and_then(|limit| Instant::now().checked_add(limit)),
            },
        }
    }

    /// The demand for the next of the `left` bytes from `offset` on.
    pub(super) fn demand(&mut self, state: &State, offset: u64, left: u64) -> Demand {
        let capacity = left.min(BLOCK);
        Demand {
            offset,
            length: if self.request.all { capacity } else { 1 },
            capacity,
            cancels: *self.cancels.get_or_insert(state.cancels()),
        }
    }

    /// The state's verdict, or an error that ends only this call.
    pub(super) fn verdict(
        &self,
        state: &State,
        demand: Demand,
        has_source: bool,
    ) -> Result<Option<Verdict>> {
        let verdict = state.verdict(demand)?;
        if verdict.is_some() {
            return Ok(verdict);
        }
        let waits_for_others = matches!(self.request.wait, Wait::Others(_));
        if self.is_canceled() || (state.is_unplugged() && !waits_for_others) {
            Err(Error::Canceled)
        } else if self.is_out_of_time() {
            Err(Error::Timeout)
        } else if !has_source && would_wait_for_itself(state) {
            Err(Error::Reentrant)
        } else {
            Ok(None)
        }
    }

    fn is_canceled(&self) -> bool {
        self.request
            .cancel_token()
            .is_some_and(|token| token.is_canceled_since(self.generation))
    }

    fn is_out_of_time(&self) -> bool {
        match self.request.wait {
            Wait::Forever => false,
            Wait::Never => true,
            Wait::For(_) | Wait::Others(_) | Wait::Quietly(_) => self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline),
        }
    }
}

/// Whether this thread is inside code for which a call that waits for bytes may wait.
fn would_wait_for_itself(state: &State) -> bool {
    state.source().is_inside() || state.is_helper_here() || is_inside_any()
}
