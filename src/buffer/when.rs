//! Readiness: a call that would wait leaves a function, which is called once it would not.
//!
//! The state's lock orders that against whatever makes it ready: either [`Buffer::when`] finds it
//! ready, or the thread that makes it ready finds the [watch](crate::pull::watches). The watch keeps
//! the gate alive and not the buffer, so that it can be freed after the buffer.

use crate::buffer::Buffer;
use crate::error::Result;
use crate::pull::demand::Demand;
use crate::pull::gate::{Gate, StateGuard};
use crate::pull::state::State;
use crate::pull::watches::{Awaited, Ready};
use crate::store::memory::BLOCK;
use crate::sync::shared::Shared;

/// What a caller wants to be told of.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    /// A byte at `offset`, of `capacity` that the caller can take.
    Bytes {
        offset: u64,
        capacity: u64,
        /// Whether the prefetch follows, as it follows reads.
        moves_prefetch: bool,
    },
    /// Bytes to push, and space for them.
    Wanted,
}

impl Subject {
    /// A byte at an offset, for a caller of whom nothing else is known.
    pub(crate) fn bytes(offset: u64) -> Subject {
        Subject::Bytes {
            offset,
            capacity: 1,
            moves_prefetch: true,
        }
    }

    fn awaited(self, state: &State) -> Awaited {
        match self {
            Subject::Bytes {
                offset, capacity, ..
            } => Awaited::Bytes(Demand {
                offset,
                length: 1,
                capacity: capacity.clamp(1, BLOCK),
                cancels: state.cancels(),
            }),
            Subject::Wanted => Awaited::Wanted,
        }
    }
}

/// A pending call of a function that was passed to [`when`](crate::StreamBuffer::when) or
/// [`when_wanted`](crate::Pusher::when_wanted). Does not keep the buffer alive.
///
/// Once it has been dropped, the function is not running and will not be called. If it is running on
/// another thread, the drop waits until it has returned, except inside any such function.
pub struct Watch {
    gate: Shared<Gate>,
    ticket: u64,
    /// Whether the drop waits for a call that is running.
    waits: bool,
}

impl Watch {
    /// Drops the watch without waiting for a call that is running.
    pub fn detach(mut self) {
        self.waits = false;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.gate.lock().unwatch(self.ticket, self.waits);
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Buffer {
    /// Returns what a call that does not wait would return. None if it would have to wait: then the
    /// function that `prepare` returned is called once, unless the watch that `prepare` got is freed
    /// first. If there is a result after all, that watch has no effect. `sb_when` describes the rest.
    pub(crate) fn when(
        this: &Shared<Buffer>,
        subject: Subject,
        prepare: impl FnOnce(Watch) -> Result<Ready>,
    ) -> Result<Option<u64>> {
        let mut state = this.gate.lock();
        if let Some(now) = this.readiness(&state, subject) {
            return now.map(Some);
        }
        let ticket = state.next_ticket();
        drop(state);
        let ready = prepare(Watch {
            gate: this.gate.clone(),
            ticket,
            waits: true,
        })?;
        let mut state = this.gate.lock();
        // It may have become ready meanwhile.
        if let Some(now) = this.readiness(&state, subject) {
            return now.map(Some);
        }
        state.watches.reserve()?;
        Buffer::lead(this, &mut state, subject)?;
        let awaited = subject.awaited(&state);
        state.watch(ticket, awaited, ready);
        if let Subject::Bytes {
            offset,
            moves_prefetch: true,
            ..
        } = subject
        {
            state.note_absence(offset);
            state.note_miss(offset);
        }
        Ok(None)
    }

    fn readiness(&self, state: &StateGuard<'_>, subject: Subject) -> Option<Result<u64>> {
        let now = state.readiness(subject.awaited(state));
        let has_space =
            |now: &_| !matches!((subject, now), (Subject::Wanted, Ok(1..))) || !self.is_full(state);
        now.filter(has_space)
    }

    /// Whether the next push has no space until the helper has spilled.
    fn is_full(&self, state: &State) -> bool {
        let next = state.wanted().map_or(0, |wanted| wanted.start);
        !state.may_exceed() && self.store.is_full_at(next)
    }

    /// Starts what will make it ready, unless that is up to the callers.
    fn lead(this: &Shared<Buffer>, state: &mut StateGuard<'_>, subject: Subject) -> Result<()> {
        match subject {
            Subject::Bytes { .. } if !state.is_pushed() => Buffer::start_helper(this, state)?,
            // Memory was full. It may not be any more, but only the helper's report fires the watch.
            Subject::Wanted if state.readiness(Awaited::Wanted).is_some() => {
                Buffer::start_helper(this, state)?;
                state.call_spill();
            }
            // Nothing is wanted yet. Once it is, the helper spills first.
            Subject::Wanted if this.is_full(state) => {
                Buffer::start_helper(this, state)?;
                state.owe_spill();
            }
            _ => {}
        }
        Ok(())
    }

    /// Memory may be over a new limit. Then the watches that wait for space are not told of wanted
    /// bytes before the helper has spilled.
    pub(super) fn note_max_memory(this: &Shared<Buffer>, state: &mut StateGuard<'_>) {
        // Without a helper nobody could pay what is owed.
        if state.watches.has_wanted()
            && this.is_full(state)
            && Buffer::start_helper(this, state).is_ok()
        {
            state.owe_spill();
        }
    }
}
