//! The gate, a monitor: the lock over the state, and the one place that waits.
//!
//! The lock is held for a few instructions at a time, never across the source, a file, or a copy.
//! Each waiting call has a condition variable of its own and says what it waits for; whoever changes
//! the state wakes only those for whom that made a difference. A woken call looks at the state again:
//! a notification hands nothing over, so nothing can be missed or taken twice.
//!
//! | who waits | for what | who wakes it |
//! |---|---|---|
//! | a call ([`StateGuard::wait`]) | its bytes | `wake_ready`, after each call of the source |
//! | | the source, for its own turn | `hand_off`, when a [`SourceGuard`] is dropped |
//! | | an error or a cancel | `wake`, by the helper, `settle`, `cancel`, `free` |
//! | the helper (`wait_as_helper`) | work | `call_helper`, `hand_off`, and each call that waits for it |
//! | `free`, or a caller behind an interrupt (`wait_source_idle`) | nobody inside the source | `notify_source_idle` |
//!
//! A call that is *elected* by `hand_off` and then does not use the source, since its bytes came, its
//! time ran out or it was canceled, hands off again: the source never stays unused while somebody
//! waits for it.
//!
//! [`SourceGuard`]: crate::pull::source_guard::SourceGuard

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::pull::condvars::Condvars;
use crate::pull::demand::Demand;
use crate::pull::state::State;
use crate::pull::waiters::Waiter;
use crate::source;
use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering, lock};

pub(crate) struct Gate {
    state: Mutex<State>,
    waiters: Condvars,
    /// Notified when there may be work for the helper.
    helper: Condvar,
    source_idle: IdleSignal,
    /// A read that ends past `trigger_above`, or not past `trigger_upto`, triggers the prefetch.
    trigger_above: AtomicU64,
    trigger_upto: AtomicU64,
}

/// Notified when somebody has left the source's code.
struct IdleSignal {
    condvar: Condvar,
    /// How many wait for it; changed under the state's lock.
    waiters: AtomicU64,
}

/// How a call waits.
#[derive(Clone, Copy)]
pub(crate) struct WaitOptions {
    /// Until when at most.
    pub(crate) deadline: Option<Instant>,
    /// Whether the helper calls the source for it.
    pub(crate) by_helper: bool,
    /// The reader that it belongs to, 0 for none.
    pub(crate) reader: usize,
}

/// The state, locked.
pub(crate) struct StateGuard<'g> {
    gate: &'g Gate,
    state: MutexGuard<'g, State>,
}

impl Gate {
    pub(crate) fn new(state: State) -> Gate {
        Gate {
            trigger_above: AtomicU64::new(u64::MAX),
            trigger_upto: AtomicU64::new(0),
            state: Mutex::new(state),
            waiters: Condvars::new(),
            helper: Condvar::new(),
            source_idle: IdleSignal {
                condvar: Condvar::new(),
                waiters: AtomicU64::new(0),
            },
        }
    }

    pub(crate) fn lock(&self) -> StateGuard<'_> {
        StateGuard {
            gate: self,
            state: lock(&self.state),
        }
    }

    /// Wakes the calls of one reader, whose token is canceled already.
    pub(crate) fn wake_reader(&self, reader: usize) {
        self.lock().wake(None, |waiter| waiter.reader == reader);
    }

    /// Whether the prefetch has to know of a read up to `offset`.
    #[inline]
    pub(crate) fn triggers_prefetch(&self, offset: u64) -> bool {
        // Relaxed: a stale value costs one look too many, or one that the next read makes up for.
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
    /// Sleeps until the state has changed for this call, or the deadline has passed. An error is
    /// one that was meant for the calls that wait at this moment.
    pub(crate) fn wait(mut self, demand: Demand, options: WaitOptions) -> Result<StateGuard<'g>> {
        self.waiters.reserve()?;
        let number = self.waiters.take_condvar()?;
        let condvar = match self.gate.waiters.get(number) {
            Ok(condvar) => condvar,
            Err(error) => {
                self.waiters.give_condvar_back(number);
                return Err(error);
            }
        };
        let WaitOptions {
            deadline,
            by_helper,
            reader,
        } = options;
        let ticket = self.waiters.add(demand, by_helper, reader, number);
        self.counters.waits += 1;
        if by_helper {
            self.gate.helper.notify_one();
        }
        while !self.waiters.is_woken(ticket) {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self = self.sleep(condvar),
                Some(left) if left.is_zero() => break,
                Some(left) => {
                    let slept = condvar.wait_timeout(self.state, left);
                    self.state = slept.unwrap_or_else(std::sync::PoisonError::into_inner).0;
                }
            }
        }
        self.waiters.has_looked(ticket);
        match self.waiters.remove(ticket) {
            Some(error) => {
                // If it was elected, it does not use the source.
                self.hand_off();
                Err(error)
            }
            None => Ok(self),
        }
    }

    fn sleep(mut self, condvar: &Condvar) -> StateGuard<'g> {
        self.state = condvar
            .wait(self.state)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self
    }

    /// Wakes the calls whose bytes have come.
    pub(super) fn wake_ready(&mut self) {
        for index in 0..self.waiters.len() {
            let Waiter { demand, woken, .. } = *self.waiters.get_mut(index);
            if !woken && self.is_met(demand) {
                notify(self.gate, self.state.waiters.get_mut(index));
            }
        }
    }

    /// Wakes the calls that `whom` names, to look again or with an error.
    pub(super) fn wake(&mut self, error: Option<&Error>, whom: impl Fn(&Waiter) -> bool) {
        for waiter in self.state.waiters.iter_mut().filter(|waiter| whom(waiter)) {
            if let Some(error) = error {
                waiter.error.get_or_insert_with(|| error.clone());
            }
            notify(self.gate, waiter);
        }
    }

    /// If the source is free and somebody waits for it: has the one that has waited longest use it
    /// next, on its own thread or through the helper.
    pub(crate) fn hand_off(&mut self) {
        if !self.slot.is_free() || self.waiters.has_elected() {
            return;
        }
        let for_helper = self.helper_work().is_some();
        let first_is_by_helper = self.waiters.asleep().next().map(|first| first.by_helper);
        match first_is_by_helper {
            Some(false) => {
                if let Some(first) = self.state.waiters.elect_first() {
                    notify(self.gate, first);
                }
            }
            Some(true) if for_helper => {
                self.waiters.elect_helper();
                self.gate.helper.notify_one();
            }
            _ if for_helper => self.gate.helper.notify_one(),
            _ => {}
        }
    }

    /// The same, by the helper, which has looked for work and found none for itself.
    pub(super) fn hand_off_from_helper(&mut self) {
        if self.helper_work().is_none() {
            self.hand_off();
        }
    }

    /// Wakes the helper if there is something for it to do.
    pub(crate) fn call_helper(&self) {
        // One that has only just been started looks before it sleeps.
        if self.helper.is_some() && (self.freed || self.helper_work().is_some()) {
            self.gate.helper.notify_one();
        }
    }

    /// The helper's sleep.
    pub(super) fn wait_as_helper(self) -> StateGuard<'g> {
        let gate = self.gate;
        self.sleep(&gate.helper)
    }

    /// Sleeps until somebody has left the source's code.
    pub(super) fn wait_source_idle(self) -> StateGuard<'g> {
        let signal = &self.gate.source_idle;
        // Relaxed: under the state's lock.
        signal.waiters.fetch_add(1, Ordering::Relaxed);
        let guard = self.sleep(&signal.condvar);
        signal.waiters.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Wakes those that wait for the source to become idle, or who need not wait for that any more.
    pub(super) fn notify_source_idle(&self) {
        let signal = &self.gate.source_idle;
        // A system call even if nobody waits.
        if signal.waiters.load(Ordering::Relaxed) > 0 {
            signal.condvar.notify_all();
        }
    }

    /// To be called where the prefetch or what is buffered changed.
    pub(super) fn update_prefetch_trigger(&self) {
        let (upto, above) = self.quiet();
        self.gate.trigger_upto.store(upto, Ordering::Relaxed);
        self.gate.trigger_above.store(above, Ordering::Relaxed);
    }

    /// Unlocks, and hands the source off. If no byte can be wanted from it any more, and nobody is inside
    /// it, it is closed instead, after the unlock: the one place that closes it before the buffer goes.
    pub(crate) fn release(mut self) {
        let retired = self.state.retire_source();
        self.hand_off();
        drop(self);
        if let Some(source) = retired {
            source::close(source);
        }
    }

    /// A call came for bytes that are missing.
    pub(crate) fn note_miss(&mut self, offset: u64) {
        let State {
            prefetch,
            extent,
            position,
            ..
        } = &mut *self.state;
        prefetch.note_miss(offset, extent, position.can_seek());
        self.update_prefetch_trigger();
    }

    /// A read came this far.
    pub(crate) fn note_read(&mut self, offset: u64) {
        let State {
            prefetch,
            extent,
            position,
            ..
        } = &mut *self.state;
        prefetch.note_read(offset, extent, position.can_seek());
        self.update_prefetch_trigger();
        self.call_helper();
    }

    /// Keeps `ahead` bytes ready past the furthest read; 0 stops that.
    pub(crate) fn set_prefetch(&mut self, ahead: u64) {
        self.prefetch.set(ahead);
        self.update_prefetch_trigger();
        // Who calls the source for them may have changed.
        self.wake(None, |_| true);
        self.call_helper();
    }

    /// Cancels every call that waits, and those that would, until a resume.
    pub(crate) fn cancel(&mut self) {
        self.canceled = true;
        self.cancels += 1;
        self.wake(Some(&Error::Canceled), |_| true);
        self.notify_source_idle();
    }

    /// Ends the buffer: every call returns, the helper goes. False if that was done already.
    pub(crate) fn free(&mut self) -> bool {
        if self.freed {
            return false;
        }
        self.freed = true;
        self.update_prefetch_trigger();
        self.wake(None, |_| true);
        self.call_helper();
        self.notify_source_idle();
        true
    }

    /// Waits until nobody else is inside the source's code, if `for_pull`. Returns whether the helper's
    /// end is to be waited for as well: not while it is inside the source or a file, since neither has
    /// to come back soon, and it ends by itself when it does.
    pub(crate) fn wait_after_free(mut self, for_pull: bool) -> bool {
        while for_pull && (self.slot.is_called_elsewhere() || self.slot.is_interrupted_elsewhere())
        {
            self = self.wait_source_idle();
        }
        !self.helper.is_some_and(|helper| self.slot.is_away(helper))
    }

    /// Has `interrupt` make the source come back, without the lock, if another thread is inside it.
    pub(crate) fn interrupt_source(mut self, interrupt: &(dyn Fn() + Send + Sync)) {
        if !self.slot.begin_interrupt() {
            return self.release();
        }
        let gate = self.gate;
        drop(self);
        crate::panic::catch((), interrupt);
        let mut state = gate.lock();
        state.slot.end_interrupt();
        state.notify_source_idle();
        state.release();
    }
}

fn notify(gate: &Gate, waiter: &mut Waiter) {
    waiter.woken = true;
    if let Ok(condvar) = gate.waiters.get(waiter.condvar) {
        condvar.notify_one();
    }
}
