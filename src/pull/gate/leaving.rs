//! Leaving: a call that needs bytes elsewhere makes the source leave a place at which it has
//! stalled.
//!
//! The source must be able to seek, and to go on after an interrupt. The first of the waiting calls
//! to which the running call of the source does not lead is *on watch*: it sleeps until that call has
//! [stalled](crate::pull::stall), and then interrupts it and is served next. The interrupted thread
//! waits for its turn like any other, so nobody's bytes are lost. A thread that enters the source
//! wakes the call that has to go on watch, and so does one that goes off.

use std::time::{Duration, Instant};

use super::StateGuard;
use crate::pull::demand::Demand;
use crate::pull::state::State;
use crate::sync::Condvar;

impl State {
    /// The first of the waiting calls to which the running call of the source does not lead.
    fn first_elsewhere(&self, heading: u64) -> Option<u64> {
        let mut waiters = self.waiters.asleep();
        let first = waiters.find(|waiter| !self.leads_to(heading, waiter.demand));
        first.map(|waiter| waiter.ticket())
    }

    fn leads_to(&self, heading: u64, demand: Demand) -> bool {
        let (missing, _) = self.extent.ranges().gap(demand.offset);
        heading == missing || self.is_on_the_way(heading, missing)
    }

    /// The time until the running call has stalled, if the call with this ticket is to watch it.
    fn stalls_in(&self, ticket: u64) -> Option<Duration> {
        let (since, heading) = self.slot.call_to_watch().filter(|_| self.can_seek())?;
        if self.first_elsewhere(heading) != Some(ticket) {
            return None;
        }
        let counters = &self.counters;
        let calls = counters.pulls + counters.seeks;
        let patience = self.stall.patience(calls, counters.pulled);
        Some(patience.saturating_sub(Duration::from_nanos(since.nanoseconds())))
    }
}

impl StateGuard<'_> {
    /// Sleeps as `sleep_until` does. If the call is on watch and the source has stalled, makes the
    /// source leave instead.
    pub(super) fn sleep_or_leave(
        mut self,
        ticket: u64,
        condvar: &Condvar,
        deadline: Option<Instant>,
    ) -> (Self, bool) {
        let left = self.stalls_in(ticket);
        self.waiters.set_on_watch(ticket, left.is_some());
        match left {
            None => self.sleep_until(condvar, deadline),
            Some(Duration::ZERO) => (self.leave(ticket), true),
            Some(left) => {
                let at = Instant::now() + left;
                match deadline.filter(|deadline| *deadline <= at) {
                    // The call goes on, and keeps its place, even if `at` has passed by now.
                    None => (self.sleep_until(condvar, Some(at)).0, true),
                    deadline => self.sleep_until(condvar, deadline),
                }
            }
        }
    }

    /// Interrupts the source for a waiting call, which is served next.
    #[cold]
    fn leave(mut self, ticket: u64) -> Self {
        let State {
            stall, counters, ..
        } = &mut *self.state;
        stall.interrupted(counters.pulled);
        self.waiters.prefer(ticket);
        match self.slot.begin_interrupt() {
            Some((generation, interrupt)) => self.interrupt(generation, interrupt),
            None => self,
        }
    }

    /// Wakes the call that has to go on watch now, if there is one that is not.
    #[cold]
    pub(in crate::pull) fn call_watch(&mut self) {
        let heading = self.slot.call_to_watch().filter(|_| self.can_seek());
        let first = heading.and_then(|(_, heading)| self.first_elsewhere(heading));
        if let Some(condvar) = first.and_then(|first| self.waiters.to_watch(first)) {
            if let Ok(condvar) = self.gate().waiters.get(condvar) {
                condvar.notify_one();
            }
        }
    }

    /// A call has slept enough. If it was on watch, another one has to be.
    pub(super) fn end_watch(&mut self, ticket: u64) {
        if self.waiters.set_on_watch(ticket, false) {
            self.call_watch();
        }
    }
}
