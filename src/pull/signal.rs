//! A condition that any number of threads wait for, under the lock of the gate.

use crate::sync::{AtomicU64, Condvar, Ordering};

pub(super) struct Signal {
    pub(super) condvar: Condvar,
    /// The number of waiting threads; changed under the state's lock.
    pub(super) waiters: AtomicU64,
}

impl Signal {
    pub(super) fn new() -> Signal {
        Signal {
            condvar: Condvar::new(),
            waiters: AtomicU64::new(0),
        }
    }

    /// Called under the state's lock.
    pub(super) fn notify(&self) {
        // A notification is a system call even if no thread waits.
        if self.waiters.load(Ordering::Relaxed) > 0 {
            self.condvar.notify_all();
        }
    }
}
