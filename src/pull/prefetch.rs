//! The prefetch: how many bytes the helper keeps ready, and from where it counts.

use crate::pull::extent::{Extent, MAX_SIZE};

/// The most that a prefetch asks for at once, in bytes: a slow source that fills whatever it is
/// given holds up a reader no longer than this takes.
pub(super) const MAX_REQUEST: u64 = 64 * 1024;

#[derive(Default)]
pub(crate) struct Prefetch {
    /// Bytes to keep ready past `base`; 0: none.
    distance: u64,
    /// The furthest read in the range that was read last.
    base: u64,
    /// The helper met an error that may pass; it tries again when somebody asks.
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

    /// A call came for bytes that are missing: the prefetch goes on from its offset.
    pub(super) fn note_miss(&mut self, offset: u64, extent: &Extent, can_seek: bool) {
        if can_seek && offset < MAX_SIZE {
            self.base = offset;
        } else {
            self.note_read(offset, extent, can_seek);
        }
        self.paused = false;
    }

    /// A read came this far: the prefetch counts from there, unless another one has come further in
    /// the same range.
    pub(super) fn note_read(&mut self, offset: u64, extent: &Extent, can_seek: bool) {
        // Not from where no byte can be.
        if offset >= MAX_SIZE || offset == self.base {
            return;
        }
        if offset <= self.range_start(extent, can_seek) {
            // What failed elsewhere does not concern this range.
            self.paused = false;
            self.base = offset;
        } else {
            self.base = self.base.max(offset);
        }
    }

    /// Where the range starts that the prefetch works on: a read that ends here or before is in
    /// another one, which a source that can seek continues too.
    fn range_start(&self, extent: &Extent, can_seek: bool) -> u64 {
        if can_seek {
            extent.ranges().start_of(self.base)
        } else {
            0
        }
    }

    /// The bytes to fetch next, as an offset and a length. `position` is where the source stands.
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
            // All from the base on is held: now the holes before it.
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

    /// The reads that the prefetch need not know of: those that end in `(from, until]`.
    pub(super) fn quiet(&self, extent: &Extent, can_seek: bool) -> (u64, u64) {
        if matches!(self.distance, 0 | u64::MAX) {
            // Nothing to keep, or nothing that would ever make it stop.
            return (0, u64::MAX);
        }
        // A read up to here leaves less than the distance ahead of it.
        let until = extent
            .ranges()
            .end_of(self.base)
            .saturating_sub(self.distance)
            .max(self.base);
        (self.range_start(extent, can_seek), until)
    }
}
