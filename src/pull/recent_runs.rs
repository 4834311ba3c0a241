//! The recent runs of the source: where it stood when it jumped elsewhere.
//!
//! Calls may need bytes of several places in turn, a few at each. A run that goes on where a recent
//! one ended is therefore asked for more bytes than are needed, and for twice as many each time, so
//! that the source need not jump for every few bytes. A source that delivers less than that at a
//! time is not given memory for more.

use crate::store::memory::BLOCK;

/// The most that a run is asked for when it goes on for the first time.
const FIRST: u64 = BLOCK / 4;

pub(super) struct RecentRuns {
    /// The latest one first.
    runs: [Run; RecentRuns::COUNT],
}

#[derive(Clone, Copy)]
struct Run {
    /// The offset after its last byte.
    end: u64,
    /// The number of bytes to ask for if it goes on; 0 if there is no such run.
    next: u64,
}

impl RecentRuns {
    /// As many places can be read in turn, and one more.
    const COUNT: usize = 8;

    pub(super) fn new() -> RecentRuns {
        RecentRuns {
            runs: [Run { end: 0, next: 0 }; RecentRuns::COUNT],
        }
    }

    /// The source leaves a run from `start` to `end`, which was asked for up to `wanted` bytes.
    pub(super) fn leave(&mut self, start: u64, end: u64, wanted: u64) {
        let next = next_length(start, end, wanted);
        if next == 0 {
            return;
        }
        let mut runs = self.runs.iter();
        let free = runs.position(|run| run.next == 0);
        let until = free.unwrap_or(RecentRuns::COUNT - 1);
        self.runs[..=until].rotate_right(1);
        self.runs[0] = Run { end, next };
    }

    /// A run begins at `offset`. Returns the number of bytes to ask for; 0 if it goes on from none.
    pub(super) fn enter(&mut self, offset: u64) -> u64 {
        let mut runs = self.runs.iter_mut();
        let run = runs.find(|run| run.next > 0 && run.end == offset);
        run.map_or(0, |run| std::mem::take(&mut run.next))
    }
}

/// The number of bytes to ask for where this run ended.
fn next_length(start: u64, end: u64, wanted: u64) -> u64 {
    let run = end - start;
    // A request does not go past the end of a block.
    let is_cut = end % BLOCK == 0;
    let next = match run {
        0 => return wanted,
        _ if is_cut || run >= wanted => (2 * wanted).max(FIRST),
        _ => wanted,
    };
    next.min(if is_cut { BLOCK } else { 2 * run }).min(BLOCK)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    #[test]
    fn a_run_that_goes_on_is_asked_for_twice_as_much_each_time() {
        let mut runs = RecentRuns::new();
        let (mut at, mut wanted, mut asked) = (0, 0, Vec::new());
        for _ in 0..6 {
            // The request ends at the end of the block.
            let end = (at + wanted.max(32 * KIB)).min((at / BLOCK + 1) * BLOCK);
            runs.leave(at, end, wanted);
            at = end;
            wanted = runs.enter(at);
            asked.push(wanted / KIB);
        }
        assert_eq!(asked, [64, 128, 256, 256, 256, 256]);
    }

    #[test]
    fn a_source_that_delivers_less_is_not_asked_for_more() {
        for wanted in [0, 64 * KIB, 256 * KIB] {
            assert_eq!(next_length(5, 5 + 10, wanted), 20);
        }
        assert_eq!(next_length(5, 5 + 40 * KIB, 64 * KIB), 64 * KIB);
        assert_eq!(next_length(5, 5, 64 * KIB), 64 * KIB, "it was not asked");
    }

    #[test]
    fn the_runs_that_were_left_last_are_known() {
        let mut runs = RecentRuns::new();
        let places = RecentRuns::COUNT as u64;
        for place in 0..=places {
            runs.leave(place * BLOCK, place * BLOCK + 1, 0);
        }
        assert_eq!(runs.enter(1), 0, "it was the first of too many");
        for place in (1..=places).rev() {
            assert_eq!(runs.enter(place * BLOCK), 0);
            assert_eq!(runs.enter(place * BLOCK + 1), 2);
            assert_eq!(runs.enter(place * BLOCK + 1), 0, "it goes on once");
        }
    }

    #[test]
    fn a_run_that_goes_on_takes_no_second_space() {
        let mut runs = RecentRuns::new();
        runs.leave(0, 10, 0);
        for turn in 0..100 {
            runs.leave(turn + BLOCK, turn + BLOCK + 1, 0);
            assert!(runs.enter(turn + BLOCK + 1) > 0);
        }
        assert_eq!(runs.enter(10), 20);
    }
}
