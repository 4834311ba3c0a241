//! The next step: what the source does next towards a demand.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::options::MAX_READ_GRANULARITY;
use crate::pull::demand::Demand;
use crate::pull::prefetch::SMALL_REQUEST;
use crate::pull::state::State;
use crate::store::memory::BLOCK;

/// The most held bytes before a refused end that a source has to deliver again. More than is
/// usually buffered between a library and a connection, since such buffered bytes would hide that
/// the connection is broken.
const RECHECK: u64 = 64 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Deliver at most `most` bytes at the source's position.
    Read { most: u64 },
    /// Seek to an offset.
    Seek(u64),
    /// Deliver at most `most` bytes that are held already.
    Skip { most: u64 },
}

impl State {
    /// The source's next step towards a demand. `narrow` ends a request where another call on the
    /// way waits for its last byte. A prefetch does not narrow, and its demands are small.
    pub(super) fn step(&self, demand: Demand, narrow: bool) -> Result<Step> {
        let ranges = self.extent.ranges();
        let (missing, next) = ranges.gap(demand.offset);
        let position = self.position.offset();
        if self.may_compare() {
            if let Some(held) = self.to_compare(missing) {
                return Ok(if held.contains(&position) {
                    let most = held.end - position;
                    Step::Skip { most }
                } else {
                    Step::Seek(held.start)
                });
            }
        }
        if self.can_seek() && position != missing && !self.is_on_the_way(position, missing) {
            return Ok(Step::Seek(self.landing(missing)));
        }
        if position > missing {
            // The source cannot seek backward.
            return Err(Error::Unsupported);
        }
        let (free, held) = match position == missing {
            true => (missing, next),
            false => ranges.gap(position),
        };
        if free > position {
            return Ok(Step::Skip {
                most: (free - position).min(BLOCK),
            });
        }
        let mut until = self.goal(demand);
        if narrow {
            let ends = self.waiters.served().map(|waiter| self.goal(waiter.demand));
            until = ends.filter(|end| *end > position).fold(until, u64::min);
            if !self.watches.is_empty() {
                until = self.narrow_for_watches(position, until);
            }
        }
        if self.read_granularity > 0 {
            until = until
                .checked_next_multiple_of(self.read_granularity)
                .unwrap_or(until)
                .max(self.position.run_wanted_to());
        }
        let most = until.min(held.unwrap_or(u64::MAX)) - position;
        Ok(Step::Read {
            most: if narrow {
                most
            } else {
                most.min(demand.length.max(SMALL_REQUEST))
            },
        })
    }

    /// Whether a source that can seek is read up to `missing` from `position`, instead.
    pub(super) fn is_on_the_way(&self, position: u64, missing: u64) -> bool {
        if missing <= position {
            return false;
        }
        let (free, next) = self.extent.ranges().gap(position);
        let is_clear = free == position && next.is_none_or(|start| start >= missing);
        is_clear && missing - position <= self.seek_gap.max(missing - self.landing(missing))
    }

    #[cold]
    fn narrow_for_watches(&self, position: u64, until: u64) -> u64 {
        let ends = self.watches.demands().map(|(_, demand)| self.goal(demand));
        ends.filter(|end| *end > position).fold(until, u64::min)
    }

    /// The end of a demand, before rounding. It includes the bytes that the call can take beyond
    /// those for which it waits: a call that waits for one byte would otherwise get its bytes one
    /// at a time if nothing, or little, is rounded up.
    fn goal(&self, demand: Demand) -> u64 {
        let most = match self.read_granularity {
            0 => demand.capacity,
            step => demand.capacity.min(u64::from(MAX_READ_GRANULARITY) - step),
        };
        demand.offset.saturating_add(demand.length.max(most))
    }

    /// Whether the source may have to deliver held bytes again.
    #[inline]
    pub(super) fn may_compare(&self) -> bool {
        self.can_seek() && (self.health.recheck().is_some() || self.check.is_some())
    }

    /// The held bytes that the source has to deliver again before those at `missing`, if it can seek
    /// to them.
    #[cold]
    fn to_compare(&self, missing: u64) -> Option<Range<u64>> {
        let beside = || {
            let check = self.check.as_ref().filter(|_| self.can_seek())?;
            check.beside(self.extent.ranges(), missing)
        };
        self.to_recheck().or_else(beside)
    }

    /// The held bytes before a refused end that the source has to deliver again, if it can seek to
    /// them.
    pub(super) fn to_recheck(&self) -> Option<Range<u64>> {
        let at = self.health.recheck().filter(|_| self.can_seek())?;
        let ranges = self.extent.ranges();
        let end = ranges.end_before(at);
        let start = ranges.start_of(end).max(end.saturating_sub(RECHECK));
        (start < end).then_some(start..end)
    }

    /// The target of a jump for the byte at `missing`: that offset, or up to a rounding step before
    /// it if the gap ends soon. A reader going backward in small steps will want those bytes next.
    fn landing(&self, missing: u64) -> u64 {
        let ranges = self.extent.ranges();
        match ranges.next_start(missing) {
            Some(next) => missing
                .min(next.saturating_sub(self.read_granularity))
                .max(ranges.end_before(missing)),
            None => missing,
        }
    }
}
