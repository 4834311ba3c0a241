//! Spooling: work on the spool file, by the thread that has the source.

use super::SourceGuard;
use crate::error::{Error, Result};

impl SourceGuard<'_> {
    /// Records that this thread is going to use the spool file, which may take any time, so that a
    /// thread that frees the buffer does not wait for it. Fails if the buffer is being freed.
    pub(super) fn enter_spool(&self) -> Result<()> {
        let mut state = self.gate.lock();
        if state.freed {
            return Err(Error::Canceled);
        }
        state.slot.enter_spool(self.generation);
        Ok(())
    }

    /// Makes the memory fit into the store's budget again. Unnecessary if the buffer is being freed.
    #[cold]
    pub(super) fn restore_budget(&self) {
        let Some(budget) = self.store.budget() else {
            return;
        };
        if budget.is_exceeded() {
            self.use_spool(&|| {
                self.store.take_back();
                // The members that failed have noted it.
                let _ = budget.restore();
            });
        }
    }

    /// Works on the spool file, without the lock, unless the buffer is being freed.
    fn use_spool(&self, work: &dyn Fn()) {
        if self.enter_spool().is_ok() {
            work();
            self.gate.lock().slot.leave_spool(self.generation);
        }
    }

    /// Makes the store release what it kept for more bytes. Unnecessary if the buffer is being freed.
    pub(super) fn finish(&self) {
        if self.store.spool().is_none() {
            // A file that another thread creates now has no blocks reserved ahead.
            self.store.finish_memory();
        } else {
            self.use_spool(&|| self.store.finish());
        }
    }
}
