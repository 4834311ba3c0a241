//! One read: first from memory, without a lock; then missing bytes, from the gate or the source.

mod pending;

use std::time::Duration;

use crate::buffer::Buffer;
use crate::buffer::failure::{Attempt, Failure};
use crate::buffer::read::pending::PendingRead;
use crate::buffer::terms::Terms;
use crate::error::Error;
use crate::pull::cancel_token::CancelToken;
use crate::pull::demand::{Demand, Puller};
use crate::pull::gate::{StateGuard, WaitOptions};
use crate::pull::ranges::is_range;
use crate::pull::source_guard::SourceGuard;
use crate::pull::state::{State, Verdict};
use crate::sync::host_call::HostCall;
use crate::sync::rcu::ReadGuard;
use crate::sync::shared::Shared;

/// What a read asks for, and how long it may block.
#[derive(Clone, Copy)]
pub(crate) struct ReadRequest<'s> {
    /// Whether it waits for all bytes. If not, it waits for the first one and also takes those
    /// buffered after it.
    pub(crate) all: bool,
    pub(crate) wait: Wait,
    /// The terms of the reader whose read it is.
    pub(crate) terms: Option<&'s Terms>,
}

impl<'s> ReadRequest<'s> {
    /// The token that cancels this call alone.
    fn cancel_token(&self) -> Option<&'s CancelToken> {
        self.terms.map(|terms| &terms.cancel_token)
    }

    /// The number of the reader whose call this is; 0 for none.
    fn reader(&self) -> usize {
        self.cancel_token().map_or(0, CancelToken::id)
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Wait {
    /// Blocks as long as necessary. This thread may call the source.
    Forever,
    Never,
    /// Blocks for at most this long. The helper calls the source.
    For(Duration),
    /// Blocks for at most this long, for bytes that others bring. Neither calls the source nor
    /// moves the prefetch.
    Others(Duration),
    /// Like `Forever` or, with a limit, like `For` or `Never`, but does not move the prefetch.
    Quietly(Option<Duration>),
}

impl Wait {
    /// The longest time that a call blocks.
    pub(super) fn limit(self) -> Option<Duration> {
        match self {
            Wait::Forever => None,
            Wait::Never => Some(Duration::ZERO),
            Wait::For(limit) | Wait::Others(limit) => Some(limit),
            Wait::Quietly(limit) => limit,
        }
    }

    /// Whether the prefetch follows the reads.
    fn moves_prefetch(self) -> bool {
        matches!(self, Wait::Forever | Wait::Never | Wait::For(_))
    }
}

impl From<Option<Duration>> for Wait {
    #[inline]
    fn from(timeout: Option<Duration>) -> Wait {
        match timeout {
            None => Wait::Forever,
            Some(Duration::ZERO) => Wait::Never,
            Some(time) => Wait::For(time),
        }
    }
}

/// A read that memory alone did not finish: `Buffer::read_slow` does.
pub(crate) struct Unfinished {
    /// The number of bytes copied so far.
    done: usize,
    /// If bytes are missing: at least this many of them are in the spool file. `None` if the read
    /// only has to tell the prefetch.
    missing: Option<u64>,
}

impl Buffer {
    /// Copies bytes that are in memory, under a read guard of this buffer. Takes no lock.
    #[inline]
    pub(crate) fn read_memory(
        &self,
        offset: u64,
        out: &mut [u8],
        all: bool,
        guard: &ReadGuard<'_>,
    ) -> std::result::Result<usize, Unfinished> {
        let mut done = 0;
        let spooled = self.store.copy_memory(offset, out, &mut done, guard);
        if done < out.len() && (all || done == 0 || spooled > 0) {
            let missing = Some(spooled);
            Err(Unfinished { done, missing })
        } else if !out.is_empty() && self.gate.triggers_prefetch(offset + done as u64) {
            let missing = None;
            Err(Unfinished { done, missing })
        } else {
            Ok(done)
        }
    }

    /// Reads at `offset`. `sb_read` and `sb_read_some` describe the result.
    pub(crate) fn read(
        this: &Shared<Buffer>,
        offset: u64,
        out: &mut [u8],
        request: ReadRequest<'_>,
    ) -> Attempt<usize> {
        if !is_range(offset, out.len()) {
            return Err(Error::Invalid.into());
        }
        let guard = this.store.enter();
        let read = this.read_memory(offset, out, request.all, &guard);
        drop(guard);
        read.or_else(|unfinished| Buffer::read_slow(this, offset, out, unfinished, &request))
    }

    /// Finishes a read. May block, so no read guard is held.
    #[cold]
    pub(crate) fn read_slow(
        this: &Shared<Buffer>,
        offset: u64,
        out: &mut [u8],
        unfinished: Unfinished,
        request: &ReadRequest<'_>,
    ) -> Attempt<usize> {
        let Unfinished { mut done, missing } = unfinished;
        let result = missing.map_or(Ok(()), |spooled| {
            Buffer::fetch_missing(this, offset, out, &mut done, spooled, request)
        });
        if request.wait.moves_prefetch() {
            this.report_progress(offset + done as u64);
        }
        match result {
            Ok(()) => Ok(done),
            // A cancellation ends the whole call; the bytes that arrived stay buffered.
            Err(failure) if done > 0 && !matches!(failure.error, Error::Canceled) => Ok(done),
            Err(failure) => Err(failure.at(offset + done as u64)),
        }
    }

    fn fetch_missing(
        this: &Shared<Buffer>,
        offset: u64,
        out: &mut [u8],
        done: &mut usize,
        spooled: u64,
        request: &ReadRequest<'_>,
    ) -> Attempt<()> {
        if spooled > 0 {
            let copied = this.store.copy_on(offset, out, done, spooled);
            copied.inspect_err(|error| this.gate.lock().record(error))?;
            // Buffered bytes need no lock, even on disk.
            if is_finished(out, *done, request.all) {
                return Ok(());
            }
        }
        Buffer::fetch_absent(this, offset, out, done, request)
    }

    /// Waits for bytes that are not buffered yet, or makes the source deliver them.
    fn fetch_absent(
        this: &Shared<Buffer>,
        offset: u64,
        out: &mut [u8],
        done: &mut usize,
        request: &ReadRequest<'_>,
    ) -> Attempt<()> {
        let mut pending = PendingRead::new(*request);
        let mut guard: Option<SourceGuard<'_>> = None;
        loop {
            let (missing, left) = (offset + *done as u64, (out.len() - *done) as u64);
            let verdict = Buffer::wait_or_pull(this, missing, left, &mut pending, &mut guard);
            let verdict = verdict.inspect_err(|failure| {
                // Bytes may have arrived before the error while the call slept; they are delivered
                // first.
                if !matches!(failure.error, Error::Canceled) {
                    let _ = this.store.copy(offset, out, done);
                }
            });
            if matches!(verdict?, Verdict::End) {
                break;
            }
            let copied = this.store.copy(offset, out, done);
            copied.inspect_err(|error| this.gate.lock().record(error))?;
            if is_finished(out, *done, request.all) {
                break;
            }
        }
        if let Some(guard) = guard.as_mut().filter(|guard| guard.goes_on()) {
            let state = this.gate.lock();
            let cancels = pending.cancels.unwrap_or(state.cancels());
            guard.read_on(state, cancels);
        }
        Ok(())
    }

    /// Waits for the missing bytes, or makes the source deliver them. The call keeps the source
    /// guard for the next missing bytes.
    fn wait_or_pull<'b>(
        this: &'b Shared<Buffer>,
        missing: u64,
        left: u64,
        pending: &mut PendingRead<'_>,
        guard: &mut Option<SourceGuard<'b>>,
    ) -> Attempt<Verdict> {
        let request = pending.request;
        let (mut state, mut demand) = Buffer::lock_for(this, missing, left, pending);
        loop {
            let verdict = pending.verdict(&state, demand, guard.is_some());
            if guard.is_none() && !matches!(verdict, Ok(None)) {
                // If this call was elected, it does not use the source.
                state.hand_off();
            }
            if let Some(verdict) = verdict? {
                return Ok(verdict);
            }
            let puller = puller_for(request.wait, &state);
            if guard.is_none() && state.is_left_to(puller) && SourceGuard::can_take(&state) {
                let reader = request.reader();
                // Makes it in its place.
                guard.get_or_insert_with(|| {
                    SourceGuard::take(&this.gate, &this.store, &mut state, reader)
                });
            }
            if let Some(mine) = guard {
                state = mine
                    .advance(state, demand, true)
                    .map_err(Failure::of_step)?;
                let has_come = state.extent().buffered(missing) > 0;
                // Drops it also if there is a prefetch: then its thread calls the source, if one is
                // there.
                if mine.is_over(&state) || state.prefetch().is_on() {
                    drop(state);
                    *guard = None;
                    state = this.gate.lock();
                }
                if has_come {
                    // Copied at once: a call that waited for its last byte would find the first on
                    // disk.
                    return Ok(Verdict::Ready);
                }
                continue;
            }
            if puller.is_helper() {
                Buffer::start_helper(this, &mut state)?;
            }
            demand.length = demand.length.min(state.extent().most_ahead());
            let options = WaitOptions {
                deadline: pending.deadline,
                puller,
                reader: request.reader(),
            };
            state = state.wait(demand, options).map_err(Failure::of_step)?;
        }
    }

    /// Locks the gate, and tells the prefetch and the helper what is missing.
    #[inline(always)]
    fn lock_for<'b>(
        this: &'b Shared<Buffer>,
        missing: u64,
        left: u64,
        pending: &mut PendingRead<'_>,
    ) -> (StateGuard<'b>, Demand) {
        let wait = pending.request.wait;
        let mut state = this.gate.lock();
        let moves_prefetch = wait.moves_prefetch();
        if moves_prefetch && pending.cancels.is_none() {
            state.note_absence(missing);
        }
        let demand = pending.demand(&state, missing, left);
        if moves_prefetch {
            state.note_miss(missing);
        }
        if matches!(wait, Wait::Never) {
            // The call does not wait for the helper, but a later call may find the bytes.
            state.call_helper();
        }
        (state, demand)
    }

    /// Tells the prefetch where a read ended.
    fn report_progress(&self, offset: u64) {
        if self.gate.triggers_prefetch(offset) {
            self.gate.lock().note_read(offset);
        }
    }
}

/// Who uses the source for a call that waits like this.
#[inline(always)]
fn puller_for(wait: Wait, state: &State) -> Puller {
    match wait {
        Wait::Others(_) => Puller::Others,
        // No source is called for it, but the pusher is told what it waits for.
        _ if state.is_pushed() => Puller::Caller,
        Wait::Forever | Wait::Quietly(None) if !state.prefetch().is_on() => Puller::Caller,
        Wait::Forever | Wait::Quietly(None) if may_stand_in(state) => Puller::Either,
        _ => Puller::Helper,
    }
}

/// Whether this thread uses the source itself if the crew has no thread for it.
#[cold]
fn may_stand_in(state: &State) -> bool {
    state.crew().is_some() && HostCall::Work.is_inside()
}

/// Whether a read needs no more bytes.
fn is_finished(out: &[u8], done: usize, all: bool) -> bool {
    done == out.len() || (done > 0 && !all)
}
