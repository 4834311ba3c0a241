//! A prefetch of a source that can seek.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{SIZE, buffer, declared, fetched, read, wait_until};
use crate::options::{Options, open};
use crate::support::Stream;
use spoolbuf::{Error, Source};

#[test]
fn a_prefetch_continues_after_a_seek_and_fills_the_gaps_last() {
    let (buffer, seen) = buffer(SIZE, declared(SIZE));
    buffer.prefetch(200_000).expect("a helper");
    read(&buffer, 6_000_000, 10).expect("bytes");
    wait_until(|| buffer.buffered(6_000_000) >= 200_000);
    assert!(fetched(&seen) < 1_000_000, "{}", fetched(&seen));
    buffer.prefetch(u64::MAX).expect("a helper");
    wait_until(|| buffer.stats().frontier == SIZE);
    assert_eq!(fetched(&seen), SIZE);
    wait_until(|| seen.dropped.load(Ordering::SeqCst));
}

#[test]
fn no_prefetch_needs_no_helper() {
    let (buffer, seen) = buffer(SIZE, declared(SIZE));
    buffer.prefetch(0).expect("nothing to do");
    assert!(!buffer.stats().helper);
    buffer.prefetch(1).expect("a helper");
    assert!(buffer.stats().helper);
    wait_until(|| fetched(&seen) > 0);
}

/// A prefetch does not call a source that has failed or was canceled.
#[test]
fn a_prefetch_pauses_after_a_failure_and_while_it_is_canceled() {
    for fails in [false, true] {
        let (stream, seen) = Stream::new(SIZE, 1 << 20);
        let calls = Arc::new(AtomicU32::new(0));
        let source = Ailing {
            stream,
            fails_at: if fails { 20_000 } else { u64::MAX },
            failures: calls.clone(),
        };
        let options = Options {
            prefetch: 20_000,
            read_granularity: 0,
            ..declared(SIZE)
        };
        let buffer = open(source, options).expect("a buffer");
        wait_until(|| fetched(&seen) == 20_000);
        if !fails {
            buffer.cancel();
        }
        // Buffered, but from here on more must be prefetched.
        read(&buffer, 10_000, 1).expect("a byte");
        let due = u32::from(fails);
        wait_until(|| calls.load(Ordering::SeqCst) == due);
        for _ in 0..30 {
            read(&buffer, 15_000, 1).expect("a byte");
            buffer.prefetch(30_000).expect("a helper");
            std::thread::sleep(Duration::from_millis(1));
            assert_eq!(calls.load(Ordering::SeqCst), due, "asked after its failure");
            assert_eq!(fetched(&seen), 20_000);
        }
        buffer.resume();
        if fails {
            wait_until(|| calls.load(Ordering::SeqCst) == 2);
        } else {
            wait_until(|| fetched(&seen) > 20_000);
        }
    }
}

/// Fails at an offset, each time.
struct Ailing {
    stream: Stream,
    fails_at: u64,
    failures: Arc<AtomicU32>,
}

impl Source for Ailing {
    fn pull(&mut self, out: &mut [u8]) -> spoolbuf::Result<usize> {
        if self.stream.at == self.fails_at {
            self.failures.fetch_add(1, Ordering::SeqCst);
            return Err(Error::Source {
                code: -5,
                cause: None,
            });
        }
        self.stream.pull(out)
    }
}

#[test]
fn a_prefetch_keeps_its_distance_buffered() {
    let options = Options {
        prefetch: 20_000,
        read_granularity: 0,
        ..declared(SIZE)
    };
    let (buffer, seen) = buffer(SIZE, options);
    wait_until(|| fetched(&seen) >= 20_000);
    assert_eq!(fetched(&seen), 20_000);
    // Half of them are enough at this point.
    read(&buffer, 9_999, 1).expect("a byte");
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(fetched(&seen), 20_000);
    // From the end of the last read on.
    read(&buffer, 10_000, 1).expect("a byte");
    wait_until(|| fetched(&seen) > 20_000);
    assert_eq!(fetched(&seen), 30_001);
}

/// For a forward-only source whose prefetch has a long way to go.
#[test]
fn a_prefetch_makes_small_requests_and_never_past_the_end() {
    let (stream, seen) = Stream::new(SIZE, 1 << 20);
    let options = Options {
        prefetch: 100_000,
        prefetch_low: 100_000,
        ..Options::default()
    };
    let buffer = open(stream, options).expect("a buffer");
    let far = buffer.read_at(u64::MAX - 100, &mut [0; 10]);
    assert_eq!(far.expect("past the end of any resource"), 0);
    let later = buffer.read_some(SIZE / 2, &mut [0; 10], Some(Duration::ZERO));
    assert!(matches!(later, Err(Error::Timeout)), "{later:?}");
    wait_until(|| buffer.buffered(SIZE / 2) >= 100_000);
    assert_eq!(read(&buffer, SIZE / 2 + 50_000, 10).expect("bytes"), 10);
    wait_until(|| buffer.buffered(SIZE / 2) >= 150_000);
    let asked = seen.largest_ask.load(Ordering::SeqCst);
    assert!(asked <= 64 * 1024, "{asked}");
}

#[test]
fn an_empty_read_does_not_move_the_prefetch() {
    let options = Options {
        prefetch: 100_000,
        prefetch_low: 100_000,
        ..declared(SIZE)
    };
    let (buffer, _) = buffer(SIZE, options);
    assert_eq!(read(&buffer, 0, 10).expect("bytes"), 10);
    wait_until(|| buffer.buffered(0) >= 100_000);
    assert_eq!(read(&buffer, SIZE / 2, 0).expect("nothing"), 0);
    // It continues at its position.
    assert_eq!(read(&buffer, 50_000, 10).expect("bytes"), 10);
    wait_until(|| buffer.buffered(0) >= 150_000);
    assert_eq!(buffer.stats().seeks, 0);
}
