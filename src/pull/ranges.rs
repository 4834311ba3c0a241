//! Ranges: the buffered bytes of the resource, as a sorted list of ranges that never touch.

use std::ops::Range;

use crate::error::{Error, Result};

/// Whether a read may ask for `length` bytes at `offset`: up to 2^64, but not past it.
#[inline]
pub(crate) fn is_range(offset: u64, length: usize) -> bool {
    offset.checked_add(length as u64).is_some() || ends_at_the_last(offset, length)
}

#[cold]
#[inline(never)]
fn ends_at_the_last(offset: u64, length: usize) -> bool {
    offset.wrapping_add(length as u64) == 0
}

#[derive(Default)]
pub(crate) struct Ranges {
    list: Vec<Range<u64>>,
    total: u64,
}

impl Ranges {
    /// Allocates space for one more range, so that the next `add` cannot fail.
    pub(crate) fn reserve(&mut self) -> Result<()> {
        self.list.try_reserve(1).map_err(|_| Error::NoMemory)
    }

    /// Adds bytes that were not held, and joins ranges that touch.
    #[inline]
    pub(crate) fn add(&mut self, new: Range<u64>) {
        if new.is_empty() {
            return;
        }
        self.total += new.end - new.start;
        match self.list.last_mut() {
            // Most bytes follow the last ones.
            Some(last) if last.end == new.start => last.end = new.end,
            _ => self.join(new),
        }
    }

    #[inline(never)]
    fn join(&mut self, new: Range<u64>) {
        let at = self.list.partition_point(|held| held.end < new.start);
        let joins_left = self.list.get(at).is_some_and(|held| held.end == new.start);
        let right = if joins_left { at + 1 } else { at };
        let joins_right = self
            .list
            .get(right)
            .is_some_and(|held| held.start == new.end);
        match (joins_left, joins_right) {
            (true, true) => self.list[at].end = self.list.remove(right).end,
            (true, false) => self.list[at].end = new.end,
            (false, true) => self.list[right].start = new.start,
            (false, false) => self.list.insert(at, new),
        }
    }

    /// Forgets the bytes before `tail`. They stay in the total.
    pub(crate) fn forget_before(&mut self, tail: u64) {
        let gone = self.list.partition_point(|held| held.end <= tail);
        self.list.drain(..gone);
        if let Some(first) = self.list.first_mut() {
            first.start = first.start.max(tail);
        }
    }

    /// The end of the range that holds `offset`; `offset` itself if none does.
    pub(crate) fn end_of(&self, offset: u64) -> u64 {
        let at = self.list.partition_point(|held| held.end <= offset);
        match self.list.get(at) {
            Some(held) if held.start <= offset => held.end,
            _ => offset,
        }
    }

    /// The start of the range that holds `offset` or ends there; `offset` itself if none does.
    pub(crate) fn start_of(&self, offset: u64) -> u64 {
        let at = self.list.partition_point(|held| held.end < offset);
        match self.list.get(at) {
            Some(held) if held.start <= offset => held.start,
            _ => offset,
        }
    }

    /// The start of the first range at or past `offset`.
    pub(crate) fn next_start(&self, offset: u64) -> Option<u64> {
        let at = self.list.partition_point(|held| held.start < offset);
        self.list.get(at).map(|held| held.start)
    }

    /// The first gap at or past `offset`: its start, and its end if another range follows.
    pub(crate) fn gap(&self, offset: u64) -> (u64, Option<u64>) {
        let at = self.list.partition_point(|held| held.end <= offset);
        let (start, next) = match self.list.get(at) {
            Some(held) if held.start <= offset => (held.end, at + 1),
            _ => (offset, at),
        };
        (start, self.list.get(next).map(|held| held.start))
    }

    /// The end of the last range that ends at or before `offset`; 0 if none does.
    pub(crate) fn end_before(&self, offset: u64) -> u64 {
        let after = self.list.partition_point(|held| held.end <= offset);
        self.list[..after].last().map_or(0, |held| held.end)
    }

    /// The end of the last range.
    pub(crate) fn last_end(&self) -> u64 {
        self.list.last().map_or(0, |held| held.end)
    }

    /// The number of bytes that were added.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The memory that the list takes, in bytes.
    pub(crate) fn taken(&self) -> usize {
        self.list.capacity() * size_of::<Range<u64>>()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Range<u64>> + '_ {
        self.list.iter().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_at_2_to_the_64th_at_most() {
        for offset in [0, 1, 5, u64::MAX / 2, u64::MAX - 5, u64::MAX - 1, u64::MAX] {
            for length in [0, 1, 2, 5, 6, 7, usize::MAX / 2, usize::MAX] {
                let end = u128::from(offset) + length as u128;
                assert_eq!(
                    is_range(offset, length),
                    end <= 1 << 64,
                    "{offset}, {length}"
                );
            }
        }
    }

    #[test]
    fn the_list_of_segments_is_counted() {
        let mut ranges = Ranges::default();
        assert_eq!(ranges.taken(), 0);
        for at in 0..100 {
            ranges.reserve().expect("memory");
            ranges.add(2 * at..2 * at + 1);
        }
        let (least, most) = (100 * 16, 256 * 16);
        assert!((least..=most).contains(&ranges.taken()));
    }

    #[test]
    fn bytes_before_a_tail_are_forgotten_but_counted() {
        let mut ranges = Ranges::default();
        for held in [0..10, 20..30, 40..50] {
            ranges.reserve().expect("memory");
            ranges.add(held);
        }
        ranges.forget_before(25);
        assert!(ranges.iter().eq([25..30, 40..50]));
        assert_eq!((ranges.total(), ranges.end_of(0)), (30, 0));
        ranges.forget_before(30);
        assert!(ranges.iter().eq(std::iter::once(40..50)));
    }

    /// A pseudo-random number below `most`; the sequence is the same in each run.
    fn roll(dice: &mut u64, most: u64) -> u64 {
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        *dice % most
    }

    #[test]
    fn agrees_with_a_set_of_bytes() {
        let mut dice = 1;
        for _ in 0..1000 {
            let cuts = roll(&mut dice, 30);
            agrees((0..cuts).map(|_| (roll(&mut dice, 60), 1 + roll(&mut dice, 11))));
        }
    }

    fn agrees(cuts: impl Iterator<Item = (u64, u64)>) {
        let mut held = [false; 80];
        let mut ranges = Ranges::default();
        for (start, length) in cuts {
            let mut at = start;
            // Fills only what is missing, gap by gap, as a source does.
            while at < start + length {
                let (from, until) = ranges.gap(at);
                let to = until.unwrap_or(u64::MAX).min(start + length);
                if from < to {
                    ranges.add(from..to);
                    held[from as usize..to as usize].fill(true);
                }
                at = from.max(to).max(at + 1);
            }
        }
        let held_count = held.iter().filter(|held| **held).count();
        assert_eq!(ranges.total(), held_count as u64);
        let mut last = None;
        for range in ranges.iter() {
            assert!(last.is_none_or(|end| end < range.start));
            let bytes = &held[range.start as usize..range.end as usize];
            assert!(bytes.iter().all(|held| *held));
            last = Some(range.end);
        }
        for offset in 0..80 {
            let is_held = |at: u64| held[at as usize];
            let run = (offset..80).take_while(|at| is_held(*at)).count();
            assert_eq!(ranges.end_of(offset), offset + run as u64);
            let before = (0..offset).rev().take_while(|at| is_held(*at)).count();
            assert_eq!(ranges.start_of(offset), offset - before as u64);
            let next = (offset..80).find(|at| is_held(*at) && (*at == 0 || !is_held(at - 1)));
            assert_eq!(ranges.next_start(offset), next);
            let end = (1..=offset)
                .rev()
                .find(|at| is_held(at - 1) && !is_held(*at));
            assert_eq!(ranges.end_before(offset), end.unwrap_or(0));
        }
    }
}
