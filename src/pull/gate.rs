//! The gate, a monitor: the lock over the state, and the only place that blocks on it.
//!
//! The lock is held for a few instructions at a time, never across a call of the source, a file
//! operation or a copy. Each waiting call has its own condition variable and states its demand. A
//! thread that changes the state wakes only the calls that the change concerns. A woken call checks
//! the state again: a notification transfers nothing, so nothing can be missed or taken twice.
//!
//! | waiter | waits for | woken by |
//! |---|---|---|
//! | a call ([`StateGuard::wait`]) | its bytes | `wake_ready`, after each call of the source |
//! | | its election to use the source | `hand_off`, when a [`SourceGuard`] is dropped |
//! | | an error or a cancellation | `wake`, from the helper, `settle`, `cancel`, `free` |
//! | the helper (`wait_as_helper`) | work | `call_helper`, `hand_off`, and each call waiting for it |
//! | a push (`wait_for_space`) | space | `report_spill`, `note_pushed_read`, `notify_pushers` |
//! | a watch, which is no thread | its bytes, or space | `wake_watches`, with the calls above it, and with the pushes |
//! | `sb_watch_free` (`wait_ready_ended`) | the end of a call of `ready` | `notify_ready_ended` |
//! | `free`, `reopen`, or a call behind an interrupt (`wait_source_idle`) | an idle source | `notify_source_idle` |
//!
//! If an *elected* call does not use the source, since its bytes arrived, it timed out or it was
//! canceled, it hands the source off again. The source is thus never unused while a call waits for
//! it.
//!
//! [`SourceGuard`]: crate::pull::source_guard::SourceGuard

mod ending;
mod following;
mod handing;
mod leaving;
mod watching;

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::pull::condvars::Condvars;
use crate::pull::demand::{Demand, Puller};
use crate::pull::signal::Signal;
use crate::pull::state::State;
use crate::pull::waiters::Waiter;
use crate::sync::clock::Stopwatch;
use crate::sync::{
    AtomicU64, Condvar, Mutex, MutexGuard, Ordering, PlainBool, lock, wait, wait_timeout,
};
use watching::ReadyCaller;

pub(crate) struct Gate {
    state: Mutex<State>,
    waiters: Condvars,
    /// Notified when the helper may have work.
    pub(super) helper: Condvar,
    source_idle: Signal,
    /// Notified when a push may find space.
    pub(super) space: Signal,
    /// Notified when a call of `ready` has ended.
    ready_ended: Signal,
    /// Whether some thread may have to make a call of `ready`. A thread that has to finds it set.
    calls_due: PlainBool,
    /// A read triggers the prefetch if it ends past `trigger_above`, or at or before
    /// `trigger_upto`.
    trigger_above: AtomicU64,
    trigger_upto: AtomicU64,
}

/// How a call waits.
#[derive(Clone, Copy)]
pub(crate) struct WaitOptions {
    /// The latest time at which the wait ends.
    pub(crate) deadline: Option<Instant>,
    /// Who calls the source for this call.
    pub(crate) puller: Puller,
    /// The reader whose call this is; 0 for none.
    pub(crate) reader: usize,
}

/// The state, locked.
pub(crate) struct StateGuard<'g> {
    pub(super) state: MutexGuard<'g, State>,
    /// The gate. Dropped after the lock, and makes the calls of `ready` then.
    caller: ReadyCaller<'g>,
}

impl Gate {
    pub(crate) fn new(state: State) -> Gate {
        let (upto, above) = match state.follows_reads() {
            true => state.quiet(),
            false => (0, u64::MAX),
        };
        Gate {
            trigger_above: AtomicU64::new(above),
            trigger_upto: AtomicU64::new(upto),
            state: Mutex::new(state),
            waiters: Condvars::new(),
            helper: Condvar::new(),
            source_idle: Signal::new(),
            space: Signal::new(),
            ready_ended: Signal::new(),
            calls_due: PlainBool::new(false),
        }
    }

    pub(crate) fn lock(&self) -> StateGuard<'_> {
        StateGuard {
            state: lock(&self.state),
            caller: ReadyCaller::of(self),
        }
    }

    /// Wakes the calls of one reader, whose token has been canceled, and makes the source return if
    /// one of them is inside it.
    pub(crate) fn wake_reader(&self, reader: usize) {
        let mut state = self.lock();
        state.wake(None, |waiter| waiter.reader == reader);
        let begun = state.slot.begin_interrupt_of(reader);
        if let Some((generation, interrupt)) = begun {
            state.interrupt(generation, interrupt);
        }
    }

    /// Whether the prefetch must be told of a read that ends at `offset`.
    #[inline]
    pub(crate) fn triggers_prefetch(&self, offset: u64) -> bool {
        // Relaxed: a stale value costs one unnecessary report, or delays a report until the next
        // read.
        offset > self.trigger_above.load(Ordering::Relaxed)
            || offset <= self.trigger_upto.load(Ordering::Relaxed)
    }
}

impl Deref for StateGuard<'_> {
    type Target = State;

    #[inline]
    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for StateGuard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl<'g> StateGuard<'g> {
    pub(super) fn gate(&self) -> &'g Gate {
        self.caller.gate()
    }

    /// Sleeps until the state has changed for this call, or the deadline has passed. Returns an
    /// error that was sent to the calls that were waiting.
    pub(crate) fn wait(mut self, demand: Demand, options: WaitOptions) -> Result<StateGuard<'g>> {
        self.waiters.reserve()?;
        let number = self.waiters.take_condvar()?;
        let condvar = match self.gate().waiters.get(number) {
            Ok(condvar) => condvar,
            Err(error) => {
                self.waiters.give_condvar_back(number);
                return Err(error);
            }
        };
        let WaitOptions {
            deadline,
            puller,
            reader,
        } = options;
        let ticket = self.waiters.add(demand, puller, reader, number);
        self.counters.waits += 1;
        let stopwatch = Stopwatch::start();
        self.notify_pushers();
        if puller.is_helper() {
            self.ring_helper();
        }
        let mut in_time = true;
        while in_time && !self.waiters.is_woken(ticket) {
            (self, in_time) = self.sleep_or_leave(ticket, condvar, deadline);
        }
        self.counters.wait_time += stopwatch.nanoseconds();
        self.waiters.has_looked(ticket);
        let error = self.waiters.remove(ticket);
        self.end_watch(ticket);
        match error {
            Some(error) => {
                // If this call was elected, it does not use the source.
                self.hand_off();
                Err(error)
            }
            None => Ok(self),
        }
    }

    /// Sleeps until notified, or returns after the calls of `ready` that were due.
    fn sleep(mut self, condvar: &Condvar) -> StateGuard<'g> {
        if self.owes_calls() {
            return self.make_calls();
        }
        self.state = wait(condvar, self.state);
        self
    }

    /// Sleeps until a notification, or the deadline. Returns false, at once, after the deadline.
    pub(super) fn sleep_until(
        mut self,
        condvar: &Condvar,
        deadline: Option<Instant>,
    ) -> (Self, bool) {
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => (self.sleep(condvar), true),
            Some(left) if left.is_zero() => (self, false),
            Some(_) if self.owes_calls() => (self.make_calls(), true),
            Some(left) => {
                self.state = wait_timeout(condvar, self.state, left);
                (self, true)
            }
        }
    }

    /// Wakes the calls whose bytes have arrived.
    #[inline]
    pub(super) fn wake_ready(&mut self) {
        if self.waiters.len() > 0 {
            self.wake_ready_calls();
        }
        self.wake_watches();
    }

    #[inline(never)]
    fn wake_ready_calls(&mut self) {
        for index in 0..self.waiters.len() {
            let Waiter { demand, woken, .. } = *self.waiters.get_mut(index);
            if !woken && self.is_met(demand) {
                notify(self.gate(), self.state.waiters.get_mut(index));
            }
        }
    }

    /// Wakes every call, to check the state again or to fail with `error`.
    #[inline]
    pub(super) fn wake_all(&mut self, error: Option<&Error>) {
        if self.waiters.len() > 0 {
            self.wake_calls(error);
        }
        self.wake_watches();
    }

    #[inline(never)]
    fn wake_calls(&mut self, error: Option<&Error>) {
        self.wake(error, |_| true);
    }

    /// Wakes the calls that `whom` selects, to check the state again or to fail with `error`.
    pub(super) fn wake(&mut self, error: Option<&Error>, whom: impl Fn(&Waiter) -> bool) {
        let gate = self.gate();
        for waiter in self.state.waiters.iter_mut().filter(|waiter| whom(waiter)) {
            if let Some(error) = error {
                waiter.error.get_or_insert_with(|| error.clone());
            }
            notify(gate, waiter);
        }
    }

    /// Sleeps until the helper is notified.
    pub(super) fn wait_as_helper(self) -> StateGuard<'g> {
        let gate = self.gate();
        self.sleep(&gate.helper)
    }

    /// Sleeps until a thread has left the source's code.
    pub(super) fn wait_source_idle(self) -> StateGuard<'g> {
        let signal = &self.gate().source_idle;
        // Relaxed: the state's lock is held.
        signal.waiters.fetch_add(1, Ordering::Relaxed);
        let guard = self.sleep(&signal.condvar);
        signal.waiters.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Wakes threads that wait for the source to become idle, or that need not wait for it any
    /// more.
    pub(super) fn notify_source_idle(&self) {
        self.gate().source_idle.notify();
    }
}

fn notify(gate: &Gate, waiter: &mut Waiter) {
    waiter.woken = true;
    if let Ok(condvar) = gate.waiters.get(waiter.condvar) {
        condvar.notify_one();
    }
}
