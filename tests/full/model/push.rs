//! Random operations of one thread on a pushed buffer against a plain array: each result is known.
//!
//! Each push has bytes of its own, so that it shows which one of two was accepted. Only how many
//! bytes have room at a moment is left to the buffer: fewer are accepted while memory is full, and
//! none is ever lost.

use proptest::prelude::*;
use spoolbuf::{OnFull, OnShort};

use crate::push_model::Model;
use crate::tempfile::tempdir;

#[derive(Clone, Debug)]
pub enum Operation {
    Push {
        offset: u64,
        length: usize,
        limit: Option<u64>,
    },
    /// Pushes what is wanted.
    PushWanted(usize),
    End(Option<u64>),
    Fail(i32),
    Cancel,
    Resume,
    Retry,
    Read {
        offset: u64,
        length: usize,
    },
    /// A read of a cursor, with a timeout in milliseconds or for buffered bytes only.
    Peek {
        offset: u64,
        length: usize,
        limit: u64,
        buffered: bool,
    },
    FindSize(u64),
    Spill,
    /// That many quarters of the case's limit become the limit.
    Limit(u64),
    Prefetch(u64),
    Look(u64),
    /// A call instead of a wait for this offset.
    When(u64),
    WhenWanted,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub size: u64,
    pub declared: Option<u64>,
    pub on_short: OnShort,
    pub on_full: OnFull,
    pub max_memory: u64,
    pub ahead: u64,
    /// Whether the spool file can be created.
    pub disk_works: bool,
    pub operations: Vec<Operation>,
}

fn operation(size: u64) -> impl Strategy<Value = Operation> {
    let offset = prop_oneof![3 => 0..size + 1, 1 => 0..size + size / 4 + 20];
    let length = prop_oneof![1usize..64, 1usize..5000, 1..size as usize / 2 + 2];
    let limit = prop_oneof![2 => Just(0u64), 1 => 1u64..4];
    prop_oneof![
        8 => (offset.clone(), length.clone(), prop_oneof![Just(None), Just(Some(0)), Just(Some(3))])
            .prop_map(|(offset, length, limit)| Operation::Push { offset, length, limit }),
        6 => length.clone().prop_map(Operation::PushWanted),
        1 => prop_oneof![Just(None), Just(Some(size)), (0..size + 1).prop_map(Some)]
            .prop_map(Operation::End),
        1 => (1i32..9).prop_map(Operation::Fail),
        1 => Just(Operation::Cancel),
        2 => Just(Operation::Resume),
        2 => Just(Operation::Retry),
        4 => (offset.clone(), length.clone())
            .prop_map(|(offset, length)| Operation::Read { offset, length }),
        4 => (offset.clone(), length, limit.clone(), any::<bool>()).prop_map(
            |(offset, length, limit, buffered)| Operation::Peek { offset, length, limit, buffered },
        ),
        1 => limit.prop_map(Operation::FindSize),
        1 => Just(Operation::Spill),
        1 => (0u64..=4).prop_map(Operation::Limit),
        1 => prop_oneof![Just(0), 1u64..100_000, Just(u64::MAX)].prop_map(Operation::Prefetch),
        3 => offset.clone().prop_map(Operation::Look),
        3 => offset.prop_map(Operation::When),
        1 => Just(Operation::WhenWanted),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let size = prop_oneof![3 => 0u64..40, 5 => 1u64..20_000, 1 => 270_000u64..600_000];
    size.prop_flat_map(|size| {
        let declared = prop_oneof![
            2 => Just(None),
            2 => Just(Some(size)),
            1 => (0..size + 1).prop_map(Some),
            1 => (size..size * 2 + 10).prop_map(Some),
        ];
        let max = prop_oneof![
            Just(0),
            Just(size / 2),
            Just(size),
            Just(u64::MAX),
            Just(100_000)
        ];
        // Not so little that filling the gaps takes thousands of reads.
        let ahead = prop_oneof![1 => Just(0), 1 => size / 20 + 1..size + 2];
        (
            declared,
            prop_oneof![Just(OnShort::End), Just(OnShort::Error)],
            prop_oneof![Just(OnFull::Fail), Just(OnFull::Memory)],
            max,
            ahead,
            prop::bool::weighted(0.8),
            proptest::collection::vec(operation(size), 1..40),
        )
            .prop_map(
                move |(declared, on_short, on_full, max_memory, ahead, disk_works, operations)| {
                    Case {
                        size,
                        declared,
                        on_short,
                        on_full,
                        max_memory,
                        ahead,
                        disk_works,
                        operations,
                    }
                },
            )
    })
}

proptest! {
    #![proptest_config(crate::settings::config())]

    #[test]
    fn a_push_is_accepted_once_and_stays(case in case()) {
        let directory = tempdir().expect("a directory");
        let spool_dir = crate::settings::spool_dir(&directory, case.disk_works);
        let operations = case.operations.clone();
        let mut model = Model::new(case, spool_dir);
        for operation in operations {
            model.perform(operation);
        }
        model.finish();
    }
}
