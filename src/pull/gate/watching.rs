//! Watching: how watches are armed, fired and freed at the gate, and who calls `ready`.
//!
//! The thread that fires watches makes their calls, once it has unlocked. A [`StateGuard`] drops its
//! lock first, then makes the calls of its thread, so that no path can forget them. A guard that is
//! about to sleep makes them first, and so does a thread that is about to enter the source again. A
//! thread that fires more watches inside such a call makes those calls later: its outer loop finds
//! them, and the stack does not grow.

use super::{Gate, StateGuard};
use crate::error::{Error, Result};
use crate::pull::state::State;
use crate::pull::watches::{Awaited, Ready};
use crate::sync::Ordering;
use crate::sync::host_call::HostCall;

/// The gate of a guard, which makes the calls that this thread has to make when it is dropped.
pub(super) struct ReadyCaller<'g> {
    gate: &'g Gate,
}

impl<'g> ReadyCaller<'g> {
    #[inline]
    pub(super) fn of(gate: &'g Gate) -> ReadyCaller<'g> {
        ReadyCaller { gate }
    }

    #[inline]
    pub(super) fn gate(&self) -> &'g Gate {
        self.gate
    }
}

impl Drop for ReadyCaller<'_> {
    #[inline]
    fn drop(&mut self) {
        // Relaxed: if this thread has fired watches, it has set this itself.
        if self.gate.calls_due.load(Ordering::Relaxed) {
            make_calls(self.gate);
        }
    }
}

#[cold]
#[inline(never)]
fn make_calls(gate: &Gate) {
    let mut state = gate.lock();
    while let Some((ticket, ready, result)) = state.watches.begin() {
        unlock_only(state);
        HostCall::Ready.run(|| ready(result));
        state = gate.lock();
        state.watches.end(ticket);
        gate.ready_ended.notify();
    }
    let due = state.watches.has_calls();
    gate.calls_due.store(due, Ordering::Relaxed);
    unlock_only(state);
}

/// Unlocks without making calls.
fn unlock_only(state: StateGuard<'_>) {
    let StateGuard { state, caller } = state;
    drop(state);
    std::mem::forget(caller);
}

impl<'g> StateGuard<'g> {
    /// Whether this thread has to make calls of `ready` before it does anything that may take long.
    #[inline]
    pub(in crate::pull) fn owes_calls(&self) -> bool {
        self.gate().calls_due.load(Ordering::Relaxed) && self.watches.owes_calls()
    }

    /// Unlocks, which makes the calls of this thread, and locks again.
    pub(super) fn make_calls(self) -> StateGuard<'g> {
        let gate = self.gate();
        drop(self);
        gate.lock()
    }

    /// Fires the watches for which there is a result now.
    #[inline]
    pub(in crate::pull) fn wake_watches(&mut self) {
        if !self.watches.is_empty() {
            self.fire_ready();
        }
    }

    #[cold]
    #[inline(never)]
    fn fire_ready(&mut self) {
        self.fire(&|state, awaited| match awaited {
            Awaited::Bytes(_) => state.readiness(awaited),
            Awaited::Wanted => None,
        });
        // What is wanted depends on the watches that are left.
        if self.watches.has_wanted() && self.is_spill_due() {
            self.call_spill();
        }
        self.fire(&|state, awaited| match awaited {
            Awaited::Bytes(_) => None,
            Awaited::Wanted => state.readiness(awaited),
        });
    }

    /// Fires the watches that wait for bytes, those at `offset` or all of them, with an error.
    #[cold]
    #[inline(never)]
    pub(in crate::pull) fn fail_watches(&mut self, error: &Error, offset: Option<u64>) {
        self.fire(&|_, awaited| match awaited {
            Awaited::Bytes(demand) if offset.is_none_or(|offset| demand.offset == offset) => {
                Some(Err(error.clone()))
            }
            _ => None,
        });
    }

    /// Fires those that wait for space, since there will be none.
    #[cold]
    #[inline(never)]
    pub(in crate::pull) fn fail_wanted(&mut self, error: &Error) {
        self.fire(&|_, awaited| match awaited {
            Awaited::Bytes(_) => None,
            Awaited::Wanted => Some(Err(error.clone())),
        });
    }

    fn fire(&mut self, result: &dyn Fn(&State, Awaited) -> Option<Result<u64>>) {
        let state = &mut *self.state;
        for index in 0..state.watches.len() {
            if let Some(result) = result(state, state.watches.awaited(index)) {
                state.watches.fire(index, result);
            }
        }
        if state.watches.sweep() {
            self.gate().calls_due.store(true, Ordering::Relaxed);
        }
    }

    /// Arms a watch, for which `Watches::reserve` has allocated space. There is no result for it yet.
    pub(crate) fn watch(&mut self, ticket: u64, awaited: Awaited, ready: Ready) {
        self.watches.arm(ticket, awaited, ready);
        if let Awaited::Bytes(_) = awaited {
            // The bytes that it waits for may now be pushed, however far ahead they are.
            self.notify_pushers();
            self.ring_helper();
        }
    }

    /// Removes a watch. If its call is running, waits until that has ended, except inside one.
    pub(crate) fn unwatch(mut self, ticket: u64, waits: bool) {
        let removed = self.watches.remove(ticket);
        let waits = waits && !HostCall::Ready.is_inside();
        while waits && self.watches.is_running(ticket) {
            self = self.wait_ready_ended();
        }
        drop(self);
        // Only now: this may run the user's code.
        drop(removed);
    }

    fn wait_ready_ended(self) -> StateGuard<'g> {
        let signal = &self.gate().ready_ended;
        signal.waiters.fetch_add(1, Ordering::Relaxed);
        let guard = self.sleep(&signal.condvar);
        signal.waiters.fetch_sub(1, Ordering::Relaxed);
        guard
    }
}
