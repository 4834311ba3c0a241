//! Handles: each finds its own value, however slots are reused, and a value lives while it is held.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use super::explore;
use crate::error::Error;
use crate::ffi::handle::{Raw, Table, next_of};
use crate::sync::shared::Shared;
use crate::sync::take_stripe;

/// A value that counts its drop. Not with loom's reference counts, since a table that is never
/// dropped keeps some of them.
struct Value {
    number: usize,
    gone: Arc<AtomicUsize>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.gone.fetch_add(1, Ordering::Relaxed);
    }
}

/// A table that is never dropped, like a static one, and the number of its values that were
/// dropped.
#[derive(Clone)]
struct Case {
    table: &'static Table<Value>,
    gone: Arc<AtomicUsize>,
}

impl Case {
    fn new() -> Case {
        Case {
            table: Box::leak(Box::new(Table::new())),
            gone: Arc::new(AtomicUsize::new(0)),
        }
    }

    fn insert(&self, number: usize) -> Raw {
        let gone = self.gone.clone();
        let value = self
            .table
            .insert(|_| Shared::try_new(Value { number, gone }));
        value.unwrap()
    }

    fn number_of(&self, handle: Raw) -> Option<usize> {
        match self.table.get(handle) {
            Ok(held) => Some(held.number),
            Err(Error::Invalid) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn remove(&self, handle: Raw) -> usize {
        self.table.remove(handle).unwrap().number
    }
}

/// One thread takes a free slot while another takes two and gives the first back: the list's head
/// has the same number as before, but its successor differs.
#[test]
fn a_free_slot_is_taken_once() {
    explore(3, || {
        let case = Case::new();
        let old = [10, 11].map(|number| case.insert(number));
        for handle in old.iter().rev() {
            case.remove(*handle);
        }
        let other = thread::spawn({
            let case = case.clone();
            move || case.insert(1)
        });
        let (second, third) = (case.insert(2), case.insert(3));
        assert_eq!(case.remove(second), 2);
        let fourth = case.insert(4);
        let first = other.join().unwrap();
        let fifth = case.insert(5);
        for (handle, number) in [(first, 1), (third, 3), (fourth, 4), (fifth, 5)] {
            assert_eq!(case.number_of(handle), Some(number));
        }
        for handle in old.into_iter().chain([second]) {
            assert_eq!(case.number_of(handle), None);
        }
        assert_eq!(case.gone.load(Ordering::Relaxed), 3);
    });
}

/// Several threads make new slots, and their row, at a time.
#[test]
fn a_new_slot_is_taken_once() {
    explore(3, || {
        let case = Case::new();
        let other = thread::spawn({
            let case = case.clone();
            move || case.insert(1)
        });
        let mine = [2, 3].map(|number| case.insert(number));
        let first = other.join().unwrap();
        assert_eq!(case.number_of(first), Some(1));
        assert_eq!(
            mine.map(|handle| case.number_of(handle)),
            [Some(2), Some(3)]
        );
    });
}

/// A lookup finds the value or nothing, never the slot's next value.
#[test]
fn a_look_up_against_a_removal() {
    explore(3, || {
        let case = Case::new();
        let handle = case.insert(1);
        let reader = thread::spawn({
            let case = case.clone();
            move || {
                take_stripe(1);
                let kept = match case.table.get(handle) {
                    Ok(held) => {
                        assert_eq!(case.gone.load(Ordering::Relaxed), 0, "gone while held");
                        Some(held.upgrade())
                    }
                    Err(_) => None,
                };
                if let Some(kept) = kept {
                    assert_eq!(kept.number, 1);
                }
            }
        });
        let (first, second) = (case.table.remove(handle), case.table.remove(handle));
        assert!(first.is_ok() && second.is_err());
        drop(first);
        let next = case.insert(2);
        reader.join().unwrap();
        assert_eq!(case.number_of(handle), None);
        assert_eq!(case.number_of(next), Some(2));
    });
}

/// A number that happens to be the slot's next handle finds nothing, or the next value.
#[test]
fn a_forged_handle() {
    explore(3, || {
        let case = Case::new();
        let handle = case.insert(1);
        let next = next_of(handle);
        assert_eq!(case.remove(handle), 1);
        let guesser = thread::spawn({
            let case = case.clone();
            move || {
                take_stripe(1);
                case.number_of(next)
            }
        });
        assert_eq!(case.insert(2), next);
        assert!(matches!(guesser.join().unwrap(), None | Some(2)));
    });
}

/// If two threads remove a handle, one gets the value.
#[test]
fn two_removals() {
    explore(4, || {
        let case = Case::new();
        let handle = case.insert(1);
        let other = thread::spawn({
            let case = case.clone();
            move || case.table.remove(handle).is_ok()
        });
        let mine = case.table.remove(handle).is_ok();
        // In the same slot, if that is free already: the removal that comes too late does not take
        // this value.
        let second = case.insert(2);
        assert!(mine ^ other.join().unwrap());
        assert_eq!(case.gone.load(Ordering::Relaxed), 1);
        // The slot is on the list only once.
        let third = case.insert(3);
        assert_eq!(case.number_of(second), Some(2));
        assert_eq!(case.number_of(third), Some(3));
    });
}
