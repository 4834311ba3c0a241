//! Handles: their numbers, and the reuse of their slots.

use super::*;

type Values = Table<usize>;

fn insert(table: &'static Values, value: usize) -> Raw {
    table
        .insert(|_| Shared::try_new(value))
        .expect("room for a handle")
}

fn value(table: &Values, handle: Raw) -> Option<usize> {
    let entry = table.get(handle).ok().map(|entry| *entry);
    assert_eq!(entry, table.get_shared(handle).ok().map(|shared| *shared));
    entry
}

fn slot_number(handle: Raw) -> usize {
    (handle >> 1) & SLOT_MASK
}

#[test]
fn each_handle_is_its_own_values() {
    static TABLE: Values = Table::new();
    // More than three rows.
    let handles: Vec<_> = (0..500).map(|at| insert(&TABLE, at)).collect();
    for (at, handle) in handles.iter().enumerate() {
        assert_eq!(value(&TABLE, *handle), Some(at));
        assert_eq!((slot_number(*handle), handle % 2), (at, 1));
        // Another generation, the slot's next generation, and even numbers.
        for other in [
            handle ^ (1 << (SLOT_BITS + 1)),
            handle ^ (2 << (SLOT_BITS + 1)),
            handle.wrapping_add(2),
            handle ^ (1 << (usize::BITS - 1)),
            handle ^ 1,
        ] {
            assert_eq!(value(&TABLE, other), None, "{handle:#x} {other:#x}");
            assert!(TABLE.remove(other).is_err());
        }
    }
    for made_up in [
        0,
        1,
        2,
        3,
        1001,
        SLOT_MASK << 1 | 1,
        usize::MAX,
        usize::MAX - 1,
    ] {
        assert_eq!(value(&TABLE, made_up), None, "{made_up:#x}");
        assert!(TABLE.remove(made_up).is_err());
    }
    for (at, handle) in handles.iter().enumerate() {
        assert_eq!(TABLE.remove(*handle).map(|value| *value).ok(), Some(at));
        assert!(TABLE.remove(*handle).is_err());
        assert_eq!(value(&TABLE, *handle), None);
        // The generation of the empty slot, which no handle has.
        let empty = handle.wrapping_add(1 << (SLOT_BITS + 1));
        assert_eq!(value(&TABLE, empty), None);
        assert!(TABLE.remove(empty).is_err());
    }
    // The slots are used again, none under an earlier handle; the last one freed comes first.
    for at in (0..500).rev() {
        let handle = insert(&TABLE, 1000 + at);
        assert_eq!(slot_number(handle), at);
        assert!(!handles.contains(&handle));
        assert_eq!(value(&TABLE, handle), Some(1000 + at));
        assert_eq!(value(&TABLE, handles[at]), None);
    }
    assert_eq!(slot_number(insert(&TABLE, 0)), 500);
}

#[test]
fn a_value_that_cannot_be_created_takes_no_slot() {
    static TABLE: Values = Table::new();
    for _ in 0..3 {
        let none = TABLE.insert(|_| Err(Error::NoMemory));
        assert!(matches!(none, Err(Error::NoMemory)));
    }
    let handle = insert(&TABLE, 7);
    assert_eq!(slot_number(handle), 0);
    assert_eq!(value(&TABLE, handle), Some(7));
}

#[test]
fn a_slot_without_unused_generations_stays_empty() {
    static TABLE: Values = Table::new();
    let first = insert(&TABLE, 1);
    assert!(TABLE.remove(first).is_ok());
    let slot = TABLE.slot(0).expect("a slot");
    // Even: the slot is empty.
    slot.generation.store(GENERATION_MASK - 3, Ordering::SeqCst);
    let mut before = Vec::new();
    for at in 0..2 {
        let handle = insert(&TABLE, at);
        assert_eq!(slot_number(handle), 0);
        assert_eq!(value(&TABLE, handle), Some(at));
        assert!(TABLE.remove(handle).is_ok());
        before.push(handle);
    }
    assert_ne!(before[0], before[1]);
    let next = insert(&TABLE, 3);
    assert_eq!(slot_number(next), 1, "it would be the first handles' again");
    assert!(before.iter().all(|handle| value(&TABLE, *handle).is_none()));
}

#[test]
fn generations_start_at_unlikely_numbers() {
    static TABLE: Values = Table::new();
    let generations: Vec<_> = (0..64)
        .map(|at| insert(&TABLE, at) >> (SLOT_BITS + 1))
        .collect();
    for (at, generation) in generations.iter().enumerate() {
        assert_eq!(generation % 2, 1);
        // Leaves generations to count up.
        assert!(*generation <= GENERATION_MASK / 2 + 1);
        assert!(!generations[..at].contains(generation));
    }
    // Spread out: about half of them lie in each half.
    let middle = GENERATION_MASK / 4;
    let low = generations.iter().filter(|at| **at < middle).count();
    assert!((20..=44).contains(&low), "{low} of 64 are low");
}

#[test]
#[cfg(unix)]
fn a_forked_child_starts_with_empty_tables() {
    static TABLE: Values = Table::new();
    let handles: Vec<_> = (0..100).map(|at| insert(&TABLE, at)).collect();
    assert!(TABLE.remove(handles[5]).is_ok());
    TABLE.forget();
    assert!(
        handles
            .iter()
            .all(|handle| value(&TABLE, *handle).is_none())
    );
    for at in 0..100 {
        let handle = insert(&TABLE, at);
        assert_eq!(slot_number(handle), at);
        assert!(!handles.contains(&handle));
    }
    assert!(
        handles
            .iter()
            .all(|handle| value(&TABLE, *handle).is_none())
    );
}

#[test]
fn a_value_stays_while_an_entry_or_a_count_of_it_is_held() {
    static TABLE: Values = Table::new();
    let handle = insert(&TABLE, 7);
    let shared = TABLE.get_shared(handle).expect("a value");
    let entry = TABLE.get(handle).expect("a value");
    std::thread::scope(|scope| {
        let remover = scope.spawn(|| TABLE.remove(handle).is_ok());
        while TABLE.get(handle).is_ok() {
            std::thread::yield_now();
        }
        assert!(!remover.is_finished(), "it waits for the entry");
        assert_eq!(*entry, 7);
        drop(entry);
        assert!(remover.join().expect("no panic"));
    });
    assert_eq!(*shared, 7);
}
