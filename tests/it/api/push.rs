//! `Pusher`: pushed bytes reach every reader, readers set the pace, and no end is silent.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{scope, yield_now};
use std::time::{Duration, Instant};

use crate::support::{assert_bytes, bytes};
use spoolbuf::{Error, OnShort, Pusher, StreamBuffer};

const NOW: Option<Duration> = Some(Duration::ZERO);

#[track_caller]
fn push(pusher: &Pusher, range: Range<u64>) {
    let piece = bytes(range.start, (range.end - range.start) as usize);
    let pushed = pusher.push(range.start, &piece, None);
    assert_eq!(pushed.expect("pushed"), piece.len());
}

fn wait_for(mut what: impl FnMut() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed().as_secs() < 60);
        yield_now();
    }
}

/// Pieces in any order, beyond memory, to readers that wait for them.
#[test]
fn pushed_bytes_reach_readers() {
    const SIZE: u64 = 3_000_000;
    const PIECE: u64 = 60_000;
    let builder = StreamBuffer::pushed().max_memory(500_000);
    let (buffer, pusher) = builder.open_push().expect("a buffer");
    scope(|scope| {
        let whole = scope.spawn(|| {
            let mut out = Vec::new();
            let mut cursor = buffer.cursor().expect("a cursor");
            cursor.read_to_end(&mut out).expect("everything");
            out
        });
        for odd in [1, 0] {
            for piece in (0..SIZE / PIECE).filter(|piece| piece % 2 == odd) {
                push(&pusher, piece * PIECE..(piece + 1) * PIECE);
            }
        }
        pusher.end(SIZE).expect("an end");
        let whole = whole.join().expect("no panic");
        assert_eq!(whole.len() as u64, SIZE);
        assert_bytes(0, &whole);
    });
    assert!(buffer.stats().disk > 0);
    assert_eq!(pusher.wanted(), SIZE..SIZE);
}

#[test]
fn readers_set_the_pace() {
    let (buffer, pusher) = StreamBuffer::pushed()
        .ahead(1000)
        .open_push()
        .expect("a buffer");
    let all = bytes(0, 3000);
    assert_eq!(pusher.push(0, &all, NOW).expect("some"), 1000);
    assert_eq!(pusher.wanted(), 1000..1000);
    let full = pusher.push(1000, &all[1000..], NOW);
    assert!(matches!(full, Err(Error::Timeout)), "{full:?}");
    scope(|scope| {
        let rest = scope.spawn(|| pusher.push(1000, &all[1000..], None));
        let mut out = [0; 3000];
        assert_eq!(buffer.read_at(0, &mut out).expect("bytes"), 3000);
        assert_bytes(0, &out);
        assert_eq!(rest.join().expect("no panic").expect("all"), 2000);
    });
}

/// A pusher that goes away has not ended the stream.
#[test]
fn a_dropped_pusher_is_no_end() {
    let (buffer, pusher) = StreamBuffer::pushed().open_push().expect("a buffer");
    push(&pusher, 0..10);
    drop(pusher);
    let mut out = [0; 20];
    let more = buffer.read_some(10, &mut out, Some(Duration::from_millis(10)));
    assert!(matches!(more, Err(Error::Timeout)), "{more:?}");
    assert_eq!(buffer.size(), None);
    scope(|scope| {
        let waits = buffer.stats().waits;
        let read = scope.spawn(|| buffer.read_at(5, &mut out));
        wait_for(|| buffer.stats().waits > waits);
        buffer.cancel();
        let read = read.join().expect("no panic");
        assert!(matches!(read, Err(Error::Canceled)), "{read:?}");
    });
}

/// A push that waits ends with the last reader, and later ones fail.
#[test]
fn a_dropped_buffer_ends_the_pushes() {
    let (buffer, pusher) = StreamBuffer::pushed()
        .ahead(10)
        .open_push()
        .expect("a buffer");
    push(&pusher, 0..10);
    scope(|scope| {
        let waiting = scope.spawn(|| pusher.push(10, &[1], None));
        drop(buffer);
        let waiting = waiting.join().expect("no panic");
        assert!(matches!(waiting, Err(Error::Canceled)), "{waiting:?}");
    });
    let late = pusher.clone().push(10, &[1], NOW);
    assert!(matches!(late, Err(Error::Canceled)), "{late:?}");
    assert_eq!(pusher.wanted(), 0..0);
}

#[test]
fn failures_reach_readers_after_the_bytes() {
    let (buffer, pusher) = StreamBuffer::pushed().open_push().expect("a buffer");
    push(&pusher, 0..10);
    pusher.fail(io::Error::from_raw_os_error(5));
    let mut out = [0; 20];
    assert_eq!(buffer.read_at(0, &mut out).expect("the bytes before"), 10);
    for _ in 0..2 {
        let failed = buffer.read_at(10, &mut out);
        assert!(
            matches!(failed, Err(Error::Source { code: 5, .. })),
            "{failed:?}"
        );
        let refused = pusher.push(10, &[1], None);
        assert!(
            matches!(refused, Err(Error::Source { code: 5, .. })),
            "{refused:?}"
        );
    }
    buffer.retry();
    push(&pusher, 10..20);
    pusher.end(None).expect("an end");
    assert_eq!(buffer.read_at(0, &mut out).expect("all"), 20);
    assert_bytes(0, &out);
    // It is complete, so nothing fails any more.
    pusher.fail(io::ErrorKind::BrokenPipe);
    assert_eq!(buffer.read_at(20, &mut out).expect("the end"), 0);
}

/// An error that pushes when it is dropped.
#[derive(Debug)]
struct Busy(Pusher, Arc<AtomicU32>);

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a busy error")
    }
}

impl StdError for Busy {}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.push(0, &[0; 5], NOW);
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// The error itself reaches the reader, as that of a source would. The last one counts, none is
/// followed by an end, and each is dropped without a lock.
#[test]
fn the_cause_of_a_failure_reaches_readers() {
    let (buffer, pusher) = StreamBuffer::pushed().open_push().expect("a buffer");
    let dropped = Arc::<AtomicU32>::default();
    let busy = || io::Error::other(Busy(pusher.clone(), dropped.clone()));
    let causes = |failed: Error| {
        let Error::Source { code, cause } = failed else {
            panic!("{failed}");
        };
        let cause = cause.expect("a cause");
        assert!(cause.get_ref().is_some_and(|inner| inner.is::<Busy>()));
        assert_eq!((code, Arc::strong_count(&cause)), (-1, 2));
    };
    pusher.fail(io::ErrorKind::TimedOut);
    pusher.fail(busy());
    pusher.fail(busy());
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    causes(buffer.read_at(0, &mut [0; 5]).expect_err("a failure"));
    causes(pusher.push(0, &[0; 5], NOW).expect_err("a failure"));
    causes(pusher.end(None).expect_err("no end"));
    let failed = buffer.cursor().expect("a cursor").read(&mut [0; 5]);
    let failed = failed.expect_err("a failure");
    assert_eq!(failed.to_string(), "the source failed: a busy error");
    assert_eq!(buffer.size(), None);
    drop(failed);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    buffer.retry();
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
    assert_eq!(buffer.stats().frontier, 5);
    pusher.end(None).expect("an end");
    pusher.fail(busy());
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
    assert_eq!(buffer.read_at(5, &mut [0; 5]).expect("the end"), 0);
}

#[test]
fn ends_are_checked() {
    let builder = StreamBuffer::pushed().size(100).on_short(OnShort::Error);
    let (buffer, pusher) = builder.open_push().expect("a buffer");
    push(&pusher, 0..50);
    assert!(matches!(pusher.end(49), Err(Error::Size)));
    pusher.end(None).expect("a short end");
    let short = buffer.read_at(50, &mut [0; 1]);
    assert!(matches!(short, Err(Error::Short)), "{short:?}");
    buffer.retry();
    push(&pusher, 50..100);
    pusher.end(100).expect("the end");
    pusher.end(None).expect("the same end");
    assert!(matches!(pusher.end(101), Err(Error::Size)));
    assert!(matches!(pusher.push(100, &[1], None), Err(Error::Size)));
    assert!(format!("{pusher:?}").contains("100..100"));
}
