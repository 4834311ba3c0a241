//! The source guard: exclusive use of the source, which is handed off when the guard is dropped.
//!
//! The guard owns the source itself, so that code with two callers at a time does not compile. One
//! [`advance`](SourceGuard::advance) decides under the gate's lock what the source is to do,
//! reserves memory without that lock, calls the source without any lock, and records the outcome.
//!
//! Once another source is current ([`reopen`](crate::pull::reopen)), the guard is *orphaned*: it calls
//! nothing and records nothing any more.

mod settling;
mod skipping;
mod spooling;

use crate::error::{Error, Result};
use crate::pull::demand::Demand;
use crate::pull::gate::{Gate, StateGuard};
use crate::pull::news::News;
use crate::pull::state::State;
use crate::pull::step::Step;
use crate::source::{self, Source};
use crate::store::Store;
use crate::store::segment::WriteGrant;
use crate::sync::clock::Stopwatch;

pub(crate) struct SourceGuard<'b> {
    gate: &'b Gate,
    store: &'b Store,
    source: Option<Box<dyn Source>>,
    /// Which of the buffer's sources it is.
    generation: u64,
    /// The rest of the last read's grant, for the next read.
    grant: Option<WriteGrant>,
    /// The size that the source stated after its last call.
    stated: Stated,
    /// The number of bytes delivered since the source was taken, or since others last had a chance
    /// to take it.
    delivered: u64,
    /// The nanoseconds that the last call of the source took.
    spent: u64,
    /// Whether the source has jumped to a run that goes on since it was taken.
    goes_on: bool,
    /// What was known when the source was taken, if anything is logged.
    before: Option<Box<News>>,
}

/// What the source said of the size of the resource.
enum Stated {
    Nothing,
    Size(u64),
    Panicked,
}

/// The most bytes that one call may fetch while other calls wait for bytes elsewhere.
const FAIR_SHARE: u64 = 1024 * 1024;

impl<'b> SourceGuard<'b> {
    /// Whether the source is free, and no call was elected to use it.
    pub(crate) fn can_take(state: &State) -> bool {
        !state.waiters.has_elected() && state.slot.is_free()
    }

    /// Takes the source, which `can_take` has found free, for a call of this reader; 0 for none.
    #[inline]
    pub(crate) fn take(
        gate: &'b Gate,
        store: &'b Store,
        state: &mut State,
        reader: usize,
    ) -> SourceGuard<'b> {
        SourceGuard {
            gate,
            store,
            source: state.slot.take(reader),
            generation: state.slot.generation(),
            grant: None,
            stated: Stated::Nothing,
            delivered: 0,
            spent: 0,
            goes_on: false,
            before: News::if_logged(state),
        }
    }

    /// Whether the source has jumped to a run that goes on since it was taken.
    #[inline]
    pub(crate) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// The nanoseconds that the last call of the source took.
    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    /// Whether another source has taken the place of this one.
    fn is_orphaned(&self, state: &State) -> bool {
        self.generation != state.slot.generation()
    }

    /// Whether it is time to let others use the source. Calls that wait for another offset of a
    /// source that can seek would otherwise wait for the whole of a long read. An orphaned guard is
    /// over as well.
    pub(crate) fn is_over(&mut self, state: &State) -> bool {
        if self.delivered < FAIR_SHARE {
            return false;
        }
        self.delivered = 0;
        self.is_orphaned(state) || (state.can_seek() && state.longest_waiting().is_some())
    }

    /// Makes the source take one step towards a demand, without the lock. A failure or end of the
    /// source is not returned as an error: it is recorded in the state, for every call to see. A
    /// failed seek is returned, since it concerns this call alone. Does nothing if the guard is
    /// orphaned: its owner then has to drop it.
    // Never in line in its callers: that would take the parts of a read out of line.
    #[inline(never)]
    pub(crate) fn advance(
        &mut self,
        state: StateGuard<'b>,
        demand: Demand,
        narrow: bool,
    ) -> Result<StateGuard<'b>> {
        if state.is_left_to_helper() {
            return Ok(state);
        }
        match state.step(demand, narrow)? {
            Step::Seek(offset) => self.jump(state, demand, offset),
            Step::Read { most } => self.read(state, demand, most),
            Step::Skip { most } => self.skip(state, demand, most),
        }
    }

    fn read(
        &mut self,
        mut state: StateGuard<'b>,
        demand: Demand,
        most: u64,
    ) -> Result<StateGuard<'b>> {
        let position = state.position.offset();
        let kept = self.grant.take();
        let mut grant = match kept.filter(|grant| grant.position() == position) {
            Some(grant) => grant,
            None => {
                if state.extent.has_window() {
                    state = self.lap(state);
                }
                let run = state.position.expected_run();
                let declared = state.extent.declared();
                let expected = declared.and_then(|size| size.checked_sub(position));
                drop(state);
                let enter = || self.enter_spool();
                let grant = self.store.reserve(position, run, expected, enter);
                state = self.gate.lock();
                state.slot.leave_spool(self.generation);
                let grant = grant.inspect_err(|error| state.record(error))?;
                // A prefetch may have begun while the lock was free.
                if state.is_left_to_helper() {
                    drop(state);
                    self.store.discard(grant);
                    return Ok(self.gate.lock());
                }
                grant
            }
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let asked = self.call(state, demand, None, |source| {
            source::ask(source, grant.bytes(most))
        });
        let Ok(Ok(count @ 1..)) = asked else {
            self.store.discard(grant);
            let ended = |state: &mut State, _| state.ended();
            return self.settle(demand, asked?, ended, State::read_failed);
        };
        self.delivered += count as u64;
        let more = position + (count as u64) < demand.offset.saturating_add(demand.length);
        let mut left = None;
        // The bytes become readable and counted under one lock: whoever has read them may ask for
        // the count.
        let store = self.store;
        let arrived = |state: &mut State, count| {
            left = store.commit(grant, count as usize, more);
            state.arrived(count);
            Ok(())
        };
        let settled = self.settle(demand, Ok(count as u64), arrived, State::read_failed);
        self.grant = left;
        settled
    }

    /// Moves the tail of a window, before more bytes arrive.
    #[cold]
    #[inline(never)]
    fn lap(&self, mut state: StateGuard<'b>) -> StateGuard<'b> {
        let tail = state.move_tail();
        drop(state);
        self.store.drop_before(tail);
        self.gate.lock()
    }

    fn jump(
        &mut self,
        state: StateGuard<'b>,
        demand: Demand,
        offset: u64,
    ) -> Result<StateGuard<'b>> {
        let result = self.call(state, demand, Some(offset), |source| {
            source::seek(source, offset)
        })?;
        let (spent, mut goes_on) = (self.spent, false);
        let jumped = |state: &mut State, ()| {
            state.jumped(offset, spent);
            goes_on = state.goes_on();
            Ok(())
        };
        let settled = self.settle(demand, result, jumped, State::seek_failed);
        self.goes_on = goes_on;
        settled
    }

    /// Calls the source, unless the demand was canceled. `target` is where it is to seek to.
    fn call<T>(
        &mut self,
        mut state: StateGuard<'b>,
        demand: Demand,
        target: Option<u64>,
        work: impl FnOnce(&mut dyn Source) -> Result<T>,
    ) -> Result<Result<T>> {
        if !self.may_enter(&state, demand) {
            state = match self.wait_to_enter(state, demand)? {
                Some(state) => state,
                // `settle` looks at no result of an orphan.
                None => return Ok(Err(Error::Canceled)),
            };
        }
        state.extent.reserve()?;
        if let Some(check) = &mut state.check {
            check.reserve()?;
        }
        // A lazy jump calls nothing: the size is asked for after the read that confirms it.
        let seeks = target.is_some();
        let asks_size = state.extent.awaits_size() && !(seeks && state.position.seeks_lazily());
        let stopwatch = Stopwatch::start();
        let heading = target.unwrap_or(state.position.offset());
        state.slot.enter(heading, stopwatch);
        if state.waiters.len() > 0 {
            state.call_watch();
        }
        state.counters.pulls += u64::from(!seeks);
        state.counters.seeks += u64::from(seeks);
        drop(state);
        let source = self
            .source
            .as_mut()
            .expect("a guard has its source until it is dropped");
        let result = work(source.as_mut());
        if asks_size && !matches!(result, Err(Error::Panic)) {
            self.stated = match source::size(source.as_mut()) {
                Ok(size) => size.map_or(Stated::Nothing, Stated::Size),
                Err(_) => Stated::Panicked,
            };
        }
        self.spent = stopwatch.nanoseconds();
        Ok(result)
    }

    /// Whether nothing keeps this thread from calling the source at once.
    fn may_enter(&self, state: &StateGuard<'_>, demand: Demand) -> bool {
        let is_canceled = state.stops(demand) || state.slot.is_reader_canceled();
        let has_to_wait = state.slot.is_interrupted() || state.owes_calls();
        !is_canceled && !has_to_wait && !self.is_orphaned(state)
    }

    /// Waits until this thread may call the source. None if the guard is orphaned.
    #[cold]
    fn wait_to_enter(
        &self,
        mut state: StateGuard<'b>,
        demand: Demand,
    ) -> Result<Option<StateGuard<'b>>> {
        // An interrupt that is still running after a resume must not hit this call. And a call of
        // `ready` that this thread still has to make may cancel.
        while !state.stops(demand) && (state.slot.is_interrupted_elsewhere() || state.owes_calls())
        {
            state = state.wait_source_idle();
        }
        if self.is_orphaned(&state) {
            return Ok(None);
        }
        if state.stops(demand) || state.slot.is_reader_canceled() {
            return Err(Error::Canceled);
        }
        Ok(Some(state))
    }

    #[cold]
    fn release_orphan(&self, mut state: StateGuard<'_>, source: Option<Box<dyn Source>>) {
        state.slot.put_orphan_back(self.generation, source);
        state.release();
        self.store.take_back();
    }

    #[cold]
    fn release_and_log(&self, state: StateGuard<'_>, before: &News) {
        let now = News::if_logged(&state);
        state.release();
        if let Some(now) = now {
            now.tell(before, self.store.number());
        }
    }
}

impl Drop for SourceGuard<'_> {
    fn drop(&mut self) {
        self.grant = None;
        if self.store.is_member() {
            self.restore_budget();
        }
        let mut state = self.gate.lock();
        let source = self.source.take();
        if self.is_orphaned(&state) {
            return self.release_orphan(state, source);
        }
        state.slot.put_back(source);
        let complete = state.extent.is_complete();
        match self.before.take() {
            None => state.release(),
            Some(before) => self.release_and_log(state, &before),
        }
        if complete {
            self.finish();
        }
    }
}
