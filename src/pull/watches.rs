//! The watches: demands with a function, `ready`, instead of a thread that sleeps.
//!
//! ```text
//!  armed --fire--> fired --begin--> running --end--> gone
//!    |               |
//!    +----remove-----+-----------------------------> gone
//! ```
//!
//! A watch is armed and fired under the state's lock. The thread that fired it makes the call once it
//! has unlocked (`gate/watching.rs`). Space for everything is allocated when a
//! watch is armed, so that nothing that fires it can fail.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::pull::demand::Demand;
use crate::sync::shared::try_box;
use crate::sync::{ThreadToken, this_thread};

/// Called once, with the number of bytes that can be read or pushed, 0 for the end, or an error.
pub(crate) type Ready = Box<dyn FnOnce(Result<u64>) + Send>;

/// What a watch waits for.
#[derive(Clone, Copy)]
pub(crate) enum Awaited {
    /// The first byte of a demand.
    Bytes(Demand),
    /// Bytes that the pusher should push, and space for them.
    Wanted,
}

struct Armed {
    ticket: u64,
    awaited: Awaited,
    /// None between `fire` and `sweep`.
    ready: Option<Ready>,
}

struct Fired {
    ticket: u64,
    /// The thread that makes the call.
    thread: ThreadToken,
    /// None while the call runs.
    call: Option<(Ready, Result<u64>)>,
}

/// What was left of a watch: its function, and the result if it had fired.
pub(crate) type Removed = (Option<Ready>, Option<Result<u64>>);

/// The watches of a buffer. Most have none, and pay for a pointer.
#[derive(Default)]
pub(crate) struct Watches {
    lists: Option<Box<Lists>>,
}

#[derive(Default)]
struct Lists {
    /// In the order of their tickets, which is that of their arrival.
    armed: Vec<Armed>,
    /// In the order in which they fired.
    fired: VecDeque<Fired>,
}

impl Watches {
    /// Whether no watch is armed.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.armed().is_empty()
    }

    #[inline]
    fn armed(&self) -> &[Armed] {
        self.lists.as_ref().map_or(&[], |lists| &lists.armed)
    }

    fn fired(&self) -> impl Iterator<Item = &Fired> {
        self.lists.iter().flat_map(|lists| &lists.fired)
    }

    /// Allocates what one more watch will need.
    pub(crate) fn reserve(&mut self) -> Result<()> {
        let mut lists = match self.lists.take() {
            Some(lists) => lists,
            None => try_box(Lists::default())?,
        };
        let more = lists.armed.len() + 1;
        let armed = lists.armed.try_reserve(1);
        let both = armed.and_then(|()| lists.fired.try_reserve(more));
        self.lists = Some(lists);
        both.map_err(|_| Error::NoMemory)
    }

    /// Arms a watch. `reserve` has allocated the space.
    pub(super) fn arm(&mut self, ticket: u64, awaited: Awaited, ready: Ready) {
        let Some(lists) = &mut self.lists else { return };
        let index = lists.armed.partition_point(|other| other.ticket < ticket);
        let ready = Some(ready);
        let watch = Armed {
            ticket,
            awaited,
            ready,
        };
        lists.armed.insert(index, watch);
    }

    /// The demands of the armed watches, with their tickets.
    pub(super) fn demands(&self) -> impl Iterator<Item = (u64, Demand)> + '_ {
        self.armed().iter().filter_map(|watch| match watch.awaited {
            Awaited::Bytes(demand) => Some((watch.ticket, demand)),
            Awaited::Wanted => None,
        })
    }

    /// Whether a watch waits for bytes to push.
    pub(crate) fn has_wanted(&self) -> bool {
        let mut awaited = self.armed().iter().map(|watch| watch.awaited);
        awaited.any(|awaited| matches!(awaited, Awaited::Wanted))
    }

    /// The number of armed watches.
    pub(super) fn len(&self) -> usize {
        self.armed().len()
    }

    pub(super) fn awaited(&self, index: usize) -> Awaited {
        self.armed()[index].awaited
    }

    /// Fires an armed watch. `sweep` follows.
    pub(super) fn fire(&mut self, index: usize, result: Result<u64>) {
        let Some(lists) = &mut self.lists else { return };
        let watch = &mut lists.armed[index];
        lists.fired.push_back(Fired {
            ticket: watch.ticket,
            thread: this_thread(),
            call: watch.ready.take().map(|ready| (ready, result)),
        });
    }

    /// Removes the watches that have been fired from the armed ones. Returns whether there were any.
    pub(super) fn sweep(&mut self) -> bool {
        let Some(lists) = &mut self.lists else {
            return false;
        };
        let before = lists.armed.len();
        lists.armed.retain(|watch| watch.ready.is_some());
        lists.armed.len() < before
    }

    /// Begins the next call that this thread has to make, unless it is inside one.
    pub(super) fn begin(&mut self) -> Option<(u64, Ready, Result<u64>)> {
        let me = this_thread();
        let mut fired = self.lists.as_mut()?.fired.iter_mut();
        let next = fired.find(|watch| watch.thread == me)?;
        let (ready, result) = next.call.take()?;
        Some((next.ticket, ready, result))
    }

    /// Whether this thread has to make calls, and is not inside one.
    pub(super) fn owes_calls(&self) -> bool {
        let me = this_thread();
        let next = self.fired().find(|watch| watch.thread == me);
        next.is_some_and(|watch| watch.call.is_some())
    }

    /// Whether any thread has to begin a call.
    pub(super) fn has_calls(&self) -> bool {
        self.fired().any(|watch| watch.call.is_some())
    }

    /// Ends a call.
    pub(super) fn end(&mut self, ticket: u64) {
        let index = self.fired().position(|watch| watch.ticket == ticket);
        if let (Some(index), Some(lists)) = (index, &mut self.lists) {
            lists.fired.remove(index);
        }
    }

    /// Removes a watch whose call has not begun. The caller drops what is returned without the lock,
    /// since that may run the user's code.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<Removed> {
        let Lists { armed, fired } = &mut **self.lists.as_mut()?;
        if let Ok(index) = armed.binary_search_by_key(&ticket, |watch| watch.ticket) {
            return Some((armed.remove(index).ready, None));
        }
        let begins = |watch: &Fired| watch.ticket == ticket && watch.call.is_some();
        let index = fired.iter().position(begins)?;
        let (ready, result) = fired.remove(index)?.call?;
        Some((Some(ready), Some(result)))
    }

    /// Whether the call of a watch has begun and not ended.
    pub(super) fn is_running(&self, ticket: u64) -> bool {
        self.fired().any(|watch| watch.ticket == ticket)
    }

    /// Whether a thread makes a call, or has to make one.
    pub(super) fn are_called_by(&self, thread: ThreadToken) -> bool {
        self.fired().any(|watch| watch.thread == thread)
    }
}
