//! The state: what is known about the resource, its source and the waiting calls.
//!
//! It is plain data under the gate's lock. Its functions decide and never act: the result of a call
//! ([`verdict`](State::verdict)), the next step of the source ([`step`](State::step)), the work of
//! the helper ([`helper_work`](State::helper_work)). Nothing here blocks, calls the source or
//! touches a file.
//!
//! The source goes through these states. Each arrow is labeled with the function that makes the
//! transition.
//!
//! ```text
//!           SourceGuard::take            SourceGuard::call
//!  in the slot ----------> with a guard ----------> inside its code
//!     |    ^                 |      ^                   |
//!     |    +-----------------+      +-------------------+
//!     |     SourceGuard::drop        SourceGuard::settle, which records the outcome:
//!     |                                bytes      arrived, skipped
//!     | StateGuard::release            no bytes   ended (end, bound or refused)
//!     v                                an error   read_failed, seek_failed, obeyed
//!   closed
//! ```
//!
//! Any of these states can be left to [`reopen`](crate::pull::reopen), which makes another source the
//! current one.
//!
//! A failed source is not called until [`retry`](State::retry); its health is in
//! [`source_health`](crate::pull::source_health). The end is known in two cases: the source has
//! reported it after all bytes before it, or bytes have arrived up to an offset at which the source
//! had none ([`extent`](crate::pull::extent)).

mod helping;

use crate::error::{Error, Result};
use crate::options::{MAX_READ_GRANULARITY, Options};
use crate::pull::counters::Counters;
use crate::pull::crew::CrewSeat;
use crate::pull::demand::Demand;
use crate::pull::extent::Extent;
use crate::pull::prefetch::Prefetch;
use crate::pull::push_state::PushState;
use crate::pull::source_check::SourceCheck;
use crate::pull::source_health::SourceHealth;
use crate::pull::source_position::SourcePosition;
use crate::pull::source_seat::{Seat, SpentSource};
use crate::pull::source_slot::SourceSlot;
use crate::pull::stall::Stall;
use crate::pull::waiters::Waiters;
use crate::pull::watches::{Awaited, Watches};
use crate::source::Source;
use crate::sync::ThreadToken;
use crate::sync::shared::try_box;
use crate::sync::thread::Thread;

pub(crate) struct State {
    pub(super) extent: Extent,
    pub(super) slot: SourceSlot,
    pub(super) position: SourcePosition,
    pub(super) health: SourceHealth,
    pub(super) stall: Stall,
    /// Of a source that was reopened.
    pub(super) check: Option<Box<SourceCheck>>,
    pub(super) waiters: Waiters,
    pub(crate) watches: Watches,
    pub(super) prefetch: Prefetch,
    /// Of a buffer whose bytes are pushed, which has no source.
    pub(super) push: Option<Box<PushState>>,
    pub(super) counters: Counters,
    /// The helper's thread, while it runs.
    pub(super) helper: Option<ThreadToken>,
    /// The same from its creation until `free`.
    helper_thread: Option<Thread>,
    /// The threads that are its helper in turn, if it shares them with other buffers.
    crew: Option<Box<CrewSeat>>,
    pub(super) canceled: bool,
    /// How often `cancel` was called. Calls that began before are canceled, even after a resume.
    pub(super) cancels: u64,
    pub(super) freed: bool,
    /// The source was closed, and none took its place yet.
    pub(super) unplugged: bool,
    pub(super) read_granularity: u64,
    pub(super) seek_gap: u64,
    #[cfg(test)]
    pub(super) helper_wakes: u64,
}

/// The result of a call that needs no action of the source.
pub(crate) enum Verdict {
    /// Its bytes are buffered, or all that will arrive before the end or an error.
    Ready,
    /// Its offset is at or past the end.
    End,
}

impl State {
    /// The state of a new buffer. Without a source, `expect_pushes` follows.
    // Always, as `Buffer::new`.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(crate) fn new(source: Option<Box<dyn Source>>, options: &Options) -> State {
        let reports_size = source.as_ref().is_some_and(|source| source.reports_size());
        State {
            extent: Extent::new(options, reports_size),
            position: SourcePosition::new(source.as_deref(), options.window > 0),
            push: None,
            slot: SourceSlot::new(Seat::new(source)),
            health: SourceHealth::default(),
            stall: Stall::default(),
            check: None,
            waiters: Waiters::default(),
            watches: Watches::default(),
            prefetch: Prefetch::new(options.prefetch_low),
            counters: Counters::default(),
            helper: None,
            helper_thread: None,
            crew: None,
            canceled: false,
            cancels: 0,
            freed: false,
            unplugged: false,
            read_granularity: u64::from(options.read_granularity.min(MAX_READ_GRANULARITY)),
            seek_gap: options.seek_gap,
            #[cfg(test)]
            helper_wakes: 0,
        }
    }

    /// The bytes of this buffer are pushed.
    pub(crate) fn expect_pushes(&mut self, options: &Options) -> Result<()> {
        self.push = Some(try_box(PushState::new(options))?);
        Ok(())
    }

    pub(crate) fn extent(&self) -> &Extent {
        &self.extent
    }

    pub(crate) fn source(&self) -> &SourceSlot {
        &self.slot
    }

    pub(crate) fn can_seek(&self) -> bool {
        self.position.can_seek()
    }

    pub(crate) fn failure(&self) -> Option<&Error> {
        self.health.failure()
    }

    pub(crate) fn prefetch(&self) -> &Prefetch {
        &self.prefetch
    }

    /// The ticket of a new watch.
    pub(crate) fn next_ticket(&mut self) -> u64 {
        self.waiters.next_ticket()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether there is no thread for whose return `free` would have to wait.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.helper_thread.is_none() && self.helper.is_none() && !self.slot.is_busy()
    }

    pub(crate) fn is_canceled(&self) -> bool {
        self.canceled
    }

    pub(crate) fn is_freed(&self) -> bool {
        self.freed
    }

    /// Whether the source was closed, and none took its place yet.
    pub(crate) fn is_unplugged(&self) -> bool {
        self.unplugged
    }

    /// How often all calls have been canceled.
    pub(crate) fn cancels(&self) -> u64 {
        self.cancels
    }

    /// Whether a call that saw `cancels` when it began has been canceled.
    pub(crate) fn was_canceled_since(&self, cancels: u64) -> bool {
        self.freed || self.cancels != cancels
    }

    /// Whether the source must not be called for this demand any more.
    pub(super) fn stops(&self, demand: Demand) -> bool {
        self.canceled || self.was_canceled_since(demand.cancels)
    }

    /// Whether the source ended below the declared size, or had no bytes at an offset below it.
    pub(crate) fn has_ended_short(&self) -> bool {
        matches!(self.health.failure(), Some(Error::Short)) || self.extent.has_short_bound()
    }

    pub(super) fn is_met(&self, demand: Demand) -> bool {
        self.extent.has(demand.offset, demand.length)
    }

    /// The result of a call at this moment. None: the source would have to deliver it.
    pub(crate) fn verdict(&self, demand: Demand) -> Result<Option<Verdict>> {
        if self.freed {
            return Err(Error::Canceled);
        }
        let Demand { offset, length, .. } = demand;
        let buffered = self.extent.buffered(offset);
        if self.extent.suffices(buffered, offset, length) {
            return Ok(Some(if buffered > 0 {
                Verdict::Ready
            } else {
                Verdict::End
            }));
        }
        if self.extent.is_lapped(demand.offset) {
            return Err(Error::Lapped);
        }
        if self.stops(demand) {
            return Err(Error::Canceled);
        }
        match self.health.failure() {
            Some(_) if buffered > 0 => Ok(Some(Verdict::Ready)),
            Some(failure) => Err(failure.clone()),
            None => Ok(None),
        }
    }

    /// The result for a watch at this moment: the number of bytes, 0 at the end, or an error.
    pub(crate) fn readiness(&self, awaited: Awaited) -> Option<Result<u64>> {
        let Awaited::Bytes(demand) = awaited else {
            return self.push_readiness();
        };
        let verdict = match self.verdict(demand) {
            Ok(None) if self.unplugged => Err(Error::Canceled),
            verdict => verdict.transpose()?,
        };
        Some(verdict.map(|verdict| match verdict {
            Verdict::Ready => self.extent.buffered(demand.offset),
            Verdict::End => 0,
        }))
    }

    /// Whether anything depends on where reads end: if not, the prefetch need not be told of any.
    #[inline]
    pub(super) fn follows_reads(&self) -> bool {
        self.prefetch.is_on() || self.is_pushed()
    }

    /// The reads of which the prefetch need not be told: those that end in `(from, until]`.
    pub(super) fn quiet(&self) -> (u64, u64) {
        if self.freed {
            return (0, u64::MAX);
        }
        if let Some(push) = self.push.as_ref().filter(|push| push.is_limited()) {
            return (0, push.furthest());
        }
        self.prefetch.quiet(&self.extent, self.can_seek())
    }

    /// Records a read that found no byte at `offset`: an underrun, if it follows a prefetch.
    #[inline]
    pub(crate) fn note_absence(&mut self, offset: u64) {
        if self.prefetch.is_on() {
            self.note_underrun(offset);
        }
    }

    #[inline(never)]
    fn note_underrun(&mut self, offset: u64) {
        let follows = self.extent.ranges().start_of(offset) < offset;
        let may_come = !self.extent.is_past_end(offset) && self.health.failure().is_none();
        let absent = follows && may_come && self.extent.buffered(offset) == 0;
        if absent && !self.freed && !self.canceled && self.prefetch.runs_dry(offset) {
            self.counters.underruns += 1;
        }
    }

    /// Whether a read at `offset` need not fetch more than `reach` bytes before it. A source that
    /// can seek goes there at once.
    pub(crate) fn is_within_reach(&self, offset: u64, reach: u64) -> bool {
        if reach == u64::MAX || (self.can_seek() && !self.is_pushed()) {
            return true;
        }
        let extent = &self.extent;
        let is_lapped = extent.is_lapped(offset);
        if extent.buffered(offset) > 0 || extent.is_past_end(offset) || is_lapped {
            return true;
        }
        // A source that was reopened is at the start, but buffered bytes are no distance.
        let held = extent.ranges().end_before(offset);
        let from = match self.is_pushed() {
            true => held,
            false => held.max(self.position.offset()),
        };
        offset.checked_sub(from).is_some_and(|gap| gap <= reach)
    }

    /// The first missing offset at or after the source's position, if bytes before it are missing
    /// as well because the source jumped.
    pub(crate) fn missing_ahead(&self) -> Option<u64> {
        let extent = &self.extent;
        let missing = extent.ranges().end_of(self.position.offset());
        let jumped = self.can_seek() && !self.is_pushed() && extent.frontier() < missing;
        (jumped && !extent.is_past_end(missing)).then_some(missing)
    }

    /// Whether a source may be closed, if no thread is inside it.
    #[inline]
    pub(super) fn may_retire(&self) -> bool {
        let is_spent = self.freed || self.extent.is_complete();
        (is_spent && self.slot.is_free()) || self.slot.has_orphans()
    }

    /// Takes the source, to close it, if no byte can be needed from it any more and no thread is
    /// inside it.
    pub(super) fn retire_source(&mut self) -> Option<SpentSource> {
        if self.freed || self.extent.is_complete() {
            self.slot.retire()
        } else {
            None
        }
    }

    /// Takes the source in any state: no other thread has this buffer any more.
    pub(crate) fn take_source(&mut self) -> Option<SpentSource> {
        self.slot.retire()
    }

    /// Clears a failure and returns it.
    pub(crate) fn retry(&mut self) -> Option<Error> {
        self.prefetch.unpause();
        // The source is asked again where it had no bytes, too.
        self.extent.forget_short_bound();
        self.health.retry()
    }

    /// Clears a cancellation and a failure. Returns the failure.
    pub(crate) fn resume(&mut self) -> Option<Error> {
        self.canceled = false;
        self.retry()
    }

    /// Records a failed operation on the spool file, for the stats.
    pub(crate) fn record(&mut self, error: &Error) {
        self.counters.record(error);
    }
}
