//! Helping: which thread is the helper, the buffer's own or one of a crew, and what it does next.

use super::State;
use crate::pull::crew::CrewSeat;
use crate::pull::demand::{Demand, Puller};
use crate::pull::waiters::Waiter;
use crate::sync::this_thread;
use crate::sync::thread::Thread;

impl State {
    #[cfg(all(test, loom))]
    pub(crate) fn has_helper(&self) -> bool {
        self.helper.is_some()
    }

    /// Whether a helper thread exists.
    pub(crate) fn has_helper_thread(&self) -> bool {
        self.helper_thread.is_some()
    }

    /// A helper thread was created. If there is another one, it exits by itself.
    pub(crate) fn set_helper_thread(&mut self, thread: Thread) {
        self.helper_thread = Some(thread);
    }

    pub(in crate::pull) fn take_helper_thread(&mut self) -> Option<Thread> {
        self.helper_thread.take()
    }

    /// Whether a prefetch runs and this is not its thread, which alone calls the source then, unless it
    /// is one of a crew.
    #[inline]
    pub(in crate::pull) fn is_left_to_helper(&self) -> bool {
        self.prefetch.is_on() && self.is_helper_elsewhere()
    }

    #[inline(never)]
    fn is_helper_elsewhere(&self) -> bool {
        self.crew.is_none() && !self.is_helper_here()
    }

    /// Whether this thread is the helper. A call that waits for bytes would wait for itself.
    pub(crate) fn is_helper_here(&self) -> bool {
        self.helper == Some(this_thread())
    }

    /// Joins a crew, or leaves it. Returns what to drop without the lock.
    pub(crate) fn set_crew(&mut self, crew: Option<Box<CrewSeat>>) -> Option<Box<CrewSeat>> {
        std::mem::replace(&mut self.crew, crew)
    }

    pub(crate) fn crew(&self) -> Option<&CrewSeat> {
        self.crew.as_deref()
    }

    pub(in crate::pull) fn crew_mut(&mut self) -> Option<&mut CrewSeat> {
        self.crew.as_deref_mut()
    }

    /// The bytes that the helper should fetch, if any: those that a waiting call needs, else those
    /// that the prefetch keeps buffered. The flag is true for the latter.
    #[inline]
    pub(in crate::pull) fn helper_work(&self) -> Option<(Demand, bool)> {
        let is_stopped = self.freed || self.canceled || self.unplugged;
        if is_stopped || self.health.failure().is_some() || self.is_pushed() {
            return None;
        }
        let cancels = self.cancels;
        let mut waiters = self.waiters.asleep();
        let waiter = waiters.find(|waiter| waiter.puller.is_helper());
        if let Some((_, demand)) = self.older(waiter) {
            return Some((Demand { cancels, ..demand }, false));
        }
        let position = self.position.offset();
        let next = self.prefetch.next(&self.extent, self.can_seek(), position);
        next.map(|(offset, length)| {
            let demand = Demand {
                offset,
                length,
                capacity: length,
                cancels,
            };
            (demand, true)
        })
    }

    /// The call or the watch that has waited longest: who serves it, and its demand.
    pub(in crate::pull) fn longest_waiting(&self) -> Option<(Puller, Demand)> {
        self.older(self.waiters.asleep().next())
    }

    /// The older of a waiter and the first watch that waits for bytes.
    #[inline]
    fn older(&self, waiter: Option<&Waiter>) -> Option<(Puller, Demand)> {
        if self.watches.is_empty() {
            waiter.map(|waiter| (waiter.puller, waiter.demand))
        } else {
            self.older_watch(waiter)
        }
    }

    #[cold]
    fn older_watch(&self, waiter: Option<&Waiter>) -> Option<(Puller, Demand)> {
        let watch = self.watches.demands().next();
        match (waiter, watch) {
            (Some(waiter), Some((ticket, demand))) if !waiter.precedes(ticket) => {
                Some((Puller::Helper, demand))
            }
            (Some(waiter), _) => Some((waiter.puller, waiter.demand)),
            (None, watch) => watch.map(|(_, demand)| (Puller::Helper, demand)),
        }
    }
}
