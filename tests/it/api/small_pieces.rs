//! Several places of a source that delivers little at a time are read in turn.

use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::Ordering;
use std::thread::{scope, sleep};
use std::time::Duration;

use super::pieces::{DEAR_SEEKS, Line, SIZE, buffer};
use crate::support::assert_bytes;
use spoolbuf::StreamBuffer;

const BLOCK: u64 = 256 * 1024;
const LENGTH: usize = 32 * 1024;

fn read(buffer: &StreamBuffer, offset: u64, length: usize) {
    let mut out = vec![0; length];
    assert_eq!(buffer.read_at(offset, &mut out).expect("bytes"), length);
    assert_bytes(offset, &out);
}

/// Reads `turns` times at each of the places, as much as `lengths` says. Returns the number of
/// seeks.
fn seeks(buffer: &StreamBuffer, lengths: &[usize], turns: u64) -> u64 {
    let places = lengths.len() as u64;
    let part = SIZE / places / BLOCK * BLOCK;
    for turn in 0..turns {
        for (place, length) in (0..).zip(lengths) {
            read(buffer, place * part + turn * *length as u64, *length);
        }
    }
    buffer.stats().seeks
}

/// Half as many as without reading on, which is one for each read. It is a sixth where no other program
/// takes the processor: a seek for each segment, and a few while the runs grow.
fn most_seeks(turns: u64, places: u64) -> u64 {
    turns * places / 2
}

/// The number of seeks of the first attempt that is within `most`, else of the last one: a machine that is
/// busy for a moment makes seeks look cheap beside the bytes.
fn seeks_within(most: u64, attempt: impl Fn() -> u64) -> u64 {
    let mut seeks = attempt();
    for _ in 0..9 {
        if seeks > most {
            seeks = attempt();
        }
    }
    seeks
}

#[test]
fn the_size_of_the_pieces_makes_no_difference() {
    for piece in [4, 16, 32] {
        let line = Line {
            piece: piece * 1024,
            ..DEAR_SEEKS
        };
        for places in [2, 3] {
            let turns = SIZE / places / BLOCK * BLOCK / LENGTH as u64;
            let most = most_seeks(turns, places);
            let found = seeks_within(most, || {
                let (buffer, _) = buffer(line, 16_384);
                seeks(&buffer, &vec![LENGTH; places as usize], turns)
            });
            assert!(found <= most, "{piece}, {places}: {found}");
        }
    }
}

#[test]
fn places_may_need_unequal_numbers_of_bytes() {
    let lengths = [LENGTH, LENGTH / 8];
    let turns = SIZE / 2 / LENGTH as u64;
    // A request for the smaller one is rounded up to four of them.
    let most = most_seeks(turns / 4, 2);
    let found = seeks_within(most, || {
        let (buffer, _) = buffer(DEAR_SEEKS, 16_384);
        seeks(&buffer, &lengths, turns)
    });
    assert!(found <= most, "{found}");
}

/// Seeks as often as without reading on: nearly for each read.
#[test]
fn a_source_that_is_slow_but_seeks_for_nothing_is_not_read_on() {
    const TURNS: u64 = 20;
    let line = Line {
        seek: Duration::ZERO,
        read: Duration::from_millis(5),
        ..DEAR_SEEKS
    };
    let (buffer, _) = buffer(line, 16_384);
    let seeks = seeks(&buffer, &[LENGTH; 2], TURNS);
    assert!(seeks >= TURNS, "{seeks}");
}

#[test]
fn a_source_that_cannot_be_interrupted_is_not_read_on() {
    const TURNS: u64 = 20;
    let line = Line {
        is_interruptible: false,
        ..DEAR_SEEKS
    };
    let (buffer, dam) = buffer(line, 16_384);
    assert_eq!(seeks(&buffer, &[LENGTH; 2], TURNS), 2 * TURNS - 1);
    assert_eq!(dam.reads.load(Ordering::Relaxed), 2 * 2 * TURNS);
}

#[test]
fn exact_requests_stay_exact() {
    const TURNS: u64 = 20;
    let (buffer, _) = buffer(DEAR_SEEKS, 0);
    assert_eq!(seeks(&buffer, &[LENGTH; 2], TURNS), 2 * TURNS - 1);
    assert_eq!(buffer.stats().pulled, 2 * TURNS * LENGTH as u64);
}

/// A call that has its bytes reads on, and the source stalls. A call on another thread gets its
/// bytes elsewhere all the same, and the first call returns then.
#[test]
fn a_source_that_stalls_is_left_for_another_call() {
    let (buffer, dam) = buffer(DEAR_SEEKS, 16_384);
    let far = SIZE / 2;
    seeks(&buffer, &[LENGTH; 2], 2);
    for turn in 2..64 {
        let at = turn * LENGTH as u64;
        dam.shut(at + LENGTH as u64, at + BLOCK);
        let has_stalled = scope(|scope| {
            let reader = scope.spawn(|| read(&buffer, at, LENGTH));
            while !reader.is_finished() && !dam.stalls() {
                sleep(Duration::from_millis(1));
            }
            let has_stalled = dam.stalls();
            read(&buffer, far + at, LENGTH);
            has_stalled
        });
        dam.shut(0, 0);
        if has_stalled {
            return;
        }
    }
    panic!("the source was never read on");
}

/// A call that needs bytes elsewhere does not wait for many slow reads that nobody needs yet.
#[test]
fn a_slow_source_is_not_read_on_while_a_call_waits() {
    const PIECES: u64 = (LENGTH / 4096) as u64;
    let line = Line {
        piece: 4096,
        seek: Duration::from_millis(400),
        read: Duration::from_millis(10),
        is_interruptible: true,
    };
    let (buffer, dam) = buffer(line, 16_384);
    seeks(&buffer, &[LENGTH; 2], 1);
    let (at, far) = (LENGTH as u64, SIZE / 2 + LENGTH as u64);
    let reads = || dam.near_reads.load(Ordering::Relaxed);
    let first = reads();
    scope(|scope| {
        let reader = scope.spawn(|| read(&buffer, at, LENGTH));
        while reads() <= first + PIECES && !reader.is_finished() {
            sleep(Duration::from_millis(1));
        }
        let waits = buffer.stats().waits;
        let other = scope.spawn(|| read(&buffer, far, LENGTH));
        while buffer.stats().waits == waits && !reader.is_finished() {
            sleep(Duration::from_millis(1));
        }
        let before = reads();
        reader.join().expect("bytes");
        other.join().expect("bytes");
        assert!(reads() <= before + 2, "{} more", reads() - before);
    });
}

/// A call that has its bytes reads on, and its reader is canceled meanwhile. The source delivers bytes
/// all the same, and is not read again: it could stall there.
#[test]
fn a_canceled_reader_does_not_read_on() {
    let (buffer, dam) = buffer(DEAR_SEEKS, 16_384);
    seeks(&buffer, &[LENGTH; 2], 1);
    let mut cursor = buffer.cursor().expect("a cursor");
    for turn in 1..64 {
        let at = turn * LENGTH as u64;
        let (handle, seen) = (cursor.cancel_handle(), dam.clone());
        let cancel = move || {
            handle.cancel();
            seen.near_reads.store(0, Ordering::Relaxed);
        };
        dam.set_event((at + LENGTH as u64, Box::new(cancel)));
        cursor.seek(SeekFrom::Start(at)).expect("a position");
        cursor.read_exact(&mut [0; LENGTH]).expect("bytes");
        if !dam.has_event() {
            assert_eq!(dam.near_reads.load(Ordering::Relaxed), 0);
            return;
        }
        read(&buffer, SIZE / 2 + at, LENGTH);
    }
    panic!("the source was never read on");
}

/// Like a request, reading on ends where a block does, however much is wanted beyond it.
#[test]
fn reading_on_ends_at_the_end_of_a_block() {
    // So that no run but the first begins where a block does.
    const LENGTH: usize = 24 * 1024;
    let has_reached_it = || {
        let (buffer, _) = buffer(DEAR_SEEKS, 16_384);
        let mut has_reached_it = false;
        for at in (0..BLOCK - LENGTH as u64).step_by(LENGTH) {
            read(&buffer, at, LENGTH);
            let end = at + LENGTH as u64;
            let next_block = end.next_multiple_of(BLOCK);
            assert_eq!(buffer.buffered(next_block), 0, "at {at}");
            has_reached_it |= end + buffer.buffered(end) == next_block;
            read(&buffer, SIZE / 2 + at, LENGTH);
        }
        has_reached_it
    };
    assert!((0..20).any(|_| has_reached_it()), "it was never read on");
}
