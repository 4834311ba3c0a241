//! Memory that a reader found after it entered is not freed until it leaves; after `synchronize` it
//! may be.

#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::thread;

use super::explore;
use crate::sync::rcu::Domain;
use crate::sync::{AtomicUsize, Ordering, take_stripe};

/// Several values, one of which is shown, and the domain that protects it.
struct Case {
    domain: Domain,
    shown: AtomicUsize,
    /// True once freed. loom tracks every access, and which happens before which.
    freed: [UnsafeCell<bool>; 3],
}

// SAFETY: loom reports any two accesses to a cell that are not ordered.
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
        // SAFETY: loom reports a write to the cell that is not ordered with this read.
        self.freed[shown].with(|freed| assert!(!unsafe { *freed }, "read after free"));
        drop(guard);
    }

    fn replace(&self, next: usize) {
        let last = self.shown.swap(next, Ordering::SeqCst);
        self.domain.synchronize();
        // SAFETY: loom reports an access to the cell that is not ordered with this write.
        self.freed[last].with_mut(|freed| unsafe { *freed = true });
    }
}

/// Two waits: the phase changes twice, so a reader may count itself in the group that it loaded
/// before the first.
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

/// Readers in one stripe and in two, one of which enters twice.
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

/// A reader that comes during a wait counts itself in the other group, and prolongs no wait.
#[test]
fn synchronize_does_not_wait_for_later_readers() {
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
        while !case.domain.has_changed_group() {
            thread::yield_now();
        }
        let later = case.domain.enter();
        drop(first);
        // Nothing else would end the wait.
        waiter.join().unwrap();
        drop(later);
    });
}
