//! Random operations on several threads against a plain function of the offset.

#[path = "../support/options.rs"]
mod options;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tempfile.rs"]
mod tempfile;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use spoolbuf::{Error, StreamBuffer};

use options::{Options, open};
use support::{Seen, Stream, assert_bytes};

#[derive(Clone, Debug)]
enum Operation {
    Read {
        offset: u64,
        length: usize,
    },
    Some {
        offset: u64,
        length: usize,
        limit: Option<u64>,
    },
    Spill,
    /// That many quarters of the case's limit become the limit.
    Limit(u64),
    Prefetch(u64),
    Look(u64),
}

fn operation(size: u64) -> impl Strategy<Value = Operation> {
    let offset = 0..size + size / 8 + 50;
    let length = prop_oneof![0usize..64, 0usize..5000, 0usize..700_000];
    prop_oneof![
        8 => (offset.clone(), length.clone())
            .prop_map(|(offset, length)| Operation::Read { offset, length }),
        4 => (offset.clone(), length, prop_oneof![Just(None), Just(Some(0)), Just(Some(5))])
            .prop_map(|(offset, length, limit)| Operation::Some { offset, length, limit }),
        1 => Just(Operation::Spill),
        1 => (0u64..=4).prop_map(Operation::Limit),
        1 => prop_oneof![Just(0), 1u64..100_000, Just(u64::MAX)].prop_map(Operation::Prefetch),
        1 => offset.prop_map(Operation::Look),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    size: u64,
    declared: Option<u64>,
    chunk: usize,
    max_memory: u64,
    seeks: bool,
    good_seeks: u32,
    seek_gap: u64,
    threads: Vec<Vec<Operation>>,
}

fn case() -> impl Strategy<Value = Case> {
    let size = prop_oneof![Just(0u64), 1u64..40, 1u64..40_000, 200_000u64..1_500_000];
    size.prop_flat_map(|size| {
        let declared = prop_oneof![
            2 => Just(None),
            2 => Just(Some(size)),
            1 => (0..size + 1).prop_map(Some),
            1 => (size..size * 2 + 10).prop_map(Some),
        ];
        let chunk = if size > 40_000 {
            prop_oneof![Just(997usize), Just(65536), Just(262_144), Just(3_000_000)].boxed()
        } else {
            prop_oneof![Just(1usize), Just(7), Just(4096), Just(1 << 20)].boxed()
        };
        let max = prop_oneof![
            Just(0),
            Just(size.saturating_sub(1)),
            Just(size),
            Just(size + 1),
            Just(size / 2),
            Just(u64::MAX)
        ];
        let threads =
            proptest::collection::vec(proptest::collection::vec(operation(size), 1..12), 1..4);
        let gap = prop_oneof![Just(0u64), Just(1000), Just(256 * 1024)];
        // Whether it can seek, and how many seeks succeed.
        let seeks = prop_oneof![
            2 => Just((false, 0)),
            2 => Just((true, u32::MAX)),
            2 => (0u32..6).prop_map(|good| (true, good)),
        ];
        (declared, chunk, max, seeks, gap, threads).prop_map(
            move |(declared, chunk, max, (seeks, good_seeks), seek_gap, threads)| Case {
                size,
                declared,
                chunk,
                max_memory: max,
                seeks,
                good_seeks,
                seek_gap,
                threads,
            },
        )
    })
}

/// Checks that the byte at an offset can never arrive: a seek has failed, and the source,
/// forward-only since then, has passed that byte without delivering it.
#[track_caller]
fn assert_passed(buffer: &StreamBuffer, seen: &Seen, size: u64, offset: u64) {
    assert_eq!(seen.failed_seeks.load(Ordering::SeqCst), 1);
    assert!(!buffer.stats().seekable);
    let at = seen.at.load(Ordering::SeqCst);
    assert!(offset < at, "{offset} is not behind the source's {at}");
    assert_eq!(buffer.buffered(offset), 0);
    // Past the end, it is missing only until the end is known.
    if offset < size {
        let again = buffer.read_at(offset, &mut [0]);
        assert!(matches!(again, Err(Error::Unsupported)), "{again:?}");
    }
}

fn perform(buffer: &StreamBuffer, seen: &Seen, size: u64, max: u64, operation: &Operation) {
    let there = |offset: u64, length: usize| (size.saturating_sub(offset)).min(length as u64);
    match *operation {
        Operation::Read { offset, length } => {
            let mut out = vec![0; length];
            match buffer.read_at(offset, &mut out) {
                Ok(count) => {
                    assert_bytes(offset, &out[..count]);
                    assert!(count as u64 <= there(offset, length));
                    if (count as u64) < there(offset, length) {
                        assert!(count > 0, "an end at {offset} of {size}");
                        assert_passed(buffer, seen, size, offset + count as u64);
                    }
                }
                Err(Error::Unsupported) => assert_passed(buffer, seen, size, offset),
                Err(error) => panic!("{error}"),
            }
        }
        Operation::Some {
            offset,
            length,
            limit,
        } => {
            let mut out = vec![0; length];
            let before = buffer.buffered(offset);
            match buffer.read_some(offset, &mut out, limit.map(Duration::from_millis)) {
                Ok(count) => {
                    assert_bytes(offset, &out[..count]);
                    assert!(count as u64 >= before.min(length as u64));
                    assert_eq!(count > 0, there(offset, length) > 0);
                }
                Err(Error::Timeout) => {
                    assert!(limit.is_some());
                    assert_eq!(before.min(length as u64), 0);
                }
                Err(Error::Unsupported) => {
                    assert_ne!(limit, Some(0), "what never calls the source can't tell");
                    assert_passed(buffer, seen, size, offset);
                }
                Err(error) => panic!("{error}"),
            }
        }
        Operation::Spill => buffer.spill().expect("a spill"),
        Operation::Limit(quarters) => {
            let max = max / 4 * quarters;
            buffer.set_max_memory(max).expect("a spill");
        }
        Operation::Prefetch(ahead) => buffer.prefetch(ahead).expect("a prefetch"),
        Operation::Look(offset) => {
            let mut end = 0;
            for range in buffer.ranges() {
                assert!(range.start < range.end && (range.start > end || end == 0));
                end = range.end;
            }
            assert!(end <= size);
            assert!(buffer.buffered(offset) <= size.saturating_sub(offset));
        }
    }
}

/// The bytes of a resource that can still arrive once its source cannot go back: all except those
/// that it had passed without delivering them when it got stuck.
fn take_the_rest(buffer: &StreamBuffer, seen: &Seen, size: u64) {
    let mut out = vec![0; 300_000];
    let mut at = 0;
    while at < size {
        match buffer.read_at(at, &mut out) {
            Ok(count) => {
                assert!(count > 0, "an end at {at} of {size}");
                assert_bytes(at, &out[..count]);
                at += count as u64;
            }
            Err(Error::Unsupported) => {
                assert_passed(buffer, seen, size, at);
                let stuck_at = seen.stuck_at.load(Ordering::SeqCst);
                assert!(at < stuck_at, "{at} is not behind {stuck_at}");
                // On to the next buffered byte, or to where the source got stuck.
                let ranges = buffer.ranges();
                let mut starts = ranges.iter().map(|range| range.start);
                let next = starts.find(|start| *start > at);
                at = next.unwrap_or(stuck_at).min(stuck_at);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Checks that the source delivered each buffered byte once, and besides only bytes that it had to
/// read again since it could not skip them: those that it had delivered ahead of where it got
/// stuck, each at most once.
fn assert_fetched_once(seen: &Seen, held: u64) {
    let again = seen.again.load(Ordering::SeqCst);
    assert_eq!(seen.fetched.load(Ordering::SeqCst), held + again);
    assert!(again <= seen.delivered_ahead.load(Ordering::SeqCst));
    // A source that failed once is not asked again.
    assert!(seen.failed_seeks.load(Ordering::SeqCst) <= 1);
}

/// 600, or the number in the environment.
fn cases() -> u32 {
    let chosen = std::env::var("PROPTEST_CASES").ok();
    chosen.and_then(|cases| cases.parse().ok()).unwrap_or(600)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_read_returns_the_bytes_at_its_offset(case in case()) {
        let (mut stream, seen) = Stream::new(case.size, case.chunk);
        stream.seeks = case.seeks;
        stream.good_seeks = case.good_seeks;
        stream.delivered = vec![false; case.size as usize];
        let options = Options {
            size: case.declared,
            max_memory: case.max_memory,
            seek_gap: case.seek_gap,
            ..Options::default()
        };
        let buffer = open(stream, options).expect("a buffer");
        std::thread::scope(|scope| {
            for operations in &case.threads {
                let (buffer, seen) = (&buffer, &seen);
                scope.spawn(move || {
                    for operation in operations {
                        perform(buffer, seen, case.size, case.max_memory, operation);
                        let stats = buffer.stats();
                        assert!(stats.memory <= case.max_memory.saturating_add(256 * 1024));
                        let held: u64 = buffer.ranges().iter().map(|r| r.end - r.start).sum();
                        assert!(stats.memory + stats.disk <= held);
                    }
                });
            }
        });
        buffer.prefetch(0).expect("no prefetch");
        take_the_rest(&buffer, &seen, case.size);
        let held: u64 = buffer.ranges().iter().map(|range| range.end - range.start).sum();
        assert_fetched_once(&seen, held);
        // A source that got stuck past the end never reports where that is.
        let endless = buffer.read_at(case.size, &mut [0]).is_err();
        prop_assert!(!endless || seen.stuck_at.load(Ordering::SeqCst) > case.size);
        if held < case.size || endless {
            let saved = buffer.save(std::env::temp_dir().join("never"));
            prop_assert!(matches!(saved, Err(Error::Unsupported)), "{:?}", saved);
            // One that ended after a seek past a gap reports that there is no more, not where the
            // last byte is.
            let runs_to_the_end = buffer.ranges().last().is_some_and(|last| last.end == case.size);
            let is_known = buffer.stats().final_size.is_some();
            prop_assert_eq!(is_known, !endless && runs_to_the_end);
            return Ok(());
        }
        // Every byte is there.
        let mut all = vec![0; case.size as usize + 10];
        prop_assert_eq!(buffer.read_at(0, &mut all).expect("all") as u64, case.size);
        assert_bytes(0, &all[..case.size as usize]);
        prop_assert_eq!(buffer.size(), Some(case.size));
        assert_fetched_once(&seen, case.size);
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("saved");
        prop_assert_eq!(buffer.save(&path).expect("a save"), case.size);
        prop_assert!(std::fs::read(&path).expect("the file") == all[..case.size as usize]);
        // By the last user of the source, which may be the helper.
        let patience = Instant::now() + Duration::from_secs(30);
        while !seen.dropped.load(Ordering::SeqCst) {
            prop_assert!(Instant::now() < patience, "not closed though all is held");
            std::thread::yield_now();
        }
    }
}
