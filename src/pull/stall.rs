//! The stall: how long a call of the source may last before a call that needs bytes elsewhere
//! interrupts it.
//!
//! That is several times as long as the slow ones of the recent calls took: an interrupt costs a
//! seek there and another one back. Each interrupt doubles it until bytes arrive, so that calls that
//! need bytes at different places of a slow source cannot interrupt each other forever.

use std::time::Duration;

/// The shortest time after which a call counts as stalled. The loom tests have no time.
const LEAST: Duration = Duration::from_millis(if cfg!(loom) { 0 } else { 20 });

/// The longest time, unless interrupts have doubled it.
const MOST: Duration = Duration::from_secs(1);

/// A shorter call makes no difference; in nanoseconds.
const SLOW: u64 = 5_000_000;

/// A slow call counts as recent for this many calls.
const RECENT: u64 = 64;

#[derive(Default)]
pub(super) struct Stall {
    /// The longest of the recent calls.
    longest: Duration,
    /// The number of calls when it ended.
    at_call: u64,
    /// The number of interrupts since bytes arrived.
    interrupts: u32,
    /// The number of bytes that had arrived at the last interrupt.
    at_byte: u64,
}

impl Stall {
    /// Whether a call that took this long, in nanoseconds, has to be noted.
    #[inline]
    pub(super) fn is_slow(spent: u64) -> bool {
        spent >= SLOW && !cfg!(loom)
    }

    /// A slow call, the source's `calls`th one, was not interrupted.
    #[cold]
    pub(super) fn note(&mut self, spent: Duration, calls: u64) {
        if spent >= self.usual(calls) {
            self.longest = spent;
            self.at_call = calls;
        }
    }

    /// How long a call may take.
    fn usual(&self, calls: u64) -> Duration {
        if calls.saturating_sub(self.at_call) < RECENT {
            self.longest
        } else {
            Duration::ZERO
        }
    }

    /// After this time the running call has stalled. `calls` have been made and `bytes` have arrived.
    pub(super) fn patience(&self, calls: u64, bytes: u64) -> Duration {
        let interrupts = if self.at_byte == bytes {
            self.interrupts
        } else {
            0
        };
        let usual = (self.usual(calls) * 4).clamp(LEAST, MOST);
        usual * (1 << interrupts.min(8))
    }

    /// A call was interrupted because it has stalled.
    pub(super) fn interrupted(&mut self, bytes: u64) {
        if self.at_byte != bytes {
            self.interrupts = 0;
        }
        self.at_byte = bytes;
        self.interrupts = self.interrupts.saturating_add(1);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_fast_source_has_stalled_soon_and_a_slow_one_later() {
        let mut stall = Stall::default();
        assert_eq!(stall.patience(0, 0), ms(20));
        stall.note(ms(100), 10);
        stall.note(ms(50), 11);
        assert_eq!(stall.patience(12, 0), ms(400));
        assert_eq!(stall.patience(10 + RECENT, 0), ms(20), "it was long ago");
        stall.note(ms(6), 10 + RECENT);
        assert_eq!(stall.patience(10 + RECENT, 0), ms(24));
        stall.note(Duration::from_secs(60), 200);
        assert_eq!(stall.patience(200, 0), MOST);
    }

    #[test]
    fn each_interrupt_without_bytes_doubles_the_time() {
        let mut stall = Stall::default();
        stall.interrupted(0);
        assert_eq!(stall.patience(0, 0), ms(40));
        stall.interrupted(0);
        assert_eq!(stall.patience(0, 0), ms(80));
        assert_eq!(stall.patience(0, 1), ms(20), "bytes arrived");
        stall.interrupted(1);
        assert_eq!(stall.patience(0, 1), ms(40));
        (0..100).for_each(|_| stall.interrupted(1));
        assert_eq!(stall.patience(0, 1), ms(20 << 8));
    }
}
