//! Sources that can seek: several ranges, and far seeks without the bytes in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use crate::options::{Options, open};
use crate::support::{Seen, Stream, assert_bytes};
use spoolbuf::{Error, Interrupt, SaveOptions, Source, StreamBuffer};

const SIZE: u64 = 10_000_000;

/// A call that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn buffer(size: u64, options: Options) -> (StreamBuffer, Arc<Seen>) {
    failing(size, u32::MAX, options)
}

fn failing(size: u64, good_seeks: u32, options: Options) -> (StreamBuffer, Arc<Seen>) {
    let (mut stream, seen) = Stream::new(size, 1 << 20);
    stream.seeks = true;
    stream.good_seeks = good_seeks;
    (open(stream, options).expect("a buffer"), seen)
}

fn declared(size: u64) -> Options {
    Options {
        size: Some(size),
        max_memory: 300_000,
        ..Options::default()
    }
}

fn read(buffer: &StreamBuffer, offset: u64, length: usize) -> spoolbuf::Result<usize> {
    let mut out = vec![0; length];
    let count = buffer.read_at(offset, &mut out)?;
    assert_bytes(offset, &out[..count]);
    Ok(count)
}

fn fetched(seen: &Seen) -> u64 {
    seen.fetched.load(Ordering::Relaxed)
}

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
fn the_end_is_found_where_it_is() {
    // Declared too large: a seek past the real end, then an end before the declared one.
    let (buffer, _) = buffer(SIZE, declared(SIZE * 2));
    assert_eq!(read(&buffer, SIZE + 500_000, 10).expect("past the end"), 0);
    assert_eq!(
        buffer.stats().final_size,
        None,
        "somewhere before, but where?"
    );
    assert_eq!(read(&buffer, SIZE - 10, 1000).expect("across the end"), 10);
    assert_eq!(buffer.stats().final_size, Some(SIZE));
    assert_eq!(buffer.size(), Some(SIZE));
    assert_eq!(read(&buffer, SIZE, 10).expect("at the end"), 0);
    assert_eq!(read(&buffer, SIZE / 2, 10).expect("in the middle"), 10);

    // Declared too small: bytes beyond it.
    let (buffer, seen) = super_buffer(SIZE / 2);
    assert_eq!(
        read(&buffer, SIZE - 10, 1000).expect("beyond the declared end"),
        10
    );
    assert_eq!(buffer.size(), Some(SIZE));
    assert_eq!(
        read(&buffer, 0, SIZE as usize + 1).expect("all") as u64,
        SIZE
    );
    assert_eq!(fetched(&seen), SIZE);
}

fn super_buffer(size: u64) -> (StreamBuffer, Arc<Seen>) {
    buffer(SIZE, declared(size))
}

#[test]
fn an_empty_resource_ends_at_any_offset() {
    let (buffer, _) = buffer(0, declared(SIZE));
    assert_eq!(read(&buffer, SIZE - 10, 10).expect("nothing"), 0);
    assert_eq!(read(&buffer, 0, 10).expect("nothing"), 0);
    assert_eq!(buffer.size(), Some(0));
}

#[test]
fn a_save_fills_the_gaps_with_the_fewest_seeks() {
    let (buffer, seen) = buffer(SIZE, declared(SIZE));
    read(&buffer, 0, 100_000).expect("the start");
    read(&buffer, 4_000_000, 100_000).expect("the middle");
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = directory.path().join("saved");
    let held = SaveOptions {
        buffered: true,
        ..SaveOptions::default()
    };
    let refused = buffer.save_with(&path, held, |_, _| true);
    assert!(matches!(refused, Err(Error::Size)), "{refused:?}");
    assert!(!path.exists());
    assert_eq!(buffer.save(&path).expect("a save"), SIZE);
    // On to the end from the source's position, then back for the one gap.
    assert_eq!(buffer.stats().seeks, 2);
    assert_eq!(fetched(&seen), SIZE);
    assert_bytes(0, &std::fs::read(&path).expect("the file"));
}

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

#[track_caller]
fn wait_until(mut condition: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < patience, "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The progress of a save is reported before the first byte is written: while a source that has
/// sought forward reads on to the end. The callback can stop the save there, and so can a cancel,
/// even one that is over.
#[test]
fn a_save_can_be_stopped_while_the_source_continues() {
    for by_cancel in [false, true] {
        let (buffer, seen) = buffer(SIZE, declared(SIZE));
        read(&buffer, 1_000_000, 10).expect("bytes");
        let before = fetched(&seen);
        let directory = crate::tempfile::tempdir().expect("a directory");
        let target = directory.path().join("saved");
        let mut told = Vec::new();
        let saved = buffer.save_with(&target, SaveOptions::default(), |done, total| {
            told.push((done, total));
            if by_cancel {
                buffer.cancel();
                buffer.resume();
            }
            by_cancel
        });
        assert!(matches!(saved, Err(Error::Canceled)), "{saved:?}");
        assert_eq!(told, [(0, Some(SIZE))]);
        assert!(fetched(&seen) <= before + 128 * 1024, "{}", fetched(&seen));
        assert!(!target.exists());
    }
}

/// A save of a stream that was not sought writes bytes as they arrive.
#[test]
fn a_save_in_order_does_not_wait_for_the_end() {
    let (buffer, seen) = buffer(SIZE, declared(SIZE));
    read(&buffer, 0, 10).expect("bytes");
    let directory = crate::tempfile::tempdir().expect("a directory");
    let mut first = None;
    let saved = buffer.save_with(
        directory.path().join("saved"),
        SaveOptions::default(),
        |done, _| {
            if done > 0 {
                first.get_or_insert((done, fetched(&seen)));
            }
            true
        },
    );
    assert_eq!(saved.expect("a save"), SIZE);
    let (done, fetched) = first.expect("progress");
    assert!(done < SIZE / 2 && fetched < SIZE / 2, "{done}, {fetched}");
    assert_eq!(buffer.stats().seeks, 0);
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

#[test]
fn a_source_that_turns_out_not_to_seek_is_read_forwards() {
    let (buffer, seen) = failing(SIZE, 0, declared(SIZE));
    assert_eq!(read(&buffer, 3_000_000, 10).expect("by the long way"), 10);
    let stats = buffer.stats();
    assert!(
        !stats.seekable && stats.source_error == 0 && stats.failure.is_none(),
        "{stats:?}"
    );
    assert_eq!(
        read(&buffer, 0, SIZE as usize + 1).expect("all") as u64,
        SIZE
    );
    assert_eq!(fetched(&seen), SIZE);
}

/// A source whose first two seeks fail.
struct Stumbling(Stream, u32);

impl Source for Stumbling {
    fn pull(&mut self, out: &mut [u8]) -> spoolbuf::Result<usize> {
        self.0.pull(out)
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> spoolbuf::Result<()> {
        self.1 += 1;
        if self.1 <= 2 {
            return Err(Error::Source {
                code: -5,
                cause: None,
            });
        }
        self.0.jump(offset)
    }
}

#[test]
fn a_failed_seek_is_the_error_of_its_read_and_the_next_read_tries_again() {
    for ahead in [0, 1000] {
        let (stream, seen) = Stream::new(SIZE, 1 << 20);
        let buffer = open(Stumbling(stream, 0), declared(SIZE));
        let buffer = buffer.expect("a buffer");
        read(&buffer, 0, 10).expect("the start");
        buffer.prefetch(ahead).expect("a helper");
        for seeks in 1..3 {
            let failed = read(&buffer, SIZE - 10, 10);
            assert!(
                matches!(failed, Err(Error::Source { code: -5, .. })),
                "{failed:?}"
            );
            let stats = buffer.stats();
            assert!(stats.seekable && stats.failure.is_none(), "{stats:?}");
            assert_eq!((stats.seeks, stats.source_error), (seeks, -5));
            // It continues at its position, for any reader that wants that.
            read(&buffer, 10_000 * seeks, 10).expect("onwards");
        }
        read(&buffer, SIZE - 10, 10).expect("by a jump");
        assert!(fetched(&seen) < 200_000, "{}", fetched(&seen));
        assert_eq!(buffer.stats().seeks, 3);
    }
}

#[test]
fn a_failed_seek_of_one_does_not_stop_the_prefetch_of_another() {
    const AHEAD: u64 = 200_000;
    let (stream, _) = Stream::new(SIZE, 1 << 20);
    let options = Options {
        prefetch_low: u64::MAX,
        ..declared(SIZE)
    };
    let buffer = open(Stumbling(stream, 0), options);
    let buffer = buffer.expect("a buffer");
    read(&buffer, 0, 10).expect("the start");
    buffer.prefetch(AHEAD).expect("a helper");
    wait_until(|| buffer.buffered(10) >= AHEAD);
    let failed = read(&buffer, SIZE - 10, 10);
    assert!(
        matches!(failed, Err(Error::Source { code: -5, .. })),
        "{failed:?}"
    );
    // It always finds bytes, so only the prefetch itself fetches more.
    for at in (0..5 * AHEAD).step_by(50_000) {
        read(&buffer, at, 10).expect("bytes that are there");
        wait_until(|| buffer.buffered(at + 10) >= AHEAD);
    }
}

#[test]
fn bytes_behind_a_forward_only_source_are_unsupported() {
    let (buffer, _) = failing(SIZE, 2, declared(SIZE));
    read(&buffer, 8_000_000, 10).expect("the first jump");
    read(&buffer, 4_000_000, 10).expect("the second jump");
    let behind = read(&buffer, 2_000_000, 10);
    assert!(matches!(behind, Err(Error::Unsupported)), "{behind:?}");
    // It continues forward, through buffered bytes.
    assert_eq!(
        read(&buffer, 4_000_000, 6_000_000).expect("onwards") as u64,
        SIZE - 4_000_000
    );
    assert_eq!(buffer.size(), Some(SIZE));
    let behind = read(&buffer, 2_000_000, 10);
    assert!(matches!(behind, Err(Error::Unsupported)), "{behind:?}");
    let saved = buffer.save(std::env::temp_dir().join("never"));
    assert!(matches!(saved, Err(Error::Unsupported)), "{saved:?}");
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
fn a_cancel_before_a_seek_does_not_make_the_source_forward_only() {
    let (buffer, _) = buffer(SIZE, declared(SIZE));
    read(&buffer, 0, 10).expect("bytes");
    buffer.cancel();
    assert!(matches!(read(&buffer, SIZE / 2, 10), Err(Error::Canceled)));
    buffer.resume();
    assert_eq!(read(&buffer, SIZE / 2, 10).expect("bytes"), 10);
    assert!(buffer.stats().seekable);
}

/// A source whose first seek fails once it is interrupted and released, and not before. It reports
/// when it is inside.
struct Slow {
    stream: Stream,
    asked: u32,
    entered: Sender<&'static str>,
    go: Receiver<()>,
    interrupted: Arc<AtomicBool>,
}

impl Source for Slow {
    fn pull(&mut self, out: &mut [u8]) -> spoolbuf::Result<usize> {
        self.stream.pull(out)
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> spoolbuf::Result<()> {
        self.asked += 1;
        if self.asked > 1 {
            return self.stream.jump(offset);
        }
        self.entered.send("inside").expect("the test listens");
        self.go.recv_timeout(PATIENCE).expect("let go");
        assert!(self.interrupted.load(Ordering::SeqCst));
        Err(Error::Source {
            code: -4,
            cause: None,
        })
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let (entered, interrupted) = (self.entered.clone(), self.interrupted.clone());
        Some(Box::new(move || {
            interrupted.store(true, Ordering::SeqCst);
            let _ = entered.send("interrupted");
        }))
    }
}

#[test]
fn a_cancel_during_a_seek_does_not_make_the_source_forward_only() {
    // By the reader's own thread or by the helper's; resumed after the source has come back or,
    // which must be no other thing for the seek, while it is inside.
    for (helper, overtaken) in [(false, false), (false, true), (true, false), (true, true)] {
        let (stream, seen) = Stream::new(SIZE, 1 << 20);
        let ((entered, events), (let_go, go)) = (channel(), channel());
        let slow = Slow {
            stream,
            asked: 0,
            entered,
            go,
            interrupted: Arc::default(),
        };
        let buffer = open(slow, declared(SIZE)).expect("a buffer");
        let limit = helper.then_some(PATIENCE);
        let jump = || buffer.read_some(SIZE / 2, &mut [0; 10], limit);
        std::thread::scope(|scope| {
            let reader = scope.spawn(jump);
            assert_eq!(events.recv_timeout(PATIENCE), Ok("inside"));
            buffer.cancel();
            // It is called before the cancel returns.
            assert_eq!(events.try_recv(), Ok("interrupted"));
            if overtaken {
                buffer.resume();
            }
            let_go.send(()).expect("the source waits");
            let canceled = reader.join().expect("the reader");
            assert!(matches!(canceled, Err(Error::Canceled)), "{canceled:?}");
        });
        // A helper returns after its reader, which did not wait for it.
        buffer.resume();
        assert_eq!(jump().expect("bytes"), 10, "{helper} {overtaken}");
        let stats = buffer.stats();
        assert!(stats.seekable && stats.seeks == 2, "{stats:?}");
        assert!(fetched(&seen) <= 100_000, "{}", fetched(&seen));
        assert_eq!(events.try_recv(), Err(TryRecvError::Empty));
    }
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
