//! Reopen: another source takes the place of one that expired.
//!
//! ```text
//!                       replace            the thread returns
//!  current, in the slot -------> closed            |
//!  current, in use      -------> orphan ---------------------> closed
//!                                  (its interrupt is called once)
//! ```
//!
//! The slot has one current source, and each source has a *generation*. A [`SourceGuard`] knows the
//! generation of its source. From the moment at which another source is current, that guard records
//! nothing: no bytes, position, size, end or failure. Its thread drops it, which closes the old
//! source, and checks the state again like any other waiting call. Everything that the old source
//! delivered meanwhile is discarded. The memory that it may still write to is lent to it by the
//! store ([`fill`](crate::store)), so that the new source can deliver the same bytes elsewhere.
//!
//! The other calls do not wait for that thread. If it is the helper, which serves the calls with a
//! timeout and the prefetch, a second helper is started; the first one exits when it returns.
//!
//! A source without a close has an owner who learns only from the return of `free` or `reopen` that
//! no thread is inside it. Both wait for it. No other call does.
//!
//! The new source starts at 0 and is trusted as a new source is. But bytes that it delivers again
//! are not just discarded: they are compared with those that are held
//! ([`source_check`](crate::pull::source_check)). If they differ, the new source delivers another
//! resource: it has failed, and no retry helps.
//!
//! [`SourceGuard`]: crate::pull::source_guard::SourceGuard

use crate::error::{Error, Result};
use crate::pull::gate::StateGuard;
use crate::pull::source_check::SourceCheck;
use crate::pull::source_health::SourceHealth;
use crate::pull::source_position::SourcePosition;
use crate::pull::source_seat::{Seat, SpentSource};
use crate::pull::state::State;
use crate::source::{self, Source};
use crate::sync::host_call::is_inside_any;
use crate::sync::shared::try_box;

/// A source that may replace the current one, with what it says about itself.
pub(crate) struct Successor {
    seat: Seat,
    position: SourcePosition,
    check: Option<Box<SourceCheck>>,
    reports_size: bool,
}

impl Successor {
    /// Runs the source's own code, so no lock may be held here.
    pub(crate) fn new(source: Box<dyn Source>) -> Result<Successor> {
        let check = match try_box(SourceCheck::default()) {
            Ok(check) => check,
            Err(error) => {
                source::close(source);
                return Err(error);
            }
        };
        Ok(Successor {
            position: SourcePosition::new(Some(source.as_ref()), false),
            check: Some(check),
            reports_size: source.reports_size(),
            seat: Seat::new(Some(source)),
        })
    }

    /// No source: whatever is not buffered is missing until another one comes.
    pub(crate) fn none() -> Successor {
        Successor {
            seat: Seat::new(None),
            position: SourcePosition::new(None, false),
            check: None,
            reports_size: false,
        }
    }

    /// Closes it unused. No lock may be held here.
    pub(crate) fn close(mut self) {
        if let Some(retired) = self.seat.retire() {
            retired.close();
        }
    }
}

/// What is left of a source that was replaced.
pub(crate) struct Replaced {
    /// The source, if no thread uses it. Closed after the unlock.
    retired: Option<SpentSource>,
    /// Its errors, whose payload may run code on drop.
    health: SourceHealth,
    pub(crate) generation: u64,
}

impl Replaced {
    /// Closes it. No lock may be held here.
    pub(crate) fn close(self) {
        drop(self.health);
        if let Some(retired) = self.retired {
            retired.close();
        }
    }
}

impl State {
    /// Whether the source may be replaced, by one whose resource has this size.
    pub(crate) fn check_reopen(&self, size: Option<u64>) -> Result<()> {
        if self.is_pushed() || self.extent.has_window() {
            return Err(Error::Unsupported);
        }
        if self.freed {
            return Err(Error::Canceled);
        }
        self.extent.check_size(size)?;
        let blocks = self.slot.would_wait_for_itself()
            || (self.slot.would_wait_for_another() && is_inside_any());
        if !self.extent.is_complete() && blocks {
            return Err(Error::Reentrant);
        }
        Ok(())
    }

    /// Allocates what `replace_source` needs. Returns how many old sources there can be then.
    pub(crate) fn reserve_orphan(&mut self) -> Result<usize> {
        self.slot.reserve_orphan()
    }

    /// Whether the helper is inside the source. It stays there, however long, if the source is
    /// replaced.
    pub(crate) fn is_helper_inside(&self) -> bool {
        self.helper
            .is_some_and(|helper| self.slot.is_called_by(helper))
    }

    /// Makes another source the current one, and clears a failure.
    pub(crate) fn replace_source(&mut self, successor: Successor, size: Option<u64>) -> Replaced {
        let generation = self.slot.generation();
        if self.is_helper_inside() {
            // Another one was started.
            self.helper = None;
            self.waiters.helper_has_looked();
        }
        let health = std::mem::take(&mut self.health);
        self.unplugged = false;
        self.position = successor.position;
        self.check = successor.check;
        self.extent.reopen(size, successor.reports_size);
        self.prefetch.unpause();
        Replaced {
            retired: self.slot.replace(successor.seat),
            health,
            generation,
        }
    }
}

impl StateGuard<'_> {
    /// Leaves the buffer without a source. Every call that needs one is canceled, until `reopen`.
    pub(crate) fn unplug(&mut self) -> Replaced {
        let replaced = self.replace_source(Successor::none(), None);
        self.unplugged = true;
        self.cancels += 1;
        self.update_prefetch_trigger();
        self.wake_all(Some(&Error::Canceled));
        self.notify_source_idle();
        replaced
    }

    /// Makes another source the current one, for the calls that wait, too.
    pub(crate) fn reopen(&mut self, successor: Successor, size: Option<u64>) -> Replaced {
        let replaced = self.replace_source(successor, size);
        self.update_prefetch_trigger();
        // A call may be waiting for an interrupt of the old source to end.
        self.notify_source_idle();
        self.call_helper();
        self.hand_off();
        replaced
    }

    /// Waits until no other thread is inside the code of an old source, unless the source's owner
    /// learns that from its close.
    pub(crate) fn wait_for_orphan(mut self, generation: u64) {
        while self.slot.must_await_orphan(generation) {
            self = self.wait_source_idle();
        }
    }
}
