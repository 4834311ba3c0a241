//! The buffer: a stream that came once, readable anywhere.
//!
//! A read copies what is buffered without a lock ([`store`](crate::store)). What is missing it
//! waits for at the [`gate`](crate::gate), or brings itself when it is its [turn](crate::pull) at
//! the source. Where the caller wants a limit in time, or bytes ahead of need, the
//! [helper](crate::helper) takes the turns instead.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::cursor::Stop;
use crate::error::{Error, Result};
use crate::gate::{Gate, Manner};
use crate::helper::Helper;
use crate::index::BLOCK;
use crate::options::Options;
use crate::pins::{Keeper, Pin};
use crate::pull::Turn;
use crate::ranges::is_range;
use crate::shared::Shared;
use crate::source::{self, Interrupt, Source};
use crate::state::{Need, State, Verdict};
use crate::store::Store;
use crate::sync::{Mutex, MutexGuard, lock, this_thread};

pub(crate) struct Buffer {
    pub(crate) store: Store,
    /// Shared with those who may stop a reader without keeping the buffer.
    pub(crate) gate: Shared<Gate>,
    interrupt: Option<Interrupt>,
    must_return: bool,
    helper: Mutex<Option<Helper>>,
}

/// What a read wants and how long it goes for it.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'s> {
    /// All bytes asked for, or else whatever is there once the first one is.
    pub(crate) all: bool,
    pub(crate) limit: Limit,
    /// Stops this call alone.
    pub(crate) stop: Option<&'s Stop>,
}

#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// As long as it takes, on this thread.
    None,
    /// No waiting at all.
    Now,
    /// So long and no longer; the helper does the work.
    Within(Duration),
}

/// What a read found in memory.
#[derive(Clone, Copy)]
pub(crate) enum Found {
    /// All that it wants.
    All,
    /// All that it wants, at a place that is news to the prefetch.
    News,
    /// Less; the spool file goes on for so many bytes at least.
    Part(u64),
}

/// What a call is that has not got all it wants at once.
struct Call<'s> {
    wish: Wish<'s>,
    /// What the stop showed when the call began.
    turns: u64,
    cancels: u64,
    deadline: Option<Instant>,
}

impl Buffer {
    pub(crate) fn new(
        source: Box<dyn Source>,
        options: Options,
        pins: Keeper,
    ) -> Result<Shared<Buffer>> {
        Shared::try_new(Buffer {
            interrupt: source.interrupt(),
            must_return: source.must_return(),
            gate: Shared::try_new(Gate::new(State::new(source, &options)))?,
            store: Store::new(options, pins),
            helper: Mutex::new(None),
        })
    }

    /// Takes what is in memory, under a pin of this buffer.
    #[inline]
    pub(crate) fn read_memory(
        &self,
        offset: u64,
        out: &mut [u8],
        all: bool,
        done: &mut usize,
        pin: &Pin<'_>,
    ) -> Found {
        let spooled = self.store.copy_memory(offset, out, done, pin);
        if *done < out.len() && (all || *done == 0 || spooled > 0) {
            Found::Part(spooled)
        } else if !out.is_empty() && self.gate.is_news(offset + *done as u64) {
            Found::News
        } else {
            Found::All
        }
    }

    /// Reads at `offset`; see `sb_read` and `sb_read_some` for what comes back.
    pub(crate) fn read(
        this: &Shared<Buffer>,
        offset: u64,
        out: &mut [u8],
        wish: Wish<'_>,
    ) -> Result<usize> {
        if !is_range(offset, out.len()) {
            return Err(Error::Invalid);
        }
        let mut done = 0;
        let pin = this.store.pin();
        let found = this.read_memory(offset, out, wish.all, &mut done, &pin);
        drop(pin);
        match found {
            Found::All => Ok(done),
            found => Buffer::read_on(this, offset, out, done, found, wish),
        }
    }

    /// What a read does that did not find all in memory, or has to tell the prefetch of it.
    #[cold]
    pub(crate) fn read_on(
        this: &Shared<Buffer>,
        offset: u64,
        out: &mut [u8],
        mut done: usize,
        found: Found,
        wish: Wish<'_>,
    ) -> Result<usize> {
        let result = match found {
            Found::Part(spooled) => Buffer::bring(this, offset, out, &mut done, spooled, wish),
            Found::All | Found::News => Ok(()),
        };
        this.passed(offset + done as u64);
        match result {
            Ok(()) => Ok(done),
            // What stops a call stops all of it; what it got stays buffered.
            Err(Error::Canceled) => Err(Error::Canceled),
            Err(_) if done > 0 => Ok(done),
            Err(error) => Err(error),
        }
    }

    fn bring(
        this: &Shared<Buffer>,
        offset: u64,
        out: &mut [u8],
        done: &mut usize,
        spooled: u64,
        wish: Wish<'_>,
    ) -> Result<()> {
        let mut copied = this.store.copy_on(offset, out, done, spooled);
        // Only once something is missing: what is buffered needs no lock, be it on disk.
        let mut call: Option<Call<'_>> = None;
        let mut turn: Option<Turn<'_>> = None;
        loop {
            copied.inspect_err(|error| this.gate.lock().note(error))?;
            let left = (out.len() - *done) as u64;
            if left == 0 || (*done > 0 && !wish.all) {
                return Ok(());
            }
            let call = call.get_or_insert_with(|| this.begin(wish));
            let room = left.min(BLOCK);
            let need = Need {
                offset: offset + *done as u64,
                length: if wish.all { room } else { 1 },
                room,
                cancels: call.cancels,
            };
            let verdict = Buffer::await_bytes(this, need, call, &mut turn);
            let verdict = verdict.inspect_err(|error| {
                // Bytes may have come before it while the call slept: those are delivered first.
                if !matches!(error, Error::Canceled) {
                    let _ = this.store.copy(offset, out, done);
                }
            });
            if matches!(verdict?, Verdict::End) {
                return Ok(());
            }
            copied = this.store.copy(offset, out, done);
        }
    }

    fn begin<'s>(&self, wish: Wish<'s>) -> Call<'s> {
        // The stop before the lock: a stop that is set later finds the call at the gate.
        let turns = wish.stop.map_or(0, Stop::turns);
        let deadline = match wish.limit {
            Limit::Within(time) => Instant::now().checked_add(time),
            _ => None,
        };
        Call {
            wish,
            turns,
            cancels: self.gate.lock().cancels,
            deadline,
        }
    }

    /// Waits for what a call needs, or brings it. The turn at the source stays with the call for what
    /// it needs next.
    fn await_bytes<'b>(
        this: &'b Shared<Buffer>,
        need: Need,
        call: &Call<'_>,
        turn: &mut Option<Turn<'b>>,
    ) -> Result<Verdict> {
        let mut state = this.gate.lock();
        state.visit(need.offset);
        this.gate.retune(&state);
        if matches!(call.wish.limit, Limit::Now) {
            // It does not stay until the helper has come this far, but it may come again.
            this.gate.call_helper(&state);
        }
        loop {
            let verdict = this.verdict(&state, need, call);
            if turn.is_none() && !matches!(verdict, Ok(None)) {
                // If this call was to take the turn, it does not.
                this.gate.pass_turn(&mut state);
            }
            if let Some(verdict) = verdict? {
                return Ok(verdict);
            }
            let by_helper = !matches!(call.wish.limit, Limit::None) || state.prefetch > 0;
            if turn.is_none() && !by_helper {
                *turn = Turn::take(&this.gate, &this.store, &mut state);
            }
            if let Some(mine) = turn {
                state = mine.advance(state, need, true)?;
                let has_come = state.buffered(need.offset) > 0;
                // Also if a prefetch was begun meanwhile: its thread alone calls the source.
                if mine.is_over(&state) || state.prefetch > 0 {
                    drop(state);
                    *turn = None;
                    state = this.gate.lock();
                }
                if has_come {
                    // Taken at once: what waits for the last byte finds the first on disk.
                    return Ok(Verdict::Ready);
                }
                continue;
            }
            if by_helper {
                Buffer::start_helper(this)?;
            }
            let reader = call.wish.stop.map_or(0, Stop::id);
            let manner = Manner {
                deadline: call.deadline,
                by_helper,
                reader,
            };
            state = this.gate.wait(state, need, manner)?;
        }
    }

    /// The state's verdict, and what only this call is bound by.
    fn verdict(&self, state: &State, need: Need, call: &Call<'_>) -> Result<Option<Verdict>> {
        let verdict = state.verdict(need)?;
        if verdict.is_some() {
            return Ok(verdict);
        }
        let out_of_time = match call.wish.limit {
            Limit::None => false,
            Limit::Now => true,
            Limit::Within(_) => call
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline),
        };
        if call
            .wish
            .stop
            .is_some_and(|stop| stop.is_set_since(call.turns))
        {
            Err(Error::Canceled)
        } else if out_of_time {
            Err(Error::Timeout)
        } else if state.in_source == Some(this_thread()) {
            Err(Error::Reentrant)
        } else {
            Ok(None)
        }
    }

    /// Tells the prefetch how far a read came.
    fn passed(&self, offset: u64) {
        if self.gate.is_news(offset) {
            let mut state = self.gate.lock();
            state.reach(offset);
            self.gate.retune(&state);
            self.gate.call_helper(&state);
        }
    }

    /// Keeps `ahead` bytes ready past the furthest read; 0 stops.
    pub(crate) fn prefetch(this: &Shared<Buffer>, ahead: u64) -> Result<()> {
        let mut state = this.gate.lock();
        if state.freed {
            return Err(Error::Canceled);
        }
        if ahead > 0 {
            Buffer::start_helper(this)?;
        }
        state.prefetch = ahead;
        state.prefetch_rests = false;
        this.gate.retune(&state);
        // Who pulls for them may have changed.
        this.gate.wake(&mut state, None, |_| true);
        this.gate.call_helper(&state);
        Ok(())
    }

    /// Called under the gate's lock, so that a buffer that is being freed starts none.
    fn start_helper(this: &Shared<Buffer>) -> Result<()> {
        let mut helper = lock(&this.helper);
        if helper.is_none() {
            *helper = Some(Helper::start(this.clone())?);
        }
        Ok(())
    }

    /// Whether a helper thread exists; to be asked under the gate's lock.
    pub(crate) fn has_helper(&self) -> bool {
        lock(&self.helper).is_some()
    }

    /// Stops every call that waits, and those that would, until `resume`.
    pub(crate) fn cancel(&self) {
        let mut state = self.gate.lock();
        state.canceled = true;
        state.cancels += 1;
        self.gate.wake(&mut state, Some(&Error::Canceled), |_| true);
        self.gate.announce_left(&state);
        self.interrupt(state);
    }

    /// Clears a failure.
    pub(crate) fn retry(&self) {
        self.clear(State::retry);
    }

    /// Clears a cancel or a failure.
    pub(crate) fn resume(&self) {
        self.clear(State::resume);
    }

    fn clear(&self, clear: impl FnOnce(&mut State) -> Option<Error>) {
        let mut state = self.gate.lock();
        let failure = clear(&mut state);
        self.gate.call_helper(&state);
        drop(state);
        // It may be of the user's making, with a drop of its own.
        drop(failure);
    }

    /// Makes the source come back, if somebody is inside it.
    fn interrupt<'g>(&'g self, mut state: MutexGuard<'g, State>) {
        let Some(interrupt) = &self.interrupt else {
            return;
        };
        let me = this_thread();
        // Not from inside the source's own code: that is not what keeps it from coming back.
        let elsewhere = state.in_source.is_some_and(|thread| thread != me);
        if !elsewhere || state.interrupting.contains(&me) {
            return;
        }
        if state.interrupting.try_reserve(1).is_err() {
            return;
        }
        state.interrupting.push(me);
        state.interrupts = state.interrupts.saturating_add(1);
        drop(state);
        crate::guard::guard((), interrupt);
        let mut state = self.gate.lock();
        if let Some(place) = state.interrupting.iter().position(|thread| *thread == me) {
            state.interrupting.swap_remove(place);
        }
        let retired = state.retire();
        self.gate.announce_left(&state);
        drop(state);
        source::close(retired);
    }

    /// Ends the buffer: calls that are inside return, the source is closed, the helper goes.
    pub(crate) fn free(&self) {
        let mut state = self.gate.lock();
        if state.freed {
            return;
        }
        state.freed = true;
        self.gate.retune(&state);
        self.gate.wake(&mut state, None, |_| true);
        self.gate.call_helper(&state);
        self.gate.announce_left(&state);
        let retired = state.retire();
        self.interrupt(state);
        source::close(retired);
        self.wait_for_source();
    }

    /// Waits for whoever is inside the source's code, if its owner can't tell otherwise, and for the
    /// helper, unless that one is inside the source or a file: neither has to come back soon, and it
    /// ends by itself when it does.
    fn wait_for_source(&self) {
        let me = this_thread();
        let mut state = self.gate.lock();
        let elsewhere = |state: &State| {
            state.in_source.is_some_and(|thread| thread != me)
                || state.interrupting.iter().any(|thread| *thread != me)
        };
        while self.must_return && elsewhere(&state) {
            state = self.gate.wait_until_left(state);
        }
        let helper = lock(&self.helper).take();
        let inside = [state.in_source, state.at_disk];
        let away = state.helper.is_some() && inside.contains(&state.helper);
        drop(state);
        if let (Some(helper), false) = (helper, away) {
            helper.join();
        }
    }

    /// Moves what is in memory to the spool file.
    pub(crate) fn spill(&self) -> Result<()> {
        let spilled = self.store.spill();
        spilled.inspect_err(|error| self.gate.lock().note(error))
    }

    /// A failed operation on the target of a save, as the callers get it, noted for the stats.
    pub(crate) fn target_failed(&self, error: &std::io::Error) -> Error {
        let error = Error::from_target(error);
        self.gate.lock().note(&error);
        error
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let source = self.gate.lock().source.take();
        source::close(source);
    }
}
