//! Handing off: who uses the source next, and who calls the helper for that.
//!
//! The helper is elected only if there is one, or one comes soon. The threads of a crew may all be waiting
//! for calls of this buffer: if all of them are busy, the source goes to a call that may use it itself.

use super::{StateGuard, notify};
use crate::pull::crew::CrewSeat;
use crate::pull::demand::Puller;

impl StateGuard<'_> {
    /// If the source is free and a call or a watch waits for it, elects the one that has waited
    /// longest to use it next, on its own thread or through the helper.
    #[inline]
    pub(crate) fn hand_off(&mut self) {
        if self.is_awaited() && self.slot.is_free() && !self.waiters.has_elected() {
            self.elect();
        }
    }

    /// Whether a call, a watch or the prefetch may wait for bytes.
    #[inline]
    fn is_awaited(&self) -> bool {
        self.waiters.len() > 0 || !self.watches.is_empty() || self.prefetch.is_on()
    }

    #[inline(never)]
    fn elect(&mut self) {
        let first = self.longest_waiting().map(|(puller, _)| puller);
        if first == Some(Puller::Caller) {
            let gate = self.gate();
            if let Some(first) = self.state.waiters.elect_first() {
                notify(gate, first);
            }
        } else if (first.is_some() || self.prefetch.is_on()) && self.helper_work().is_some() {
            self.ring_helper();
            if first.is_some() {
                self.elect_helper();
            }
        }
    }

    fn elect_helper(&mut self) {
        let gate = self.gate();
        if self.is_helper_near() {
            self.waiters.elect_helper();
        } else if let Some(first) = self.state.waiters.elect_caller() {
            notify(gate, first);
        }
    }

    /// Whether the buffer has a helper, or a free thread of its crew will become the helper.
    fn is_helper_near(&self) -> bool {
        let is_free = |crew: &CrewSeat| !crew.is_contended();
        self.helper.is_some() || self.crew().is_none_or(is_free)
    }

    /// Whether a call with this puller uses the source itself, if that is free.
    #[inline]
    pub(crate) fn is_left_to(&mut self, puller: Puller) -> bool {
        puller == Puller::Caller || (puller == Puller::Either && !self.sends_helper())
    }

    #[cold]
    fn sends_helper(&mut self) -> bool {
        self.ring_helper();
        self.is_helper_near()
    }

    /// The helper, a thread of a crew, leaves work behind.
    pub(in crate::pull) fn leave_to_crew(&mut self) {
        self.helper = None;
        self.waiters.helper_has_looked();
        self.ring_helper();
        self.hand_off();
    }

    /// The same, by the helper, which found no work for itself.
    pub(in crate::pull) fn hand_off_from_helper(&mut self) {
        if self.helper_work().is_none() {
            self.hand_off();
        }
    }

    /// Wakes the helper if it has work.
    #[inline]
    pub(crate) fn call_helper(&mut self) {
        // A helper that has just been started checks for work before it sleeps.
        if self.helper.is_some() || self.crew().is_some() {
            self.call_sleeping_helper();
        }
    }

    #[inline(never)]
    fn call_sleeping_helper(&mut self) {
        // A crew need not be told of the end.
        let is_told = self.freed && self.helper.is_some();
        if is_told || self.has_push_request() || self.helper_work().is_some() {
            self.ring_helper();
        }
    }

    /// Wakes the helper. A crew sends one, unless one is there: that looks for work before it leaves.
    #[inline]
    pub(in crate::pull) fn ring_helper(&mut self) {
        let has_helper = self.helper.is_some();
        match self.state.crew_mut() {
            None => {
                self.caller.gate().helper.notify_one();
            }
            Some(_) if has_helper => {}
            Some(crew) => crew.ring(),
        }
    }

    /// A thread of the crew has taken the buffer out of its queue.
    pub(in crate::pull) fn leave_queue(&mut self) {
        if let Some(crew) = self.state.crew_mut() {
            crew.taken();
        }
    }
}
