//! The synchronization primitives: std's, or loom's when the loom tests run.

pub(crate) mod clock;
pub(crate) mod host_call;
mod locks;
pub(crate) mod rcu;
pub(crate) mod shared;
pub(crate) mod thread;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// std's under loom too: for a flag on which each thread relies only for what it has stored itself.
pub(crate) use std::sync::atomic::AtomicBool as PlainBool;

pub(crate) use locks::{
    Condvar, Mutex, MutexGuard, StaticMutex, lock, try_lock, wait, wait_timeout,
};

/// The number of stripes, a cache line each, of a striped counter.
#[cfg(not(loom))]
pub(crate) const STRIPES: usize = 8;
#[cfg(loom)]
pub(crate) const STRIPES: usize = 2;

#[cfg(not(loom))]
mod identity {
    use std::cell::Cell;
    use std::num::NonZeroUsize;
    use std::ptr::NonNull;
    use std::sync::atomic::{AtomicUsize, Ordering};

    thread_local! {
        // Without a destructor, so that it is usable until the very end of a thread.
        static STRIPE: Cell<usize> = const { Cell::new(0) };
    }
    static NEXT: AtomicUsize = AtomicUsize::new(0);

    /// Identifies a thread among those that are alive. An `Option` of it is as small.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct ThreadToken(NonZeroUsize);

    pub(crate) fn this_thread() -> ThreadToken {
        STRIPE.with(|stripe| ThreadToken(NonNull::from(stripe).addr()))
    }

    /// This thread's stripe of a striped counter. Stripes are assigned round robin, so the first
    /// few threads never share one.
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

    /// Identifies a thread among those that are alive.
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

    /// Assigns this thread a stripe. The loom test chooses it, so that all its runs are alike.
    #[cfg(test)]
    pub(crate) fn take_stripe(stripe: usize) {
        STRIPE.with(|own| own.set(stripe));
    }
}

#[cfg(all(test, loom))]
pub(crate) use identity::take_stripe;
pub(crate) use identity::{ThreadToken, stripe, this_thread};

/// Lets other threads run while a condition that is a few instructions away becomes true: spins,
/// then yields, then sleeps, so that a real-time thread cannot starve the one that it waits for.
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
