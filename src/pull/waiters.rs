//! The waiters: the calls that sleep at the gate, and the one that is elected to use the source
//! next.

use crate::error::{Error, Result};
use crate::pull::demand::{Demand, Puller};

/// The helper's ticket. The tickets of calls start at 1.
const HELPER: u64 = 0;

/// A call that sleeps until its bytes have arrived.
pub(crate) struct Waiter {
    ticket: u64,
    pub(super) demand: Demand,
    pub(super) puller: Puller,
    /// The reader whose call this is; 0 for none.
    pub(super) reader: usize,
    /// The number of its condition variable.
    pub(super) condvar: usize,
    /// It was woken and has to check the state again.
    pub(super) woken: bool,
    /// It has interrupted a stalled source, and is served before all others.
    preferred: bool,
    /// An error that ends this call and is not recorded in the state.
    pub(super) error: Option<Error>,
}

impl Waiter {
    pub(super) fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Whether it is served before a watch with this ticket.
    pub(super) fn precedes(&self, watch: u64) -> bool {
        self.preferred || self.ticket < watch
    }

    fn is_served(&self) -> bool {
        self.puller != Puller::Others
    }
}

#[derive(Default)]
pub(crate) struct Waiters {
    /// In order of arrival, but a preferred waiter comes first.
    list: Vec<Waiter>,
    /// The waiter, or the helper, that was woken to use the source and has not checked the state
    /// yet.
    elected: Option<u64>,
    /// The waiter that watches the running call of the source.
    on_watch: Option<u64>,
    last_ticket: u64,
    /// The condition variables that no waiter uses, and the number of all of them.
    free_condvars: Vec<usize>,
    condvars: usize,
}

impl Waiters {
    /// Allocates space for one more waiter.
    pub(super) fn reserve(&mut self) -> Result<()> {
        self.list.try_reserve(1).map_err(|_| Error::NoMemory)
    }

    /// Adds a waiter and returns its ticket. `reserve` has allocated the space.
    pub(super) fn add(
        &mut self,
        demand: Demand,
        puller: Puller,
        reader: usize,
        condvar: usize,
    ) -> u64 {
        let ticket = self.next_ticket();
        self.list.push(Waiter {
            ticket,
            demand,
            puller,
            reader,
            condvar,
            woken: false,
            preferred: false,
            error: None,
        });
        ticket
    }

    /// A ticket for a waiter or a watch. They are in the order of arrival.
    pub(crate) fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    pub(super) fn is_woken(&self, ticket: u64) -> bool {
        let mut waiters = self.list.iter();
        waiters.any(|waiter| waiter.ticket == ticket && waiter.woken)
    }

    /// Removes a waiter. Returns the error that ends its call, if it has one.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<Error> {
        let mut waiters = self.list.iter();
        let index = waiters.position(|waiter| waiter.ticket == ticket)?;
        let waiter = self.list.remove(index);
        self.give_condvar_back(waiter.condvar);
        waiter.error
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Waiter> {
        self.list.iter_mut()
    }

    /// The waiters for which the source is called.
    pub(super) fn served(&self) -> impl Iterator<Item = &Waiter> {
        self.list.iter().filter(|waiter| waiter.is_served())
    }

    /// Those of them that have not been woken.
    pub(super) fn asleep(&self) -> impl Iterator<Item = &Waiter> {
        self.served().filter(|waiter| !waiter.woken)
    }

    /// All waiters that have not been woken, whoever serves them.
    pub(super) fn blocked(&self) -> impl Iterator<Item = &Waiter> {
        self.list.iter().filter(|waiter| !waiter.woken)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Waiter {
        &mut self.list[index]
    }

    pub(super) fn has_elected(&self) -> bool {
        self.elected.is_some()
    }

    /// Elects the waiter that has slept longest.
    pub(super) fn elect_first(&mut self) -> Option<&mut Waiter> {
        self.elect(Waiter::is_served)
    }

    /// The same among those that may use the source themselves.
    pub(super) fn elect_caller(&mut self) -> Option<&mut Waiter> {
        self.elect(|waiter| waiter.puller.may_be_caller())
    }

    fn elect(&mut self, whom: impl Fn(&Waiter) -> bool) -> Option<&mut Waiter> {
        let mut waiters = self.list.iter_mut();
        let first = waiters.find(|waiter| whom(waiter) && !waiter.woken)?;
        self.elected = Some(first.ticket);
        Some(first)
    }

    pub(super) fn elect_helper(&mut self) {
        self.elected = Some(HELPER);
    }

    /// A waiter has checked the state: it is no longer elected.
    pub(super) fn has_looked(&mut self, ticket: u64) {
        if self.elected == Some(ticket) {
            self.elected = None;
        }
    }

    /// Moves a waiter to the front.
    pub(super) fn prefer(&mut self, ticket: u64) {
        let mut waiters = self.list.iter();
        if let Some(index) = waiters.position(|waiter| waiter.ticket == ticket) {
            self.list[..=index].rotate_right(1);
            self.list[0].preferred = true;
        }
    }

    /// A waiter begins or ends to watch the running call of the source. Returns whether it did
    /// before.
    pub(super) fn set_on_watch(&mut self, ticket: u64, watches: bool) -> bool {
        let did = self.on_watch == Some(ticket);
        if watches {
            self.on_watch = Some(ticket);
        } else if did {
            self.on_watch = None;
        }
        did
    }

    /// The condition variable of this waiter, unless it is on watch already.
    pub(super) fn to_watch(&self, ticket: u64) -> Option<usize> {
        let mut waiters = self.list.iter();
        let waiter = waiters.find(|waiter| waiter.ticket == ticket);
        let waiter = waiter.filter(|_| self.on_watch != Some(ticket))?;
        Some(waiter.condvar)
    }

    pub(super) fn helper_has_looked(&mut self) {
        self.has_looked(HELPER);
    }

    /// Takes the number of a condition variable for one waiter.
    pub(super) fn take_condvar(&mut self) -> Result<usize> {
        if let Some(condvar) = self.free_condvars.pop() {
            return Ok(condvar);
        }
        // Allocates space for all of them, so that `give_condvar_back` cannot fail.
        self.free_condvars
            .try_reserve(self.condvars + 1)
            .map_err(|_| Error::NoMemory)?;
        self.condvars += 1;
        Ok(self.condvars - 1)
    }

    pub(super) fn give_condvar_back(&mut self, condvar: usize) {
        self.free_condvars.push(condvar);
    }
}
