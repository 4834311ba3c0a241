//! Pushers, readers and callers that control the buffer, on threads of their own.
//!
//! Every pusher offers the whole resource in an order of its own until all of it is accepted, so
//! that each read gets its bytes whatever happens meanwhile.

use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use spoolbuf::{OnFull, StreamBuffer};

use crate::push_scene::Scene;
use crate::tempfile::tempdir;

#[derive(Clone, Debug)]
pub struct Pushes {
    pub piece: u64,
    /// Where it begins, how it goes on, and how far it repeats bytes.
    pub first: u64,
    pub backward: bool,
    pub overlap: u64,
    pub limit: Option<u64>,
}

#[derive(Clone, Debug)]
pub enum Reading {
    /// All bytes from an offset on, in reads of this length.
    Through {
        offset: u64,
        length: usize,
    },
    Peek {
        offset: u64,
        length: usize,
        limit: Option<u64>,
        buffered: bool,
    },
    FindSize(Option<u64>),
}

#[derive(Clone, Debug)]
pub enum Control {
    CancelAndResume,
    FailAndRetry,
    Spill,
    Limit(u64),
    Prefetch(u64),
    Look(u64),
}

#[derive(Clone, Debug)]
pub struct Case {
    pub size: u64,
    pub declared: Option<u64>,
    pub max_memory: u64,
    pub on_full: OnFull,
    pub disk_works: bool,
    pub ahead: u64,
    /// The end is reported before the bytes.
    pub ends_first: bool,
    pub pushers: Vec<Pushes>,
    pub readers: Vec<Vec<Reading>>,
    pub controls: Vec<Control>,
}

fn pushes(size: u64) -> impl Strategy<Value = Pushes> {
    (
        size / 40 + 1..size / 2 + 3,
        0..size + 1,
        any::<bool>(),
        prop_oneof![Just(0), 0..size / 3 + 1],
        prop_oneof![Just(None), Just(Some(0)), Just(Some(2))],
    )
        .prop_map(|(piece, first, backward, overlap, limit)| Pushes {
            piece,
            first,
            backward,
            overlap,
            limit,
        })
}

fn reading(size: u64) -> impl Strategy<Value = Reading> {
    let offset = 0..size + 10;
    let length = size as usize / 20 + 1..size as usize + 20;
    let limit = prop_oneof![Just(None), Just(Some(0)), Just(Some(3))];
    prop_oneof![
        2 => (offset.clone(), length.clone())
            .prop_map(|(offset, length)| Reading::Through { offset, length }),
        3 => (offset, length, limit.clone(), any::<bool>()).prop_map(
            |(offset, length, limit, buffered)| Reading::Peek { offset, length, limit, buffered },
        ),
        1 => limit.prop_map(Reading::FindSize),
    ]
}

fn control(size: u64) -> impl Strategy<Value = Control> {
    prop_oneof![
        2 => Just(Control::CancelAndResume),
        2 => Just(Control::FailAndRetry),
        1 => Just(Control::Spill),
        1 => (0..size + 1).prop_map(Control::Limit),
        1 => prop_oneof![Just(0), 1u64..100_000, Just(u64::MAX)].prop_map(Control::Prefetch),
        2 => (0..size + 10).prop_map(Control::Look),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let size = prop_oneof![1 => 0u64..40, 2 => 1u64..40_000, 1 => 270_000u64..900_000];
    size.prop_flat_map(|size| {
        (
            prop_oneof![Just(None), Just(Some(size))],
            prop_oneof![Just(0), Just(size / 2), Just(u64::MAX)],
            prop_oneof![Just(OnFull::Fail), Just(OnFull::Memory)],
            prop::bool::weighted(0.8),
            prop_oneof![2 => Just(0), 1 => size / 20 + 1..size + 2],
            any::<bool>(),
            proptest::collection::vec(pushes(size), 1..4),
            proptest::collection::vec(proptest::collection::vec(reading(size), 1..6), 1..4),
            proptest::collection::vec(control(size), 0..8),
        )
            .prop_map(
                move |(
                    declared,
                    max_memory,
                    on_full,
                    disk_works,
                    ahead,
                    ends_first,
                    pushers,
                    readers,
                    controls,
                )| Case {
                    size,
                    declared,
                    max_memory,
                    on_full,
                    disk_works,
                    ahead,
                    ends_first,
                    pushers,
                    readers,
                    controls,
                },
            )
    })
}

proptest! {
    #![proptest_config(crate::settings::config())]

    #[test]
    fn every_reader_gets_what_was_pushed(case in case()) {
        let directory = tempdir().expect("a directory");
        let spool_dir = crate::settings::spool_dir(&directory, case.disk_works);
        let builder = StreamBuffer::pushed()
            .size(case.declared)
            .max_memory(case.max_memory)
            .on_full(case.on_full)
            .ahead(case.ahead)
            .spool_dir(spool_dir);
        let (buffer, pusher) = builder.open_push().expect("a buffer");
        let readers = AtomicUsize::new(case.readers.len());
        let waiting = AtomicUsize::new(0);
        let scene = Scene {
            case: &case,
            buffer: &buffer,
            pusher: &pusher,
            readers: &readers,
            waiting: &waiting,
        };
        crate::watched(&case, || {
            scene.run();
            scene.finish();
        });
    }
}
