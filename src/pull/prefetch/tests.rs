//! How often a prefetch wakes the helper and calls the source while a player reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Result;
use crate::options::Options;
use crate::source::Source;
use crate::stream_buffer::StreamBuffer;

const SECOND: u64 = 1_000_000;
const SECONDS: u64 = 20;

/// An endless source that counts its calls.
struct Endless {
    at: u64,
    asks: Arc<AtomicU64>,
}

fn byte(offset: u64) -> u8 {
    (offset ^ offset >> 9) as u8
}

impl Source for Endless {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        self.asks.fetch_add(1, Ordering::Relaxed);
        for (place, to) in (self.at..).zip(out.iter_mut()) {
            *to = byte(place);
        }
        self.at += out.len() as u64;
        Ok(out.len())
    }
}

/// Delivers less than it is asked for.
struct Chunked(Endless);

impl Source for Chunked {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let most = out.len().min(10_000);
        self.0.pull(&mut out[..most])
    }
}

/// Waits until the helper has no work left.
fn rest(buffer: &StreamBuffer) {
    loop {
        let state = buffer.inner().gate.lock();
        if state.helper.is_some() && state.helper_work().is_none() && state.slot.is_free() {
            return;
        }
        drop(state);
        std::thread::yield_now();
    }
}

/// Plays 1 MB a second in reads of 4 KiB with 4 MiB ahead. The helper is done after each read, as it
/// is where time passes between them. Returns how often the source was asked, and how often the
/// helper was woken.
fn play(prefetch_low: u64) -> (u64, u64) {
    let asks = Arc::new(AtomicU64::new(0));
    let source = Endless {
        at: 0,
        asks: asks.clone(),
    };
    let options = Options {
        prefetch: 4 << 20,
        prefetch_low,
        ..Options::default()
    };
    let buffer = StreamBuffer::from_options(source, options).expect("a buffer");
    rest(&buffer);
    let counts = || {
        let wakes = buffer.inner().gate.lock().helper_wakes;
        (asks.load(Ordering::Relaxed), wakes)
    };
    let (asked, woken) = counts();
    let mut chunk = [0; 4096];
    for at in (0..SECONDS * SECOND).step_by(chunk.len()) {
        let count = buffer.read_at(at, &mut chunk).expect("buffered bytes");
        assert_eq!(count, chunk.len());
        assert!((at..).zip(chunk).all(|(place, read)| read == byte(place)));
        rest(&buffer);
        // What the low mark promises, at any time.
        let ahead = buffer.buffered(at + count as u64);
        assert!(ahead >= prefetch_low.clamp(2 << 20, 4 << 20), "{ahead}");
        assert!(ahead < (4 << 20) + (256 << 10), "{ahead}");
    }
    let stats = buffer.stats();
    assert!(stats.memory <= Options::default().max_memory + (256 << 10));
    assert_eq!(stats.waits, 0);
    let (asks, wakes) = counts();
    (asks - asked, wakes - woken)
}

#[test]
fn a_prefetch_asks_and_wakes_seldom() {
    let (asks, wakes) = play(0);
    println!("{asks} asks and {wakes} wake-ups in {SECONDS} seconds");
    assert!(asks <= 4 * SECONDS, "{asks}");
    assert!(wakes <= 2 * SECONDS, "{wakes}");
}

#[test]
fn a_low_mark_at_the_distance_refills_at_each_read() {
    let (asks, wakes) = play(u64::MAX);
    println!("{asks} asks and {wakes} wake-ups in {SECONDS} seconds");
    assert!(asks >= 60 * SECONDS, "{asks}");
    assert!(wakes <= asks, "{wakes}");
}

/// However long the helper fetches between two reads, it drops no byte that the reader still has to
/// read.
#[test]
fn a_reader_is_not_lapped_by_the_prefetch() {
    let source = Endless {
        at: 0,
        asks: Arc::default(),
    };
    // Neither ends at the end of a block.
    let buffer = StreamBuffer::builder(Chunked(source))
        .window((5 << 20) + 200_000)
        .prefetch(u64::MAX)
        .open()
        .expect("memory");
    let mut out = vec![0; 100_000];
    let mut at = 0;
    while at < 30 << 20 {
        let count = buffer.read_some(at, &mut out, None).expect("never lapped");
        let same = (at..)
            .zip(&out[..count])
            .all(|(offset, found)| *found == byte(offset));
        assert!(same, "near {at}");
        at += count as u64;
        rest(&buffer);
    }
}
