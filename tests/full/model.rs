//! Random operations on several threads against a plain function of the offset.

#[path = "model/cache.rs"]
mod cache;
#[path = "model/cache_reads.rs"]
mod cache_reads;
#[path = "model/cache_rest.rs"]
mod cache_rest;
#[path = "model/cache_scene.rs"]
mod cache_scene;
#[path = "model/cache_world.rs"]
mod cache_world;
#[path = "model/push.rs"]
mod push;
#[path = "model/push_calls.rs"]
mod push_calls;
#[path = "model/push_model.rs"]
mod push_model;
#[path = "model/push_scene.rs"]
mod push_scene;
#[path = "model/pushers.rs"]
mod pushers;
#[path = "model/reopen.rs"]
mod reopen;
#[path = "model/reopen_calls.rs"]
mod reopen_calls;
#[path = "model/reopen_scene.rs"]
mod reopen_scene;
#[path = "model/scene.rs"]
mod scene;
#[path = "model/settings.rs"]
mod settings;
#[path = "model/source.rs"]
mod source;
#[path = "model/twin.rs"]
mod twin;

#[path = "../support/options.rs"]
mod options;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tempfile.rs"]
mod tempfile;

use std::cell::Cell;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use spoolbuf::Error;

use options::{Options, open};
use scene::Scene;
use settings::config;
use source::{Marks, Stated, Watched};
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
    /// A read of a cursor, with a timeout in milliseconds or for buffered bytes only.
    Peek {
        offset: u64,
        length: usize,
        limit: Option<u64>,
        buffered: bool,
    },
    FindSize(Option<u64>),
    Cancel,
    Resume,
    Retry,
    Spill,
    /// That many quarters of the case's limit become the limit.
    Limit(u64),
    Prefetch(u64),
    Look(u64),
}

/// Milliseconds. A positive timeout starts the helper.
fn limit(with_helper: bool) -> BoxedStrategy<Option<u64>> {
    if with_helper {
        prop_oneof![Just(None), Just(Some(0)), Just(Some(5))].boxed()
    } else {
        prop_oneof![Just(None), Just(Some(0))].boxed()
    }
}

fn operation(size: u64, with_helper: bool) -> impl Strategy<Value = Operation> {
    let offset = 0..size + size / 8 + 50;
    let length = prop_oneof![0usize..64, 0usize..5000, 0usize..700_000];
    let ahead = if with_helper {
        prop_oneof![Just(0), 1u64..100_000, Just(u64::MAX)].boxed()
    } else {
        Just(0).boxed()
    };
    prop_oneof![
        16 => (offset.clone(), length.clone())
            .prop_map(|(offset, length)| Operation::Read { offset, length }),
        8 => (offset.clone(), length.clone(), limit(with_helper))
            .prop_map(|(offset, length, limit)| Operation::Some { offset, length, limit }),
        5 => (offset.clone(), length, limit(with_helper), any::<bool>()).prop_map(
            |(offset, length, limit, buffered)| Operation::Peek { offset, length, limit, buffered },
        ),
        1 => limit(with_helper).prop_map(Operation::FindSize),
        1 => Just(Operation::Cancel),
        2 => Just(Operation::Resume),
        2 => Just(Operation::Retry),
        2 => Just(Operation::Spill),
        2 => (0u64..=4).prop_map(Operation::Limit),
        2 => ahead.prop_map(Operation::Prefetch),
        3 => offset.prop_map(Operation::Look),
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
    /// Offsets at which the source fails once.
    failures: Vec<u64>,
    stated: Option<Stated>,
    /// One thread and no helper: the state is known at any time.
    alone: bool,
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
        let several = proptest::collection::vec(
            proptest::collection::vec(operation(size, true), 1..12),
            1..4,
        );
        let one =
            proptest::collection::vec(proptest::collection::vec(operation(size, false), 1..30), 1);
        let threads = prop_oneof![
            2 => several.prop_map(|threads| (false, threads)),
            1 => one.prop_map(|threads| (true, threads)),
        ];
        let failures = prop_oneof![
            1 => Just(Vec::new()),
            1 => proptest::collection::vec(0..size + 1, 1..4),
        ];
        let known = prop_oneof![Just(size), 0..size + 1, size..size * 2 + 10];
        let stated =
            proptest::option::of((known, 0u32..5).prop_map(|(size, after)| Stated { size, after }));
        let gap = prop_oneof![Just(0u64), Just(1000), Just(256 * 1024)];
        // Whether it can seek, and how many seeks succeed.
        let seeks = prop_oneof![
            2 => Just((false, 0)),
            2 => Just((true, u32::MAX)),
            2 => (0u32..6).prop_map(|good| (true, good)),
        ];
        (declared, chunk, max, seeks, gap, failures, stated, threads).prop_map(
            move |(declared, chunk, max, seeks, seek_gap, failures, stated, threads)| Case {
                size,
                declared,
                chunk,
                max_memory: max,
                seeks: seeks.0,
                good_seeks: seeks.1,
                seek_gap,
                failures,
                stated,
                alone: threads.0,
                threads: threads.1,
            },
        )
    })
}

/// The bytes of a resource that can still arrive once its source cannot go back: all except those
/// that it had passed without delivering them when it got stuck.
fn take_the_rest(scene: &Scene<'_>) {
    let (buffer, seen, size) = (scene.buffer, scene.seen, scene.case.size);
    let mut out = vec![0; 300_000];
    let mut at = 0;
    while at < size {
        match scene.read_on(at, &mut out) {
            Ok(count) => {
                assert!(count > 0, "an end at {at} of {size}");
                assert_bytes(at, &out[..count]);
                at += count as u64;
            }
            Err(Error::Unsupported) => {
                scene.assert_passed(at);
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

/// Runs a case, and ends the process if that takes so long that a call must hang.
fn watched(case: &(impl std::fmt::Debug + Sync), work: impl FnOnce()) {
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let patience = Duration::from_secs(300);
            if is_done.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                // Not captured.
                let _ = writeln!(std::io::stderr(), "a call hangs: {case:#?}");
                std::process::abort();
            }
        });
        // Dropped also if it panics.
        let _done = done;
        work();
    });
}

proptest! {
    #![proptest_config(config())]

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
        let (marks, was_canceled) = (Arc::new(Marks::default()), AtomicBool::new(false));
        let mut failures = case.failures.clone();
        failures.sort_unstable();
        let source = Watched {
            stream,
            marks: marks.clone(),
            failures,
            stated: case.stated,
            has_declared_size: case.declared.is_some(),
        };
        let buffer = open(source, options).expect("a buffer");
        let (buffer, seen, marks) = (&buffer, &*seen, &*marks);
        let scene = || Scene {
            case: &case,
            buffer,
            seen,
            marks,
            was_canceled: &was_canceled,
            canceled: Cell::new(false),
            max_memory: Cell::new(case.max_memory),
        };
        std::thread::scope(|scope| {
            for operations in &case.threads {
                let (scene, case) = (&scene, &case);
                scope.spawn(move || {
                    let scene = scene();
                    for operation in operations {
                        scene.perform(operation);
                        let stats = buffer.stats();
                        let max = if case.alone { scene.max_memory.get() } else { case.max_memory };
                        assert!(stats.memory <= max.saturating_add(256 * 1024));
                        let held: u64 = buffer.ranges().iter().map(|r| r.end - r.start).sum();
                        assert!(stats.memory + stats.disk <= held);
                    }
                });
            }
        });
        marks.assert_obeyed();
        let scene = scene();
        scene.resume();
        buffer.prefetch(0).expect("no prefetch");
        take_the_rest(&scene);
        let held: u64 = buffer.ranges().iter().map(|range| range.end - range.start).sum();
        assert_fetched_once(seen, held);
        // A source that got stuck past the end never reports where that is.
        let endless = scene.read_on(case.size, &mut [0]).is_err();
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
        assert_fetched_once(seen, case.size);
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("saved");
        prop_assert_eq!(buffer.save(&path).expect("a save"), case.size);
        prop_assert!(std::fs::read(&path).expect("the file") == all[..case.size as usize]);
        // By the last user of the source, which may be the helper.
        let patience = Instant::now() + Duration::from_secs(300);
        while !seen.dropped.load(Ordering::SeqCst) {
            prop_assert!(Instant::now() < patience, "not closed though all is held");
            std::thread::yield_now();
        }
    }
}
