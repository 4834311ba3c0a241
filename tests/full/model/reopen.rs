//! Random operations on a buffer whose source is replaced at any moment: by another one of the same
//! bytes, or by one of other bytes.

use proptest::prelude::*;

use crate::reopen_scene::Scene;
use crate::twin::Kind;

#[derive(Clone, Debug)]
pub enum Operation {
    Read {
        offset: u64,
        length: usize,
    },
    Some {
        offset: u64,
        length: usize,
        limit: Option<u64>,
    },
    FindSize(Option<u64>),
    When(u64),
    Cancel,
    Resume,
    Retry,
    Spill,
    Prefetch(u64),
    Look(u64),
    Reopen(Kind),
}

#[derive(Clone, Debug)]
pub struct Case {
    pub size: u64,
    pub declared: Option<u64>,
    pub max_memory: u64,
    pub seek_gap: u64,
    pub granularity: u32,
    pub first: Kind,
    pub last: Kind,
    /// Whether the last source comes after a cancel.
    pub last_is_canceled: bool,
    /// One thread, and a helper only while that waits: the state is known at any time.
    pub alone: bool,
    pub threads: Vec<Vec<Operation>>,
}

/// What the caller may say about the size: nothing, the truth, or anything.
fn declared(size: u64) -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        3 => Just(None),
        2 => Just(Some(size)),
        1 => (0..size * 2 + 10).prop_map(Some),
    ]
}

fn kind(size: u64, others: u32) -> impl Strategy<Value = Kind> {
    let chunk = if size > 20_000 {
        prop_oneof![Just(997usize), Just(65536), Just(1 << 20)].boxed()
    } else {
        prop_oneof![Just(7usize), Just(4096), Just(1 << 20)].boxed()
    };
    // Of no bytes there are no others.
    let others = if size > 0 { others } else { 0 };
    let other = prop_oneof![Just(size), 0..size + 1, size..size * 2 + 10];
    let other = (0..10u32, other).prop_map(move |(one, size)| (one < others).then_some(size));
    let seeks = prop_oneof![
        2 => Just((false, 0)),
        3 => Just((true, u32::MAX)),
        1 => (0u32..4).prop_map(|good| (true, good)),
    ];
    let failure = prop::option::weighted(0.4, 0..size + 1);
    let stated = prop::option::of(0u32..4);
    let pauses = prop_oneof![1 => Just(0u32), 1 => 1u32..12];
    (chunk, other, seeks, failure, stated, pauses, declared(size)).prop_map(
        move |(chunk, other, (seeks, good_seeks), failure, stated_after, pauses, declared)| Kind {
            size: other.unwrap_or(size),
            other: other.is_some(),
            chunk,
            seeks,
            good_seeks,
            failure,
            stated_after,
            pauses,
            declared,
        },
    )
}

fn operation(size: u64, with_helper: bool) -> impl Strategy<Value = Operation> {
    let offset = 0..size + size / 8 + 50;
    let length = prop_oneof![0usize..64, 0usize..5000, 0usize..300_000];
    let limit = if with_helper {
        prop_oneof![Just(None), Just(Some(0)), Just(Some(5))].boxed()
    } else {
        prop_oneof![Just(None), Just(Some(0))].boxed()
    };
    let ahead = if with_helper {
        prop_oneof![Just(0), 1u64..100_000, Just(u64::MAX)].boxed()
    } else {
        Just(0).boxed()
    };
    prop_oneof![
        12 => (offset.clone(), length.clone())
            .prop_map(|(offset, length)| Operation::Read { offset, length }),
        6 => (offset.clone(), length, limit.clone())
            .prop_map(|(offset, length, limit)| Operation::Some { offset, length, limit }),
        1 => limit.prop_map(Operation::FindSize),
        4 => offset.clone().prop_map(Operation::When),
        1 => Just(Operation::Cancel),
        2 => Just(Operation::Resume),
        2 => Just(Operation::Retry),
        1 => Just(Operation::Spill),
        1 => ahead.prop_map(Operation::Prefetch),
        2 => offset.prop_map(Operation::Look),
        8 => kind(size, 3).prop_map(Operation::Reopen),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let size =
        prop_oneof![1 => Just(0u64), 2 => 1u64..40, 5 => 1u64..20_000, 4 => 200_000u64..600_000];
    size.prop_flat_map(|size| {
        let max = prop_oneof![Just(0), Just(size / 2), Just(size), Just(u64::MAX)];
        let several =
            prop::collection::vec(prop::collection::vec(operation(size, true), 1..12), 2..4);
        let one = prop::collection::vec(prop::collection::vec(operation(size, false), 1..30), 1);
        let threads = prop_oneof![
            3 => several.prop_map(|threads| (false, threads)),
            2 => one.prop_map(|threads| (true, threads)),
        ];
        (
            declared(size),
            max,
            prop_oneof![Just(0u64), Just(1000), Just(256 * 1024)],
            prop_oneof![Just(1u32), Just(1000), Just(16 * 1024)],
            kind(size, 0),
            kind(size, 0),
            any::<bool>(),
            threads,
        )
            .prop_map(
                move |(declared, max_memory, seek_gap, granularity, first, last, canceled, it)| {
                    Case {
                        size,
                        declared,
                        max_memory,
                        seek_gap,
                        granularity,
                        first,
                        // It delivers everything.
                        last: Kind {
                            failure: None,
                            good_seeks: u32::MAX,
                            declared: last.declared.map(|_| size),
                            ..last
                        },
                        last_is_canceled: canceled,
                        alone: it.0,
                        threads: it.1,
                    }
                },
            )
    })
}

proptest! {
    #![proptest_config(crate::settings::config())]

    #[test]
    fn another_source_changes_no_byte(case in case()) {
        crate::watched(&case, || Scene::run(&case));
    }
}
