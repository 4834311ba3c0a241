//! The cost of the last jump, and how long the source may be read on at its place in return.
//!
//! A call that has its bytes may make the source [read on](crate::pull::read_on), so that it need
//! not jump back for the bytes after them. Those bytes may never be needed, and the call returns
//! later. So that takes at most as long as the jump took: a jump that is saved costs as much.
//!
//! The jump took as long as the source's calls from it to the end of the need, less what as many
//! ordinary calls take. A source that is slow, but jumps as fast as it reads, is thus not read on.

/// A read that lasts at least this long may have stalled, in nanoseconds.
const STALL: u64 = 20_000_000;

/// The number of jumps that pass before a source is read on again that has stalled.
const FIRST_REST: u32 = 16;

/// Each stall doubles that number, up to this one.
const LONGEST_REST: u32 = 1024;

/// What the source's calls have taken so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    /// Nanoseconds.
    pub(super) time: u64,
    pub(super) reads: u64,
}

#[derive(Default)]
pub(super) struct JumpCost {
    /// Before the jump.
    before: Tally,
    /// The calls of the jump and of the need after it. None until the need is met.
    need: Option<Tally>,
    /// Nanoseconds spent on reading on since then.
    spent: u64,
    /// Nanoseconds that an ordinary read takes, on average over the recent ones.
    usual: Option<u64>,
    /// The source is not read on before the next jump.
    is_over: bool,
    /// The jumps that pass before it is read on again.
    rest: u32,
    /// The last rest.
    last_rest: u32,
}

impl JumpCost {
    /// The source jumped.
    pub(super) fn begin(&mut self, before: Tally) {
        self.before = before;
        self.need = None;
        self.spent = 0;
        self.is_over = self.rest > 0;
        self.rest = self.rest.saturating_sub(1);
    }

    /// The need is met. The last read took `last` nanoseconds.
    pub(super) fn meet(&mut self, now: Tally, last: u64) {
        if self.need.is_some() {
            return;
        }
        let reads = now.reads.saturating_sub(self.before.reads);
        let time = now.time.saturating_sub(self.before.time);
        self.need = Some(Tally { time, reads });
        match self.usual {
            // It was not the read that followed the jump.
            _ if reads > 1 => self.note_usual(last),
            // Forgotten in time: after a single read that took long, none might be measured again.
            Some(usual) => self.usual = Some(usual - usual / 32),
            None => {}
        }
    }

    /// Whether the source may be read on once more.
    pub(super) fn allows(&self) -> bool {
        // Loom has no time: every jump is dear.
        !self.is_over && (self.is_worth() || cfg!(loom))
    }

    fn is_worth(&self) -> bool {
        let need = self.need.unwrap_or_default();
        let usual = self.usual.unwrap_or(0);
        let jump = need.time.saturating_sub(usual.saturating_mul(need.reads));
        jump > self.spent.saturating_add(usual)
    }

    /// The source was read on once, in this many nanoseconds.
    pub(super) fn note(&mut self, spent: u64) {
        self.spent = self.spent.saturating_add(spent);
        let slowest = self.need.unwrap_or_default().time.max(STALL);
        match spent >= slowest && !cfg!(loom) {
            true => self.stalled(),
            false => self.note_usual(spent),
        }
    }

    fn note_usual(&mut self, spent: u64) {
        let usual = self.usual.unwrap_or(spent);
        self.usual = Some(usual - usual / 4 + spent / 4);
    }

    /// The source has stalled.
    pub(super) fn stalled(&mut self) {
        self.is_over = true;
        self.last_rest = (2 * self.last_rest).clamp(FIRST_REST, LONGEST_REST);
        self.rest = self.last_rest;
    }

    /// The source is not read on before the next jump.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// The source jumps, in `jump`, and makes `reads` reads, of `read` each.
    fn jump(cost: &mut JumpCost, jump: u64, reads: u64, read: u64) {
        let before = Tally {
            time: 5 * MS,
            reads: 7,
        };
        let now = Tally {
            time: before.time + jump + reads * read,
            reads: before.reads + reads,
        };
        let last = if reads > 1 { read } else { jump + read };
        cost.begin(before);
        cost.meet(now, last);
    }

    /// How often the source is read on then, at most.
    fn reads_on(cost: &mut JumpCost, read: u64, most: usize) -> usize {
        let reads = (0..most).take_while(|_| {
            let allows = cost.allows();
            if allows {
                cost.note(read);
            }
            allows
        });
        reads.count()
    }

    #[test]
    fn reading_on_takes_no_longer_than_the_jump() {
        for reads in [1, 2, 8] {
            for read in [0, MS, 3 * MS, 10 * MS] {
                let mut cost = JumpCost::default();
                for _ in 0..3 {
                    jump(&mut cost, 50 * MS, reads, read);
                    let count = reads_on(&mut cost, read, 1000);
                    let time = count as u64 * read;
                    let all = read == 0 && count == 1000;
                    let fair = time <= 50 * MS && time + 2 * read >= 50 * MS;
                    assert!(all || fair, "{reads}, {read}: {count}");
                }
            }
        }
    }

    #[test]
    fn a_slow_source_that_jumps_for_nothing_is_not_read_on() {
        let mut cost = JumpCost::default();
        jump(&mut cost, 0, 1, 10 * MS);
        assert_eq!(reads_on(&mut cost, 10 * MS, 9), 1, "it may be the jump");
        for reads in [2, 8, 1, 1, 1, 1, 1, 1] {
            // A read takes a little longer now and then.
            for time in [0, MS] {
                jump(&mut cost, time, reads, 10 * MS);
                assert_eq!(reads_on(&mut cost, 10 * MS, 9), 0, "{reads}");
            }
        }
        jump(&mut cost, 100 * MS, 1, 10 * MS);
        assert!(reads_on(&mut cost, 10 * MS, 99) >= 5);
    }

    #[test]
    fn a_read_that_took_long_is_forgotten() {
        let mut cost = JumpCost::default();
        jump(&mut cost, 3 * MS, 1, 0);
        cost.note(4 * MS);
        let jumps = (0..100).take_while(|_| {
            jump(&mut cost, 3 * MS, 1, 0);
            reads_on(&mut cost, 0, 99) < 99
        });
        assert!((1..50).contains(&jumps.count()));
    }

    #[test]
    fn it_ends_until_the_next_jump() {
        let mut cost = JumpCost::default();
        jump(&mut cost, 9 * MS, 1, 0);
        assert_eq!(reads_on(&mut cost, 0, 2), 2);
        cost.end();
        assert_eq!(reads_on(&mut cost, 0, 2), 0);
        jump(&mut cost, 9 * MS, 1, 0);
        assert_eq!(reads_on(&mut cost, 0, 2), 2);
    }

    #[test]
    fn a_source_that_stalls_is_left_alone_for_longer_each_time() {
        let mut cost = JumpCost::default();
        let mut rests = Vec::new();
        for _ in 0..9 {
            jump(&mut cost, MS, 1, 0);
            assert_eq!(reads_on(&mut cost, 100 * MS, 9), 1);
            let jumps = (0..2000).take_while(|_| {
                jump(&mut cost, MS, 1, 0);
                reads_on(&mut cost, 0, 1) == 0
            });
            rests.push(jumps.count());
        }
        assert_eq!(rests, [16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
    }

    #[test]
    fn a_read_that_takes_no_longer_than_the_jump_is_no_stall() {
        let mut cost = JumpCost::default();
        jump(&mut cost, 300 * MS, 1, 0);
        cost.note(200 * MS);
        assert_eq!(cost.rest, 0);
        cost.note(400 * MS);
        assert!(cost.rest > 0);
    }
}
