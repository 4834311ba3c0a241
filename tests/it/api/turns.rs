//! The order in which calls use the source, seen by its requests.

use std::sync::{Arc, Mutex};
use std::thread::{scope, yield_now};
use std::time::{Duration, Instant};

use crate::options::{Options, open};
use crate::support::{Stream, assert_bytes};
use crate::tap::{Tap, Tapped};
use spoolbuf::{Result, Source, StreamBuffer};

const SIZE: u64 = 10_000_000;

/// Records the source's position at each call.
struct Noting {
    tapped: Tapped,
    asked: Arc<Mutex<Vec<u64>>>,
}

impl Source for Noting {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let at = self.tapped.stream.at;
        self.asked.lock().expect("no panic").push(at);
        self.tapped.pull(out)
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.tapped.stream.jump(offset)
    }
}

/// A buffer that seeks to each read, and requests no more than is read.
fn buffer() -> (StreamBuffer, Arc<Tap>, Arc<Mutex<Vec<u64>>>) {
    let (tapped, tap) = Tapped::new(Stream::new(SIZE, 50_000).0, 0);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let source = Noting {
        tapped,
        asked: asked.clone(),
    };
    let options = Options {
        read_granularity: 0,
        seek_gap: 0,
        ..Options::default()
    };
    let buffer = open(source, options).expect("a buffer");
    (buffer, tap, asked)
}

#[track_caller]
fn wait_for(buffer: &StreamBuffer, waits: u64) {
    let began = Instant::now();
    while buffer.stats().waits < waits {
        assert!(began.elapsed().as_secs() < 60, "{buffer:?}");
        yield_now();
    }
}

/// Calls with a timeout are served by the helper, in their order: a thread that returns for more as
/// soon as it got some bytes does not keep the helper away.
#[test]
fn calls_with_a_timeout_are_served_before_later_calls() {
    // A helper that is only notified may be the first to take the work, but not always.
    for _ in 0..30 {
        limited_calls_against_one_that_comes_back();
    }
}

fn limited_calls_against_one_that_comes_back() {
    const PLACES: [u64; 3] = [9_000_000, 7_000_000, 8_000_000];
    let (buffer, tap, asked) = buffer();
    let read = |offset, limit| {
        let mut out = [0];
        assert_eq!(
            buffer.read_some(offset, &mut out, limit).expect("a byte"),
            1
        );
        assert_bytes(offset, &out);
    };
    scope(|scope| {
        scope.spawn(|| {
            for offset in 0..10 {
                read(offset * 100_000, None);
            }
        });
        tap.wait_until_dry();
        for (before, offset) in PLACES.into_iter().enumerate() {
            scope.spawn(move || read(offset, Some(Duration::from_secs(600))));
            wait_for(&buffer, before as u64 + 1);
        }
        tap.open(u64::MAX);
    });
    let asked = asked.lock().expect("no panic");
    assert_eq!(
        asked[..4],
        [0, PLACES[0], PLACES[1], PLACES[2]],
        "{asked:?}"
    );
}

/// A long read hands the source to calls that wait for another offset after a mebibyte, and
/// continues after them.
#[test]
fn a_long_read_lets_others_use_the_source() {
    const LONG: usize = 6_000_000;
    const FAR: u64 = 9_000_000;
    let (buffer, tap, asked) = buffer();
    scope(|scope| {
        let reads = |offset, length| {
            let mut out = vec![0; length];
            assert_eq!(buffer.read_at(offset, &mut out).expect("bytes"), length);
            assert_bytes(offset, &out);
        };
        scope.spawn(move || reads(0, LONG));
        tap.wait_until_dry();
        scope.spawn(move || reads(FAR, 1));
        wait_for(&buffer, 1);
        tap.open(u64::MAX);
    });
    let asked = asked.lock().expect("no panic");
    let far = asked.iter().position(|at| *at == FAR).expect("it was read");
    let before = asked[far - 1];
    assert!((950_000..1_100_000).contains(&before), "{before}");
    // It was not asked again for bytes that it had delivered.
    assert!(asked[..far].iter().is_sorted() && asked[far + 1..].iter().is_sorted());
    assert!(asked[far + 1] > before && *asked.last().expect("one") > 5_500_000);
}
