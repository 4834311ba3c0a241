//! Ending: a cancel, a free, and the interrupts and the close of the source that come of them.

use super::StateGuard;
use crate::error::Error;
use crate::source::Interrupt;
use crate::sync::ThreadToken;
use crate::sync::thread::Thread;

impl<'g> StateGuard<'g> {
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

    pub(super) fn interrupt(self, generation: u64, interrupt: Interrupt) -> StateGuard<'g> {
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
