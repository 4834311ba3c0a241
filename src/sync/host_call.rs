//! Calls of the host's functions that are not part of a source: the log's, `ready` of a watch, and the
//! hooks on helper threads.
//!
//! The thread that makes such a call may hold the source, or may be the thread for which others
//! wait. So what would wait inside is an error ([`is_inside_any`]).

use std::cell::Cell;

use crate::panic::catch;

#[derive(Clone, Copy)]
pub(crate) enum HostCall {
    Log = 1,
    Ready = 2,
    Thread = 4,
    /// An opener on any thread, and all that a crew's thread does. It may wait, but not for the threads
    /// of a crew: these may all be waiting for it.
    Work = 8,
}

// Without a destructor, so that it is usable until the very end of a thread.
#[cfg(not(loom))]
thread_local! {
    /// The calls that this thread is inside: one bit each.
    static INSIDE: Cell<u8> = const { Cell::new(0) };
}

#[cfg(loom)]
loom::thread_local! {
    static INSIDE: Cell<u8> = Cell::new(0);
}

impl HostCall {
    /// Makes the call, and catches its panic.
    pub(crate) fn run(self, call: impl FnOnce()) {
        let before = INSIDE.with(|inside| inside.replace(inside.get() | self as u8));
        catch((), call);
        INSIDE.with(|inside| inside.set(before));
    }

    /// Whether this thread is inside such a call.
    pub(crate) fn is_inside(self) -> bool {
        INSIDE.with(Cell::get) & self as u8 != 0
    }
}

/// Whether this thread is inside any of them in which it must not wait.
pub(crate) fn is_inside_any() -> bool {
    INSIDE.with(Cell::get) & !(HostCall::Work as u8) != 0
}
