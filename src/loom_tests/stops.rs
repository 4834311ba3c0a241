//! Cancellation, of one call and of all, and the end of a buffer: every waiting call returns, and
//! the source is left alone.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::tap::{
    BY_HELPER, Flow, Tap, Valve, buffer, byte, is_canceled, read, reader, reader_at, stuck,
};
use crate::buffer::Buffer;
use crate::buffer::read::Wait;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::source::{Interrupt, Source};
use crate::sync::rcu::DomainRef;
use crate::sync::shared::Shared;
use crate::sync::{AtomicUsize, Mutex, Ordering, lock};

/// One reader is inside a source that only an interrupt ends; another one may be waiting.
#[test]
fn cancel_against_wait() {
    explore(4, || {
        let valve = Valve::new();
        let buffer = buffer(Tap::behind(1, &valve));
        let others = [0, 0].map(|offset| reader(&buffer, offset, 1, Wait::Forever));
        buffer.cancel();
        for other in others {
            assert!(is_canceled(&other.join().unwrap()));
        }
    });
}

/// A call that waits while another one is inside a source that nothing ends returns at once, after
/// a cancel and after a free.
#[test]
fn cancel_of_all_against_wait() {
    for stop in [Buffer::cancel, Buffer::free] {
        explore(4, move || {
            let (valve, buffer, inside) = stuck(Wait::Forever);
            let waiting = reader(&buffer, 0, 1, Wait::Forever);
            stop(&buffer);
            assert!(is_canceled(&waiting.join().unwrap()));
            valve.set(Flow::Open);
            let inside = inside.join().unwrap();
            assert!(matches!(inside, Ok(1) | Err(Error::Canceled)), "{inside:?}");
        });
    }
}

/// After a resume, the source continues at its position.
#[test]
fn resume_after_cancel() {
    explore(5, || {
        let valve = Valve::new();
        let buffer = buffer(Tap::behind(1, &valve));
        let other = reader(&buffer, 0, 1, Wait::Forever);
        buffer.cancel();
        valve.set(Flow::Open);
        buffer.resume();
        assert_eq!(read(&buffer, 0, 1, Wait::Forever).unwrap(), 1);
        let other = other.join().unwrap();
        assert!(matches!(other, Ok(1) | Err(Error::Canceled)), "{other:?}");
    });
}

/// The buffer is freed while one reader is blocked in the source and another one may be waiting.
/// The source is closed once, after it has returned.
#[test]
fn free_against_blocked_read() {
    for free_waits_for_pull in [false, true] {
        explore(4, move || {
            let valve = Valve::new();
            let mut tap = Tap::behind(1, &valve);
            tap.free_waits_for_pull = free_waits_for_pull;
            let closed = tap.closed.clone();
            let buffer = buffer(tap);
            let others = [0, 0].map(|offset| reader(&buffer, offset, 1, Wait::Forever));
            buffer.free();
            if free_waits_for_pull {
                // No thread is inside the source any more, and none enters it again.
                assert!(!buffer.gate.lock().source().is_called());
            }
            for other in others {
                assert!(is_canceled(&other.join().unwrap()));
            }
            assert_eq!(closed.load(Ordering::Relaxed), 1);
        });
    }
}

/// One reader is canceled while another one is inside the source: the first returns at once, the
/// other gets its byte.
#[test]
fn reader_cancel_against_wait() {
    explore(5, || {
        let valve = Valve::new();
        let buffer = buffer(Tap::behind(1, &valve));
        let inside = reader(&buffer, 0, 1, Wait::Forever);
        valve.wait(|flow| flow == Flow::Blocked);
        let (position, stopped) = reader_at(&buffer, 0);
        position.cancel(&buffer.gate);
        assert!(is_canceled(&stopped.join().unwrap()));
        valve.set(Flow::Open);
        assert_eq!(inside.join().unwrap().unwrap(), 1);
    });
}

/// A reader that was elected, and is canceled before it checks the state, hands the source off.
#[test]
fn reader_cancel_against_hand_off() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        let (position, stopped) = reader_at(&buffer, 1);
        let other = reader(&buffer, 1, 1, Wait::Forever);
        assert_eq!(read(&buffer, 0, 1, Wait::Forever).unwrap(), 1);
        position.cancel(&buffer.gate);
        let stopped = stopped.join().unwrap();
        assert!(
            matches!(stopped, Ok(1) | Err(Error::Canceled)),
            "{stopped:?}"
        );
        assert_eq!(other.join().unwrap().unwrap(), 1);
    });
}

/// A source whose reads can be interrupted while they run, and only then.
struct Interruptible {
    at: u64,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Some while a read is running: whether it was interrupted.
    interrupted: Option<bool>,
    entered: usize,
    left: usize,
    /// An interrupt was still running in a later read than the one that it was meant for.
    strayed: bool,
}

impl Source for Interruptible {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut seen = lock(&self.seen);
        seen.interrupted = Some(false);
        seen.entered += 1;
        drop(seen);
        thread::yield_now();
        let mut seen = lock(&self.seen);
        seen.left += 1;
        if seen.interrupted.take() == Some(true) {
            return Err(Error::Canceled);
        }
        out[0] = byte(self.at);
        self.at += 1;
        Ok(1)
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let seen = self.seen.clone();
        Some(Box::new(move || {
            let mine = lock(&seen).left + 1;
            thread::yield_now();
            let mut seen = lock(&seen);
            seen.strayed |= seen.entered > mine;
            if let Some(interrupted) = seen.interrupted.as_mut() {
                *interrupted = true;
            }
        }))
    }
}

/// An interrupt is running when a resume lets a new call into the source. It does not reach that
/// call, not even to touch what the call uses, and does not become that call's failure.
#[test]
fn resume_against_cancel() {
    explore(3, || {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let tap = Interruptible {
            at: 0,
            seen: seen.clone(),
        };
        let options = Options {
            read_granularity: 0,
            ..Options::default()
        };
        let buffer = Buffer::new(Some(Box::new(tap)), options, DomainRef::own()).unwrap();
        let other = reader(&buffer, 0, 1, Wait::Forever);
        let canceler = thread::spawn({
            let buffer = buffer.clone();
            move || buffer.cancel()
        });
        buffer.resume();
        let mine = read(&buffer, 1, 1, Wait::Forever);
        assert!(matches!(mine, Ok(1) | Err(Error::Canceled)), "{mine:?}");
        let other = other.join().unwrap();
        assert!(matches!(other, Ok(1) | Err(Error::Canceled)), "{other:?}");
        canceler.join().unwrap();
        assert!(!lock(&seen).strayed);
    });
}

/// The buffer is freed from inside the source's interrupt, while a call that came after a resume
/// waits for that interrupt to end.
#[test]
fn free_from_an_interrupt() {
    for free_waits_for_pull in [false, true] {
        explore(3, move || {
            let valve = Valve::new();
            let itself = std::sync::Arc::new(std::sync::Mutex::new(None::<Shared<Buffer>>));
            let mut tap = Tap::behind(1, &valve);
            tap.free_waits_for_pull = free_waits_for_pull;
            let slot = itself.clone();
            tap.at_interrupt = Some(std::sync::Arc::new(move || {
                let itself = slot.lock().unwrap().take();
                itself.unwrap().free();
            }));
            let buffer = buffer(tap);
            *itself.lock().unwrap() = Some(buffer.clone());
            let other = reader(&buffer, 0, 1, BY_HELPER);
            valve.wait(|flow| flow == Flow::Blocked);
            let canceler = thread::spawn({
                let buffer = buffer.clone();
                move || buffer.cancel()
            });
            buffer.resume();
            assert!(read(&buffer, 0, 1, BY_HELPER).is_err());
            assert!(is_canceled(&other.join().unwrap()));
            canceler.join().unwrap();
            valve.wait_until_closed();
        });
    }
}

/// If the return of `free` is the only sign of the end, no thread is inside the source's interrupt
/// after it.
#[test]
fn free_against_an_interrupt() {
    explore(3, || {
        let valve = Valve::new();
        let inside = Arc::new(AtomicUsize::new(0));
        let mut tap = Tap::behind(1, &valve);
        tap.free_waits_for_pull = true;
        let counted = inside.clone();
        tap.at_interrupt = Some(std::sync::Arc::new(move || {
            counted.store(1, Ordering::SeqCst);
            thread::yield_now();
            counted.store(0, Ordering::SeqCst);
        }));
        let buffer = buffer(tap);
        let other = reader(&buffer, 0, 1, Wait::Forever);
        valve.wait(|flow| flow == Flow::Blocked);
        let canceler = thread::spawn({
            let buffer = buffer.clone();
            move || buffer.cancel()
        });
        buffer.free();
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        assert!(is_canceled(&other.join().unwrap()));
        canceler.join().unwrap();
    });
}

/// A reader that is canceled and resumed at once has been canceled.
#[test]
fn reader_resume_after_cancel() {
    explore(4, || {
        let (valve, buffer, inside) = stuck(Wait::Forever);
        let (position, stopped) = reader_at(&buffer, 0);
        while buffer.gate.lock().counters().waits == 0 {
            thread::yield_now();
        }
        position.cancel(&buffer.gate);
        position.resume();
        // Nothing else would end the read.
        assert!(is_canceled(&stopped.join().unwrap()));
        valve.set(Flow::Open);
        assert_eq!(inside.join().unwrap().unwrap(), 1);
    });
}
