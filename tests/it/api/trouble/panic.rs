//! Sources that panic, and errors that do so when they are dropped.

use std::error::Error as StdError;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::{PATIENCE, SIZE, check, fill};
use crate::support::assert_bytes;
use spoolbuf::{Error, Result, Source, SourceState, StreamBuffer};

/// Panics as planned.
struct Panics {
    at: u64,
    jumps: u32,
    panics_at_jump: u32,
}

impl Source for Panics {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        Ok(fill(&mut self.at, out))
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.jumps += 1;
        if self.jumps == self.panics_at_jump {
            // A panic without a message, which would surprise a reader of the test's output.
            resume_unwind(Box::new("as it is told to"));
        }
        self.at = offset;
        Ok(())
    }
}

/// A panic in a seek is a failure for every read, whoever called the source. Buffered bytes stay,
/// and after a retry the source must seek again, since its position is unknown.
#[test]
fn a_panic_in_a_seek_is_a_failure_until_a_retry() {
    for by_helper in [false, true] {
        let source = Panics {
            at: 0,
            jumps: 0,
            panics_at_jump: 2,
        };
        let buffer = StreamBuffer::builder(source)
            .size(SIZE)
            .max_memory(0)
            .open()
            .expect("a buffer");
        check(&buffer, 1_000_000);
        let limit = by_helper.then_some(PATIENCE);
        let mut out = [0; 1000];
        for _ in 0..2 {
            let failed = buffer.read_some(3_000_000, &mut out, limit);
            assert!(matches!(failed, Err(Error::Panic)), "{failed:?}");
        }
        let stats = buffer.stats();
        assert_eq!(stats.state, SourceState::Failed);
        assert!(matches!(stats.failure, Some(Error::Panic)));
        assert_eq!(stats.seeks, 2, "not called again");
        check(&buffer, 1_000_000);
        buffer.retry();
        check(&buffer, 3_000_000);
        check(&buffer, 2_000_000);
        assert!(buffer.stats().seekable);
    }
}

/// An error that panics on drop, and reports that.
#[derive(Debug)]
struct Bomb(Arc<AtomicBool>);

impl fmt::Display for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bomb")
    }
}

impl StdError for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
            resume_unwind(Box::new("as it goes"));
        }
    }
}

/// Fails once with an error that panics when the library is done with it.
struct Mined {
    at: u64,
    gone: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
    fails_at: u32,
}

impl Mined {
    fn fails(&mut self) -> Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if call == self.fails_at {
            let error = std::io::Error::other(Bomb(self.gone.clone()));
            return Err(Error::Source {
                code: -9,
                cause: Some(Arc::new(error)),
            });
        }
        Ok(())
    }
}

impl Source for Mined {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        self.fails()?;
        let most = out.len().min(1000);
        Ok(fill(&mut self.at, &mut out[..most]))
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.fails()?;
        self.at = offset;
        Ok(())
    }
}

/// A drop by the library runs the user's code, also that of an error. Wherever it panics, later
/// reads get the right bytes, and reads by the helper are served.
#[test]
fn an_error_that_panics_when_it_is_dropped_loses_no_byte() {
    for by_helper in [false, true] {
        for fails_at in 1..8 {
            let calls = Arc::<AtomicU32>::default();
            let source = Mined {
                at: 0,
                gone: Arc::default(),
                calls: calls.clone(),
                fails_at,
            };
            let buffer = StreamBuffer::builder(source)
                .size(SIZE)
                .max_memory(0)
                .open()
                .expect("a buffer");
            let limit = by_helper.then_some(PATIENCE);
            let places = [0, 2_000_000, 2_001_000, 1_000_000, 1_001_000, 3_000_000];
            for place in places.into_iter().cycle().take(18) {
                let mut out = [0; 1000];
                let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match buffer
                    .read_some(place, &mut out, limit)
                {
                    Ok(count) => Some(count),
                    Err(Error::Source { code: -9, .. } | Error::Panic) => None,
                    Err(error) => panic!("{error}"),
                }));
                if let Ok(Some(count)) = read {
                    assert!(count > 0);
                    assert_bytes(place, &out[..count]);
                } else {
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        buffer.retry();
                    }));
                }
            }
            assert!(calls.load(Ordering::SeqCst) > fails_at);
            for place in places {
                check(&buffer, place);
            }
        }
    }
}

/// A panic in the helper's own work: the work is lost, and the helper continues with the next.
#[test]
fn a_panic_on_the_helper_is_survived() {
    let calls = Arc::<AtomicU32>::default();
    let gone = Arc::<AtomicBool>::default();
    let source = Mined {
        at: 0,
        gone: gone.clone(),
        calls,
        fails_at: 1,
    };
    let buffer = StreamBuffer::builder(source)
        .size(SIZE)
        .max_memory(0)
        .open()
        .expect("a buffer");
    // Nobody waits for this one, so the error is dropped on the helper.
    let nothing = buffer.read_some(2_000_000, &mut [0], Some(Duration::ZERO));
    assert!(matches!(nothing, Err(Error::Timeout)), "{nothing:?}");
    buffer.prefetch(100_000).expect("a helper");
    let begun = Instant::now();
    while !gone.load(Ordering::SeqCst) {
        assert!(begun.elapsed() < PATIENCE, "the helper never came");
        std::thread::yield_now();
    }
    for limit in [Some(PATIENCE), None] {
        for offset in [2_000_000, 1_000_000, 3_000_000] {
            let mut out = [0; 1000];
            let count = buffer.read_some(offset, &mut out, limit);
            // Unless it is called before the helper has finished with it.
            if !matches!(count, Err(Error::Panic)) {
                assert_bytes(offset, &out[..count.expect("bytes")]);
            }
        }
    }
    check(&buffer, 500_000);
    assert!(buffer.stats().helper);
}
