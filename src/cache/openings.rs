//! The runs of the opener, and what their threads wait for. Under the shelf's lock.
//!
//! An opener may open other keys. If it waits there for a flight whose own opener waits for it,
//! directly or through others, nobody would ever land. So a thread looks along that chain before it
//! waits.

use crate::cache::flight::Flight;
use crate::cache::options::OpenWait;
use crate::error::{Error, Result};
use crate::sync::host_call::is_inside_any;
use crate::sync::shared::Shared;
use crate::sync::{ThreadToken, this_thread};

struct Opening {
    flight: Shared<Flight>,
    /// The thread that runs the opener. None until that thread has begun.
    thread: Option<ThreadToken>,
    /// The flight for which the opener waits, without a time limit.
    awaits: Option<Shared<Flight>>,
}

#[derive(Default)]
pub(super) struct Openings(Vec<Opening>);

impl Openings {
    /// The memory that a flight takes here.
    pub(super) const PLACE: usize = size_of::<Opening>();

    /// Allocates what `begin` needs.
    pub(super) fn reserve(&mut self) -> Result<()> {
        self.0.try_reserve(1).map_err(|_| Error::NoMemory)
    }

    /// The opener is about to be called for a flight.
    pub(super) fn begin(&mut self, flight: &Shared<Flight>) {
        self.0.push(Opening {
            flight: flight.clone(),
            thread: None,
            awaits: None,
        });
    }

    /// This thread is about to call it.
    pub(super) fn enter(&mut self, flight: &Shared<Flight>) {
        let opening = self.0.iter_mut().find(|it| it.is_of(flight));
        if let Some(opening) = opening {
            opening.thread = Some(this_thread());
        }
    }

    /// The opener has returned, and its thread needs the cache no more.
    pub(super) fn end(&mut self, flight: &Shared<Flight>) {
        if let Some(at) = self.0.iter().position(|it| it.is_of(flight)) {
            self.0.swap_remove(at);
        }
    }

    /// Those that have landed, too, until their threads need the cache no more.
    pub(super) fn flights(&self) -> impl Iterator<Item = &Shared<Flight>> {
        self.0.iter().map(|opening| &opening.flight)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether another thread is inside the opener, or about to be.
    pub(super) fn is_any_elsewhere(&self) -> bool {
        let me = Some(this_thread());
        self.0.iter().any(|it| it.thread != me)
    }

    /// Whether this thread may block, if it is to: in a function of the host that others may be waiting
    /// for, it may not.
    pub(super) fn check_call(how: OpenWait) -> Result<()> {
        match how.may_block() && is_inside_any() {
            true => Err(Error::Reentrant),
            false => Ok(()),
        }
    }

    /// Whether this thread may wait for a flight. It may not if that waits for this thread.
    pub(super) fn check_wait(&self, flight: &Shared<Flight>, how: OpenWait) -> Result<()> {
        Openings::check_call(how)?;
        let me = this_thread();
        let mut next = flight;
        for _ in 0..=self.0.len() {
            let opening = self.0.iter().find(|it| it.is_of(next));
            let Some(thread) = opening.and_then(|it| it.thread) else {
                return Ok(());
            };
            if thread == me {
                return Err(Error::Reentrant);
            }
            let mut of_thread = self.0.iter().filter(|it| it.thread == Some(thread));
            match of_thread.find_map(|it| it.awaits.as_ref()) {
                Some(awaited) => next = awaited,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// This thread begins or ends a wait without a time limit. Only that of an opener is noted.
    pub(super) fn note_wait(&mut self, awaited: Option<&Shared<Flight>>) {
        let me = Some(this_thread());
        let mut awaited = awaited.cloned();
        // Its openers may be inside each other. What it awaits is noted once.
        for opening in self.0.iter_mut().filter(|it| it.thread == me) {
            opening.awaits = awaited.take();
        }
    }
}

impl Opening {
    fn is_of(&self, flight: &Shared<Flight>) -> bool {
        Shared::is_same(&self.flight, flight)
    }
}
