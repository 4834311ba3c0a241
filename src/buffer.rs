//! The buffer: a stream that came once, readable anywhere.
//!
//! A [read] copies buffered bytes without a lock ([`store`](crate::store)). It waits for missing bytes
//! at the [`gate`](crate::pull::gate), or fetches them itself when it is its
//! [turn](crate::pull::source_guard) to use the source. Where the caller sets a time limit, or wants
//! bytes ahead of need, the [helper](crate::pull::helper) takes the turns instead.

pub(crate) mod read;
pub(crate) mod reader;
pub(crate) mod save;
pub(crate) mod stats;

use crate::error::{Error, Result};
use crate::options::Options;
use crate::pull::gate::Gate;
use crate::pull::helper::Helper;
use crate::pull::state::State;
use crate::source::{self, Interrupt, Source};
use crate::store::Store;
use crate::sync::rcu::Keeper;
use crate::sync::shared::Shared;
use crate::sync::{Mutex, MutexGuard, lock, this_thread};

pub(crate) struct Buffer {
    pub(crate) store: Store,
    /// Shared with those who may stop a reader without keeping the buffer.
    pub(crate) gate: Shared<Gate>,
    interrupt: Option<Interrupt>,
    must_return: bool,
    helper: Mutex<Option<Helper>>,
}

impl Buffer {
    pub(crate) fn new(
        source: Box<dyn Source>,
        options: Options,
        pins: Keeper,
    ) -> Result<Shared<Buffer>> {
        Shared::try_new(Buffer {
            interrupt: source.interrupt(),
            must_return: source.must_return(),
            gate: Shared::try_new(Gate::new(State::new(source, &options)))?,
            store: Store::new(options, pins),
            helper: Mutex::new(None),
        })
    }

    /// Keeps `ahead` bytes ready past the furthest read; 0 stops.
    pub(crate) fn prefetch(this: &Shared<Buffer>, ahead: u64) -> Result<()> {
        let mut state = this.gate.lock();
        if state.freed {
            return Err(Error::Canceled);
        }
        if ahead > 0 {
            Buffer::start_helper(this)?;
        }
        state.prefetch = ahead;
        state.prefetch_rests = false;
        this.gate.retune(&state);
        // Who pulls for them may have changed.
        this.gate.wake(&mut state, None, |_| true);
        this.gate.call_helper(&state);
        Ok(())
    }

    /// Called under the gate's lock, so that a buffer that is being freed starts none.
    fn start_helper(this: &Shared<Buffer>) -> Result<()> {
        let mut helper = lock(&this.helper);
        if helper.is_none() {
            *helper = Some(Helper::start(this.clone(), |buffer| {
                (&buffer.gate, &buffer.store)
            })?);
        }
        Ok(())
    }

    /// Whether a helper thread exists; to be asked under the gate's lock.
    pub(crate) fn has_helper(&self) -> bool {
        lock(&self.helper).is_some()
    }

    /// Stops every call that waits, and those that would, until `resume`.
    pub(crate) fn cancel(&self) {
        let mut state = self.gate.lock();
        state.canceled = true;
        state.cancels += 1;
        self.gate.wake(&mut state, Some(&Error::Canceled), |_| true);
        self.gate.announce_left(&state);
        self.interrupt(state);
    }

    /// Clears a failure.
    pub(crate) fn retry(&self) {
        self.clear(State::retry);
    }

    /// Clears a cancel or a failure.
    pub(crate) fn resume(&self) {
        self.clear(State::resume);
    }

    fn clear(&self, clear: impl FnOnce(&mut State) -> Option<Error>) {
        let mut state = self.gate.lock();
        let failure = clear(&mut state);
        self.gate.call_helper(&state);
        drop(state);
        // It may be of the user's making, with a drop of its own.
        drop(failure);
    }

    /// Makes the source come back, if somebody is inside it.
    fn interrupt<'g>(&'g self, mut state: MutexGuard<'g, State>) {
        let Some(interrupt) = &self.interrupt else {
            return;
        };
        let me = this_thread();
        // Not from inside the source's own code: that is not what keeps it from coming back.
        let elsewhere = state.in_source.is_some_and(|thread| thread != me);
        if !elsewhere || state.interrupting.contains(&me) {
            return;
        }
        if state.interrupting.try_reserve(1).is_err() {
            return;
        }
        state.interrupting.push(me);
        state.interrupts = state.interrupts.saturating_add(1);
        drop(state);
        crate::panic::catch((), interrupt);
        let mut state = self.gate.lock();
        if let Some(place) = state.interrupting.iter().position(|thread| *thread == me) {
            state.interrupting.swap_remove(place);
        }
        let retired = state.retire();
        self.gate.announce_left(&state);
        drop(state);
        source::close(retired);
    }

    /// Ends the buffer: calls that are inside return, the source is closed, the helper goes.
    pub(crate) fn free(&self) {
        let mut state = self.gate.lock();
        if state.freed {
            return;
        }
        state.freed = true;
        self.gate.retune(&state);
        self.gate.wake(&mut state, None, |_| true);
        self.gate.call_helper(&state);
        self.gate.announce_left(&state);
        let retired = state.retire();
        self.interrupt(state);
        source::close(retired);
        self.wait_for_source();
    }

    /// Waits for whoever is inside the source's code, if its owner can't tell otherwise, and for the
    /// helper, unless that one is inside the source or a file: neither has to come back soon, and it
    /// ends by itself when it does.
    fn wait_for_source(&self) {
        let me = this_thread();
        let mut state = self.gate.lock();
        let elsewhere = |state: &State| {
            state.in_source.is_some_and(|thread| thread != me)
                || state.interrupting.iter().any(|thread| *thread != me)
        };
        while self.must_return && elsewhere(&state) {
            state = self.gate.wait_until_left(state);
        }
        let helper = lock(&self.helper).take();
        let inside = [state.in_source, state.at_disk];
        let away = state.helper.is_some() && inside.contains(&state.helper);
        drop(state);
        if let (Some(helper), false) = (helper, away) {
            helper.join();
        }
    }

    /// Moves what is in memory to the spool file.
    pub(crate) fn spill(&self) -> Result<()> {
        let spilled = self.store.spill();
        spilled.inspect_err(|error| self.gate.lock().note(error))
    }

    /// A failed operation on the target of a save, as the callers get it, noted for the stats.
    pub(crate) fn target_failed(&self, error: &std::io::Error) -> Error {
        let error = Error::from_target(error);
        self.gate.lock().note(&error);
        error
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let source = self.gate.lock().source.take();
        source::close(source);
    }
}
