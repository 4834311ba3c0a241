//! The prefetch: how many bytes the helper keeps buffered, and from which offset on.

use crate::pull::extent::{Extent, MAX_SIZE};

/// The most bytes that a prefetch requests at once. If a slow source always fills its buffer, a
/// reader waits no longer than such a request takes.
pub(super) const MAX_REQUEST: u64 = 64 * 1024;

#[derive(Default)]
pub(crate) struct Prefetch {
    /// The number of bytes to keep buffered past `base`; 0 if the prefetch is off.
    distance: u64,
    /// The end of the furthest read in the range that was read last.
    base: u64,
    /// The helper met an error that may be temporary. It tries again at the next request.
    paused: bool,
}

impl Prefetch {
    pub(crate) fn is_on(&self) -> bool {
        self.distance > 0
    }

    pub(super) fn set(&mut self, distance: u64) {
        self.distance = distance;
        self.paused = false;
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn unpause(&mut self) {
        self.paused = false;
    }

    /// Records a call for missing bytes: the prefetch continues from their offset.
    pub(super) fn note_miss(&mut self, offset: u64, extent: &Extent, can_seek: bool) {
        if can_seek && offset < MAX_SIZE {
            self.base = offset;
        } else {
            self.note_read(offset, extent, can_seek);
        }
        self.paused = false;
    }

    /// Records a read that ended at `offset`: the prefetch continues from there, unless another
    /// read has ended further on in the same range.
    pub(super) fn note_read(&mut self, offset: u64, extent: &Extent, can_seek: bool) {
        // Ignores offsets that no byte can have.
        if offset >= MAX_SIZE || offset == self.base {
            return;
        }
        if offset <= self.range_start(extent, can_seek) {
            // An error elsewhere does not concern this range.
            self.paused = false;
            self.base = offset;
        } else {
            self.base = self.base.max(offset);
        }
    }

    /// The start of the range on which the prefetch works. A read that ends there or before is in
    /// another range, in which a source that can seek continues too.
    fn range_start(&self, extent: &Extent, can_seek: bool) -> u64 {
        if can_seek {
            extent.ranges().start_of(self.base)
        } else {
            0
        }
    }

    /// The bytes to fetch next, as an offset and a length. `position` is the source's position.
    pub(super) fn next(
        &self,
        extent: &Extent,
        can_seek: bool,
        position: u64,
    ) -> Option<(u64, u64)> {
        if self.distance == 0 || self.paused {
            return None;
        }
        let goal = self.base.saturating_add(self.distance);
        let (mut missing, mut next) = extent.ranges().gap(self.base);
        if extent.is_past_end(missing) && self.distance == u64::MAX {
            // All bytes from the base on are held: now the gaps before it.
            (missing, next) = extent.ranges().gap(0);
        }
        let reachable = can_seek || missing >= position;
        if missing >= goal || extent.is_past_end(missing) || !reachable {
            return None;
        }
        let until = goal
            .min(next.unwrap_or(u64::MAX))
            .min(missing.saturating_add(MAX_REQUEST));
        Some((missing, until - missing))
    }

    /// The reads of which the prefetch need not be told: those that end in `(from, until]`.
    pub(super) fn quiet(&self, extent: &Extent, can_seek: bool) -> (u64, u64) {
        if matches!(self.distance, 0 | u64::MAX) {
            // The prefetch is off, or never pauses because enough bytes are buffered.
            return (0, u64::MAX);
        }
        // A read that ends past this offset leaves less than the distance ahead of it.
        let until = extent
            .ranges()
            .end_of(self.base)
            .saturating_sub(self.distance)
            .max(self.base);
        (self.range_start(extent, can_seek), until)
    }
}
