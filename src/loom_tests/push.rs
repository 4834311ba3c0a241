//! Push: bytes and space reach whoever waits for them, whatever happens meanwhile.

use loom::thread;

use super::explore;
use super::tap::{byte, is_canceled, read, reader};
use crate::buffer::Buffer;
use crate::buffer::read::Wait;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::store::memory::BLOCK;
use crate::sync::rcu::DomainRef;
use crate::sync::shared::Shared;

/// A buffer whose bytes are pushed.
fn pushed(max_memory: u64, ahead: u64) -> Shared<Buffer> {
    let options = Options {
        max_memory,
        ahead,
        ..Options::default()
    };
    Buffer::new(None, options, DomainRef::own()).unwrap()
}

fn push(buffer: &Shared<Buffer>, offset: u64, length: usize) -> Result<usize> {
    let mut bytes = [0; 2];
    for (out, offset) in bytes.iter_mut().zip(offset..) {
        *out = byte(offset);
    }
    Buffer::push(buffer, offset, &bytes[..length], Wait::Forever)
}

fn pusher(buffer: &Shared<Buffer>, offset: u64) -> thread::JoinHandle<Result<usize>> {
    let buffer = buffer.clone();
    thread::spawn(move || push(&buffer, offset, 1))
}

/// A read that waits gets bytes that arrive out of order.
#[test]
fn push_against_wait() {
    explore(3, || {
        let buffer = pushed(u64::MAX, 0);
        let waiting = reader(&buffer, 0, 2, Wait::Forever);
        assert_eq!(push(&buffer, 1, 1).unwrap(), 1);
        assert_eq!(push(&buffer, 0, 1).unwrap(), 1);
        assert_eq!(waiting.join().unwrap().unwrap(), 2);
        buffer.free();
    });
}

/// The same byte pushed twice is accepted twice and buffered once.
#[test]
fn push_against_push() {
    explore(3, || {
        let buffer = pushed(u64::MAX, 0);
        let other = pusher(&buffer, 1);
        assert_eq!(push(&buffer, 0, 2).unwrap(), 2);
        assert_eq!(other.join().unwrap().unwrap(), 1);
        assert_eq!(read(&buffer, 0, 2, Wait::Never).unwrap(), 2);
        assert_eq!(buffer.gate.lock().counters().pulled, 2);
        buffer.free();
    });
}

/// A push waits until the helper has spilled, while another thread reads what is spilled.
#[test]
fn push_against_spill() {
    explore(2, || {
        let buffer = pushed(0, 0);
        assert_eq!(push(&buffer, 0, 1).unwrap(), 1);
        let other = reader(&buffer, 0, 1, Wait::Never);
        assert_eq!(push(&buffer, BLOCK, 1).unwrap(), 1);
        assert_eq!(other.join().unwrap().unwrap(), 1);
        assert_eq!(read(&buffer, BLOCK, 1, Wait::Never).unwrap(), 1);
        buffer.free();
        assert!(!buffer.gate.lock().has_helper());
    });
}

/// A helper that sleeps is notified for the next spill.
#[test]
fn helper_sleeps_between_spills() {
    explore(1, || {
        let buffer = pushed(0, 0);
        for block in 0..3 {
            assert_eq!(push(&buffer, block * BLOCK, 1).unwrap(), 1);
        }
        buffer.free();
    });
}

/// A push that needs a spill returns when the buffer is freed, and the helper exits.
#[test]
fn free_against_spill_for_a_push() {
    explore(2, || {
        let buffer = pushed(0, 0);
        assert_eq!(push(&buffer, 0, 1).unwrap(), 1);
        let waiting = pusher(&buffer, BLOCK);
        buffer.free();
        let result = waiting.join().unwrap();
        assert!(
            matches!(result, Ok(1)) || is_canceled(&result),
            "{result:?}"
        );
        assert!(!buffer.gate.lock().has_helper_thread());
    });
}

/// A read lets a push continue that is too far ahead.
#[test]
fn read_against_push_too_far_ahead() {
    explore(3, || {
        let buffer = pushed(u64::MAX, 1);
        assert_eq!(push(&buffer, 0, 1).unwrap(), 1);
        let waiting = pusher(&buffer, 1);
        assert_eq!(read(&buffer, 0, 1, Wait::Never).unwrap(), 1);
        assert_eq!(waiting.join().unwrap().unwrap(), 1);
        buffer.free();
    });
}

/// So does one that waits for these very bytes.
#[test]
fn wait_against_push_too_far_ahead() {
    explore(3, || {
        let buffer = pushed(u64::MAX, 1);
        let reading = reader(&buffer, 3, 2, Wait::Quietly(None));
        // Beyond what the start of the read would admit.
        assert_eq!(push(&buffer, 4, 1).unwrap(), 1);
        assert_eq!(push(&buffer, 3, 1).unwrap(), 1);
        assert_eq!(reading.join().unwrap().unwrap(), 2);
        buffer.free();
    });
}

/// A push that is too far ahead ends with a cancel, and with a free.
#[test]
fn stop_against_push_too_far_ahead() {
    for stop in [Buffer::cancel, Buffer::free] {
        explore(3, move || {
            let buffer = pushed(u64::MAX, 1);
            let waiting = pusher(&buffer, 1);
            stop(&buffer);
            assert!(is_canceled(&waiting.join().unwrap()));
            buffer.free();
        });
    }
}

fn failure() -> Error {
    let (code, cause) = (-7, None);
    Error::Source { code, cause }
}

/// An end, or a failure, wakes a read past the pushed bytes, and a push that waits.
#[test]
fn end_against_wait() {
    for fails in [false, true] {
        explore(3, move || {
            let failure = fails.then(failure);
            let buffer = pushed(u64::MAX, 1);
            let waiting = reader(&buffer, 0, 1, Wait::Forever);
            Buffer::end_push(&buffer, None, failure).unwrap();
            let result = waiting.join().unwrap();
            if fails {
                assert!(matches!(result, Err(Error::Source { code: -7, .. })));
            } else {
                assert_eq!(result.unwrap(), 0);
            }
            buffer.free();
        });
    }
    explore(3, || {
        let buffer = pushed(u64::MAX, 1);
        let waiting = pusher(&buffer, 1);
        Buffer::end_push(&buffer, None, Some(failure())).unwrap();
        assert!(waiting.join().unwrap().is_err());
        buffer.free();
    });
}

/// Another thread raises the memory limit, which is small, during a push.
#[test]
fn push_against_more_memory() {
    explore(3, || {
        let buffer = pushed(0, 0);
        let other = pusher(&buffer, 0);
        Buffer::set_max_memory(&buffer, 64 * BLOCK).unwrap();
        assert_eq!(other.join().unwrap().unwrap(), 1);
        buffer.free();
    });
}
