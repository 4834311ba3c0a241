//! A window through the Rust API, with what only the inside shows.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::source::Source;
use crate::store::memory::BLOCK;
use crate::{SaveOptions, SpoolState, StreamBuffer};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The bytes repeat after this many, a prime, so that no two slots of a ring hold the same.
const PERIOD: u64 = 65_521;

fn table() -> &'static [u8] {
    static TABLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let byte = |at: u64| ((at % PERIOD).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as u8;
        (0..PERIOD + MIB).map(byte).collect()
    });
    &TABLE
}

fn bytes_at(offset: u64, length: usize) -> &'static [u8] {
    &table()[(offset % PERIOD) as usize..][..length]
}

/// A stream that delivers at once, up to an end.
struct Radio {
    at: u64,
    end: u64,
}

fn radio() -> Radio {
    Radio {
        at: 0,
        end: u64::MAX,
    }
}

impl Source for Radio {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let count = (self.end - self.at).min(out.len() as u64) as usize;
        out[..count].copy_from_slice(bytes_at(self.at, count));
        self.at += count as u64;
        Ok(count)
    }
}

fn is_lapped<T>(result: Result<T>) -> bool {
    matches!(result, Err(Error::Lapped))
}

/// Reads and compares. Returns false if the first byte has been dropped.
fn reads(buffer: &StreamBuffer, offset: u64, out: &mut [u8]) -> bool {
    match buffer.read_at(offset, out) {
        Ok(count) => {
            assert!(count > 0, "at {offset}");
            assert!(out[..count] == *bytes_at(offset, count), "at {offset}");
            true
        }
        Err(error) => {
            assert!(matches!(error, Error::Lapped), "{error}");
            false
        }
    }
}

/// Everything from the tail on is readable, and nothing before it.
fn check(buffer: &StreamBuffer, window: u64) {
    let stats = buffer.stats();
    let kept = stats.frontier - stats.tail;
    assert!(kept <= window + 2 * BLOCK, "{stats:?}");
    assert!(kept >= window.min(stats.frontier), "{stats:?}");
    assert_eq!(stats.memory + stats.disk, kept, "{stats:?}");
    let ranges = buffer.ranges();
    assert_eq!(ranges.len(), 1);
    assert_eq!(ranges[0], stats.tail..stats.frontier);
    let mut out = vec![0; kept as usize];
    assert_eq!(buffer.read_at(stats.tail, &mut out).ok(), Some(out.len()));
    for (index, bytes) in out.chunks(MIB as usize).enumerate() {
        let at = stats.tail + index as u64 * MIB;
        assert!(bytes == bytes_at(at, bytes.len()), "near {at}");
    }
    if let Some(before) = stats.tail.checked_sub(1) {
        assert!(is_lapped(buffer.read_at(before, &mut [0; 2])));
        assert!(is_lapped(buffer.read_at(0, &mut [0; 2])));
        assert!(is_lapped(buffer.read_some(
            before,
            &mut [0],
            Some(Duration::ZERO)
        )));
        assert_eq!(buffer.buffered(before), 0);
    }
}

/// 2 GiB through windows in memory and in a ring: memory, disk and index stay flat.
#[test]
fn an_endless_stream_takes_no_more_and_no_more() {
    let odd = 3 * MIB + 5;
    for (window, max) in [(16 * MIB, 16 * MIB), (odd, odd), (16 * MIB, MIB), (odd, 0)] {
        let buffer = StreamBuffer::builder(radio())
            .window(window)
            .max_memory(max)
            .open()
            .expect("memory");
        // A window that stays in memory is dropped by the block, before the next one arrives.
        let is_odd = window <= max && window % BLOCK > 0;
        let in_flight = if is_odd { 2 * BLOCK } else { BLOCK };
        let mut out = vec![0; MIB as usize];
        let mut most = 0;
        for turn in 0..512 {
            assert!(reads(&buffer, turn * MIB, &mut out));
            let stats = buffer.stats();
            assert!(stats.memory <= max + in_flight, "{stats:?}");
            assert!(stats.disk <= window + 2 * BLOCK, "{stats:?}");
            match turn {
                // Past the first nodes of the index.
                0..64 => most = most.max(stats.overhead),
                _ => assert!(stats.overhead <= most + 4 * KIB, "{most}: {stats:?}"),
            }
            #[cfg(unix)]
            {
                let ring = window.div_ceil(BLOCK) * BLOCK + BLOCK;
                let taken = buffer.inner().store.spool().map_or(0, |it| it.taken());
                assert!(taken <= ring + 64 * KIB, "{taken}");
            }
            let has_file = stats.spool != SpoolState::None;
            assert!(!has_file || max < window, "{stats:?}");
        }
        check(&buffer, window);
    }
}

/// Windows smaller than a block, and reads larger than the window.
#[test]
fn a_window_of_any_size_is_kept() {
    for window in [1, 1000, 4096, BLOCK - 1, BLOCK, BLOCK + 1, MIB - 10_000] {
        for max in [0, 64 * KIB, u64::MAX] {
            let buffer = StreamBuffer::builder(radio())
                .window(window)
                .max_memory(max)
                .open()
                .expect("memory");
            let mut out = vec![0; MIB as usize];
            let mut at = 0;
            for length in [1, 100, 16_384, 70_000, 262_144, 300_000, 1_000_000, 5] {
                assert_eq!(buffer.read_at(at, &mut out[..length]).ok(), Some(length));
                assert!(out[..length] == *bytes_at(at, length));
                at += length as u64;
                check(&buffer, window);
            }
        }
    }
}

/// The index frees each node with its last block, so that the tree does not grow with the stream.
#[test]
fn nodes_of_the_index_are_freed() {
    let buffer = StreamBuffer::builder(radio())
        .window(1)
        .max_memory(0)
        .open()
        .expect("memory");
    let mut most = 0;
    // 64 blocks fill a leaf, and 4,096 the node above it.
    for block in 0..2 * 64 * 64 + 3 {
        buffer.read_at(block * BLOCK, &mut [0]).expect("the byte");
        let stats = buffer.stats();
        // As much as for the first few blocks, and a leaf and a node.
        if block < 3 {
            most = most.max(stats.overhead + stats.memory);
        }
        let now = stats.overhead + stats.memory;
        assert!(now <= most + 4 * KIB, "{block}: {most}, {stats:?}");
    }
}

/// What a collapsed leaf stands for is dropped block by block.
#[test]
fn a_window_larger_than_a_leaf_is_dropped_by_the_block() {
    let window = 150 * BLOCK + 7;
    let buffer = StreamBuffer::builder(radio())
        .window(window)
        .max_memory(0)
        .open()
        .expect("memory");
    let mut out = vec![0; MIB as usize];
    for turn in 0..200 {
        assert!(reads(&buffer, turn * MIB, &mut out));
        let stats = buffer.stats();
        let kept = stats.frontier - stats.tail;
        assert_eq!(stats.memory + stats.disk, kept, "{stats:?}");
        if turn % 16 == 0 {
            check(&buffer, window);
        }
    }
}

#[test]
fn the_end_and_the_size_of_a_window() {
    let source = Radio {
        at: 0,
        end: 10 * MIB + 3,
    };
    let buffer = StreamBuffer::builder(source)
        .window(MIB)
        .open()
        .expect("memory");
    assert_eq!(buffer.find_size(None).ok(), Some(10 * MIB + 3));
    assert_eq!(buffer.read_at(10 * MIB + 3, &mut [0; 4]).ok(), Some(0));
    assert!(is_lapped(buffer.read_at(5, &mut [0; 4])));
    check(&buffer, MIB);
}

/// A slow reader is told, at once and while it waits.
#[test]
fn readers_start_at_the_tail_and_are_lapped() {
    let (buffer, pusher) = StreamBuffer::pushed()
        .window(2 * BLOCK)
        .open_push()
        .expect("memory");
    let mut early = buffer.cursor().expect("memory");
    let mut at = 0;
    let mut push = |length: u64| {
        while length > 0 && at < length {
            let bytes = bytes_at(at, (length - at).min(100_000) as usize);
            at += pusher.push(at, bytes, None).expect("accepted") as u64;
        }
    };
    push(10 * BLOCK);
    use std::io::Read;
    let error = early.read(&mut [0; 10]).expect_err("lapped");
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    assert!(matches!(inner, Some(Error::Lapped)), "{error}");
    let tail = buffer.stats().tail;
    assert!(tail >= 7 * BLOCK);
    let mut out = [0; 10];
    let mut late = buffer.cursor().expect("memory");
    assert_eq!(late.read(&mut out).ok(), Some(10));
    assert_eq!(out, bytes_at(tail, 10));
    assert_eq!(early.seek_live(-10).ok(), Some(10 * BLOCK - 10));
    assert_eq!(early.read(&mut out).ok(), Some(10));
    assert_eq!(out, bytes_at(10 * BLOCK - 10, 10));
    assert!(matches!(
        early.seek_live(-(11 * BLOCK as i64)),
        Err(Error::Invalid)
    ));
    // At the frontier only; what was accepted once still counts as accepted.
    let frontier = 10 * BLOCK;
    let elsewhere = pusher.push(frontier + 1, b"x", None);
    assert!(matches!(elsewhere, Err(Error::Unsupported)));
    assert_eq!(pusher.push(0, b"abc", None).ok(), Some(3));
    assert_eq!(pusher.push(frontier - 1, b"y", None).ok(), Some(1));
    assert_eq!(pusher.wanted(), frontier..u64::MAX);
    check(&buffer, 2 * BLOCK);
    // A wait that is lapped fails at once.
    let result = buffer.when(0, |_| panic!("it is known now"));
    assert!(is_lapped(result));
    pusher.end(None).expect("no failure");
    assert_eq!(buffer.size(), Some(frontier));
    assert!(is_lapped(buffer.read_at(0, &mut out)));
}

#[test]
fn what_a_window_does_not_support() {
    let buffer = StreamBuffer::builder(radio())
        .window(2 * BLOCK)
        .max_memory(0)
        .open()
        .expect("memory");
    let mut out = vec![0; MIB as usize];
    for turn in 0..3 {
        assert!(reads(&buffer, turn * MIB, &mut out));
    }
    let folder = crate::tempfile::tempdir().expect("a folder");
    let path = folder.path().join("saved");
    let unsupported = |result| matches!(result, Err(Error::Unsupported));
    assert!(unsupported(buffer.save(&path)));
    let linked = SaveOptions {
        buffered: true,
        link: true,
        ..SaveOptions::default()
    };
    assert!(unsupported(buffer.save_with(&path, linked, |_, _| true)));
    assert!(matches!(
        buffer.reopen(radio(), None),
        Err(Error::Unsupported)
    ));
    assert!(!path.exists());
    let buffered = SaveOptions {
        link: false,
        ..linked
    };
    let stats = buffer.stats();
    let kept = stats.frontier - stats.tail;
    let mut last = 0;
    let saved = buffer.save_with(&path, buffered, |done, total| {
        assert_eq!(total, Some(kept));
        last = done;
        true
    });
    assert_eq!((saved.ok(), last), (Some(kept), kept));
    let saved = std::fs::read(&path).expect("the file");
    assert!(saved == bytes_at(stats.tail, kept as usize));
    // A save that is lapped midway.
    let mut at = stats.frontier;
    let lapped = buffer.save_with(&path, buffered, |_, _| {
        buffer.read_at(at, &mut out).expect("a megabyte");
        at += MIB;
        true
    });
    assert!(is_lapped(lapped));
    assert!(std::fs::read(&path).expect("the file") == saved);
}

/// A prefetch never drops what the reader still has to read.
#[test]
fn a_prefetch_stays_in_the_window() {
    for window in [1000, BLOCK + 1, 5 * MIB + 77] {
        let buffer = StreamBuffer::builder(radio())
            .window(window)
            .max_memory(MIB)
            .prefetch(u64::MAX)
            .open()
            .expect("memory");
        let mut out = vec![0; 100_000];
        let mut at = 0;
        while at < 20 * MIB {
            let count = buffer.read_some(at, &mut out, None).expect("never lapped");
            assert!(out[..count] == *bytes_at(at, count));
            at += count as u64;
        }
    }
}

/// A reader one segment ahead of the tail, while the bytes are pulled or pushed as fast as possible,
/// and spilled by any thread: every byte is right, or it is lapped.
#[test]
fn a_reader_at_the_tail_gets_the_right_bytes_or_none() {
    let total = match std::env::var("SPOOLBUF_WINDOW_MIB") {
        Ok(mib) => mib.parse::<u64>().expect("a number") * MIB,
        Err(_) => 256 * MIB,
    };
    for (is_pushed, max) in [(false, 0), (true, BLOCK), (true, u64::MAX)] {
        chase(total, is_pushed, max);
    }
}

struct SetOnDrop<'f>(&'f AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn chase(total: u64, is_pushed: bool, max: u64) {
    const WINDOW: u64 = 4 * BLOCK;
    let (buffer, pusher) = if is_pushed {
        let builder = StreamBuffer::pushed().window(WINDOW).max_memory(max);
        let (buffer, pusher) = builder.open_push().expect("memory");
        (buffer, Some(pusher))
    } else {
        let builder = StreamBuffer::builder(radio())
            .window(WINDOW)
            .max_memory(max);
        (builder.open().expect("memory"), None)
    };
    let over = AtomicBool::new(false);
    let (right, lapped) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for ahead in [0, BLOCK, BLOCK + 4000] {
            let (buffer, over, right, lapped) = (&buffer, &over, &right, &lapped);
            scope.spawn(move || {
                let mut out = vec![0; 2 * BLOCK as usize];
                while !over.load(Ordering::Relaxed) {
                    let stats = buffer.stats();
                    let at = stats.tail + ahead;
                    let most = stats.frontier.saturating_sub(at).min(out.len() as u64);
                    if most == 0 {
                        std::thread::yield_now();
                        continue;
                    }
                    match reads(buffer, at, &mut out[..most as usize]) {
                        true => right.fetch_add(1, Ordering::Relaxed),
                        false => lapped.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
        let spiller = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                buffer.spill().expect("space");
                std::thread::yield_now();
            }
        });
        // Also after a panic: the threads would go on forever.
        let over = SetOnDrop(&over);
        let mut out = vec![0; 100_000];
        let mut at = 0;
        while at < total {
            at += match &pusher {
                Some(pusher) => pusher.push(at, bytes_at(at, out.len()), None),
                None => buffer.read_at(at, &mut out),
            }
            .expect("at the frontier") as u64;
        }
        drop(over);
        spiller.join().expect("no panic");
    });
    assert!(right.into_inner() > 0);
    println!(
        "{is_pushed} {max}: {} reads were lapped",
        lapped.into_inner()
    );
    check(&buffer, WINDOW);
}
