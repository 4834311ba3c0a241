//! Several places of a source that can seek are read in turn, a few bytes at each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::scope;

use crate::options::{Options, open};
use crate::support::{Seen, Stream, assert_bytes};
use spoolbuf::StreamBuffer;

const SIZE: u64 = 16 << 20;
const BLOCK: u64 = 256 * 1024;

/// A source that delivers `chunk` at a time, and a memory limit that makes it spill.
fn buffer(chunk: usize, read_granularity: u32) -> (StreamBuffer, Arc<Seen>) {
    let (mut stream, seen) = Stream::new(SIZE, chunk);
    stream.seeks = true;
    let options = Options {
        size: Some(SIZE),
        read_granularity,
        seek_gap: 0,
        ..Options::default()
    };
    (open(stream, options).expect("a buffer"), seen)
}

fn read(buffer: &StreamBuffer, offset: u64, length: usize) {
    let mut out = vec![0; length];
    assert_eq!(buffer.read_at(offset, &mut out).expect("bytes"), length);
    assert_bytes(offset, &out);
}

/// Reads everything, `length` bytes at each of `places` in turn. Returns the number of seeks.
fn seeks(buffer: &StreamBuffer, places: u64, length: usize) -> u64 {
    let part = SIZE / places / BLOCK * BLOCK;
    for at in (0..part).step_by(length) {
        for place in 0..places {
            read(buffer, place * part + at, length);
        }
    }
    buffer.stats().seeks
}

/// A seek for each segment, and a few while the requests grow.
fn most_seeks(places: u64) -> u64 {
    SIZE / BLOCK + 4 * places
}

#[test]
fn several_places_in_turn_cost_few_seeks() {
    for places in [2, 3, 8] {
        for length in [4096, 32_768] {
            let (buffer, seen) = buffer(1 << 20, 16_384);
            let seeks = seeks(&buffer, places, length);
            assert!(seeks <= most_seeks(places), "{places}, {length}: {seeks}");
            assert!(seen.fetched.load(Ordering::Relaxed) <= SIZE);
            assert!(seen.largest_ask.load(Ordering::Relaxed) <= BLOCK);
            let stats = buffer.stats();
            assert!(stats.memory <= (5 << 20) + BLOCK, "{stats:?}");
        }
    }
}

#[test]
fn two_threads_cost_no_more() {
    const LENGTH: usize = 32_768;
    let (buffer, _) = buffer(1 << 20, 16_384);
    let turns = [std::sync::Barrier::new(2), std::sync::Barrier::new(2)];
    scope(|scope| {
        for place in [0, SIZE / 2] {
            let (buffer, turns) = (&buffer, &turns);
            scope.spawn(move || {
                for at in (0..SIZE / 2).step_by(LENGTH) {
                    turns[0].wait();
                    read(buffer, place + at, LENGTH);
                    turns[1].wait();
                }
            });
        }
    });
    let seeks = buffer.stats().seeks;
    assert!(seeks <= most_seeks(2), "{seeks}");
}

/// A connection that delivers little at a time: no memory is taken for bytes that it does not
/// deliver.
#[test]
fn a_source_that_delivers_little_takes_little_memory() {
    const LENGTH: u64 = 32_768;
    let (buffer, _) = buffer(8192, 16_384);
    for at in (0..2 << 20).step_by(LENGTH as usize) {
        read(&buffer, at, LENGTH as usize);
        read(&buffer, SIZE / 2 + at, LENGTH as usize);
    }
    let stats = buffer.stats();
    // Half of each segment is used, so 5 MiB of memory hold 2.5 MiB.
    assert!(stats.memory + stats.disk >= 4 << 20, "{stats:?}");
    assert!(stats.memory >= 2 << 20, "{stats:?}");
}

#[test]
fn reads_at_random_offsets_fetch_no_more_than_they_need() {
    const READS: u64 = 300;
    const LENGTH: usize = 4096;
    let (buffer, seen) = buffer(1 << 20, 16_384);
    let (mut dice, mut before) = (1_u64, 0);
    for _ in 0..READS {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        read(&buffer, (dice >> 33) % (SIZE - LENGTH as u64), LENGTH);
        let fetched = seen.fetched.load(Ordering::Relaxed);
        // A read that begins where a recent one ended may go on from it, for the first time.
        assert!(fetched - before <= 65_536, "{}", fetched - before);
        before = fetched;
    }
    let asked = seen.fetched.load(Ordering::Relaxed);
    let limit = READS * (LENGTH as u64 + 16_384);
    assert!(asked <= limit, "{asked} of {limit}");
}

#[test]
fn exact_requests_stay_exact() {
    const LENGTH: u64 = 1000;
    let (buffer, seen) = buffer(1 << 20, 0);
    for at in (0..100 * LENGTH).step_by(LENGTH as usize) {
        read(&buffer, at, LENGTH as usize);
        read(&buffer, SIZE / 2 + at, LENGTH as usize);
    }
    assert_eq!(seen.largest_ask.load(Ordering::Relaxed), LENGTH);
    assert_eq!(seen.fetched.load(Ordering::Relaxed), 200 * LENGTH);
}
