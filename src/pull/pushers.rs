//! The gate, for pushes: how they wait for space, and what they report.

use std::time::Instant;

use crate::error::{Error, Result};
use crate::pull::gate::StateGuard;
use crate::sync::Ordering;

impl StateGuard<'_> {
    /// Wakes the pushes that wait for space, or that should not wait any more.
    pub(crate) fn notify_pushers(&mut self) {
        if let Some(push) = &mut self.push {
            push.note_event();
            self.gate().space.notify();
            self.wake_watches();
        }
    }

    /// Sleeps until an event after `events` may have made space. Returns false after the deadline.
    pub(crate) fn wait_for_space(mut self, events: u64, deadline: Option<Instant>) -> bool {
        let signal = &self.gate().space;
        signal.waiters.fetch_add(1, Ordering::Relaxed);
        let mut in_time = true;
        while in_time && self.push_events() == events && !self.freed {
            (self, in_time) = self.sleep_until(&signal.condvar, deadline);
        }
        signal.waiters.fetch_sub(1, Ordering::Relaxed);
        in_time
    }

    /// Makes the helper spill, so that a push finds space.
    pub(crate) fn call_spill(&mut self) {
        self.request_spill();
        self.ring_helper();
    }

    /// Makes the helper spill before memory is full, unless it is about to.
    pub(crate) fn call_spill_ahead(&mut self) {
        if self.may_spill_ahead() && !self.has_spill_request() {
            self.call_spill();
        }
    }

    /// Makes the helper finish the store, after the last byte.
    pub(crate) fn call_finish(&mut self) {
        self.request_finish();
        self.ring_helper();
    }

    /// Records the result of a spill that `call_spill` asked for.
    pub(super) fn report_spill(&mut self, result: Result<bool>) {
        if let Err(error) = &result {
            self.fail_wanted(error);
        }
        self.spilled(result);
        self.gate().space.notify();
        self.wake_watches();
    }

    /// Records that bytes were pushed, and wakes the calls that waited for them.
    pub(crate) fn report_push(&mut self, offset: u64, count: u64) {
        self.pushed(offset, count);
        self.wake_ready();
        self.update_prefetch_trigger();
    }

    /// Ends a pushed stream at `size`, by default after its last byte.
    pub(crate) fn report_end(&mut self, size: Option<u64>) -> Result<()> {
        self.end_push(size)?;
        self.push_is_over();
        Ok(())
    }

    /// Records why the pusher failed. Returns the failure that this one replaces. Both may contain
    /// the user's payload, so the caller drops them without the lock.
    pub(crate) fn report_failure(&mut self, failure: &Error) -> Result<Option<Error>> {
        let replaced = self.fail_push(failure)?;
        self.push_is_over();
        Ok(replaced)
    }

    fn push_is_over(&mut self) {
        self.wake_all(None);
        self.update_prefetch_trigger();
        self.notify_pushers();
    }

    /// Moves the limit of what may be pushed.
    pub(super) fn note_pushed_read(&mut self, offset: u64) {
        if let Some(push) = &mut self.push {
            push.note_read(offset);
            self.gate().space.notify();
            self.wake_watches();
        }
    }
}
