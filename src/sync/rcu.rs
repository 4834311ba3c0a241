//! Pins: how a reader keeps what it reads from being freed, without a shared lock or count.
//!
//! A reader [enters](Pins::enter) for the length of a copy, by one addition to a counter on a line
//! that its thread has to itself. Whoever takes something away first makes it unreachable, then
//! [waits](Pins::wait) until every reader that could still see it has left. Readers that come later
//! don't prolong the wait: they count on the other one of two phases.
//!
//! Pins are held for copies only, never across the source, a file or a wait.

use std::ops::Deref;

use crate::sync::{AtomicUsize, Backoff, Mutex, Ordering, STRIPES, fence, lock, stripe};

pub(crate) struct Pins {
    phase: AtomicUsize,
    stripes: [Stripe; STRIPES],
    /// Held by whoever waits, so that readers who come later prolong nobody's wait.
    waiting: Mutex<()>,
}

/// Whose pins keep what a buffer shows its readers.
#[allow(
    clippy::large_enum_variant,
    reason = "one a buffer; a box is one more thing to have no memory for"
)]
pub(crate) enum Keeper {
    /// The buffer's own.
    Own(Pins),
    /// Those of the handle that C knows it by: one pin then keeps the buffer and its bytes.
    Handle(&'static Pins),
}

#[repr(align(64))]
struct Stripe {
    held: [AtomicUsize; 2],
}

/// Proof that its holder was counted before it looked.
pub(crate) struct Pin<'p> {
    held: &'p AtomicUsize,
}

impl Pins {
    pub(crate) fn new() -> Pins {
        Pins {
            phase: AtomicUsize::new(0),
            stripes: std::array::from_fn(|_| Stripe {
                held: [AtomicUsize::new(0), AtomicUsize::new(0)],
            }),
            waiting: Mutex::new(()),
        }
    }

    /// Counts this thread in. What it then loads with `SeqCst` stays until the pin is dropped.
    #[inline]
    pub(crate) fn enter(&self) -> Pin<'_> {
        let held = &self.stripes[stripe()].held[self.phase.load(Ordering::Relaxed) & 1];
        // SeqCst, as are the loads behind it and the stores before `wait`: either the waiter sees
        // this count, or this thread sees what the waiter did before it looked.
        held.fetch_add(1, Ordering::SeqCst);
        // loom knows sequential consistency of fences only.
        if cfg!(loom) {
            fence(Ordering::SeqCst);
        }
        Pin { held }
    }

    /// Returns once every pin that was taken before the call is dropped.
    pub(crate) fn wait(&self) {
        let _alone = lock(&self.waiting);
        fence(Ordering::SeqCst);
        let old = self.phase.load(Ordering::Relaxed) & 1;
        // Stragglers that read the phase before the last wait and counted themselves after it.
        self.drain(1 - old);
        self.phase.store(1 - old, Ordering::SeqCst);
        self.drain(old);
    }

    /// Whether a pin is one of these.
    pub(crate) fn gave(&self, pin: &Pin<'_>) -> bool {
        let mut counters = self.stripes.iter().flat_map(|stripe| &stripe.held);
        counters.any(|held| std::ptr::eq(held, pin.held))
    }

    /// Whether those who come now count elsewhere than the first ones did.
    #[cfg(test)]
    pub(crate) fn has_turned(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == 1
    }

    fn drain(&self, phase: usize) {
        for stripe in &self.stripes {
            let mut backoff = Backoff::new();
            // Pairs with the Release of a dropped pin: its reads are over.
            while stripe.held[phase].load(Ordering::SeqCst) != 0 {
                backoff.pause();
            }
        }
    }
}

impl Keeper {
    pub(crate) fn own() -> Keeper {
        Keeper::Own(Pins::new())
    }
}

impl Deref for Keeper {
    type Target = Pins;

    #[inline]
    fn deref(&self) -> &Pins {
        match self {
            Keeper::Own(pins) => pins,
            Keeper::Handle(pins) => pins,
        }
    }
}

impl Drop for Pin<'_> {
    #[inline]
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// How many are counted, by phase.
    fn held(pins: &Pins) -> [usize; 2] {
        [0, 1].map(|phase| {
            let held = pins.stripes.iter().map(|stripe| &stripe.held[phase]);
            held.map(|held| held.load(Ordering::SeqCst)).sum()
        })
    }

    #[test]
    fn a_wait_changes_where_is_counted() {
        let pins = Pins::new();
        for turn in 0..5 {
            let pin = pins.enter();
            assert!(pins.gave(&pin));
            let mut due = [0, 0];
            due[turn % 2] = 1;
            assert_eq!(held(&pins), due, "after {turn} waits");
            drop(pin);
            assert_eq!(held(&pins), [0, 0]);
            pins.wait();
        }
        assert!(!pins.gave(&Pins::new().enter()));
    }

    #[test]
    fn a_wait_is_for_the_pins_of_before_and_not_for_later_ones() {
        let pins = Pins::new();
        let first = pins.enter();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| pins.wait());
            while !pins.has_turned() {
                std::thread::yield_now();
            }
            let later = pins.enter();
            assert!(!waiter.is_finished());
            drop(first);
            waiter.join().expect("no panic");
            drop(later);
        });
    }
}
