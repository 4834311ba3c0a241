//! The buffer: a stream that arrives once, readable at any offset.
//!
//! A [read] copies buffered bytes without a lock ([`store`](crate::store)). For missing bytes it
//! waits at the [`gate`](crate::pull::gate), or fetches them itself under the [source
//! guard](crate::pull::source_guard). If the caller sets a timeout, or wants bytes ahead of need,
//! the [helper](crate::pull::helper) uses the source instead.

pub(crate) mod failure;
mod home;
mod member;
pub(crate) mod push;
pub(crate) mod read;
pub(crate) mod reader;
pub(crate) mod reopen;
pub(crate) mod save;
mod size;
pub(crate) mod stats;
pub(crate) mod terms;
pub(crate) mod when;

use std::any::Any;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::options::{Options, ThreadHooks};
use crate::pull::gate::Gate;
use crate::pull::helper;
use crate::pull::state::State;
use crate::pull::thread_hooks::share;
use crate::source::Source;
use crate::store::Store;
use crate::store::budget::Budget;
use crate::sync::Mutex;
use crate::sync::rcu::DomainRef;
use crate::sync::shared::Shared;

pub(crate) struct Buffer {
    pub(crate) store: Store,
    /// Shared with threads that may cancel a reader without keeping the buffer alive.
    pub(crate) gate: Shared<Gate>,
    /// Held while bytes that are pushed are copied, never while a thread sleeps or writes a file.
    pushing: Mutex<()>,
    hooks: Option<Shared<ThreadHooks>>,
    /// What keeps it with other buffers, if anything does.
    home: OnceLock<Box<dyn Any + Send + Sync>>,
}

// Always: where the source is made, its type is known, and what it says of itself needs no call.
// Without optimization, a function in line adds its variables to the stack of its caller.
#[cfg_attr(not(debug_assertions), inline(always))]
fn gate(source: Option<Box<dyn Source>>, options: &Options) -> Result<Shared<Gate>> {
    let is_pushed = source.is_none();
    let mut state = State::new(source, options);
    if is_pushed {
        state.expect_pushes(options)?;
    }
    Shared::try_new(Gate::new(state))
}

impl Buffer {
    // As `gate`.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn new(
        source: Option<Box<dyn Source>>,
        mut options: Options,
        domain: DomainRef,
    ) -> Result<Shared<Buffer>> {
        let (max, size) = (options.max_memory, options.size);
        let made = Shared::try_new(Buffer {
            pushing: Mutex::new(()),
            gate: gate(source, &options)?,
            store: Store::new(&mut options, domain),
            hooks: share(options.thread)?,
            home: OnceLock::new(),
        })?;
        let number = made.store.number();
        match size {
            Some(size) => log!(
                Debug,
                number,
                "opened: {max} bytes of memory, declared size {size}"
            ),
            None => log!(Debug, number, "opened: {max} bytes of memory"),
        }
        Ok(made)
    }

    /// The same in a budget: the buffer's memory and disk space are limited together with those of
    /// the other members. It cannot be pushed to.
    pub(crate) fn in_budget(
        source: Option<Box<dyn Source>>,
        options: Options,
        domain: DomainRef,
        budget: &Shared<Budget>,
    ) -> Result<Shared<Buffer>> {
        if options.window > 0 {
            return Err(Error::Unsupported);
        }
        let made = Buffer::new(source, options, domain)?;
        made.store.join(&made, budget, Buffer::TAKEN)?;
        Ok(made)
    }

    /// Where a new reader starts: at 0, or at the tail of a window.
    pub(crate) fn first_offset(&self) -> u64 {
        match self.store.has_window() {
            true => self.gate.lock().extent().tail(),
            false => 0,
        }
    }

    /// Keeps `ahead` bytes buffered past the furthest read; 0 turns the prefetch off.
    pub(crate) fn prefetch(this: &Shared<Buffer>, ahead: u64) -> Result<()> {
        let mut state = this.gate.lock();
        if state.is_freed() {
            return Err(Error::Canceled);
        }
        // The prefetch of a push buffer only shows in what is wanted.
        if ahead > 0 && !state.is_pushed() {
            Buffer::start_helper(this, &mut state)?;
        }
        state.set_prefetch(ahead);
        drop(state);
        match ahead {
            0 => log!(Debug, this.store.number(), "the prefetch is off"),
            _ => log!(
                Debug,
                this.store.number(),
                "the prefetch keeps {ahead} bytes ahead"
            ),
        }
        Ok(())
    }

    /// Starts the helper unless there is one. A buffer that is being freed must not.
    fn start_helper(this: &Shared<Buffer>, state: &mut State) -> Result<()> {
        if !state.has_helper_thread() {
            Buffer::start_another_helper(this, state)?;
        }
        Ok(())
    }

    /// The same if there is one, which exits by itself.
    fn start_another_helper(this: &Shared<Buffer>, state: &mut State) -> Result<()> {
        if let Some(crew) = state.crew() {
            return crew.ensure_thread();
        }
        let thread = helper::start(
            this.clone(),
            |buffer| (&buffer.gate, &buffer.store),
            this.hooks.clone(),
        )?;
        state.set_helper_thread(thread);
        Ok(())
    }

    /// Cancels every call that waits, and later calls that would wait, until `resume`.
    pub(crate) fn cancel(&self) {
        let mut state = self.gate.lock();
        state.cancel();
        state.interrupt_source();
        log!(Debug, self.store.number(), "canceled");
    }

    /// Clears a failure.
    pub(crate) fn retry(&self) {
        self.clear(State::retry);
        log!(Debug, self.store.number(), "the source may be called again");
    }

    /// Clears a cancellation and a failure.
    pub(crate) fn resume(&self) {
        self.clear(State::resume);
        log!(Debug, self.store.number(), "resumed");
    }

    fn clear(&self, clear: impl FnOnce(&mut State) -> Option<Error>) {
        let mut state = self.gate.lock();
        let failure = clear(&mut state);
        state.call_helper();
        state.notify_pushers();
        drop(state);
        // Dropped after the unlock: the user may have supplied its payload, which may run code on
        // drop.
        drop(failure);
    }

    /// Ends the buffer: running calls return, the source is closed, the helper exits.
    pub(crate) fn free(&self) {
        let mut state = self.gate.lock();
        if !state.free() {
            return;
        }
        let is_alone = state.is_alone();
        state.interrupt_source();
        if !is_alone {
            self.wait_after_free();
        }
        log!(Debug, self.store.number(), "freed");
    }

    /// Waits for the helper's end, if it comes soon. Logs it on this thread: the helper itself might
    /// wait there for a lock that the caller holds.
    #[inline(never)]
    fn wait_after_free(&self) {
        let Some((helper, soon)) = self.gate.lock().wait_after_free() else {
            return;
        };
        let number = self.store.number();
        if soon {
            helper.join();
            log!(Debug, number, "the helper thread has ended");
        } else {
            log!(Debug, number, "the helper thread ends later");
        }
    }

    /// Moves the bytes in memory to the spool file.
    pub(crate) fn spill(&self) -> Result<()> {
        let spilled = self.store.spill();
        spilled.inspect_err(|error| self.gate.lock().record(error))
    }

    /// Changes the memory limit, and spills until memory is within it.
    pub(crate) fn set_max_memory(this: &Shared<Buffer>, max: u64) -> Result<()> {
        log!(
            Info,
            this.store.number(),
            "the memory limit becomes {max} bytes"
        );
        let spilled = this.store.set_max_memory(max);
        let mut state = this.gate.lock();
        Buffer::note_max_memory(this, &mut state);
        spilled.inspect_err(|error| state.record(error))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.home.get().is_some() {
            self.leave_crew();
        }
        let source = self.gate.lock().take_source();
        if let Some(source) = source {
            source.close();
        }
    }
}
