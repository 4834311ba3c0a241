//! The check of a source that was reopened: bytes that it delivers again are compared with the held
//! ones. If it can seek, it has to deliver some of those beside each gap again before it fills it.
//!
//! ```text
//!  held    |########|............|#####|        # before the reopen
//!  compare      |==|
//!  fill            |---------->
//! ```
//!
//! The bytes that the source has delivered or that were compared are its *own*. A gap needs no check
//! if the byte before it is the source's own. So each gap is checked once, however the source fills
//! it, and a source that runs on from one gap into the next is checked there too. If no byte is held
//! before the gap, those behind it are compared.

use std::ops::Range;

use crate::error::Result;
use crate::pull::ranges::Ranges;

/// The most bytes that are compared at a gap.
const COMPARED: u64 = 4096;

#[derive(Default)]
pub(super) struct SourceCheck {
    own: Ranges,
}

impl SourceCheck {
    /// Allocates what the next `add` will need.
    pub(super) fn reserve(&mut self) -> Result<()> {
        self.own.reserve()
    }

    /// Adds bytes that the source delivered, and that were compared if they were held before.
    pub(super) fn add(&mut self, new: Range<u64>) {
        let mut at = new.start;
        while at < new.end {
            let (from, until) = self.own.gap(at);
            let to = until.unwrap_or(u64::MAX).min(new.end);
            if from < to {
                self.own.add(from..to);
            }
            at = from.max(to);
        }
    }

    fn has(&self, offset: u64) -> bool {
        self.own.end_of(offset) > offset
    }

    /// The held bytes to compare before the source fills the gap at `missing`.
    pub(super) fn beside(&self, held: &Ranges, missing: u64) -> Option<Range<u64>> {
        let end = held.end_before(missing);
        if end > 0 {
            let start = held.start_of(end).max(end.saturating_sub(COMPARED));
            return (!self.has(end - 1)).then_some(start..end);
        }
        let start = held.next_start(missing)?;
        let end = held.end_of(start).min(start.saturating_add(COMPARED));
        (!self.has(start)).then_some(start..end)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn ranges(list: &[Range<u64>]) -> Ranges {
        let mut ranges = Ranges::default();
        for range in list {
            ranges.reserve().expect("memory");
            ranges.add(range.clone());
        }
        ranges
    }

    #[test]
    fn a_gap_is_checked_once() {
        let mut held = ranges(&[0..10_000, 20_000..20_100]);
        let mut check = SourceCheck::default();
        assert_eq!(check.beside(&held, 10_000), Some(5904..10_000));
        assert_eq!(check.beside(&held, 15_000), Some(5904..10_000));
        check.add(5904..10_000);
        assert_eq!(check.beside(&held, 10_000), None);
        // Bytes in the middle of the gap: the gaps on both sides need no check.
        held.add(15_000..16_000);
        check.add(15_000..16_000);
        assert_eq!(check.beside(&held, 12_000), None);
        assert_eq!(check.beside(&held, 17_000), None);
        // Another gap does.
        assert_eq!(check.beside(&held, 20_100), Some(20_000..20_100));
    }

    #[test]
    fn a_gap_at_the_start_is_checked_behind_it() {
        let held = ranges(&[5000..50_000, 60_000..60_001]);
        let mut check = SourceCheck::default();
        assert_eq!(check.beside(&held, 0), Some(5000..9096));
        check.add(5000..9096);
        assert_eq!(check.beside(&held, 0), None);
        assert_eq!(check.beside(&ranges(&[]), 0), None);
    }

    #[test]
    fn bytes_may_be_compared_twice() {
        let mut check = SourceCheck::default();
        for range in [10..20, 30..40, 0..50, 5..15] {
            check.reserve().expect("memory");
            check.add(range);
        }
        assert_eq!(check.own.total(), 50);
    }
}
