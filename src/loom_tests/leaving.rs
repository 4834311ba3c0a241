//! A source that stalls at one place is left for a call that needs bytes elsewhere, and for a reader
//! that is canceled. In loom a call has stalled at once, since there is no time.

use std::ops::Range;

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::tap::{BY_HELPER, byte, is_canceled, read, reader, reader_at};
use crate::buffer::Buffer;
use crate::buffer::read::Wait;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::source::{Interrupt, Source};
use crate::sync::rcu::DomainRef;
use crate::sync::shared::Shared;
use crate::sync::{AtomicUsize, Condvar, Mutex, Ordering, lock};

/// Another place than the one at which the source stalls, and a third one.
const FAR: u64 = 9;
const FARTHER: u64 = 20;

/// Can seek, and stalls at some offsets until it is released. Only an interrupt makes it return
/// earlier.
struct Stalling {
    at: u64,
    stalls_at: Range<u64>,
    /// Whether an interrupted call fails. If not, it delivers its byte.
    obeys: bool,
    stall: Arc<Stall>,
}

pub(super) struct Stall {
    now: Mutex<Now>,
    changed: Condvar,
    pub(super) closed: AtomicUsize,
}

#[derive(Default)]
struct Now {
    released: bool,
    interrupted: bool,
    /// A call has stalled.
    stalled: bool,
}

impl Stall {
    fn set(&self, set: impl FnOnce(&mut Now)) {
        set(&mut lock(&self.now));
        self.changed.notify_all();
    }

    pub(super) fn release(&self) {
        self.set(|now| now.released = true);
    }

    pub(super) fn has_stalled(&self) -> bool {
        lock(&self.now).stalled
    }
}

impl Source for Stalling {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut now = lock(&self.stall.now);
        while self.stalls_at.contains(&self.at) && !now.released && !now.interrupted {
            now.stalled = true;
            now = self.stall.changed.wait(now).unwrap();
        }
        if std::mem::take(&mut now.interrupted) && self.obeys {
            return Err(Error::Canceled);
        }
        drop(now);
        out[0] = byte(self.at);
        self.at += 1;
        Ok(1)
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.at = offset;
        Ok(())
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let stall = self.stall.clone();
        Some(Box::new(move || stall.set(|now| now.interrupted = true)))
    }

    fn is_interruptible(&self) -> bool {
        true
    }
}

impl Drop for Stalling {
    fn drop(&mut self) {
        assert_eq!(self.stall.closed.fetch_add(1, Ordering::Relaxed), 0);
    }
}

fn buffer() -> (Shared<Buffer>, Arc<Stall>) {
    buffer_that_stalls(0..1, true, 0)
}

/// A buffer whose source stalls at these offsets, and may obey interrupts. Its requests are rounded up
/// to this many bytes.
pub(super) fn buffer_that_stalls(
    stalls_at: Range<u64>,
    obeys: bool,
    read_granularity: u32,
) -> (Shared<Buffer>, Arc<Stall>) {
    let stall = Arc::new(Stall {
        now: Mutex::new(Now::default()),
        changed: Condvar::new(),
        closed: AtomicUsize::new(0),
    });
    let source = Stalling {
        at: 0,
        stalls_at,
        obeys,
        stall: stall.clone(),
    };
    let options = Options {
        read_granularity,
        seek_gap: 0,
        ..Options::default()
    };
    let buffer = Buffer::new(Some(Box::new(source)), options, DomainRef::own()).unwrap();
    (buffer, stall)
}

/// The call that needs bytes elsewhere gets them before the source is released, in every order; the
/// stalled one gets its own afterwards.
#[test]
fn leave_against_arrival() {
    for [stalled, moved] in [
        [Wait::Forever, Wait::Forever],
        [Wait::Forever, BY_HELPER],
        [BY_HELPER, Wait::Forever],
    ] {
        explore(2, move || {
            let (buffer, stall) = buffer();
            let other = reader(&buffer, 0, 1, stalled);
            assert_eq!(read(&buffer, FAR, 1, moved).unwrap(), 1);
            stall.release();
            assert_eq!(other.join().unwrap().unwrap(), 1);
            buffer.free();
        });
    }
}

/// Two calls need bytes at two places elsewhere. The one that does not watch the source watches it
/// after the other one.
#[test]
fn leave_for_two() {
    explore(2, || {
        let (buffer, stall) = buffer();
        let stalled = reader(&buffer, 0, 1, Wait::Forever);
        let other = reader(&buffer, FARTHER, 1, Wait::Forever);
        assert_eq!(read(&buffer, FAR, 1, Wait::Forever).unwrap(), 1);
        assert_eq!(other.join().unwrap().unwrap(), 1);
        stall.release();
        assert_eq!(stalled.join().unwrap().unwrap(), 1);
        buffer.free();
    });
}

/// All is canceled, or the buffer is freed, while a call makes the source leave. Every call returns,
/// and the source is closed once.
#[test]
fn leave_against_the_end() {
    for stop in [Buffer::cancel, Buffer::free] {
        explore(3, move || {
            let (buffer, stall) = buffer();
            let others = [0, FAR].map(|offset| reader(&buffer, offset, 1, Wait::Forever));
            stop(&buffer);
            let [stalled, moved] = others.map(|other| other.join().unwrap());
            assert!(is_canceled(&stalled), "{stalled:?}");
            assert!(matches!(moved, Ok(1) | Err(Error::Canceled)), "{moved:?}");
            buffer.free();
            drop(buffer);
            assert_eq!(stall.closed.load(Ordering::Relaxed), 1);
        });
    }
}

/// A reader is canceled when it is about to enter the source, is inside it, or is interrupted for
/// another call. It returns, and the source goes on.
#[test]
fn reader_cancel_against_entry() {
    for has_other in [false, true] {
        explore(2, move || {
            let (buffer, stall) = buffer();
            let (position, stopped) = reader_at(&buffer, 0);
            let other = has_other.then(|| reader(&buffer, FAR, 1, Wait::Forever));
            thread::yield_now();
            position.cancel(&buffer.gate);
            assert!(is_canceled(&stopped.join().unwrap()));
            if let Some(other) = other {
                assert_eq!(other.join().unwrap().unwrap(), 1);
            }
            stall.release();
            position.resume();
            assert_eq!(read(&buffer, 0, 1, Wait::Forever).unwrap(), 1);
            buffer.free();
        });
    }
}
