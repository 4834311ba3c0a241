//! The helper: a thread of the buffer's own that takes turns at the source for callers that must
//! not, and ahead of need.
//!
//! It is started when first needed, sleeps at the gate while there is nothing to do, and goes with
//! the buffer. It blocks every signal, so that the host's handlers run on the host's threads.

use std::thread;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::pull::Turn;
use crate::shared::Shared;
use crate::sync::this_thread;

pub(crate) struct Helper(thread::JoinHandle<()>);

impl Helper {
    pub(crate) fn start(buffer: Shared<Buffer>) -> Result<Helper> {
        let signals = Signals::block();
        let thread = thread::Builder::new()
            .name("spoolbuf".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || run(&buffer));
        drop(signals);
        thread.map(Helper).map_err(|_| Error::NoMemory)
    }

    /// Waits for the thread's end, unless it is this one.
    pub(crate) fn join(self) {
        if self.0.thread().id() != thread::current().id() {
            // It catches its panics; there is no other error.
            let _ = self.0.join();
        }
    }
}

fn run(buffer: &Buffer) {
    let mut state = buffer.gate.lock();
    state.helper = Some(this_thread());
    while !state.freed {
        let work = state.helper_work();
        let turn = work.and_then(|_| Turn::take(&buffer.gate, &buffer.store, &mut state));
        let (Some((need, ahead)), Some(mut turn)) = (work, turn) else {
            state = buffer.gate.wait_as_helper(state);
            continue;
        };
        drop(state);
        let result = turn.advance(need, !ahead);
        state = buffer.gate.lock();
        match result {
            Ok(()) | Err(Error::Canceled) => {}
            Err(error) => {
                // It may pass: those who wait now get it, the next to come tries again. What can't
                // be reached concerns only those who want it.
                let for_all = !matches!(error, Error::Unsupported);
                state.prefetch_rests = true;
                buffer.gate.wake(&mut state, Some(&error), |waiter| {
                    waiter.by_helper && (for_all || waiter.need.offset == need.offset)
                });
            }
        }
        drop(state);
        drop(turn);
        state = buffer.gate.lock();
    }
    state.helper = None;
}

/// Every signal blocked on this thread, and so on the threads it starts, until dropped.
#[cfg(unix)]
struct Signals(libc::sigset_t);

#[cfg(unix)]
impl Signals {
    fn block() -> Signals {
        // SAFETY: both sets are written before they are read.
        unsafe {
            let mut all = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            Signals(before)
        }
    }
}

#[cfg(unix)]
impl Drop for Signals {
    fn drop(&mut self) {
        // SAFETY: the set that pthread_sigmask gave.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn block() -> Signals {
        Signals
    }
}
