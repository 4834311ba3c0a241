//! Shared by the tests of the buffer: a source in memory, with a valve that blocks it.

#![allow(unsafe_code)]

use std::io::SeekFrom;
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::buffer::Buffer;
use crate::buffer::read::{ReadRequest, Wait};
use crate::buffer::reader::Position;
use crate::error::{Error, Result};
use crate::options::{CursorOptions, Options};
use crate::source::{Interrupt, Source};
use crate::sync::rcu::DomainRef;
use crate::sync::shared::Shared;
use crate::sync::{AtomicUsize, Condvar, Mutex, Ordering, lock};

/// The byte at an offset.
pub(super) fn byte(offset: u64) -> u8 {
    offset as u8 + 0x41
}

/// A source that delivers one byte at a time, behind a valve if it has one.
pub(super) struct Tap {
    at: u64,
    size: u64,
    pub(super) valve: Option<Arc<Valve>>,
    pub(super) free_waits_for_pull: bool,
    /// It has no interrupt.
    pub(super) deaf: bool,
    pub(super) closed: Arc<AtomicUsize>,
    /// The offset at which it fails each time.
    pub(super) fails_at: Option<u64>,
    /// Called by its interrupt in addition.
    pub(super) at_interrupt: Option<std::sync::Arc<dyn Fn() + Send + Sync>>,
    /// Accessed in each call and in the drop, so that loom checks that none of them overlap.
    touched: UnsafeCell<()>,
    /// Accessed in its interrupt and in the drop, so that loom checks that they do not overlap.
    interrupted: Arc<Interrupted>,
}

struct Interrupted(UnsafeCell<()>);

// SAFETY: loom reports any two accesses to the cell that are not ordered.
unsafe impl Sync for Interrupted {}
// SAFETY: loom reports any two accesses to the cell that are not ordered.
unsafe impl Send for Interrupted {}

/// Blocks a source until it is opened.
pub(super) struct Valve {
    now: Mutex<Flow>,
    changed: Condvar,
    closed: Mutex<bool>,
    gone: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    /// No call has reached it yet.
    Shut,
    /// A call is blocked inside the source.
    Blocked,
    /// The source was interrupted.
    Interrupted,
    Open,
}

impl Valve {
    pub(super) fn new() -> Arc<Valve> {
        Arc::new(Valve {
            now: Mutex::new(Flow::Shut),
            changed: Condvar::new(),
            closed: Mutex::new(false),
            gone: Condvar::new(),
        })
    }

    pub(super) fn wait_until_closed(&self) {
        let mut closed = lock(&self.closed);
        while !*closed {
            closed = self.gone.wait(closed).unwrap();
        }
    }

    pub(super) fn set(&self, flow: Flow) {
        *lock(&self.now) = flow;
        self.changed.notify_all();
    }

    pub(super) fn wait(&self, over: impl Fn(Flow) -> bool) -> Flow {
        let mut now = lock(&self.now);
        while !over(*now) {
            now = self.changed.wait(now).unwrap();
        }
        *now
    }

    /// Blocks the source. Returns what ended the wait.
    fn pass(&self) -> Flow {
        let mut now = lock(&self.now);
        if *now == Flow::Shut {
            *now = Flow::Blocked;
            self.changed.notify_all();
        }
        drop(now);
        self.wait(|flow| matches!(flow, Flow::Open | Flow::Interrupted))
    }
}

impl Tap {
    pub(super) fn new(size: u64) -> Tap {
        Tap {
            at: 0,
            size,
            valve: None,
            free_waits_for_pull: false,
            deaf: false,
            closed: Arc::new(AtomicUsize::new(0)),
            fails_at: None,
            at_interrupt: None,
            touched: UnsafeCell::new(()),
            interrupted: Arc::new(Interrupted(UnsafeCell::new(()))),
        }
    }

    pub(super) fn behind(size: u64, valve: &Arc<Valve>) -> Tap {
        let mut tap = Tap::new(size);
        tap.valve = Some(valve.clone());
        tap
    }
}

impl Source for Tap {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        self.touched.with_mut(|_| ());
        if let Some(valve) = &self.valve {
            if valve.pass() == Flow::Interrupted {
                return Err(Error::Canceled);
            }
        }
        if self.fails_at == Some(self.at) {
            return Err(Error::Source {
                code: -7,
                cause: None,
            });
        }
        if self.at == self.size {
            return Ok(0);
        }
        out[0] = byte(self.at);
        self.at += 1;
        Ok(1)
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let valve = self.valve.clone().filter(|_| !self.deaf)?;
        let (also, interrupted) = (self.at_interrupt.clone(), self.interrupted.clone());
        Some(Box::new(move || {
            interrupted.0.with(|_| ());
            valve.set(Flow::Interrupted);
            if let Some(also) = &also {
                also();
            }
            interrupted.0.with(|_| ());
        }))
    }

    fn free_waits_for_pull(&self) -> bool {
        self.free_waits_for_pull
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.touched.with_mut(|_| ());
        self.interrupted.0.with_mut(|_| ());
        assert_eq!(
            self.closed.fetch_add(1, Ordering::Relaxed),
            0,
            "closed twice"
        );
        if let Some(valve) = &self.valve {
            *lock(&valve.closed) = true;
            valve.gone.notify_all();
        }
    }
}

/// A buffer that requests no more than is needed.
pub(super) fn buffer(tap: Tap) -> Shared<Buffer> {
    let options = Options {
        read_granularity: 0,
        ..Options::default()
    };
    Buffer::new(Some(Box::new(tap)), options, DomainRef::own()).unwrap()
}

pub(super) fn read(
    buffer: &Shared<Buffer>,
    offset: u64,
    length: usize,
    wait: Wait,
) -> Result<usize> {
    let mut out = [0; 4];
    let request = ReadRequest {
        all: true,
        wait,
        terms: None,
    };
    let count = Buffer::read(buffer, offset, &mut out[..length], request)?;
    for (at, found) in out[..count].iter().enumerate() {
        assert_eq!(*found, byte(offset + at as u64), "at {offset} + {at}");
    }
    Ok(count)
}

/// A wait that makes the helper do the work, and never times out.
pub(super) const BY_HELPER: Wait = Wait::For(Duration::MAX);

/// Waits without a limit for what others bring.
pub(super) const BY_OTHERS: Wait = Wait::Others(Duration::MAX);

/// Starts a thread that reads.
pub(super) fn reader(
    buffer: &Shared<Buffer>,
    offset: u64,
    length: usize,
    wait: Wait,
) -> thread::JoinHandle<Result<usize>> {
    let buffer = buffer.clone();
    thread::spawn(move || read(&buffer, offset, length, wait))
}

/// Starts a thread that reads a byte at a position, which can be canceled on its own.
pub(super) fn reader_at(
    buffer: &Shared<Buffer>,
    offset: u64,
) -> (Arc<Position>, thread::JoinHandle<Result<usize>>) {
    let position = Arc::new(Position::new(CursorOptions::new(), 0));
    position.seek(buffer, SeekFrom::Start(offset)).unwrap();
    let thread = thread::spawn({
        let (buffer, position) = (buffer.clone(), position.clone());
        move || Ok(position.read(&buffer, &mut [0])?)
    });
    (position, thread)
}

/// A buffer with a reader that is blocked inside a source, which only the valve releases.
pub(super) fn stuck(
    wait: Wait,
) -> (
    Arc<Valve>,
    Shared<Buffer>,
    thread::JoinHandle<Result<usize>>,
) {
    let valve = Valve::new();
    let mut tap = Tap::behind(1, &valve);
    tap.deaf = true;
    let buffer = buffer(tap);
    let inside = reader(&buffer, 0, 1, wait);
    valve.wait(|flow| flow == Flow::Blocked);
    (valve, buffer, inside)
}

pub(super) fn is_canceled(result: &Result<usize>) -> bool {
    matches!(result, Err(Error::Canceled))
}
