//! The clock of the stats. Each call of the source is timed, and std's `Instant` takes a hundred
//! instructions for that, since it checks every difference.

#![allow(unsafe_code)]

/// Measures a time from its start on, in nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch {
    start: u64,
}

impl Stopwatch {
    #[inline]
    pub(crate) fn start() -> Stopwatch {
        Stopwatch { start: now() }
    }

    #[inline]
    pub(crate) fn nanoseconds(self) -> u64 {
        now().saturating_sub(self.start)
    }
}

/// The monotonic time in nanoseconds since some moment. Wraps around after centuries.
#[cfg(unix)]
#[inline]
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec that the call may write.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    // Neither is negative.
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

#[cfg(not(unix))]
fn now() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn measures_as_instant_does() {
        let (before, stopwatch) = (Instant::now(), Stopwatch::start());
        std::thread::sleep(Duration::from_millis(3));
        let time = Duration::from_nanos(stopwatch.nanoseconds());
        assert!(time >= Duration::from_millis(3));
        assert!(time <= before.elapsed());
    }
}
