//! Readiness: the function of a watch is called exactly once, whatever makes it ready, and never after
//! the watch has been freed.

#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::tap::{Flow, Tap, Valve, buffer, byte, is_canceled, read, reader};
use crate::buffer::Buffer;
use crate::buffer::read::Wait;
use crate::buffer::when::{Subject, Watch};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::store::memory::BLOCK;
use crate::sync::rcu::DomainRef;
use crate::sync::shared::Shared;
use crate::sync::{Condvar, Mutex, Ordering, lock};

/// Records the call of a function.
struct Bell {
    calls: Mutex<Vec<Result<u64>>>,
    rung: Condvar,
    /// Accessed in the call and by whoever has freed the watch, so that loom checks that they do not
    /// overlap.
    touched: UnsafeCell<()>,
}

// SAFETY: loom reports any two accesses to the cell that are not ordered.
unsafe impl Sync for Bell {}
// SAFETY: loom reports any two accesses to the cell that are not ordered.
unsafe impl Send for Bell {}

impl Bell {
    fn new() -> Arc<Bell> {
        Arc::new(Bell {
            calls: Mutex::new(Vec::new()),
            rung: Condvar::new(),
            touched: UnsafeCell::new(()),
        })
    }

    fn ring(&self, result: Result<u64>) {
        self.touched.with_mut(|_| ());
        lock(&self.calls).push(result);
        self.rung.notify_all();
    }

    fn calls(&self) -> usize {
        lock(&self.calls).len()
    }

    fn wait(&self) -> Result<u64> {
        let mut calls = lock(&self.calls);
        while calls.is_empty() {
            calls = self.rung.wait(calls).unwrap();
        }
        calls[0].clone()
    }

    /// Only after the watch has been freed.
    fn touch(&self) {
        self.touched.with_mut(|_| ());
    }
}

/// The result at once, or a watch.
fn when(
    buffer: &Shared<Buffer>,
    subject: Subject,
    bell: &Arc<Bell>,
) -> Result<std::result::Result<u64, Watch>> {
    let (mut made, bell) = (None, bell.clone());
    let now = Buffer::when(buffer, subject, |watch| {
        made = Some(watch);
        Ok(Box::new(move |result| bell.ring(result)))
    })?;
    Ok(now.ok_or_else(|| made.expect("a watch")))
}

/// The result, at once or by a call.
fn result(buffer: &Shared<Buffer>, subject: Subject, bell: &Arc<Bell>) -> Result<u64> {
    match when(buffer, subject, bell)? {
        Ok(now) => {
            assert_eq!(bell.calls(), 0);
            Ok(now)
        }
        Err(watch) => {
            let result = bell.wait();
            drop(watch);
            bell.touch();
            assert_eq!(bell.calls(), 1);
            result
        }
    }
}

fn pushed(max_memory: u64, ahead: u64) -> Shared<Buffer> {
    let options = Options {
        max_memory,
        ahead,
        ..Options::default()
    };
    Buffer::new(None, options, DomainRef::own()).unwrap()
}

fn push(buffer: &Shared<Buffer>, offset: u64, wait: Wait) -> Result<usize> {
    Buffer::push(buffer, offset, &[byte(offset)], wait)
}

fn spawn<T: 'static>(
    buffer: &Shared<Buffer>,
    work: impl FnOnce(&Shared<Buffer>) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let buffer = buffer.clone();
    thread::spawn(move || work(&buffer))
}

/// The helper brings the byte; registering and arriving may cross.
#[test]
fn when_against_the_helper() {
    explore(3, || {
        let buffer = buffer(Tap::new(3));
        assert_eq!(result(&buffer, Subject::bytes(1), &Bell::new()).unwrap(), 1);
        buffer.free();
        assert!(!buffer.gate.lock().has_helper());
    });
}

/// A helper that sleeps is notified for the next watch.
#[test]
fn helper_sleeps_between_watches() {
    explore(3, || {
        let buffer = buffer(Tap::new(3));
        assert_eq!(result(&buffer, Subject::bytes(0), &Bell::new()).unwrap(), 1);
        assert_eq!(result(&buffer, Subject::bytes(1), &Bell::new()).unwrap(), 1);
        buffer.free();
    });
}

/// The helper finds the end.
#[test]
fn when_against_the_end() {
    explore(3, || {
        let buffer = buffer(Tap::new(1));
        assert_eq!(result(&buffer, Subject::bytes(2), &Bell::new()).unwrap(), 0);
        buffer.free();
    });
}

/// A reader that is inside the source brings it, or hands the source off to the helper.
#[test]
fn when_against_a_reader() {
    explore(2, || {
        let buffer = buffer(Tap::new(2));
        let other = reader(&buffer, 0, 1, Wait::Forever);
        assert_eq!(result(&buffer, Subject::bytes(1), &Bell::new()).unwrap(), 1);
        assert_eq!(other.join().unwrap().unwrap(), 1);
        buffer.free();
    });
}

/// A push brings it, while the watch is being made.
#[test]
fn when_against_push() {
    explore(4, || {
        let buffer = pushed(u64::MAX, 0);
        let other = spawn(&buffer, |buffer| push(buffer, 0, Wait::Forever));
        assert_eq!(result(&buffer, Subject::bytes(0), &Bell::new()).unwrap(), 1);
        assert_eq!(other.join().unwrap().unwrap(), 1);
        buffer.free();
    });
}

/// Arrival, and a free of the watch: after the free no call is running, and none comes.
#[test]
fn push_against_watch_free() {
    explore(4, || {
        let (buffer, bell) = (pushed(u64::MAX, 0), Bell::new());
        let Err(watch) = when(&buffer, Subject::bytes(0), &bell).unwrap() else {
            unreachable!("nothing was pushed");
        };
        let other = spawn(&buffer, |buffer| push(buffer, 0, Wait::Forever));
        drop(watch);
        bell.touch();
        let calls = bell.calls();
        assert_eq!(other.join().unwrap().unwrap(), 1);
        assert_eq!(bell.calls(), calls);
        assert!(calls <= 1);
        buffer.free();
    });
}

/// Arrival, a free of the buffer, and a free of the watch.
#[test]
fn when_against_arrival_and_free() {
    explore(3, || {
        let (buffer, bell) = (pushed(u64::MAX, 0), Bell::new());
        let Err(watch) = when(&buffer, Subject::bytes(0), &bell).unwrap() else {
            unreachable!("nothing was pushed");
        };
        let pusher = spawn(&buffer, |buffer| push(buffer, 0, Wait::Forever));
        buffer.free();
        match bell.wait() {
            Ok(count) => assert_eq!(count, 1),
            Err(error) => assert!(matches!(error, Error::Canceled)),
        }
        drop(watch);
        bell.touch();
        let pushed = pusher.join().unwrap();
        assert!(matches!(pushed, Ok(1)) || is_canceled(&pushed));
        assert_eq!(bell.calls(), 1);
    });
}

/// A cancel calls it, on its own thread, unless the watch is freed first.
#[test]
fn cancel_against_watch_free() {
    explore(4, || {
        let (buffer, bell) = (pushed(u64::MAX, 0), Bell::new());
        let made = when(&buffer, Subject::bytes(0), &bell).unwrap();
        let other = spawn(&buffer, |buffer| buffer.cancel());
        drop(made);
        bell.touch();
        let calls = bell.calls();
        other.join().unwrap();
        assert_eq!(bell.calls(), calls);
        buffer.free();
    });
}

/// A cancel, and a free of the buffer, while a watch is being made: it is canceled, by either.
#[test]
fn when_against_cancel_and_free() {
    explore(3, || {
        let buffer = pushed(u64::MAX, 0);
        let canceler = spawn(&buffer, |buffer| buffer.cancel());
        let freer = spawn(&buffer, |buffer| buffer.free());
        let result = result(&buffer, Subject::bytes(0), &Bell::new());
        assert!(matches!(result, Err(Error::Canceled)));
        canceler.join().unwrap();
        freer.join().unwrap();
    });
}

/// The helper is stuck inside the source for a watch: a free calls it all the same.
#[test]
fn free_against_when_in_a_stuck_source() {
    explore(3, || {
        let (valve, bell) = (Valve::new(), Bell::new());
        let mut tap = Tap::behind(1, &valve);
        tap.deaf = true;
        let buffer = buffer(tap);
        let made = when(&buffer, Subject::bytes(0), &bell).unwrap();
        assert!(made.is_err());
        buffer.free();
        assert!(matches!(bell.wait(), Err(Error::Canceled)));
        drop(made);
        bell.touch();
        assert_eq!(bell.calls(), 1);
        valve.set(Flow::Open);
        valve.wait_until_closed();
    });
}

/// A read that comes nearer makes bytes wanted.
#[test]
fn when_wanted_against_read() {
    explore(4, || {
        let buffer = pushed(u64::MAX, 1);
        assert_eq!(push(&buffer, 0, Wait::Never).unwrap(), 1);
        let other = spawn(&buffer, |buffer| read(buffer, 0, 1, Wait::Never));
        assert_eq!(result(&buffer, Subject::Wanted, &Bell::new()).unwrap(), 1);
        assert_eq!(push(&buffer, 1, Wait::Never).unwrap(), 1);
        assert_eq!(other.join().unwrap().unwrap(), 1);
        buffer.free();
    });
}

/// A watch for bytes makes them wanted, whoever comes first.
#[test]
fn when_wanted_against_when() {
    explore(3, || {
        let buffer = pushed(u64::MAX, 1);
        assert_eq!(push(&buffer, 0, Wait::Never).unwrap(), 1);
        let other = spawn(&buffer, |buffer| {
            result(buffer, Subject::bytes(2), &Bell::new())
        });
        result(&buffer, Subject::Wanted, &Bell::new()).unwrap();
        assert_eq!(push(&buffer, 2, Wait::Never).unwrap(), 1);
        assert_eq!(other.join().unwrap().unwrap(), 1);
        buffer.free();
    });
}

/// An event loop whose memory is full never blocks: the helper makes the space that it is told of.
#[test]
fn when_wanted_against_spill() {
    explore(2, || {
        let buffer = pushed(0, 0);
        assert_eq!(push(&buffer, 0, Wait::Never).unwrap(), 1);
        for block in 1..3 {
            let full = push(&buffer, block * BLOCK, Wait::Never);
            assert!(matches!(full, Err(Error::Timeout)), "{full:?}");
            assert!(result(&buffer, Subject::Wanted, &Bell::new()).unwrap() > 0);
            assert_eq!(push(&buffer, block * BLOCK, Wait::Never).unwrap(), 1);
        }
        buffer.free();
        assert!(!buffer.gate.lock().has_helper_thread());
    });
}

/// Another thread makes the space while the watch is being made.
#[test]
fn when_wanted_against_space() {
    explore(3, || {
        let buffer = pushed(0, 0);
        // They fill a segment, which leaves no space for more.
        for offset in 0..2 {
            assert_eq!(push(&buffer, offset, Wait::Never).unwrap(), 1);
        }
        let other = spawn(&buffer, |buffer| buffer.spill());
        assert!(result(&buffer, Subject::Wanted, &Bell::new()).unwrap() > 0);
        other.join().unwrap().unwrap();
        buffer.free();
    });
}

/// A watch is armed, or being armed, while the source is replaced: the new source serves it, even if
/// the helper is inside the old one. Its function may run while both are in use.
#[test]
fn when_against_reopen() {
    for free_waits_for_pull in [false, true] {
        explore(2, move || {
            let valve = Valve::new();
            let mut old = Tap::behind(1, &valve);
            old.free_waits_for_pull = free_waits_for_pull;
            old.deaf = !free_waits_for_pull;
            let new = Tap::new(1);
            let closed = [old.closed.clone(), new.closed.clone()];
            let buffer = buffer(old);
            let other = spawn(&buffer, move |buffer| {
                Buffer::reopen(buffer, Box::new(new), None).unwrap();
            });
            assert_eq!(result(&buffer, Subject::bytes(0), &Bell::new()).unwrap(), 1);
            other.join().unwrap();
            buffer.free();
            drop(buffer);
            valve.set(Flow::Open);
            valve.wait_until_closed();
            assert_eq!(
                closed.each_ref().map(|it| it.load(Ordering::Relaxed)),
                [1, 1]
            );
        });
    }
}
