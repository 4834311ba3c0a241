//! The source is handed off from call to call, and every call that waits for its bytes is woken.

use super::explore;
use super::tap::{BY_HELPER, BY_OTHERS, Tap, buffer, read, reader};
use crate::buffer::read::Wait;
use crate::error::{Error, Result};

/// Both calls want the same bytes: one fetches them, the other sleeps until they are committed.
#[test]
fn commit_against_wait() {
    explore(5, || {
        let buffer = buffer(Tap::new(2));
        let other = reader(&buffer, 0, 1, Wait::Forever);
        assert_eq!(read(&buffer, 0, 2, Wait::Forever).unwrap(), 2);
        assert_eq!(other.join().unwrap().unwrap(), 1);
    });
}

/// Bytes that were read are buffered according to every function.
#[test]
fn read_is_buffered() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        let other = reader(&buffer, 0, 2, Wait::Forever);
        if let Ok(count) = read(&buffer, 0, 1, Wait::Never) {
            assert!(buffer.gate.lock().extent().buffered(0) >= count as u64);
        }
        assert_eq!(other.join().unwrap().unwrap(), 2);
    });
}

/// A call that has its bytes hands the source off to a call that wants more, even at the end.
#[test]
fn hand_off() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        let others = [1, 2].map(|offset| reader(&buffer, offset, 1, Wait::Forever));
        assert_eq!(read(&buffer, 0, 1, Wait::Forever).unwrap(), 1);
        let [second, third] = others.map(|other| other.join().unwrap().unwrap());
        assert_eq!((second, third), (1, 0));
    });
}

/// A call that was elected, and is canceled before it checks the state, hands the source off to one
/// that came after the cancel.
#[test]
fn cancel_against_hand_off() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        let other = reader(&buffer, 1, 1, Wait::Forever);
        assert_eq!(read(&buffer, 0, 1, Wait::Forever).unwrap(), 1);
        buffer.cancel();
        buffer.resume();
        assert_eq!(read(&buffer, 1, 1, Wait::Forever).unwrap(), 1);
        let other = other.join().unwrap();
        assert!(matches!(other, Ok(1) | Err(Error::Canceled)), "{other:?}");
    });
}

/// The source's failure reaches every call that waits for bytes that will not arrive, whichever
/// thread called the source.
#[test]
fn failure_reaches_all() {
    fn is_failure(result: &Result<usize>) -> bool {
        matches!(result, Err(Error::Source { code: -7, .. }))
    }
    for limits in [
        [Wait::Forever, BY_HELPER],
        [BY_HELPER, BY_HELPER],
        [Wait::Forever, BY_OTHERS],
        [BY_HELPER, BY_OTHERS],
    ] {
        explore(3, move || {
            let mut tap = Tap::new(2);
            tap.fails_at = Some(1);
            let buffer = buffer(tap);
            let [first, second] = limits;
            let other = reader(&buffer, 1, 1, second);
            // The bytes before the failure are delivered.
            assert_eq!(read(&buffer, 0, 2, first).unwrap(), 1);
            let other = other.join().unwrap();
            assert!(is_failure(&other), "{other:?}");
            assert!(is_failure(&read(&buffer, 1, 1, first)));
            buffer.free();
        });
    }
}

/// Every call that waits at the end, or past it, returns.
#[test]
fn end_reaches_all() {
    for limits in [
        [Wait::Forever, Wait::Forever],
        [Wait::Forever, BY_HELPER],
        [BY_HELPER, BY_HELPER],
        [Wait::Forever, BY_OTHERS],
        [BY_HELPER, BY_OTHERS],
    ] {
        explore(3, move || {
            let buffer = buffer(Tap::new(1));
            let [first, second] = limits;
            let other = reader(&buffer, 3, 1, second);
            assert_eq!(read(&buffer, 0, 2, first).unwrap(), 1);
            assert_eq!(other.join().unwrap().unwrap(), 0);
            buffer.free();
        });
    }
}
