//! The prefetch: how many bytes the helper keeps buffered, and from which offset on.
//!
//! It works in bursts. Once fewer than `low` bytes are buffered past the base, the helper fetches
//! until `distance` bytes are. Between bursts it sleeps, and reads do not lock the gate.

use crate::pull::extent::{Extent, MAX_SIZE};
use crate::store::memory::BLOCK;

/// What a prefetch may always request at once, in bytes. It requests more only if as many bytes are
/// buffered ahead of the reader: if a slow source always fills its buffer, a reader that has caught
/// up with the prefetch waits no longer than such a request takes.
pub(super) const SMALL_REQUEST: u64 = BLOCK / 4;

pub(crate) struct Prefetch {
    /// The option `prefetch_low`; 0 for the default.
    low_option: u64,
    /// The number of bytes to keep buffered past `base`; 0 if the prefetch is off.
    distance: u64,
    /// A burst is running: fewer than `low` bytes were buffered, and not yet `distance` bytes are.
    bursting: bool,
    /// The end of the furthest read in the range that was read last.
    base: u64,
    /// The helper met an error that may be temporary. It tries again at the next request.
    paused: bool,
    /// The offset of the last underrun.
    dry_at: Option<u64>,
}

impl Prefetch {
    pub(super) fn new(low_option: u64) -> Prefetch {
        Prefetch {
            low_option,
            distance: 0,
            bursting: false,
            base: 0,
            paused: false,
            dry_at: None,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.distance > 0
    }

    /// Keeps `distance` bytes, or as many as a window allows.
    pub(super) fn set(&mut self, distance: u64, extent: &Extent) {
        self.distance = distance.min(extent.most_ahead());
        self.bursting = true;
        self.paused = false;
    }

    /// A burst begins once fewer bytes than this are buffered past the base.
    fn low(&self) -> u64 {
        match self.low_option {
            0 => self.distance.div_ceil(2),
            low => low.min(self.distance),
        }
    }

    /// The offset at which a burst ends. A long burst ends at the end of a block, so that the next
    /// one does not begin with a part of one.
    fn goal(&self, extent: &Extent) -> u64 {
        let goal = self.base.saturating_add(self.distance);
        // Past a window, bytes would be dropped that the reader still has to read.
        if self.distance - self.low() < 4 * BLOCK || extent.has_window() {
            return goal;
        }
        goal.checked_next_multiple_of(BLOCK).unwrap_or(goal)
    }

    /// Begins or ends a burst. Called after each change of the prefetch or of the buffered ranges.
    pub(super) fn update(&mut self, extent: &Extent) {
        if self.distance == 0 {
            return;
        }
        let end = extent.ranges().end_of(self.base);
        if end - self.base < self.low() {
            self.bursting = true;
        } else if end >= self.goal(extent) {
            self.bursting = false;
        }
    }

    /// The bytes before `tail` are dropped, even if nobody has read them.
    pub(super) fn skip_to(&mut self, tail: u64) {
        self.base = self.base.max(tail);
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

    /// Records an underrun at `offset`. Returns false if the last one was there: repeated reads count
    /// once.
    pub(super) fn runs_dry(&mut self, offset: u64) -> bool {
        self.dry_at.replace(offset) != Some(offset)
    }

    /// The bytes to fetch next, as an offset and a length. `position` is the source's position.
    pub(super) fn next(
        &self,
        extent: &Extent,
        can_seek: bool,
        position: u64,
    ) -> Option<(u64, u64)> {
        if self.distance == 0 || self.paused || !self.bursting {
            return None;
        }
        let (goal, ahead) = (self.goal(extent), extent.buffered(self.base));
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
            .min(missing.saturating_add(ahead.clamp(SMALL_REQUEST, BLOCK)));
        Some((missing, until - missing))
    }

    /// The reads of which the prefetch need not be told: those that end in `(from, until]`.
    pub(super) fn quiet(&self, extent: &Extent, can_seek: bool) -> (u64, u64) {
        if matches!(self.distance, 0 | u64::MAX) {
            // The prefetch is off, or never pauses because enough bytes are buffered.
            return (0, u64::MAX);
        }
        let end = extent.ranges().end_of(self.base);
        let until = match self.bursting {
            _ if extent.is_past_end(end) => u64::MAX,
            // A read moves the end of the burst.
            true => self.base,
            // A read that ends past this offset begins a burst.
            false => end - self.low(),
        };
        (self.range_start(extent, can_seek), until)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
