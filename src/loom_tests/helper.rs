//! The helper: it starts when it is needed, serves calls that must not call the source, and exits.

use super::explore;
use super::tap::{
    BY_HELPER, Flow, Tap, Valve, buffer, is_canceled, read, reader, reader_at, stuck,
};
use crate::buffer::Buffer;
use crate::buffer::read::Wait;
use crate::options::Options;
use crate::sync::rcu::DomainRef;

/// The helper fetches for a call with a timeout, and a call without one fetches itself. Both get
/// their bytes, and the helper has exited after the free.
#[test]
fn helper() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        let other = reader(&buffer, 0, 1, Wait::Forever);
        assert_eq!(read(&buffer, 1, 1, BY_HELPER).unwrap(), 1);
        assert_eq!(other.join().unwrap().unwrap(), 1);
        buffer.free();
        assert!(!buffer.gate.lock().has_helper());
    });
}

/// A helper that sleeps is notified for the next call.
#[test]
fn helper_sleeps_between_calls() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        assert_eq!(read(&buffer, 0, 1, BY_HELPER).unwrap(), 1);
        assert_eq!(read(&buffer, 1, 1, BY_HELPER).unwrap(), 1);
        buffer.free();
    });
}

/// The buffer is freed while the helper is blocked inside the source for a reader: the reader
/// returns, and the source is closed when the helper comes out.
#[test]
fn free_against_the_helper() {
    for free_waits_for_pull in [false, true] {
        explore(5, move || {
            let valve = Valve::new();
            let mut tap = Tap::behind(1, &valve);
            tap.free_waits_for_pull = free_waits_for_pull;
            let buffer = buffer(tap);
            let other = reader(&buffer, 0, 1, BY_HELPER);
            buffer.free();
            assert!(is_canceled(&other.join().unwrap()));
            valve.wait_until_closed();
        });
    }
}

/// A source that does not return delays neither `free` nor the waiting call: the helper stays
/// inside, and closes the source later.
#[test]
fn free_leaves_the_helper_inside() {
    explore(4, || {
        let (valve, buffer, other) = stuck(BY_HELPER);
        buffer.free();
        assert!(is_canceled(&other.join().unwrap()));
        valve.set(Flow::Open);
        valve.wait_until_closed();
    });
}

/// With a prefetch, no reader's thread is ever inside the source, so a cancellation never waits for
/// it.
#[test]
fn reader_cancel_with_a_prefetch() {
    explore(3, || {
        let valve = Valve::new();
        let buffer = buffer(Tap::behind(1, &valve));
        Buffer::prefetch(&buffer, 1).unwrap();
        let (position, stopped) = reader_at(&buffer, 0);
        position.cancel(&buffer.gate);
        assert!(is_canceled(&stopped.join().unwrap()));
        buffer.free();
        valve.wait_until_closed();
    });
}

/// A call that waits while the prefetch is turned on and off is served by the helper or by itself.
#[test]
fn prefetch_against_wait() {
    explore(3, || {
        let buffer = buffer(Tap::new(2));
        let other = reader(&buffer, 1, 1, Wait::Forever);
        Buffer::prefetch(&buffer, 1).unwrap();
        Buffer::prefetch(&buffer, 0).unwrap();
        assert_eq!(other.join().unwrap().unwrap(), 1);
        buffer.free();
    });
}

/// A read past the low mark, which finds all of its bytes, wakes a helper that sleeps: it fetches
/// on, here to the end.
#[test]
fn low_mark_against_read() {
    explore(3, || {
        let valve = Valve::new();
        valve.set(Flow::Open);
        let options = Options {
            prefetch_low: 1,
            read_granularity: 0,
            ..Options::default()
        };
        let tap = Box::new(Tap::behind(2, &valve));
        let buffer = Buffer::new(Some(tap), options, DomainRef::own()).unwrap();
        Buffer::prefetch(&buffer, 2).unwrap();
        assert_eq!(read(&buffer, 0, 1, Wait::Forever).unwrap(), 1);
        assert_eq!(read(&buffer, 1, 1, Wait::Forever).unwrap(), 1);
        valve.wait_until_closed();
        buffer.free();
    });
}
