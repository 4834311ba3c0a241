//! The helper: a thread of the buffer's own that takes turns at the source for callers that must
//! not, and ahead of need.
//!
//! It is started when first needed, sleeps at the gate while there is nothing to do, and goes with
//! the buffer.

use crate::error::{Error, Result};
use crate::panic::catch;
use crate::pull::gate::Gate;
use crate::pull::source_guard::Turn;
use crate::pull::state::HELPER;
use crate::store::Store;
use crate::sync::shared::Shared;
use crate::sync::this_thread;
use crate::sync::thread::Thread;

pub(crate) struct Helper(Thread);

impl Helper {
    /// Starts the thread, which keeps `owner`; `parts` are the owner's gate and store.
    pub(crate) fn start<T: Send + Sync + 'static>(
        owner: Shared<T>,
        parts: fn(&T) -> (&Gate, &Store),
    ) -> Result<Helper> {
        Thread::start(move || {
            let (gate, store) = parts(&owner);
            while !catch(false, || run(gate, store)) {
                recover(gate);
            }
        })
        .map(Helper)
    }

    /// Waits for the thread's end, unless it is this one.
    pub(crate) fn join(self) {
        self.0.join();
    }
}

/// After a panic: those who relied on the work get to know, and it goes on with the next to come.
fn recover(gate: &Gate) {
    let mut state = gate.lock();
    state.prefetch_rests = true;
    gate.wake(&mut state, Some(&Error::Panic), |waiter| waiter.by_helper);
}

/// Works until the buffer is freed; then true.
fn run(gate: &Gate, store: &Store) -> bool {
    let mut state = gate.lock();
    state.helper = Some(this_thread());
    while !state.freed {
        if state.elected == Some(HELPER) {
            state.elected = None;
        }
        let work = state.helper_work();
        let turn = work.and_then(|_| Turn::take(gate, store, &mut state));
        let (Some((need, ahead)), Some(mut turn)) = (work, turn) else {
            // If it was to take the turn, it does not.
            gate.pass_turn_from_helper(&mut state);
            state = gate.wait_as_helper(state);
            continue;
        };
        match turn.advance(state, need, !ahead) {
            Ok(state) => drop(state),
            Err(Error::Canceled) => {}
            Err(error) => {
                // It may pass: those who wait now get it, the next to come tries again. What can't
                // be reached, or could not this time, concerns only those who want it.
                let for_all = !matches!(error, Error::Unsupported | Error::Source { .. });
                let mut state = gate.lock();
                // A place that can't be reached is no reason to stop running ahead elsewhere.
                state.prefetch_rests |= ahead || !matches!(error, Error::Unsupported);
                gate.wake(&mut state, Some(&error), |waiter| {
                    waiter.by_helper && (for_all || waiter.need.offset == need.offset)
                });
            }
        }
        drop(turn);
        state = gate.lock();
    }
    state.helper = None;
    true
}
