//! Who sleeps at the gate is woken, and the turn at the source goes round: the real buffer, with a
//! source in memory.

use std::io::SeekFrom;
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::explore;
use crate::buffer::{Buffer, Limit, Wish};
use crate::cursor::Place;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::shared::Shared;
use crate::source::{Interrupt, Source};
use crate::sync::{AtomicUsize, Condvar, Mutex, Ordering, lock};

/// The byte at an offset.
fn byte(offset: u64) -> u8 {
    offset as u8 + 0x41
}

/// A source that delivers one byte at a time, behind a valve if there is one.
struct Tap {
    at: u64,
    size: u64,
    valve: Option<Arc<Valve>>,
    must_return: bool,
    /// It has no interrupt.
    deaf: bool,
    closed: Arc<AtomicUsize>,
    /// loom sees to it that calls come one after the other, and the drop after all of them.
    touched: UnsafeCell<()>,
}

/// Holds a source up until it is opened.
struct Valve {
    now: Mutex<Flow>,
    changed: Condvar,
    closed: Mutex<bool>,
    gone: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    /// Nobody has come yet.
    Shut,
    /// Somebody is held up inside the source.
    Blocked,
    /// The source was interrupted.
    Interrupted,
    Open,
}

impl Valve {
    fn new() -> Arc<Valve> {
        Arc::new(Valve {
            now: Mutex::new(Flow::Shut),
            changed: Condvar::new(),
            closed: Mutex::new(false),
            gone: Condvar::new(),
        })
    }

    fn wait_until_closed(&self) {
        let mut closed = lock(&self.closed);
        while !*closed {
            closed = self.gone.wait(closed).unwrap();
        }
    }

    fn set(&self, flow: Flow) {
        *lock(&self.now) = flow;
        self.changed.notify_all();
    }

    fn wait(&self, over: impl Fn(Flow) -> bool) -> Flow {
        let mut now = lock(&self.now);
        while !over(*now) {
            now = self.changed.wait(now).unwrap();
        }
        *now
    }

    /// As the source: what ended the wait.
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
    fn new(size: u64) -> Tap {
        Tap {
            at: 0,
            size,
            valve: None,
            must_return: false,
            deaf: false,
            closed: Arc::new(AtomicUsize::new(0)),
            touched: UnsafeCell::new(()),
        }
    }

    fn behind(size: u64, valve: &Arc<Valve>) -> Tap {
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
                return Err(Error::Source {
                    code: -4,
                    cause: None,
                });
            }
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
        Some(Box::new(move || valve.set(Flow::Interrupted)))
    }

    fn must_return(&self) -> bool {
        self.must_return
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.touched.with_mut(|_| ());
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

/// A buffer that asks for no more than is needed.
fn buffer(tap: Tap) -> Shared<Buffer> {
    let options = Options {
        round_up: 0,
        ..Options::default()
    };
    Buffer::new(Box::new(tap), options).unwrap()
}

fn read(buffer: &Shared<Buffer>, offset: u64, length: usize, limit: Limit) -> Result<usize> {
    let mut out = [0; 4];
    let wish = Wish {
        all: true,
        limit,
        stop: None,
    };
    let count = Buffer::read(buffer, offset, &mut out[..length], wish)?;
    for (at, found) in out[..count].iter().enumerate() {
        assert_eq!(*found, byte(offset + at as u64), "at {offset} + {at}");
    }
    Ok(count)
}

/// A limit that makes the helper do the work, and never passes.
const BY_HELPER: Limit = Limit::Within(Duration::MAX);

/// Starts a thread that reads.
fn reader(
    buffer: &Shared<Buffer>,
    offset: u64,
    length: usize,
    limit: Limit,
) -> thread::JoinHandle<Result<usize>> {
    let buffer = buffer.clone();
    thread::spawn(move || read(&buffer, offset, length, limit))
}

fn is_canceled(result: &Result<usize>) -> bool {
    matches!(result, Err(Error::Canceled))
}

/// Both want the same bytes: one fetches, the other sleeps until they are published.
#[test]
fn publish_against_wait() {
    explore(5, || {
        let buffer = buffer(Tap::new(2));
        let other = reader(&buffer, 0, 1, Limit::None);
        assert_eq!(read(&buffer, 0, 2, Limit::None).unwrap(), 2);
        assert_eq!(other.join().unwrap().unwrap(), 1);
    });
}

/// Whoever has what it wants leaves the turn to the one that wants more, end of the source included.
#[test]
fn hand_over() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        let others = [1, 2].map(|offset| reader(&buffer, offset, 1, Limit::None));
        assert_eq!(read(&buffer, 0, 1, Limit::None).unwrap(), 1);
        let [second, third] = others.map(|other| other.join().unwrap().unwrap());
        assert_eq!((second, third), (1, 0));
    });
}

/// One reader is inside a source that only an interrupt ends, another may be waiting.
#[test]
fn cancel_against_wait() {
    explore(4, || {
        let valve = Valve::new();
        let buffer = buffer(Tap::behind(1, &valve));
        let others = [0, 0].map(|offset| reader(&buffer, offset, 1, Limit::None));
        buffer.cancel();
        for other in others {
            assert!(is_canceled(&other.join().unwrap()));
        }
    });
}

/// Who waits while another is inside a source that nothing ends returns at once, at a cancel and at
/// the end of the buffer.
#[test]
fn stop_of_all_against_wait() {
    for stop in [Buffer::cancel, Buffer::free] {
        explore(4, move || {
            let valve = Valve::new();
            let mut tap = Tap::behind(1, &valve);
            tap.deaf = true;
            let buffer = buffer(tap);
            let inside = reader(&buffer, 0, 1, Limit::None);
            valve.wait(|flow| flow == Flow::Blocked);
            let waiting = reader(&buffer, 0, 1, Limit::None);
            stop(&buffer);
            assert!(is_canceled(&waiting.join().unwrap()));
            valve.set(Flow::Open);
            let inside = inside.join().unwrap();
            assert!(matches!(inside, Ok(1) | Err(Error::Canceled)), "{inside:?}");
        });
    }
}

/// After a resume the source goes on where it stood.
#[test]
fn resume_after_cancel() {
    explore(5, || {
        let valve = Valve::new();
        let buffer = buffer(Tap::behind(1, &valve));
        let other = reader(&buffer, 0, 1, Limit::None);
        buffer.cancel();
        valve.set(Flow::Open);
        buffer.resume();
        assert_eq!(read(&buffer, 0, 1, Limit::None).unwrap(), 1);
        let other = other.join().unwrap();
        assert!(matches!(other, Ok(1) | Err(Error::Canceled)), "{other:?}");
    });
}

/// The end of the buffer while one reader is blocked in the source and another may be waiting. The
/// source is closed once, when it has come back.
#[test]
fn free_against_blocked_read() {
    for must_return in [false, true] {
        explore(4, move || {
            let valve = Valve::new();
            let mut tap = Tap::behind(1, &valve);
            tap.must_return = must_return;
            let closed = tap.closed.clone();
            let buffer = buffer(tap);
            let others = [0, 0].map(|offset| reader(&buffer, offset, 1, Limit::None));
            buffer.free();
            if must_return {
                // Nobody is inside any more, nor comes back.
                assert!(buffer.gate.lock().in_source.is_none());
            }
            for other in others {
                assert!(is_canceled(&other.join().unwrap()));
            }
            assert_eq!(closed.load(Ordering::Relaxed), 1);
        });
    }
}

/// One reader is stopped while another is inside the source: it returns at once, the other gets its
/// byte.
#[test]
fn reader_stop_against_wait() {
    explore(5, || {
        let valve = Valve::new();
        let buffer = buffer(Tap::behind(1, &valve));
        let inside = reader(&buffer, 0, 1, Limit::None);
        valve.wait(|flow| flow == Flow::Blocked);
        let place = Arc::new(Place::new());
        let stopped = thread::spawn({
            let (buffer, place) = (buffer.clone(), place.clone());
            move || place.read(&buffer, &mut [0])
        });
        place.cancel(&buffer.gate);
        assert!(is_canceled(&stopped.join().unwrap()));
        valve.set(Flow::Open);
        assert_eq!(inside.join().unwrap().unwrap(), 1);
    });
}

/// A reader that was woken to take the turn and is stopped before it looks leaves it to the next.
#[test]
fn reader_stop_against_hand_over() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        let place = Arc::new(Place::new());
        place.seek(&buffer, SeekFrom::Start(1)).unwrap();
        let stopped = thread::spawn({
            let (buffer, place) = (buffer.clone(), place.clone());
            move || place.read(&buffer, &mut [0])
        });
        let other = reader(&buffer, 1, 1, Limit::None);
        assert_eq!(read(&buffer, 0, 1, Limit::None).unwrap(), 1);
        place.cancel(&buffer.gate);
        let stopped = stopped.join().unwrap();
        assert!(
            matches!(stopped, Ok(1) | Err(Error::Canceled)),
            "{stopped:?}"
        );
        assert_eq!(other.join().unwrap().unwrap(), 1);
    });
}

/// A call with a limit has the helper fetch, one without fetches itself; both get theirs, and the
/// helper is gone after the end.
#[test]
fn helper() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        let other = reader(&buffer, 0, 1, Limit::None);
        assert_eq!(read(&buffer, 1, 1, BY_HELPER).unwrap(), 1);
        assert_eq!(other.join().unwrap().unwrap(), 1);
        buffer.free();
        assert!(buffer.gate.lock().helper.is_none());
    });
}

/// A helper that went to sleep is called for the next call.
#[test]
fn helper_sleeps_between_calls() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        assert_eq!(read(&buffer, 0, 1, BY_HELPER).unwrap(), 1);
        assert_eq!(read(&buffer, 1, 1, BY_HELPER).unwrap(), 1);
        buffer.free();
    });
}

/// The end of the buffer while the helper is held up inside the source for a reader: the reader
/// returns, the source is closed when the helper comes out.
#[test]
fn free_against_the_helper() {
    for must_return in [false, true] {
        explore(5, move || {
            let valve = Valve::new();
            let mut tap = Tap::behind(1, &valve);
            tap.must_return = must_return;
            let buffer = buffer(tap);
            let other = reader(&buffer, 0, 1, BY_HELPER);
            buffer.free();
            assert!(is_canceled(&other.join().unwrap()));
            valve.wait_until_closed();
        });
    }
}

/// With a prefetch no reader's thread is ever inside the source, so a stop never waits for it.
#[test]
fn reader_stop_with_a_prefetch() {
    explore(3, || {
        let valve = Valve::new();
        let buffer = buffer(Tap::behind(1, &valve));
        Buffer::prefetch(&buffer, 1).unwrap();
        let place = Arc::new(Place::new());
        let stopped = thread::spawn({
            let (buffer, place) = (buffer.clone(), place.clone());
            move || place.read(&buffer, &mut [0])
        });
        place.cancel(&buffer.gate);
        assert!(is_canceled(&stopped.join().unwrap()));
        buffer.free();
        valve.wait_until_closed();
    });
}

/// Whoever waits while the prefetch is switched on and off is served by the helper or by itself.
#[test]
fn prefetch_against_wait() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        let other = reader(&buffer, 1, 1, Limit::None);
        Buffer::prefetch(&buffer, 1).unwrap();
        Buffer::prefetch(&buffer, 0).unwrap();
        assert_eq!(other.join().unwrap().unwrap(), 1);
        buffer.free();
    });
}

/// A source whose reads can be interrupted while they run, and only then.
struct Interruptible {
    at: u64,
    running: Arc<Mutex<Option<bool>>>,
}

impl Source for Interruptible {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        *lock(&self.running) = Some(false);
        thread::yield_now();
        if lock(&self.running).take() == Some(true) {
            return Err(Error::Source {
                code: -4,
                cause: None,
            });
        }
        out[0] = byte(self.at);
        self.at += 1;
        Ok(1)
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let running = self.running.clone();
        Some(Box::new(move || {
            if let Some(interrupted) = lock(&running).as_mut() {
                *interrupted = true;
            }
        }))
    }
}

/// An interrupt that is on its way when a resume lets a new call into the source does not become
/// that call's failure.
#[test]
fn resume_against_cancel() {
    explore(3, || {
        let tap = Interruptible {
            at: 0,
            running: Arc::new(Mutex::new(None)),
        };
        let options = Options {
            round_up: 0,
            ..Options::default()
        };
        let buffer = Buffer::new(Box::new(tap), options).unwrap();
        let other = reader(&buffer, 0, 1, Limit::None);
        let canceler = thread::spawn({
            let buffer = buffer.clone();
            move || buffer.cancel()
        });
        buffer.resume();
        let mine = read(&buffer, 1, 1, Limit::None);
        assert!(matches!(mine, Ok(1) | Err(Error::Canceled)), "{mine:?}");
        let other = other.join().unwrap();
        assert!(matches!(other, Ok(1) | Err(Error::Canceled)), "{other:?}");
        canceler.join().unwrap();
    });
}
