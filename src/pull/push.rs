//! Push: the rules for buffers without a source.
//!
//! The state decides whether bytes are accepted ([`State::admit`]) and which ones are wanted
//! ([`State::wanted`]). A push never spills: if memory is full, it asks the helper, which spills
//! and reports the result here.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::pull::demand::Demand;
use crate::pull::extent::MAX_SIZE;
use crate::pull::push_state::PushState;
use crate::pull::state::State;

/// What becomes of the first bytes of a push.
pub(crate) enum Admission {
    /// This many are buffered already.
    Held(u64),
    /// This many are missing and welcome.
    Missing(u64),
    /// They lie too far past the furthest read.
    TooFar,
}

impl State {
    pub(crate) fn is_pushed(&self) -> bool {
        self.push.is_some()
    }

    fn push_state(&self) -> Result<&PushState> {
        self.push.as_deref().ok_or(Error::Unsupported)
    }

    /// Whether and how many of `length` bytes at `offset` are accepted. `cancels` is from when the
    /// push began.
    pub(crate) fn admit(&self, offset: u64, length: u64, cancels: u64) -> Result<Admission> {
        self.push_state()?;
        if self.canceled || self.was_canceled_since(cancels) {
            return Err(Error::Canceled);
        }
        if let Some(failure) = self.health.failure() {
            return Err(failure.clone());
        }
        let most = self.extent.end().unwrap_or(MAX_SIZE);
        if length > most.saturating_sub(offset) {
            return Err(Error::Size);
        }
        let buffered = self.extent.buffered(offset);
        if buffered > 0 || length == 0 {
            return Ok(Admission::Held(buffered.min(length)));
        }
        if self.extent.has_window() && offset != self.extent.frontier() {
            return self.admit_beside(offset, length);
        }
        let (_, next) = self.extent.ranges().gap(offset);
        let until = next.unwrap_or(u64::MAX).min(self.push_limit());
        Ok(match until.saturating_sub(offset) {
            0 => Admission::TooFar,
            missing => Admission::Missing(missing.min(length)),
        })
    }

    /// In a window, bytes are accepted at the frontier only. Those that were dropped had been accepted.
    #[cold]
    fn admit_beside(&self, offset: u64, length: u64) -> Result<Admission> {
        match self.extent.frontier().checked_sub(offset) {
            Some(held) => Ok(Admission::Held(held.min(length))),
            None => Err(Error::Unsupported),
        }
    }

    /// The offset at which bytes are too far ahead. Bytes that a call waits for never are.
    fn push_limit(&self) -> u64 {
        let Some(push) = self.push.as_ref().filter(|push| push.is_limited()) else {
            return u64::MAX;
        };
        // Calls for which no source is called wait for these bytes, too.
        let blocked = self.waiters.blocked();
        let watched = self.watches.demands().map(|(_, demand)| demand);
        let demands = blocked.map(|waiter| waiter.demand).chain(watched);
        demands
            .map(end_of)
            .fold(push.furthest, u64::max)
            .saturating_add(push.ahead)
    }

    /// The bytes to push next: the gap for which a call or a watch has waited longest, else what the prefetch
    /// keeps buffered, else what follows the frontier. Empty if none are wanted.
    pub(crate) fn wanted(&self) -> Result<Range<u64>> {
        self.push_state()?;
        if self.freed || self.canceled || self.health.failure().is_some() {
            return Ok(0..0);
        }
        let limit = self.push_limit();
        let from = match self.longest_waiting() {
            _ if self.extent.has_window() => self.extent.frontier(),
            Some((_, demand)) => demand.offset,
            None => self.prefetched_below(limit).unwrap_or(0),
        };
        let (start, next) = self.extent.ranges().gap(from);
        let end = next.or(self.extent.end()).unwrap_or(u64::MAX);
        Ok(start..end.min(limit).max(start))
    }

    /// The first bytes to push for the prefetch, unless they are too far ahead.
    fn prefetched_below(&self, limit: u64) -> Option<u64> {
        let (offset, _) = self.prefetch.next(&self.extent, true, 0)?;
        (offset < limit).then_some(offset)
    }

    /// The result for a watch that waits for what to push, as far as this state knows of space: it is
    /// told only of a spill that is due.
    pub(super) fn push_readiness(&self) -> Option<Result<u64>> {
        if !self.is_pushed() {
            return Some(Err(Error::Unsupported));
        }
        if self.freed {
            return Some(Err(Error::Canceled));
        }
        if self.extent.is_complete() {
            return Some(Ok(0));
        }
        if self.canceled {
            return Some(Err(Error::Canceled));
        }
        if let Some(failure) = self.health.failure() {
            return Some(Err(failure.clone()));
        }
        let wanted = self.wanted().ok().filter(|_| !self.has_spill_request())?;
        let length = wanted.end.min(MAX_SIZE).saturating_sub(wanted.start);
        (length > 0).then_some(Ok(length))
    }

    /// Records bytes that were pushed to `offset`.
    pub(crate) fn pushed(&mut self, offset: u64, count: u64) {
        if self.position.offset() != offset {
            self.position.push_at(offset);
        }
        self.position.advance(count);
        self.counters.pulled += count;
        self.extent.add(offset..offset + count);
    }

    /// Allocates what `pushed` will need, so that it cannot fail. Returns how many bytes came
    /// without a jump before `offset`, and how many are said to follow.
    pub(crate) fn prepare_push(&mut self, offset: u64) -> Result<(u64, Option<u64>)> {
        self.extent.reserve()?;
        let follows = self.position.offset() == offset;
        let run = if follows { self.position.run() } else { 0 };
        let declared = self.extent.declared();
        Ok((run, declared.and_then(|size| size.checked_sub(offset))))
    }

    /// Ends a pushed stream at `size`, by default after its last byte. What was pushed before a
    /// failure may be a part, so a failed stream has no end.
    pub(super) fn end_push(&mut self, size: Option<u64>) -> Result<()> {
        self.push_state()?;
        if let Some(failure) = self.health.failure() {
            return Err(failure.clone());
        }
        let last = self.extent.ranges().last_end();
        let size = size.unwrap_or(last);
        if size < last || size > MAX_SIZE || self.extent.end().is_some_and(|end| end != size) {
            return Err(Error::Size);
        }
        if self.extent.is_short_error(size) {
            self.health.fail(Error::Short);
        } else {
            self.extent.set_end(size);
        }
        Ok(())
    }

    /// Records that the pusher failed, and returns the failure before. A resource that is complete
    /// cannot fail any more.
    pub(super) fn fail_push(&mut self, failure: &Error) -> Result<Option<Error>> {
        self.push_state()?;
        if self.extent.is_complete() {
            return Ok(None);
        }
        if let Error::Source { code, .. } = *failure {
            self.counters.source_error = code;
        }
        Ok(self.health.replace(failure.clone()))
    }

    /// The number of the last event that may have made space.
    pub(crate) fn push_events(&self) -> u64 {
        self.push.as_ref().map_or(0, |push| push.events)
    }

    pub(super) fn request_spill(&mut self) {
        if let Some(push) = &mut self.push {
            push.spill_requested = true;
        }
    }

    /// Notes that memory is full, for the watches that wait for space. There must be a helper.
    pub(crate) fn owe_spill(&mut self) {
        if let Some(push) = &mut self.push {
            push.spill_owed = true;
        }
    }

    /// Whether a spill is owed to the watches, since bytes are wanted now.
    pub(super) fn is_spill_due(&self) -> bool {
        let push = self.push.as_ref();
        push.is_some_and(|push| push.spill_owed) && matches!(self.push_readiness(), Some(Ok(1..)))
    }

    pub(crate) fn has_spill_request(&self) -> bool {
        let push = self.push.as_ref();
        push.is_some_and(|push| push.spill_requested && !self.freed)
    }

    /// Whether the helper may spill before memory is full.
    pub(crate) fn may_spill_ahead(&self) -> bool {
        let may = self.push.as_ref().is_some_and(|push| push.spills_ahead);
        may && !self.freed && !self.extent.is_complete()
    }

    /// Whether the helper has something to do for a push.
    pub(super) fn has_push_request(&self) -> bool {
        let push = self.push.as_ref();
        self.has_spill_request() || push.is_some_and(|push| push.finish_requested && !self.freed)
    }

    pub(super) fn request_finish(&mut self) {
        if let Some(push) = &mut self.push {
            push.finish_requested = true;
        }
    }

    pub(super) fn take_finish_request(&mut self) -> bool {
        let push = self.push.as_mut();
        push.is_some_and(|push| std::mem::take(&mut push.finish_requested))
    }

    /// Whether the next push may exceed the memory limit.
    pub(crate) fn may_exceed(&self) -> bool {
        self.push.as_ref().is_some_and(|push| push.may_exceed)
    }

    /// Takes the permission to exceed the memory limit once, because the disk is full.
    pub(crate) fn take_excess(&mut self) -> bool {
        self.push
            .as_mut()
            .is_some_and(|push| std::mem::take(&mut push.may_exceed))
    }

    /// Why the last spill made no space, if that was after the event with this number.
    pub(crate) fn spill_error_since(&self, events: u64) -> Option<Error> {
        let (event, error) = self.push.as_ref()?.spill_error.as_ref()?;
        (*event > events).then(|| error.clone())
    }

    /// Records the result of a spill ahead. What failed is not needed yet.
    pub(super) fn spilled_ahead(&mut self, result: Result<()>) {
        if let Some(push) = &mut self.push {
            push.spills_ahead = result.is_ok();
        }
        if let Err(error) = result {
            self.record(&error);
        }
    }

    /// Records the result of a requested spill: whether the next push may exceed the limit.
    pub(super) fn spilled(&mut self, result: Result<bool>) {
        if let Err(error) = &result {
            self.record(error);
        }
        if let Some(push) = &mut self.push {
            push.events += 1;
            push.spill_requested = false;
            push.spill_owed = false;
            push.may_exceed = matches!(result, Ok(true));
            push.spills_ahead = matches!(result, Ok(false));
            push.spill_error = result.err().map(|error| (push.events, error));
        }
    }
}

fn end_of(demand: Demand) -> u64 {
    demand.offset.saturating_add(demand.length)
}
