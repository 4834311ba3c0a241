//! The extent: which bytes are held, and what is known about the size of the resource.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::options::{OnShort, Options};
use crate::pull::ranges::Ranges;
use crate::store::memory::BLOCK;

/// No resource has a byte at this offset or beyond: counts are `i64`.
pub(super) const MAX_SIZE: u64 = i64::MAX as u64;

pub(crate) struct Extent {
    ranges: Ranges,
    declared: Option<u64>,
    /// Whether the caller vouches for the declared size.
    is_trusted: bool,
    /// Whether the source may yet state the size.
    awaits_size: bool,
    end: Option<u64>,
    bound: Option<u64>,
    on_short: OnShort,
    /// The number of bytes to keep behind the newest; 0 for all.
    window: u64,
    /// The offset of the oldest byte that is kept.
    tail: u64,
}

impl Extent {
    pub(super) fn new(options: &Options, reports_size: bool) -> Extent {
        Extent {
            ranges: Ranges::default(),
            declared: options.size,
            is_trusted: options.trusts_size,
            awaits_size: reports_size && options.size.is_none(),
            end: None,
            bound: None,
            on_short: options.on_short,
            window: options.window,
            tail: 0,
        }
    }

    pub(crate) fn has_window(&self) -> bool {
        self.window > 0
    }

    /// The most bytes for which a call may sleep, and which a prefetch may keep ahead. With more, the
    /// first would be dropped before the last has arrived.
    pub(crate) fn most_ahead(&self) -> u64 {
        match self.window {
            0 => u64::MAX,
            window => window,
        }
    }

    /// The offset of the oldest byte that is kept.
    pub(crate) fn tail(&self) -> u64 {
        self.tail
    }

    /// Whether a byte has left the window.
    pub(crate) fn is_lapped(&self, offset: u64) -> bool {
        offset < self.tail
    }

    /// Moves the tail before more bytes arrive at the frontier. Returns whether it moved. Bytes
    /// are dropped by the block, since the index has one entry for each.
    pub(super) fn move_tail(&mut self) -> bool {
        let oldest = self.frontier().saturating_sub(self.window);
        let tail = oldest - oldest % BLOCK;
        let moves = self.has_window() && tail > self.tail;
        if moves {
            self.tail = tail;
            self.ranges.forget_before(tail);
        }
        moves
    }

    /// The number of bytes that are held.
    pub(crate) fn held(&self) -> u64 {
        self.ranges.total() - self.tail
    }

    /// The ranges of bytes that are held.
    pub(crate) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// The size that the caller declared, or else the source.
    pub(crate) fn declared(&self) -> Option<u64> {
        self.declared
    }

    /// Whether the source may yet state the size.
    pub(crate) fn awaits_size(&self) -> bool {
        self.awaits_size
    }

    /// The source stated the size.
    pub(super) fn declare(&mut self, size: u64) {
        self.declared = Some(size);
        self.awaits_size = false;
    }

    /// Whether the resource may have this size.
    pub(super) fn check_size(&self, size: Option<u64>) -> Result<()> {
        let fits = |size| size >= self.ranges.last_end() && self.end.is_none_or(|end| end == size);
        if size.is_none_or(fits) {
            Ok(())
        } else {
            Err(Error::Size)
        }
    }

    /// Another source begins. Its size is the declared one if none is known.
    pub(super) fn reopen(&mut self, size: Option<u64>, reports_size: bool) {
        if self.size().is_none() && size.is_some() {
            self.declared = size;
        }
        self.awaits_size = reports_size && self.size().is_none();
        // The new source is asked where the old one had no bytes, too.
        self.forget_short_bound();
    }

    /// The final size.
    pub(crate) fn end(&self) -> Option<u64> {
        self.end
    }

    /// The final size, or else the lowest offset at which the source had no bytes: the end is there
    /// or before.
    pub(crate) fn bound(&self) -> Option<u64> {
        self.end.or(self.bound)
    }

    /// The final size, or else the declared size unless it has been disproved.
    pub(crate) fn size(&self) -> Option<u64> {
        if self.end.is_some() {
            return self.end;
        }
        let (least, most) = (self.ranges.last_end(), self.bound.unwrap_or(u64::MAX));
        self.declared.filter(|size| (least..=most).contains(size))
    }

    /// The size, if it is a fact: the final size, or else the declared size if the caller vouches for
    /// it and it has not been disproved.
    pub(crate) fn known_size(&self) -> Option<u64> {
        self.end.or(self.size().filter(|_| self.is_trusted))
    }

    /// The final size, or else the missing bytes to wait for next in order to find it.
    pub(crate) fn toward_end(&self, can_seek: bool) -> std::result::Result<u64, (u64, usize)> {
        const STEP: usize = 64 * 1024;
        let last = self.ranges.last_end();
        match (self.end, self.size()) {
            (Some(end), _) => Ok(end),
            (None, _) if last >= MAX_SIZE => Ok(last),
            // No byte is copied on the way to an offset that has none.
            // Below the bound, since at the bound a read would find the end and prove nothing.
            (None, _) if !can_seek => Err((self.bound.unwrap_or(MAX_SIZE) - 1, 1)),
            (None, Some(size)) if (last + 1..=MAX_SIZE).contains(&size) => Err((size - 1, 1)),
            (None, _) => Err((last, STEP)),
        }
    }

    /// The end of the bytes that are held without a gap from the start of the resource, or from the
    /// tail.
    pub(crate) fn frontier(&self) -> u64 {
        self.ranges.end_of(self.tail)
    }

    /// The number of bytes that are held from `offset` on without a gap.
    pub(crate) fn buffered(&self, offset: u64) -> u64 {
        self.ranges.end_of(offset) - offset
    }

    /// Whether the final size, or else the bound, is below the declared size.
    pub(super) fn has_short_bound(&self) -> bool {
        self.bound().is_some_and(|end| self.is_short(end))
    }

    fn is_short(&self, end: u64) -> bool {
        self.declared.is_some_and(|size| end < size)
    }

    /// Whether an end at this offset is an error.
    pub(super) fn is_short_error(&self, end: u64) -> bool {
        self.on_short == OnShort::Error && self.is_short(end)
    }

    pub(super) fn is_past_end(&self, offset: u64) -> bool {
        offset >= MAX_SIZE || self.bound().is_some_and(|end| offset >= end)
    }

    /// Whether every byte is held, so that the source is no longer needed.
    pub(crate) fn is_complete(&self) -> bool {
        self.end == Some(self.ranges.total())
    }

    /// Whether `length` bytes are held from `offset` on, or all bytes up to the end.
    pub(super) fn has(&self, offset: u64, length: u64) -> bool {
        self.suffices(self.buffered(offset), offset, length)
    }

    /// The same, if `buffered` bytes are held there.
    #[inline]
    pub(super) fn suffices(&self, buffered: u64, offset: u64, length: u64) -> bool {
        buffered >= length || self.is_past_end(offset + buffered)
    }

    /// Allocates space for one more range, so that `add` cannot fail.
    pub(super) fn reserve(&mut self) -> Result<()> {
        self.ranges.reserve()
    }

    /// Adds bytes that arrived.
    #[inline(always)]
    pub(super) fn add(&mut self, new: Range<u64>) {
        self.ranges.add(new);
        if let Some(bound) = self.bound {
            self.check_bound(bound);
        }
    }

    /// Bytes have arrived that may reach the offset at which the source had none.
    #[inline(never)]
    fn check_bound(&mut self, bound: u64) {
        let last = self.ranges.last_end();
        if bound == last && !self.is_short(last) {
            self.set_end(last);
        } else if bound <= last {
            // Bytes lie beyond it. Or the declared size is larger, so that the source has to report
            // the end here once more.
            self.bound = None;
        }
    }

    /// Sets the final size.
    pub(super) fn set_end(&mut self, at: u64) {
        self.end = Some(at);
        self.awaits_size = false;
    }

    /// Records that the source had no bytes at `at`, which lies beyond the bytes that are held.
    pub(super) fn set_bound(&mut self, at: u64) {
        self.bound = Some(self.bound.unwrap_or(at).min(at));
    }

    /// Forgets an offset at which the source had no bytes, if an end there would be an error.
    pub(super) fn forget_short_bound(&mut self) {
        if self.bound.is_some_and(|bound| self.is_short_error(bound)) && self.end.is_none() {
            self.bound = None;
        }
    }
}
