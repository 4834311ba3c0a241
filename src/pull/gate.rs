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
use crate::source::Interrupt;
use crate::sync::clock::Stopwatch;
use crate::sync::thread::Thread;
use crate::sync::{
    AtomicU64, Condvar, Mutex, MutexGuard, Ordering, PlainBool, ThreadToken, lock, wait,
    wait_timeout,
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
        if puller == Puller::Helper {
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

    /// If the source is free and a call or a watch waits for it, elects the one that has waited
    /// longest to use it next, on its own thread or through the helper.
    #[inline]
    pub(crate) fn hand_off(&mut self) {
        if self.is_awaited() && self.slot.is_free() && !self.waiters.has_elected() {
            self.elect();
        }
    }

    /// Whether a call, a watch or the prefetch may wait for bytes.
    #[inline]
    fn is_awaited(&self) -> bool {
        self.waiters.len() > 0 || !self.watches.is_empty() || self.prefetch.is_on()
    }

    #[inline(never)]
    fn elect(&mut self) {
        let first = self.longest_waiting().map(|(puller, _)| puller);
        if first == Some(Puller::Caller) {
            let gate = self.gate();
            if let Some(first) = self.state.waiters.elect_first() {
                notify(gate, first);
            }
        } else if (first.is_some() || self.prefetch.is_on()) && self.helper_work().is_some() {
            if first.is_some() {
                self.waiters.elect_helper();
            }
            self.ring_helper();
        }
    }

    /// The same, by the helper, which found no work for itself.
    pub(super) fn hand_off_from_helper(&mut self) {
        if self.helper_work().is_none() {
            self.hand_off();
        }
    }

    /// Wakes the helper if it has work.
    #[inline]
    pub(crate) fn call_helper(&mut self) {
        // A helper that has just been started checks for work before it sleeps.
        if self.helper.is_some() || self.crew().is_some() {
            self.call_sleeping_helper();
        }
    }

    #[inline(never)]
    fn call_sleeping_helper(&mut self) {
        // A crew need not be told of the end.
        let is_told = self.freed && self.helper.is_some();
        if is_told || self.has_push_request() || self.helper_work().is_some() {
            self.ring_helper();
        }
    }

    /// Wakes the helper. A crew sends one, unless one is there: that looks for work before it leaves.
    #[inline]
    pub(super) fn ring_helper(&mut self) {
        let has_helper = self.helper.is_some();
        match self.state.crew_mut() {
            None => {
                self.caller.gate().helper.notify_one();
            }
            Some(_) if has_helper => {}
            Some(crew) => crew.ring(),
        }
    }

    /// A thread of the crew has taken the buffer out of its queue.
    pub(super) fn leave_queue(&mut self) {
        if let Some(crew) = self.state.crew_mut() {
            crew.taken();
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

    /// Moves the tail of a window, if there is one, before more bytes arrive at the frontier. If it moved,
    /// the calls and the watches for bytes before it are told. The caller makes the store drop what is
    /// before the tail that is returned.
    pub(crate) fn move_tail(&mut self) -> u64 {
        let moved = self.extent.move_tail();
        let tail = self.extent.tail();
        if moved {
            self.prefetch.skip_to(tail);
            self.wake(None, |waiter| waiter.demand.offset < tail);
            self.wake_watches();
            self.update_prefetch_trigger();
        }
        tail
    }

    /// Called after each change of the buffered ranges or of the furthest read, and by `free`.
    #[inline]
    pub(super) fn update_prefetch_trigger(&mut self) {
        if self.follows_reads() {
            self.set_prefetch_trigger();
        }
    }

    /// Called after each change of what `follows_reads` returns.
    #[inline(never)]
    fn set_prefetch_trigger(&mut self) {
        let state = &mut *self.state;
        state.prefetch.update(&state.extent);
        let (upto, above) = self.quiet();
        self.gate().trigger_upto.store(upto, Ordering::Relaxed);
        self.gate().trigger_above.store(above, Ordering::Relaxed);
    }

    /// Unlocks, and hands the source off. If no byte can be needed from the source any more and no
    /// thread is inside it, closes it after the unlock instead; so too for a source that was
    /// replaced. Only this and `Buffer::reopen` close a source before the buffer is dropped.
    #[inline]
    pub(crate) fn release(mut self) {
        if self.may_retire() {
            self.retire();
        } else {
            self.hand_off();
        }
    }

    /// The same if a source can be closed, unless a thread is inside it.
    #[inline(never)]
    fn retire(mut self) {
        let retired = self.state.retire_source();
        let orphan = self.state.slot.retire_orphan();
        self.hand_off();
        drop(self);
        if let Some(source) = retired {
            source.close();
        }
        if let Some(source) = orphan {
            source.close();
        }
    }

    /// Records a call for bytes that are missing at `offset`.
    #[inline(always)]
    pub(crate) fn note_miss(&mut self, offset: u64) {
        let State {
            prefetch,
            extent,
            position,
            ..
        } = &mut *self.state;
        prefetch.note_miss(offset, extent, position.can_seek());
        if self.follows_reads() {
            self.note_pushed_read(offset);
            self.set_prefetch_trigger();
        }
    }

    /// Records a read that ended at `offset`.
    pub(crate) fn note_read(&mut self, offset: u64) {
        let State {
            prefetch,
            extent,
            position,
            ..
        } = &mut *self.state;
        prefetch.note_read(offset, extent, position.can_seek());
        self.note_pushed_read(offset);
        self.update_prefetch_trigger();
        self.call_helper();
    }

    /// Keeps `ahead` bytes buffered past the furthest read; 0 turns the prefetch off.
    pub(crate) fn set_prefetch(&mut self, ahead: u64) {
        let State {
            prefetch, extent, ..
        } = &mut *self.state;
        prefetch.set(ahead, extent);
        self.set_prefetch_trigger();
        // Another thread may have to call the source for them now.
        self.wake_all(None);
        self.call_helper();
    }

    /// Cancels every call that waits, and later calls that would wait, until a resume.
    pub(crate) fn cancel(&mut self) {
        self.canceled = true;
        self.cancels += 1;
        self.wake_all(Some(&Error::Canceled));
        self.notify_source_idle();
        self.notify_pushers();
    }

    /// Marks the buffer as freed: every call returns, and the helper exits. False if it was freed
    /// already.
    pub(crate) fn free(&mut self) -> bool {
        if self.freed {
            return false;
        }
        self.freed = true;
        self.update_prefetch_trigger();
        self.wake_all(None);
        self.call_helper();
        self.notify_source_idle();
        self.notify_pushers();
        true
    }

    /// Waits until no other thread is inside the code of a source whose owner learns that from this
    /// alone. Returns the helper's thread, and whether the caller should wait for its end too. It
    /// should not while the helper is inside the source, a file operation or a call of `ready`: none
    /// has to return soon, and the helper exits by itself afterwards.
    pub(crate) fn wait_after_free(mut self) -> Option<(Thread, bool)> {
        while self.slot.must_be_awaited() {
            self = self.wait_source_idle();
        }
        let soon = !self.helper.is_some_and(|helper| self.is_away(helper));
        self.take_helper_thread().map(|thread| (thread, soon))
    }

    /// Whether a helper is inside the source, a file operation or a call of `ready`: none has to return
    /// soon.
    pub(crate) fn is_away(&self, helper: ThreadToken) -> bool {
        self.slot.is_away(helper) || self.watches.are_called_by(helper)
    }

    /// Calls the source's interrupt, without the lock, if another thread is inside the source, to
    /// make it return. The same for each source that was replaced and not interrupted yet.
    #[inline]
    pub(crate) fn interrupt_source(self) {
        if self.slot.is_used() {
            self.interrupt_sources();
        } else {
            self.release();
        }
    }

    #[cold]
    fn interrupt_sources(mut self) {
        let begun = self.slot.begin_interrupt();
        match begun {
            Some((generation, interrupt)) => {
                self.interrupt(generation, interrupt).interrupt_orphans()
            }
            None => self.interrupt_orphans(),
        }
    }

    /// Makes the threads return that are inside a source that was replaced.
    pub(crate) fn interrupt_orphans(mut self) {
        while let Some((generation, interrupt)) = self.slot.begin_orphan_interrupt() {
            self = self.interrupt(generation, interrupt);
        }
        self.release();
    }

    fn interrupt(self, generation: u64, interrupt: Interrupt) -> StateGuard<'g> {
        let gate = self.gate();
        let StateGuard { state, caller } = self;
        drop(state);
        crate::panic::catch((), &interrupt);
        let mut state = gate.lock();
        state.slot.end_interrupt(generation, interrupt);
        state.notify_source_idle();
        state.release();
        // Not before the source was told.
        drop(caller);
        gate.lock()
    }
}

fn notify(gate: &Gate, waiter: &mut Waiter) {
    waiter.woken = true;
    if let Ok(condvar) = gate.waiters.get(waiter.condvar) {
        condvar.notify_one();
    }
}
