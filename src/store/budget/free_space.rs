//! The free space of the file system with the spool files, which others use too: it is sampled now and
//! then, and taken to shrink by what is written in between.

use std::io;
use std::time::{Duration, Instant};

use crate::sync::{Mutex, lock};

/// The longest time between two samples while something is written.
const INTERVAL: Duration = Duration::from_secs(1);

/// The most bytes that are written between two samples.
const DISTANCE: u64 = 64 * 1024 * 1024;

pub(super) struct FreeSpace {
    /// The number of free bytes that must be left; 0 if there is no such limit.
    min: u64,
    last: Mutex<Option<Sample>>,
}

struct Sample {
    taken: Instant,
    free: u64,
    /// The number of bytes that were written since.
    written: u64,
}

impl FreeSpace {
    pub(super) fn new(min: u64) -> FreeSpace {
        FreeSpace {
            min,
            last: Mutex::new(None),
        }
    }

    /// Whether a write of `bytes` has to wait until something is removed. `ask` asks the system for
    /// the number of free bytes. If that fails, the writes are tried.
    pub(super) fn is_short(&self, bytes: u64, ask: impl FnOnce() -> io::Result<u64>) -> bool {
        if self.min == 0 {
            return false;
        }
        let is_current = |sample: &Sample| sample.is_current();
        if !lock(&self.last).as_ref().is_some_and(is_current) {
            // Without the lock, since it is a file operation.
            let sample = Sample::new(ask().unwrap_or(u64::MAX));
            *lock(&self.last) = Some(sample);
        }
        let mut last = lock(&self.last);
        let fits = last.as_mut().is_none_or(|it| it.write(bytes, self.min));
        !fits
    }

    /// Something was removed: the next write asks the system.
    pub(super) fn forget(&self) {
        *lock(&self.last) = None;
    }
}

impl Sample {
    fn new(free: u64) -> Sample {
        Sample {
            taken: Instant::now(),
            free,
            written: 0,
        }
    }

    fn is_current(&self) -> bool {
        self.written < DISTANCE && self.taken.elapsed() < INTERVAL
    }

    /// Counts a write, if it leaves at least `min` free bytes. Returns whether it does.
    fn write(&mut self, bytes: u64, min: u64) -> bool {
        let written = self.written.saturating_add(bytes);
        let fits = self.free.saturating_sub(written) >= min;
        if fits {
            self.written = written;
        }
        fits
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_write_must_leave_the_minimum() {
        let space = FreeSpace::new(1000);
        assert!(space.is_short(1, || Ok(1000)));
        space.forget();
        // What is written is no longer free, although nobody asks.
        assert!(!space.is_short(600, || Ok(2000)));
        let not_asked = || unreachable!("the sample is current");
        assert!(space.is_short(600, not_asked));
        assert!(!space.is_short(400, not_asked));
        assert!(space.is_short(1, not_asked));
        space.forget();
        assert!(!space.is_short(1, || Ok(2000)));
    }

    #[test]
    fn it_is_asked_for_from_time_to_time() {
        let space = FreeSpace::new(1);
        assert!(!space.is_short(DISTANCE, || Ok(u64::MAX)));
        assert!(space.is_short(1, || Ok(0)));
        let old = Instant::now().checked_sub(INTERVAL);
        if let (Some(old), Some(sample)) = (old, lock(&space.last).as_mut()) {
            sample.taken = old;
        }
        assert!(!space.is_short(1, || Ok(u64::MAX)));
    }

    #[test]
    fn an_unknown_space_is_tried() {
        let unknown = || Err(io::ErrorKind::Unsupported.into());
        assert!(!FreeSpace::new(1 << 60).is_short(1, unknown));
        let unlimited = FreeSpace::new(0);
        assert!(!unlimited.is_short(1, || unreachable!("there is no limit")));
    }
}
