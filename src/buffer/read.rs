//! One read: what is in memory without a lock, what is missing through the gate or by a turn.

use std::time::{Duration, Instant};

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::pull::cancel_token::CancelToken;
use crate::pull::gate::Manner;
use crate::pull::ranges::is_range;
use crate::pull::source_guard::Turn;
use crate::pull::state::{Need, State, Verdict};
use crate::store::memory::BLOCK;
use crate::sync::rcu::Pin;
use crate::sync::shared::Shared;
use crate::sync::this_thread;

/// What a read wants and how long it goes for it.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'s> {
    /// All bytes asked for, or else whatever is there once the first one is.
    pub(crate) all: bool,
    pub(crate) limit: Limit,
    /// Cancels this call alone.
    pub(crate) cancel_token: Option<&'s CancelToken>,
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
    /// The cancellation token's when the call began.
    generation: u64,
    cancels: u64,
    deadline: Option<Instant>,
}

impl Buffer {
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
        // Before the lock: a cancellation that comes later finds the call at the gate.
        let generation = wish.cancel_token.map_or(0, CancelToken::generation);
        let deadline = match wish.limit {
            Limit::Within(time) => Instant::now().checked_add(time),
            _ => None,
        };
        Call {
            wish,
            generation,
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
            let reader = call.wish.cancel_token.map_or(0, CancelToken::id);
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
            .cancel_token
            .is_some_and(|token| token.is_canceled_since(call.generation))
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
}
