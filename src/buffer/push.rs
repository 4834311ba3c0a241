//! One push: bytes that the caller has are copied into memory, where every reader finds them.
//!
//! Pushes take turns, each for the copy of at most one segment. A push never touches a file: if
//! memory is full it asks the helper to spill, and waits for that without a turn.

use std::ops::Range;
use std::time::Instant;

use crate::buffer::Buffer;
use crate::buffer::read::Wait;
use crate::error::{Error, Result};
use crate::pull::gate::StateGuard;
use crate::pull::push::Admission;
use crate::pull::ranges::is_range;
use crate::sync::host_call::is_inside_any;
use crate::sync::lock;
use crate::sync::shared::Shared;

/// What one turn achieved. `events` is from before it looked for space: a later event may have made
/// some.
enum Turn {
    /// This many bytes are buffered, some of them perhaps before.
    Accepted(usize),
    /// Bytes so far ahead of the readers are not accepted yet.
    TooFar { events: u64 },
    /// Memory is over its limit.
    Full { events: u64 },
}

impl Buffer {
    /// Accepts bytes for `offset`. `sb_push` describes the result.
    pub(crate) fn push(
        this: &Shared<Buffer>,
        offset: u64,
        bytes: &[u8],
        wait: Wait,
    ) -> Result<usize> {
        if !is_range(offset, bytes.len()) {
            return Err(Error::Invalid);
        }
        let limit = wait.limit();
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let (mut cancels, mut done) = (None, 0);
        loop {
            let (at, left) = (offset + done as u64, &bytes[done..]);
            let result = Buffer::push_or_wait(this, at, left, &mut cancels, deadline);
            match result {
                Ok(count) => done += count,
                // The caller offers the rest again, and gets the error then.
                Err(_) if done > 0 => return Ok(done),
                Err(error) => return Err(error),
            }
            if done == bytes.len() {
                return Ok(done);
            }
        }
    }

    /// Accepts the first bytes, or waits until some may be accepted. `cancels` is from when the push
    /// first locked the gate.
    fn push_or_wait(
        this: &Shared<Buffer>,
        offset: u64,
        bytes: &[u8],
        cancels: &mut Option<u64>,
        deadline: Option<Instant>,
    ) -> Result<usize> {
        let (events, is_full) = match Buffer::push_some(this, offset, bytes, cancels)? {
            Turn::Accepted(count) => return Ok(count),
            Turn::TooFar { events } => (events, false),
            Turn::Full { events } => (events, true),
        };
        let mut state = this.gate.lock();
        let mut refused = None;
        if is_full {
            if state.is_freed() {
                return Err(Error::Canceled);
            }
            refused = state.spill_error_since(0);
            Buffer::start_helper(this, &mut state)?;
            state.call_spill();
        }
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late {
            return Err(refused.unwrap_or(Error::Timeout));
        }
        if state.is_helper_here() || is_inside_any() {
            return Err(Error::Reentrant);
        }
        if !state.wait_for_space(events, deadline) {
            return Err(Error::Timeout);
        }
        match this.gate.lock().spill_error_since(events) {
            Some(error) if is_full => Err(error),
            _ => Ok(0),
        }
    }

    /// Copies the first bytes to memory, at most a segment, unless it has no space.
    fn push_some(
        this: &Shared<Buffer>,
        offset: u64,
        bytes: &[u8],
        cancels: &mut Option<u64>,
    ) -> Result<Turn> {
        let turn = lock(&this.pushing);
        let mut state = this.gate.lock();
        let cancels = *cancels.get_or_insert(state.cancels());
        let events = state.push_events();
        let missing = match state.admit(offset, bytes.len() as u64, cancels)? {
            Admission::Held(count) => return Ok(Turn::Accepted(count as usize)),
            Admission::TooFar => return Ok(Turn::TooFar { events }),
            Admission::Missing(count) => count as usize,
        };
        let (run, expected) = state.prepare_push(offset)?;
        let exceed = state.take_excess();
        let tail = state.move_tail();
        drop(state);
        this.store.drop_before(tail);
        let grant = this
            .store
            .reserve_in_memory(offset, run, expected, exceed)?;
        let Some((mut grant, is_crowded)) = grant else {
            return Ok(Turn::Full { events });
        };
        let count = grant.write(&bytes[..missing]);
        let mut state = this.gate.lock();
        if is_crowded {
            state.call_spill_ahead();
        }
        this.store.commit(grant, count, false);
        state.report_push(offset, count as u64);
        // Before the state: what was fired is called when that is unlocked, and may push.
        drop(turn);
        Buffer::finish_push(this, state);
        Ok(Turn::Accepted(count))
    }

    /// Ends a pushed stream: at `size`, or after its last byte, or as a failure.
    pub(crate) fn end_push(
        this: &Shared<Buffer>,
        size: Option<u64>,
        failure: Option<Error>,
    ) -> Result<()> {
        let turn = lock(&this.pushing);
        let mut state = this.gate.lock();
        let replaced = match &failure {
            None => state.report_end(size).map(|()| None)?,
            Some(failure) => state.report_failure(failure)?,
        };
        // Before the state: what was fired is called when that is unlocked, and may push.
        drop(turn);
        Buffer::finish_push(this, state);
        // Dropped after the unlock: their payload is the user's, and may push when it is dropped.
        drop((replaced, failure));
        Ok(())
    }

    /// Once every byte is buffered, gives back what only further bytes would need. If there is a
    /// spool file, the helper does, since that is a file operation.
    fn finish_push(this: &Shared<Buffer>, mut state: StateGuard<'_>) {
        if !state.extent().is_complete() || state.is_freed() {
            return;
        }
        if this.store.spool().is_none() && !state.has_spill_request() {
            drop(state);
            return this.store.finish_memory();
        }
        // Without a thread, the file keeps the blocks that were reserved ahead.
        if Buffer::start_helper(this, &mut state).is_ok() {
            state.call_finish();
        }
    }

    /// The bytes to push next; empty if none are wanted.
    pub(crate) fn wanted(&self) -> Result<Range<u64>> {
        self.gate.lock().wanted()
    }
}
