//! A read position with its own cancellation: what a cursor and a C reader have in common.

use std::io::SeekFrom;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::buffer::failure::Attempt;
use crate::buffer::read::{ReadRequest, Wait};
use crate::buffer::terms::Terms;
use crate::error::{Error, Result};
use crate::options::CursorOptions;
use crate::pull::cancel_token::CancelToken;
use crate::pull::gate::Gate;
use crate::sync::rcu::ReadGuard;
use crate::sync::shared::Shared;
use crate::sync::{AtomicU64, Ordering};

/// A read position. It refers to no buffer: each call passes one.
pub(crate) struct Position {
    offset: AtomicU64,
    wait: Wait,
    terms: Terms,
}

impl Position {
    pub(crate) fn new(options: CursorOptions, offset: u64) -> Position {
        Position {
            offset: AtomicU64::new(offset),
            wait: match options.buffered {
                true => Wait::Others(options.timeout.unwrap_or(Duration::ZERO)),
                false => Wait::from(options.timeout),
            },
            terms: Terms {
                cancel_token: CancelToken::new(),
                reach: options.reach,
            },
        }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset.load(Ordering::Relaxed)
    }

    pub(crate) fn is_canceled(&self) -> bool {
        self.terms.cancel_token.is_canceled()
    }

    /// Reads if every byte that it waits for is in memory; otherwise changes nothing.
    #[inline]
    pub(crate) fn read_memory(
        &self,
        buffer: &Buffer,
        out: &mut [u8],
        guard: &ReadGuard<'_>,
    ) -> Option<usize> {
        let at = self.offset();
        let count = buffer.read_memory(at, out, false, guard).ok()?;
        self.offset.store(at + count as u64, Ordering::Relaxed);
        Some(count)
    }

    pub(crate) fn read(&self, buffer: &Shared<Buffer>, out: &mut [u8]) -> Attempt<usize> {
        let at = self.offset();
        let request = ReadRequest {
            all: false,
            wait: self.wait,
            terms: Some(&self.terms),
        };
        let count = Buffer::read(buffer, at, out, request)?;
        self.offset.store(at + count as u64, Ordering::Relaxed);
        Ok(count)
    }

    /// Reads the source to its end, so that the size becomes known. The position does not change.
    pub(crate) fn find_size(&self, buffer: &Shared<Buffer>) -> Attempt<u64> {
        Buffer::find_size(buffer, self.wait, Some(&self.terms))
    }

    /// Seeks if that needs nothing of the buffer; otherwise changes nothing.
    #[inline]
    pub(crate) fn seek_alone(&self, to: SeekFrom) -> Option<u64> {
        let to = match to {
            SeekFrom::Start(offset) => offset,
            SeekFrom::Current(by) => self.offset().checked_add_signed(by)?,
            SeekFrom::End(_) => return None,
        };
        if self.terms.reach < u64::MAX || i64::try_from(to).is_err() {
            return None;
        }
        self.offset.store(to, Ordering::Relaxed);
        Some(to)
    }

    pub(crate) fn seek(&self, buffer: &Buffer, to: SeekFrom) -> Result<u64> {
        let to = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.offset().checked_add_signed(by),
            SeekFrom::End(by) => {
                let size = buffer.gate.lock().extent().size();
                size.ok_or(Error::UnknownSize)?.checked_add_signed(by)
            }
        };
        let to = to.filter(|to| i64::try_from(*to).is_ok());
        let to = to.ok_or(Error::Invalid)?;
        let reach = self.terms.reach;
        let looks_ahead = reach < u64::MAX && to != self.offset();
        if looks_ahead && !buffer.gate.lock().is_within_reach(to, reach) {
            return Err(Error::Unsupported);
        }
        self.offset.store(to, Ordering::Relaxed);
        Ok(to)
    }

    /// Seeks to an offset relative to the end of the furthest buffered byte.
    pub(crate) fn seek_live(&self, buffer: &Buffer, by: i64) -> Result<u64> {
        let live = buffer.gate.lock().extent().ranges().last_end();
        let to = live.checked_add_signed(by).ok_or(Error::Invalid)?;
        self.seek(buffer, SeekFrom::Start(to))
    }

    pub(crate) fn cancel(&self, gate: &Gate) {
        let token = &self.terms.cancel_token;
        token.cancel();
        gate.wake_reader(token.id());
    }

    pub(crate) fn resume(&self) {
        self.terms.cancel_token.resume();
    }
}
