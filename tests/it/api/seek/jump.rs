//! Far jumps: what is fetched for them, and what stays buffered.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{SIZE, buffer, declared, fetched, read};
use crate::options::Options;
use crate::support::assert_bytes;

#[test]
fn a_far_jump_does_not_fetch_the_middle() {
    let (buffer, seen) = buffer(SIZE, declared(SIZE));
    assert_eq!(read(&buffer, 0, 1000).expect("the start"), 1000);
    assert_eq!(read(&buffer, SIZE - 1000, 5000).expect("the end"), 1000);
    // Two requests, each rounded up.
    assert!(
        fetched(&seen) <= 2 * (1000 + 16 * 1024),
        "{}",
        fetched(&seen)
    );
    let ranges = buffer.ranges();
    assert_eq!((ranges.len(), ranges[0].start, ranges[1].end), (2, 0, SIZE));
    assert_eq!(buffer.stats().seeks, 1);
    assert_eq!(buffer.size(), Some(SIZE));
    assert_eq!(buffer.stats().frontier, ranges[0].end);
    assert_eq!(buffer.buffered(SIZE - 10), 10);
    assert_eq!(buffer.buffered(SIZE / 2), 0);
}

#[test]
fn a_small_gap_is_read_through_and_a_large_one_is_not() {
    for (gap, seeks) in [(50_000, 0), (70_000, 1)] {
        let options = Options {
            seek_gap: 60_000,
            read_granularity: 0,
            ..declared(SIZE)
        };
        let (buffer, _) = buffer(SIZE, options);
        assert_eq!(read(&buffer, gap, 1).expect("a byte"), 1);
        assert_eq!(buffer.stats().seeks, seeks, "over {gap} bytes");
    }
}

/// A read that takes the available bytes takes all of them, in memory first and then in the file.
#[test]
fn buffered_bytes_are_found_in_memory_and_in_the_file() {
    let (buffer, seen) = buffer(SIZE, declared(SIZE));
    read(&buffer, 1_048_576, 16_384).expect("bytes");
    buffer.spill().expect("room");
    read(&buffer, 1_048_576 - 16_384, 16_384).expect("bytes");
    let stats = buffer.stats();
    assert_eq!((stats.memory, stats.disk), (16_384, 16_384), "{stats:?}");
    let mut out = vec![0; 100_000];
    for limit in [Some(Duration::ZERO), None] {
        let from = 1_048_576 - 10_000;
        let count = buffer.read_some(from, &mut out, limit).expect("bytes");
        assert_eq!(count, 26_384);
        assert_bytes(from, &out[..count]);
    }
    assert_eq!(fetched(&seen), 32_768);
}

#[test]
fn buffered_bytes_are_used_and_adjacent_ranges_merge() {
    let options = Options {
        seek_gap: 0,
        ..declared(SIZE)
    };
    let (buffer, seen) = buffer(SIZE, options);
    for offset in [5_000_000, 2_000_000, 5_500_000, 0] {
        read(&buffer, offset, 300_000).expect("bytes");
    }
    assert_eq!(buffer.ranges().len(), 4);
    // From the first through the second and third up to the fourth.
    assert_eq!(read(&buffer, 0, 6_000_000).expect("bytes"), 6_000_000);
    assert_eq!(buffer.ranges().len(), 1);
    assert_eq!(
        read(&buffer, 0, SIZE as usize + 1).expect("all") as u64,
        SIZE
    );
    assert_eq!(fetched(&seen), SIZE, "some bytes were fetched twice");
    assert!(
        seen.dropped.load(Ordering::SeqCst),
        "not closed though all is held"
    );
}

#[test]
fn reading_backwards_does_not_seek_for_each_step() {
    const STEP: u64 = 1000;
    const FROM: u64 = 1_000_000;
    let options = Options {
        seek_gap: 0,
        ..declared(SIZE)
    };
    let (buffer, seen) = buffer(SIZE, options);
    for step in 0..FROM / STEP {
        read(&buffer, FROM - step * STEP, STEP as usize).expect("bytes");
    }
    // One for each 16 KiB, which is also what one of them may cost.
    let stats = buffer.stats();
    assert!(stats.seeks <= FROM / 16_384 + 2, "{}", stats.seeks);
    assert!(fetched(&seen) <= FROM + 2 * 16_384, "{}", fetched(&seen));
    assert_eq!(buffer.ranges().len(), 1);
    // Nothing is fetched twice, nor past the end of a gap, and without rounding all requests are
    // exact.
    let options = Options {
        seek_gap: 0,
        read_granularity: 0,
        ..declared(SIZE)
    };
    let (buffer, seen) = self::buffer(SIZE, options);
    for offset in [5000, 3000, 1000] {
        read(&buffer, offset, 1000).expect("bytes");
    }
    assert_eq!(fetched(&seen), 3000);
}

#[test]
fn memory_is_bounded_however_many_jumps() {
    let options = Options {
        max_memory: 100_000,
        seek_gap: 0,
        ..declared(SIZE)
    };
    let (buffer, _) = buffer(SIZE, options);
    for jump in 0..300 {
        read(&buffer, jump * 7_919_111 % SIZE, 10).expect("bytes");
        let stats = buffer.stats();
        assert!(stats.memory <= 100_000 + 256 * 1024, "{stats:?}");
    }
    for jump in 0..300 {
        assert_eq!(
            read(&buffer, jump * 7_919_111 % SIZE, 10).expect("again"),
            10
        );
    }
}

#[test]
fn readers_at_different_places_take_turns() {
    let (buffer, seen) = buffer(SIZE * 4, declared(SIZE * 4));
    std::thread::scope(|scope| {
        for part in 0..4 {
            let buffer = &buffer;
            scope.spawn(move || {
                let wanted = SIZE as usize;
                assert_eq!(read(buffer, part * SIZE, wanted).expect("a part"), wanted);
            });
        }
    });
    assert_eq!(fetched(&seen), SIZE * 4);
}

#[test]
fn an_offset_that_no_file_can_reach_does_not_block_the_others() {
    let far = 1 << 62;
    let (buffer, _) = buffer(
        far + SIZE,
        Options {
            max_memory: 1_400_000,
            ..declared(far + SIZE)
        },
    );
    for offset in [far, 0, 3_000_000, far + 5_000_000, 6_000_000] {
        read(&buffer, offset, 500_000).expect("bytes");
    }
    let stats = buffer.stats();
    assert!(stats.disk > 0 && stats.memory >= 1_000_000, "{stats:?}");
    for offset in [far, 0, 3_000_000, far + 5_000_000, 6_000_000] {
        assert_eq!(buffer.buffered(offset).min(500_000), 500_000);
        read(&buffer, offset, 500_000).expect("the same bytes");
    }
}
