//! The helper: a thread of the buffer's own that takes turns at the source for callers that must
//! not, and ahead of need.
//!
//! It is started when first needed, sleeps at the gate while there is nothing to do, and goes with
//! the buffer.

#![forbid(unsafe_code)]

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::guard::guard;
use crate::pull::Turn;
use crate::shared::Shared;
use crate::state::HELPER;
use crate::sync::this_thread;
use crate::thread::Thread;

pub(crate) struct Helper(Thread);

impl Helper {
    pub(crate) fn start(buffer: Shared<Buffer>) -> Result<Helper> {
        Thread::start(move || {
            while !guard(false, || run(&buffer)) {
                recover(&buffer);
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
fn recover(buffer: &Buffer) {
    let mut state = buffer.gate.lock();
    state.prefetch_rests = true;
    buffer
        .gate
        .wake(&mut state, Some(&Error::Panic), |waiter| waiter.by_helper);
}

/// Works until the buffer is freed; then true.
fn run(buffer: &Buffer) -> bool {
    let mut state = buffer.gate.lock();
    state.helper = Some(this_thread());
    while !state.freed {
        if state.elected == Some(HELPER) {
            state.elected = None;
        }
        let work = state.helper_work();
        let turn = work.and_then(|_| Turn::take(&buffer.gate, &buffer.store, &mut state));
        let (Some((need, ahead)), Some(mut turn)) = (work, turn) else {
            // If it was to take the turn, it does not.
            buffer.gate.pass_turn_from_helper(&mut state);
            state = buffer.gate.wait_as_helper(state);
            continue;
        };
        match turn.advance(state, need, !ahead) {
            Ok(state) => drop(state),
            Err(Error::Canceled) => {}
            Err(error) => {
                // It may pass: those who wait now get it, the next to come tries again. What can't
                // be reached, or could not this time, concerns only those who want it.
                let for_all = !matches!(error, Error::Unsupported | Error::Source { .. });
                let mut state = buffer.gate.lock();
                // A place that can't be reached is no reason to stop running ahead elsewhere.
                state.prefetch_rests |= ahead || !matches!(error, Error::Unsupported);
                buffer.gate.wake(&mut state, Some(&error), |waiter| {
                    waiter.by_helper && (for_all || waiter.need.offset == need.offset)
                });
            }
        }
        drop(turn);
        state = buffer.gate.lock();
    }
    state.helper = None;
    true
}
