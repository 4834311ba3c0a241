//! RCU (read-copy-update): readers without a lock, and memory that is freed once nobody reads it.
//!
//! A reader [enters](Domain::enter) a domain for the length of a copy and holds a [`ReadGuard`]
//! meanwhile. A writer that removes something first makes it unreachable. It then calls
//! [`synchronize`](Domain::synchronize), which returns once every reader that could still see it
//! has left, and only then frees it. Guards are held for copies only, never across a call of the
//! source, a file operation or a wait.
//!
//! # The naive idea, and why it fails
//!
//! A single counter of readers seems enough: a reader adds 1, copies and subtracts 1, and the
//! writer waits for 0. It fails twice. Every reader on every core writes the same cache line, so
//! two threads that read from memory are slower than one. And the writer may wait forever: while
//! readers overlap each other, the counter is never 0.
//!
//! # The real one
//!
//! ```text
//!             stripe 0         stripe 1        ...  stripe 7       (a cache line each)
//! group 0   [ readers ]      [ readers ]            [ readers ]
//! group 1   [ readers ]      [ readers ]            [ readers ]
//!                    phase: the group that new readers count themselves in
//! ```
//!
//! The counter is striped: each thread counts in a stripe of its own, as long as there are enough.
//! And it exists twice. `synchronize` waits for the group that nobody enters now, makes it the
//! group that new readers enter, and waits for the other group. Each wait is thus for a group that
//! gets no new readers, and ends. (A reader that loads the phase and is then delayed may still
//! enter the other group: it prolongs one wait, once.)
//!
//! # Why it is right, edge by edge
//!
//! ```text
//! reader                                   writer
//! R1  phase.load          Relaxed          U1  pointer.store(null)      SeqCst
//! R2  counter.fetch_add   SeqCst           U2  counters of one group, each loaded until 0   SeqCst
//! R3  pointer.load        SeqCst           U3  phase.store              SeqCst
//! R4  the bytes are read                   U4  counters of the other group, likewise        SeqCst
//! R5  counter.fetch_sub   Release          U5  the memory is freed
//! ```
//!
//! - *The writer waits for a reader that saw the old pointer.* If R3 loads the value from before
//!   U1, then R3 precedes U1 in the single total order of all SeqCst operations, and so does R2,
//!   which precedes R3. Both groups are read after U1, one by U2 and one by U4. Whichever group the
//!   reader is in, that load comes after R2 and sees the reader until R5.
//! - *Acquire and Release would not do.* They allow R3 to load the old pointer and U2 or U4 to load
//!   a count from before R2, in the same run: each thread's store may still be on its way when the
//!   other thread loads (store buffering).
//! - *The bytes are read before they are freed.* R5 is a Release and pairs with the load of U2 or
//!   U4 that sees 0, so R4 happens before U5.
//! - *R1 may be Relaxed.* The phase decides only how long a writer waits, not whether it waits for
//!   this reader, since it reads both groups.
//! - *Two writers at a time* would each change the phase during the other's wait, and readers that
//!   come later could prolong it. A mutex orders them; readers never take it.
//!
//! The fence in `synchronize` makes U1 part of that order if the caller's store was weaker. `enter`
//! has a fence for loom only, which models sequential consistency of fences but not of other
//! operations. `src/loom_tests/rcu.rs` runs every order of these steps.

use std::ops::Deref;

use crate::sync::{AtomicUsize, Backoff, Mutex, Ordering, STRIPES, fence, lock, stripe};

pub(crate) struct Domain {
    phase: AtomicUsize,
    stripes: [Stripe; STRIPES],
    /// Held by the writer that is waiting.
    synchronizing: Mutex<()>,
}

/// The domain that protects the memory that a buffer's readers see.
#[allow(
    clippy::large_enum_variant,
    reason = "one a buffer; a box is one more thing to have no memory for"
)]
pub(crate) enum DomainRef {
    /// The buffer's own domain.
    Own(Domain),
    /// The domain of the buffer's handle in C: one guard then protects both the buffer and its
    /// bytes.
    OfHandle(&'static Domain),
}

/// The number of readers that count themselves in this stripe, by group.
#[repr(align(64))]
struct Stripe {
    readers: [AtomicUsize; 2],
}

/// Proof that its holder was counted as a reader before it loaded any pointer.
pub(crate) struct ReadGuard<'d> {
    readers: &'d AtomicUsize,
}

impl Domain {
    pub(crate) fn new() -> Domain {
        Domain {
            phase: AtomicUsize::new(0),
            stripes: std::array::from_fn(|_| Stripe {
                readers: [AtomicUsize::new(0), AtomicUsize::new(0)],
            }),
            synchronizing: Mutex::new(()),
        }
    }

    /// Counts this thread as a reader. Memory that it then finds by a `SeqCst` load is not freed
    /// until the guard is dropped.
    #[inline]
    pub(crate) fn enter(&self) -> ReadGuard<'_> {
        let group = self.phase.load(Ordering::Relaxed) & 1;
        let readers = &self.stripes[stripe()].readers[group];
        readers.fetch_add(1, Ordering::SeqCst);
        // loom models sequential consistency of fences only.
        if cfg!(loom) {
            fence(Ordering::SeqCst);
        }
        ReadGuard { readers }
    }

    /// Returns once every guard that was taken before the call has been dropped.
    pub(crate) fn synchronize(&self) {
        let _alone = lock(&self.synchronizing);
        fence(Ordering::SeqCst);
        let old = self.phase.load(Ordering::Relaxed) & 1;
        // Readers that loaded the phase before it last changed, and counted themselves afterwards.
        self.drain(1 - old);
        self.phase.store(1 - old, Ordering::SeqCst);
        self.drain(old);
    }

    /// Whether a guard was taken in this domain.
    pub(crate) fn gave(&self, guard: &ReadGuard<'_>) -> bool {
        let mut counters = self.stripes.iter().flat_map(|stripe| &stripe.readers);
        counters.any(|readers| std::ptr::eq(readers, guard.readers))
    }

    /// Whether new readers enter another group than the first readers did.
    #[cfg(test)]
    pub(crate) fn has_changed_group(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == 1
    }

    /// Loads each counter of a group until it is 0.
    #[inline]
    fn drain(&self, group: usize) {
        let counters = self.stripes.iter().map(|stripe| &stripe.readers[group]);
        // Pairs with the Release in `ReadGuard::drop`: the reads of a reader that left are over.
        let readers = counters.fold(0, |all, readers| all | readers.load(Ordering::SeqCst));
        if readers != 0 {
            self.drain_slowly(group);
        }
    }

    #[cold]
    fn drain_slowly(&self, group: usize) {
        for stripe in &self.stripes {
            let mut backoff = Backoff::new();
            while stripe.readers[group].load(Ordering::SeqCst) != 0 {
                backoff.pause();
            }
        }
    }
}

impl DomainRef {
    pub(crate) fn own() -> DomainRef {
        DomainRef::Own(Domain::new())
    }
}

impl Deref for DomainRef {
    type Target = Domain;

    #[inline]
    fn deref(&self) -> &Domain {
        match self {
            DomainRef::Own(domain) => domain,
            DomainRef::OfHandle(domain) => domain,
        }
    }
}

impl Drop for ReadGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.readers.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The number of counted readers, by group.
    fn readers(domain: &Domain) -> [usize; 2] {
        [0, 1].map(|group| {
            let counters = domain.stripes.iter().map(|stripe| &stripe.readers[group]);
            counters.map(|readers| readers.load(Ordering::SeqCst)).sum()
        })
    }

    #[test]
    fn synchronize_changes_the_group_of_new_readers() {
        let domain = Domain::new();
        for turn in 0..5 {
            let guard = domain.enter();
            assert!(domain.gave(&guard));
            let mut due = [0, 0];
            due[turn % 2] = 1;
            assert_eq!(readers(&domain), due, "after {turn} waits");
            drop(guard);
            assert_eq!(readers(&domain), [0, 0]);
            domain.synchronize();
        }
        assert!(!domain.gave(&Domain::new().enter()));
    }

    #[test]
    fn synchronize_waits_for_earlier_guards_and_not_for_later_ones() {
        let domain = Domain::new();
        let first = domain.enter();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| domain.synchronize());
            while !domain.has_changed_group() {
                std::thread::yield_now();
            }
            let later = domain.enter();
            assert!(!waiter.is_finished());
            drop(first);
            waiter.join().expect("no panic");
            drop(later);
        });
    }
}
