//! The lock and the condition variable: std's, parking_lot's with the feature of that name, or
//! loom's when the loom tests run. No other file names the library that they come from.
//!
//! A std lock lives entirely in the object that it belongs to, so a forked child can create new
//! ones whatever its parent's threads were doing. parking_lot keeps its queues of sleeping threads
//! in a process-wide table. The child inherits that table as it is, with threads that it does not
//! have, so std's locks are the default. The table also grows by allocations that abort when they
//! fail.

#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(all(feature = "parking_lot", not(loom)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(any(feature = "parking_lot", loom)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

/// The lock of a static, always std's. Nobody waits for it, so it has no queue that a fork could
/// damage. loom's is not made by a constant function.
pub(crate) use std::sync::Mutex as StaticMutex;

pub(crate) use calls::{lock, wait, wait_timeout};

/// Locks the mutex unless somebody else holds it.
pub(crate) fn try_lock<T>(mutex: &StaticMutex<T>) -> Option<std::sync::MutexGuard<'_, T>> {
    mutex.try_lock().ok()
}

#[cfg(any(loom, not(feature = "parking_lot")))]
mod calls {
    use std::sync::PoisonError;
    use std::time::Duration;

    use super::{Condvar, Mutex, MutexGuard};

    /// Locks the mutex and ignores poison: a panic of another holder was caught and handled where
    /// it happened.
    #[inline]
    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until notified, or spuriously.
    #[inline]
    pub(crate) fn wait<'m, T>(condvar: &Condvar, guard: MutexGuard<'m, T>) -> MutexGuard<'m, T> {
        condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for at most `timeout`.
    #[inline]
    pub(crate) fn wait_timeout<'m, T>(
        condvar: &Condvar,
        guard: MutexGuard<'m, T>,
        timeout: Duration,
    ) -> MutexGuard<'m, T> {
        let slept = condvar.wait_timeout(guard, timeout);
        slept.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(all(feature = "parking_lot", not(loom)))]
mod calls {
    use std::time::Duration;

    use super::{Condvar, Mutex, MutexGuard};

    /// Locks the mutex, which has no poison.
    #[inline]
    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock()
    }

    /// Sleeps until notified.
    #[inline]
    pub(crate) fn wait<'m, T>(
        condvar: &Condvar,
        mut guard: MutexGuard<'m, T>,
    ) -> MutexGuard<'m, T> {
        condvar.wait(&mut guard);
        guard
    }

    /// The same, for at most `timeout`.
    #[inline]
    pub(crate) fn wait_timeout<'m, T>(
        condvar: &Condvar,
        mut guard: MutexGuard<'m, T>,
        timeout: Duration,
    ) -> MutexGuard<'m, T> {
        condvar.wait_for(&mut guard, timeout);
        guard
    }
}
