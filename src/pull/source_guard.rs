//! A turn at the source: whoever has it is the one that may call the source.
//!
//! The source itself is handed to the turn and put back when the turn ends, so that two callers
//! at a time can't be written. One [`advance`](Turn::advance) decides under the gate's lock what
//! the source is to do, makes room without that lock, calls the source without any lock, and takes
//! in what came.

use crate::error::{Error, Result};
use crate::pull::gate::Gate;
use crate::pull::state::{Need, State, Step};
use crate::source::{self, Source};
use crate::store::Store;
use crate::store::segment::Room;
use crate::sync::{MutexGuard, this_thread};

pub(crate) struct Turn<'b> {
    gate: &'b Gate,
    store: &'b Store,
    source: Option<Box<dyn Source>>,
    /// What the last read left of its room, for the next one.
    room: Option<Room>,
    /// Bytes that came in this turn.
    brought: u64,
}

type Locked<'b> = MutexGuard<'b, State>;

/// Bytes that a turn may bring while others wait for bytes elsewhere.
const FAIR_SHARE: u64 = 1024 * 1024;

/// Bytes that are read at a time to go past them.
const SKIPPED: u64 = 64 * 1024;

impl<'b> Turn<'b> {
    /// Takes the turn, if nobody has it and nobody was woken to take it.
    pub(crate) fn take(gate: &'b Gate, store: &'b Store, state: &mut State) -> Option<Turn<'b>> {
        if state.elected.is_some() {
            return None;
        }
        let source = state.source.take()?;
        Some(Turn {
            gate,
            store,
            source: Some(source),
            room: None,
            brought: 0,
        })
    }

    /// Whether it is time to let others have a turn: those that wait for another place of a source
    /// that can seek would otherwise wait for all of a long read.
    pub(crate) fn is_over(&mut self, state: &State) -> bool {
        if self.brought < FAIR_SHARE {
            return false;
        }
        self.brought = 0;
        state.can_seek && state.waiters.iter().any(|waiter| !waiter.woken)
    }

    /// Lets the source take one step towards `need`; the lock is let go meanwhile. The source's own
    /// failure or end is not an error here: it is in the state then, for every call to see. A failed
    /// seek is one: it is this call's alone.
    pub(crate) fn advance(
        &mut self,
        state: Locked<'b>,
        need: Need,
        narrow: bool,
    ) -> Result<Locked<'b>> {
        match state.step(need, narrow)? {
            Step::Seek(offset) => self.jump(state, need, offset),
            Step::Read { most } => self.read(state, need, most),
            Step::Skip { most } => self.skip(state, need, most),
        }
    }

    fn read(&mut self, mut state: Locked<'b>, need: Need, most: u64) -> Result<Locked<'b>> {
        let position = state.position;
        let kept = self.room.take();
        let mut room = match kept.filter(|room| room.position() == position) {
            Some(room) => room,
            None => {
                let run = position - state.run_start;
                let expected = state.declared.and_then(|size| size.checked_sub(position));
                drop(state);
                let enter = || self.enter_disk();
                let room = self.store.room(position, run, expected, enter);
                state = self.gate.lock();
                state.at_disk = None;
                room.inspect_err(|error| state.note(error))?
            }
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let asked = self.call(state, need, false, |source| {
            source::ask(source, room.bytes(most))
        });
        let Ok(Ok(count @ 1..)) = asked else {
            self.store.decline(room);
            let ended = |state: &mut State, _| state.ended();
            return self.settle(need, asked?, ended, State::read_failed);
        };
        self.brought += count as u64;
        let more = position + (count as u64) < need.offset.saturating_add(need.length);
        let mut left = None;
        // Readable and known to be at once: who has read it may ask.
        let arrived = |state: &mut State, count| {
            left = self.store.accept(room, count as usize, more);
            state.arrived(count);
            Ok(())
        };
        let settled = self.settle(need, Ok(count as u64), arrived, State::read_failed);
        self.room = left;
        settled
    }

    /// Reads what is held already, because the source has to go past it and can't jump.
    fn skip(&mut self, state: Locked<'b>, need: Need, most: u64) -> Result<Locked<'b>> {
        // Not on the stack, of which a caller may have little.
        let most = most.min(SKIPPED) as usize;
        let mut scratch = Vec::new();
        scratch
            .try_reserve_exact(most)
            .map_err(|_| Error::NoMemory)?;
        scratch.resize(most, 0);
        let result = self.call(state, need, false, |source| {
            source::ask(source, &mut scratch)
        })?;
        let passed = |state: &mut State, count| match count {
            0 => state.ended(),
            count => {
                state.skipped(count as u64);
                Ok(())
            }
        };
        self.settle(need, result, passed, State::read_failed)
    }

    fn jump(&mut self, state: Locked<'b>, need: Need, offset: u64) -> Result<Locked<'b>> {
        let result = self.call(state, need, true, |source| source::seek(source, offset))?;
        let jumped = |state: &mut State, ()| {
            state.jumped(offset);
            Ok(())
        };
        self.settle(need, result, jumped, State::seek_failed)
    }

    /// Calls the source, as long as nobody has stopped it.
    fn call<T>(
        &mut self,
        mut state: Locked<'b>,
        need: Need,
        seeks: bool,
        work: impl FnOnce(&mut dyn Source) -> Result<T>,
    ) -> Result<Result<T>> {
        // An interrupt that a resume has overtaken must not hit this call.
        let me = this_thread();
        while !state.is_canceled(need) && state.interrupting.iter().any(|thread| *thread != me) {
            state = self.gate.wait_until_left(state);
        }
        if state.is_canceled(need) {
            return Err(Error::Canceled);
        }
        state.ranges.reserve()?;
        state.in_source = Some(me);
        state.pulls += u64::from(!seeks);
        state.seeks += u64::from(seeks);
        drop(state);
        let source = self
            .source
            .as_mut()
            .expect("a turn has its source until it ends");
        Ok(work(source.as_mut()))
    }

    /// Puts what a call of the source brought, or its error, into the state. An error if its caller was
    /// stopped meanwhile, or if it is this caller's alone: what came is buffered all the same.
    fn settle<T>(
        &self,
        need: Need,
        result: Result<T>,
        good: impl FnOnce(&mut State, T) -> Result<()>,
        bad: impl FnOnce(&mut State, Error) -> Result<()>,
    ) -> Result<Locked<'b>> {
        let mut guard = self.gate.lock();
        let state = &mut *guard;
        state.in_source = None;
        let settled = match result {
            Ok(value) => good(state, value),
            Err(Error::Canceled) if state.obeyed(need) => Ok(()),
            Err(error) => bad(state, error.into_source()),
        };
        if state.failure.is_some() {
            self.gate.wake(state, None, |_| true);
        } else {
            self.gate.wake_ready(state);
        }
        self.gate.retune(state);
        self.gate.announce_left(state);
        if state.is_canceled(need) {
            // Before the error that the stop stands for, which may be of the user's making.
            drop(guard);
            return Err(Error::Canceled);
        }
        settled.map(|()| guard)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.room = None;
        let mut state = self.gate.lock();
        state.source = self.source.take();
        let retired = state.retire();
        let complete = state.is_complete();
        self.gate.pass_turn(&mut state);
        drop(state);
        source::close(retired);
        if complete {
            self.finish();
        }
    }
}

impl Turn<'_> {
    /// Says that this thread is going to work on the spool file, which may take any time: who frees
    /// the buffer then does not wait for it. Not for one that is being freed.
    fn enter_disk(&self) -> Result<()> {
        let mut state = self.gate.lock();
        if state.freed {
            return Err(Error::Canceled);
        }
        state.at_disk = Some(this_thread());
        Ok(())
    }

    /// Has the store give back what it kept for more bytes. What is being freed goes as a whole.
    fn finish(&self) {
        if self.enter_disk().is_ok() {
            self.store.finish();
            self.gate.lock().at_disk = None;
        }
    }
}
