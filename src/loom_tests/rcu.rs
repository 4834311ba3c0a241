//! Whoever entered keeps what it sees; whoever waited may free.

#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::thread;

use super::explore;
use crate::sync::rcu::Domain;
use crate::sync::{AtomicUsize, Ordering, take_stripe};

/// Values of which one is to be seen, and the domain that protects it.
struct Case {
    domain: Domain,
    shown: AtomicUsize,
    /// True once freed. loom knows every access, and which happens before which.
    freed: [UnsafeCell<bool>; 3],
}

// SAFETY: the cells are what the model is about; loom checks the accesses.
unsafe impl Sync for Case {}

impl Case {
    fn new() -> loom::sync::Arc<Case> {
        loom::sync::Arc::new(Case {
            domain: Domain::new(),
            shown: AtomicUsize::new(0),
            freed: std::array::from_fn(|_| UnsafeCell::new(false)),
        })
    }

    fn read(&self) {
        let guard = self.domain.enter();
        let shown = self.shown.load(Ordering::SeqCst);
        // SAFETY: checked by loom.
        self.freed[shown].with(|freed| assert!(!unsafe { *freed }, "read after free"));
        drop(guard);
    }

    fn replace(&self, next: usize) {
        let last = self.shown.swap(next, Ordering::SeqCst);
        self.domain.synchronize();
        // SAFETY: checked by loom.
        self.freed[last].with_mut(|freed| unsafe { *freed = true });
    }
}

/// Two waits: the phase flips twice, so a reader may count on the one it read before the first.
#[test]
fn a_reader_and_two_waits() {
    explore(4, || {
        let case = Case::new();
        let reader = thread::spawn({
            let case = case.clone();
            move || {
                take_stripe(1);
                case.read();
            }
        });
        case.replace(1);
        case.replace(2);
        reader.join().unwrap();
    });
}

/// Readers on one line and on two, one that enters twice.
#[test]
fn two_readers_and_a_wait() {
    explore(3, || {
        let case = Case::new();
        let readers = [0, 1].map(|stripe| {
            let case = case.clone();
            thread::spawn(move || {
                take_stripe(stripe);
                case.read();
                if stripe == 0 {
                    case.read();
                }
            })
        });
        case.replace(1);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

/// Whoever comes while somebody waits counts on the other phase, and prolongs nobody's wait.
#[test]
fn a_wait_is_not_for_those_who_come_later() {
    explore(4, || {
        let case = Case::new();
        let first = case.domain.enter();
        let waiter = thread::spawn({
            let case = case.clone();
            move || {
                take_stripe(1);
                case.domain.synchronize();
            }
        });
        while !case.domain.has_turned() {
            thread::yield_now();
        }
        let later = case.domain.enter();
        drop(first);
        // Nothing else would end it.
        waiter.join().unwrap();
        drop(later);
    });
}
