//! The final size: reads the source to its end if that is necessary.
//!
//! A source that is only read forward has to deliver everything. One that can seek is sent to the
//! last byte of the declared size: that byte, and the end after it, prove the size. If there is no
//! such byte, or more than one, it is read on from the furthest byte that is buffered.

use std::time::{Duration, Instant};

use crate::buffer::Buffer;
use crate::buffer::failure::Attempt;
use crate::buffer::read::{ReadRequest, Wait};
use crate::buffer::terms::Terms;
use crate::error::Error;
use crate::sync::shared::Shared;

/// A search for the final size, in steps.
struct Search<'s> {
    buffer: &'s Shared<Buffer>,
    wait: Wait,
    deadline: Option<Instant>,
    terms: Option<&'s Terms>,
    /// The token's generation and the state's `cancels` when the search began.
    generation: u64,
    cancels: u64,
    /// Memory for the bytes of one step.
    bytes: Vec<u8>,
}

impl Buffer {
    /// Finds the final size. `sb_find_size` describes the result.
    pub(crate) fn find_size(
        this: &Shared<Buffer>,
        wait: Wait,
        terms: Option<&Terms>,
    ) -> Attempt<u64> {
        let mut search = Search {
            buffer: this,
            wait,
            deadline: wait
                .limit()
                .and_then(|limit| Instant::now().checked_add(limit)),
            terms,
            generation: terms.map_or(0, |terms| terms.cancel_token.generation()),
            cancels: this.gate.lock().cancels(),
            bytes: Vec::new(),
        };
        loop {
            match search.missing()? {
                Ok(size) => return Ok(size),
                Err((offset, length)) => search.read(offset, length)?,
            }
        }
    }
}

impl Search<'_> {
    /// The size, or else the bytes to read next.
    fn missing(&self) -> Attempt<std::result::Result<u64, (u64, usize)>> {
        let state = self.buffer.gate.lock();
        let missing = state.extent().toward_end(state.can_seek());
        let token = self.terms.map(|terms| &terms.cancel_token);
        let canceled = state.was_canceled_since(self.cancels)
            || token.is_some_and(|token| token.is_canceled_since(self.generation));
        if canceled && missing.is_err() {
            return Err(Error::Canceled.into());
        }
        let reach = self.terms.map_or(u64::MAX, |terms| terms.reach);
        if missing.is_err_and(|(offset, _)| !state.is_within_reach(offset, reach)) {
            return Err(Error::Unsupported.into());
        }
        Ok(missing)
    }

    fn read(&mut self, offset: u64, length: usize) -> Attempt<()> {
        if self.bytes.len() < length {
            // Not on the stack, since a caller's stack may be small.
            let more = length - self.bytes.len();
            self.bytes
                .try_reserve_exact(more)
                .map_err(|_| Error::NoMemory)?;
            self.bytes.resize(length, 0);
        }
        let request = ReadRequest {
            // The source may state the size with its first bytes.
            all: false,
            wait: self.wait_on(),
            terms: self.terms,
        };
        let out = &mut self.bytes[..length];
        let read = Buffer::read(self.buffer, offset, out, request);
        read.map(drop).map_err(|failure| {
            let state = self.buffer.gate.lock();
            // A source that cannot seek was on its way to an offset that has no byte.
            failure.at(if state.can_seek() {
                offset
            } else {
                state.extent().frontier()
            })
        })
    }

    /// How the next step waits: like the whole search, for at most the time that is left.
    fn wait_on(&self) -> Wait {
        let deadline = self.deadline;
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match self.wait {
            Wait::Others(limit) => Wait::Others(left.unwrap_or(limit)),
            Wait::Never => Wait::Quietly(Some(Duration::ZERO)),
            wait => Wait::Quietly(left.or(wait.limit())),
        }
    }
}
