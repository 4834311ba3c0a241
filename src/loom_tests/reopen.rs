//! Another source takes the place of one that a thread may be using: every call is served, and each
//! source is closed once, after its last call and its last interrupt.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::tap::{BY_HELPER, Flow, Tap, Valve, buffer, is_canceled, read, reader, stuck};
use crate::buffer::Buffer;
use crate::buffer::read::Wait;
use crate::error::{Error, Result};
use crate::sync::shared::Shared;
use crate::sync::{AtomicUsize, Ordering};

fn reopen(buffer: &Shared<Buffer>, tap: Tap) -> Result<()> {
    Buffer::reopen(buffer, Box::new(tap), None)
}

fn count(closed: &Arc<AtomicUsize>) -> usize {
    closed.load(Ordering::Relaxed)
}

/// A reader is about to enter, or is inside, a source that is replaced.
#[test]
fn reopen_against_read() {
    for free_waits_for_pull in [false, true] {
        explore(3, move || {
            let valve = Valve::new();
            let mut old = Tap::behind(1, &valve);
            old.free_waits_for_pull = free_waits_for_pull;
            let new = Tap::new(1);
            let closed = [old.closed.clone(), new.closed.clone()];
            let buffer = buffer(old);
            let other = reader(&buffer, 0, 1, Wait::Forever);
            reopen(&buffer, new).unwrap();
            assert_eq!(other.join().unwrap().unwrap(), 1);
            assert_eq!(count(&closed[0]), 1);
            buffer.free();
            assert_eq!(count(&closed[1]), 1);
        });
    }
}

/// The buffer is freed, too.
#[test]
fn reopen_against_read_and_free() {
    explore(2, || {
        let valve = Valve::new();
        let (old, new) = (Tap::behind(1, &valve), Tap::new(1));
        let closed = [old.closed.clone(), new.closed.clone()];
        let buffer = buffer(old);
        let other = reader(&buffer, 0, 1, Wait::Forever);
        let freeing = thread::spawn({
            let buffer = buffer.clone();
            move || buffer.free()
        });
        let reopened = reopen(&buffer, new);
        assert!(matches!(reopened, Ok(()) | Err(Error::Canceled)));
        freeing.join().unwrap();
        let other = other.join().unwrap();
        assert!(matches!(other, Ok(1)) || is_canceled(&other), "{other:?}");
        assert_eq!(closed.each_ref().map(count), [1, 1]);
    });
}

/// A thread, the reader's or the helper, is stuck in the old source. Others are served.
#[test]
fn reopen_of_a_stuck_source() {
    for wait in [Wait::Forever, BY_HELPER] {
        explore(2, move || {
            let (valve, buffer, inside) = stuck(wait);
            reopen(&buffer, Tap::new(1)).unwrap();
            assert_eq!(read(&buffer, 0, 1, wait).unwrap(), 1);
            valve.set(Flow::Open);
            assert_eq!(inside.join().unwrap().unwrap(), 1);
            valve.wait_until_closed();
            buffer.free();
        });
    }
}

/// A cancel interrupts the source that is being replaced. Loom checks that no interrupt runs during
/// or after the close.
#[test]
fn reopen_against_cancel() {
    explore(3, || {
        let valve = Valve::new();
        let (old, new) = (Tap::behind(1, &valve), Tap::new(1));
        let closed = old.closed.clone();
        let buffer = buffer(old);
        let other = reader(&buffer, 0, 1, Wait::Forever);
        let canceler = thread::spawn({
            let buffer = buffer.clone();
            move || buffer.cancel()
        });
        reopen(&buffer, new).unwrap();
        canceler.join().unwrap();
        let other = other.join().unwrap();
        assert!(matches!(other, Ok(1)) || is_canceled(&other), "{other:?}");
        assert_eq!(count(&closed), 1);
        buffer.free();
    });
}

/// Two threads replace the source. One of the new sources is left, and serves the reader.
#[test]
fn two_reopens() {
    explore(2, || {
        let valve = Valve::new();
        let taps = [Tap::behind(1, &valve), Tap::new(1), Tap::new(1)];
        let closed = taps.each_ref().map(|tap| tap.closed.clone());
        let [old, first, second] = taps;
        let buffer = buffer(old);
        let other = reader(&buffer, 0, 1, Wait::Forever);
        let another = thread::spawn({
            let buffer = buffer.clone();
            move || reopen(&buffer, first)
        });
        reopen(&buffer, second).unwrap();
        another.join().unwrap().unwrap();
        assert_eq!(other.join().unwrap().unwrap(), 1);
        buffer.free();
        assert_eq!(closed.each_ref().map(count), [1, 1, 1]);
    });
}
