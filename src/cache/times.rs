//! Times: milliseconds on a clock that never goes back, and that tests can put forward.

use std::time::{Duration, Instant};

use crate::sync::{AtomicU64, Ordering};

pub(super) struct Clock {
    start: Instant,
    /// Milliseconds that tests have added.
    added: AtomicU64,
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock {
            start: Instant::now(),
            added: AtomicU64::new(0),
        }
    }

    /// The milliseconds since the clock was made.
    pub(super) fn now(&self) -> i64 {
        // In unit tests nothing but what they add.
        let passed = match cfg!(test) {
            true => 0,
            false => self.start.elapsed().as_millis(),
        };
        let added = self.added.load(Ordering::Relaxed);
        i64::try_from(passed.saturating_add(added.into())).unwrap_or(i64::MAX)
    }

    pub(super) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.added.fetch_add(by, Ordering::Relaxed);
    }
}

/// Whether more than `limit` milliseconds have passed since `then`. 0: in any case, however soon.
/// Negative: no limit.
pub(super) fn is_over(then: i64, now: i64, limit: i64) -> bool {
    limit == 0 || limit > 0 && now.saturating_sub(then) > limit
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_limit_ends_after_its_last_millisecond() {
        assert!(!is_over(5, 15, 10));
        assert!(is_over(5, 16, 10));
        assert!(!is_over(0, i64::MAX, -1));
    }

    #[test]
    fn a_limit_of_nothing_ends_at_once() {
        assert!(is_over(5, 5, 0));
        assert!(is_over(5, 6, 0));
    }

    #[test]
    fn time_passes_as_tests_say() {
        let clock = Clock::new();
        let before = clock.now();
        clock.advance(Duration::from_secs(3600));
        assert!(clock.now() - before >= 3_600_000);
    }
}
