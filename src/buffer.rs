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
use crate::sync::rcu::DomainRef;
use crate::sync::shared::Shared;
use crate::sync::{Mutex, lock};

pub(crate) struct Buffer {
    pub(crate) store: Store,
    /// Shared with those who may cancel a reader without keeping the buffer.
    pub(crate) gate: Shared<Gate>,
    interrupt: Option<Interrupt>,
    free_waits_for_pull: bool,
    helper: Mutex<Option<Helper>>,
}

impl Buffer {
    pub(crate) fn new(
        source: Box<dyn Source>,
        options: Options,
        domain: DomainRef,
    ) -> Result<Shared<Buffer>> {
        Shared::try_new(Buffer {
            interrupt: source.interrupt(),
            free_waits_for_pull: source.free_waits_for_pull(),
            gate: Shared::try_new(Gate::new(State::new(source, &options)))?,
            store: Store::new(options, domain),
            helper: Mutex::new(None),
        })
    }

    /// Keeps `ahead` bytes ready past the furthest read; 0 stops that.
    pub(crate) fn prefetch(this: &Shared<Buffer>, ahead: u64) -> Result<()> {
        let mut state = this.gate.lock();
        if state.is_freed() {
            return Err(Error::Canceled);
        }
        if ahead > 0 {
            Buffer::start_helper(this)?;
        }
        state.set_prefetch(ahead);
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
    fn has_helper(&self) -> bool {
        lock(&self.helper).is_some()
    }

    /// Cancels every call that waits, and those that would, until `resume`.
    pub(crate) fn cancel(&self) {
        let mut state = self.gate.lock();
        state.cancel();
        if let Some(interrupt) = &self.interrupt {
            state.interrupt_source(interrupt);
        }
    }

    /// Clears a failure.
    pub(crate) fn retry(&self) {
        self.clear(State::retry);
    }

    /// Clears a cancel and a failure.
    pub(crate) fn resume(&self) {
        self.clear(State::resume);
    }

    fn clear(&self, clear: impl FnOnce(&mut State) -> Option<Error>) {
        let mut state = self.gate.lock();
        let failure = clear(&mut state);
        state.call_helper();
        drop(state);
        // After the unlock: it may be of the user's making, with a drop of its own.
        drop(failure);
    }

    /// Ends the buffer: calls that are inside return, the source is closed, the helper goes.
    pub(crate) fn free(&self) {
        let mut state = self.gate.lock();
        if !state.free() {
            return;
        }
        match &self.interrupt {
            Some(interrupt) => state.interrupt_source(interrupt),
            None => state.release(),
        }
        let helper_ends = self.gate.lock().wait_after_free(self.free_waits_for_pull);
        let helper = lock(&self.helper).take();
        if let (Some(helper), true) = (helper, helper_ends) {
            helper.join();
        }
    }

    /// Moves what is in memory to the spool file.
    pub(crate) fn spill(&self) -> Result<()> {
        let spilled = self.store.spill();
        spilled.inspect_err(|error| self.gate.lock().record(error))
    }

    /// A failed operation on the target of a save, as the callers get it, recorded for the stats.
    pub(crate) fn target_failed(&self, error: &std::io::Error) -> Error {
        let error = Error::from_target(error);
        self.gate.lock().record(&error);
        error
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let source = self.gate.lock().take_source();
        if let Some(source) = source {
            source::close(source);
        }
    }
}
