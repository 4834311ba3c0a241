//! The primitives under everything: std's, or loom's when the models run.
//!
//! std's locks live wholly in the object they belong to; a library whose handles a forked child must
//! be able to make anew can't use a lock with a process-wide table behind it.

pub(crate) mod rcu;
pub(crate) mod shared;
pub(crate) mod thread;

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

/// Locks; a panic of another holder has been caught and dealt with where it happened.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How many lines a striped counter is spread over.
#[cfg(not(loom))]
pub(crate) const STRIPES: usize = 8;
#[cfg(loom)]
pub(crate) const STRIPES: usize = 2;

#[cfg(not(loom))]
mod identity {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    thread_local! {
        // Without a destructor, so that it works at a thread's very end as well.
        static STRIPE: Cell<usize> = const { Cell::new(0) };
    }
    static NEXT: AtomicUsize = AtomicUsize::new(0);

    /// Which thread this is, among those alive.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct ThreadToken(usize);

    pub(crate) fn this_thread() -> ThreadToken {
        STRIPE.with(|stripe| ThreadToken(std::ptr::from_ref(stripe).addr()))
    }

    /// This thread's line of a striped counter: threads take turns, so the first few never share.
    #[inline]
    pub(crate) fn stripe() -> usize {
        STRIPE.with(|stripe| match stripe.get() {
            0 => {
                let turn = NEXT.fetch_add(1, Ordering::Relaxed) % super::STRIPES;
                stripe.set(turn + 1);
                turn
            }
            turn => turn - 1,
        })
    }
}

#[cfg(loom)]
mod identity {
    use std::cell::Cell;

    /// Which thread this is, among those alive.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct ThreadToken(loom::thread::ThreadId);

    pub(crate) fn this_thread() -> ThreadToken {
        ThreadToken(loom::thread::current().id())
    }

    loom::thread_local! {
        static STRIPE: Cell<usize> = Cell::new(0);
    }

    pub(crate) fn stripe() -> usize {
        STRIPE.with(Cell::get)
    }

    /// Puts this thread on a line; a model says which, so that its runs are all the same.
    #[cfg(test)]
    pub(crate) fn take_stripe(stripe: usize) {
        STRIPE.with(|own| own.set(stripe));
    }
}

#[cfg(all(test, loom))]
pub(crate) use identity::take_stripe;
pub(crate) use identity::{ThreadToken, stripe, this_thread};

/// Lets others run while a condition that is a few instructions away becomes true: first politely,
/// then asleep, so that a real-time thread can't starve the one it waits for.
pub(crate) struct Backoff(u32);

impl Backoff {
    pub(crate) fn new() -> Backoff {
        Backoff(0)
    }

    pub(crate) fn pause(&mut self) {
        self.0 += 1;
        #[cfg(loom)]
        loom::thread::yield_now();
        #[cfg(not(loom))]
        match self.0 {
            0..16 => std::hint::spin_loop(),
            16..64 => std::thread::yield_now(),
            _ => std::thread::sleep(std::time::Duration::from_micros(50)),
        }
    }
}
