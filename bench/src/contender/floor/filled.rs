//! A state that one thread fills, and that any number of threads read afterwards.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The state, and how far it is filled.
pub struct Filled<T> {
    end: AtomicU64,
    state: UnsafeCell<T>,
}

// SAFETY: `fill` is for one thread alone, before any other one reads: the rows keep to that.
unsafe impl<T: Send> Sync for Filled<T> {}

impl<T> Filled<T> {
    pub fn new(state: T) -> Filled<T> {
        Filled {
            end: AtomicU64::new(0),
            state: UnsafeCell::new(state),
        }
    }

    /// The state, once it holds the bytes up to `end`; `fill` fetches more and returns the new end.
    pub fn up_to(&self, end: u64, fill: impl FnOnce(&mut T, u64) -> u64) -> &T {
        if self.end.load(Ordering::Acquire) < end {
            // SAFETY: see above; no other reference is alive while the one thread fills.
            let now = fill(unsafe { &mut *self.state.get() }, end);
            self.end.store(now, Ordering::Release);
        }
        // SAFETY: see above; nobody fills any more what is read here.
        unsafe { &*self.state.get() }
    }

    /// The state, for its only owner.
    pub fn state(&mut self) -> &mut T {
        self.state.get_mut()
    }
}
