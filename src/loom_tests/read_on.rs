//! A call that has its bytes makes the source read on. In loom every jump is worth that.

use std::sync::atomic::AtomicUsize;

use loom::sync::Arc;

use super::explore;
use super::leaving::{Stall, buffer_that_stalls};
use super::tap::{BY_HELPER, read, reader, reader_at};
use crate::buffer::Buffer;
use crate::buffer::read::Wait;
use crate::error::Error;
use crate::store::memory::BLOCK;
use crate::sync::Ordering;
use crate::sync::shared::Shared;

/// The run that goes on at this offset is also wanted at the next one, and so it is `FAR` from there.
const NEXT: u64 = 2;
const WANTED: u64 = 3;
const FAR: u64 = 1 << 20;

/// A buffer whose source stalls at `stalls_at`. Two places were read in turn, twice.
fn buffer(stalls_at: u64) -> (Shared<Buffer>, Arc<Stall>) {
    let (buffer, stall) = buffer_that_stalls(stalls_at..stalls_at + 1, true, 1);
    for place in [0, FAR, 1, FAR + 1] {
        assert_eq!(read(&buffer, place, 1, Wait::Forever).unwrap(), 1);
    }
    (buffer, stall)
}

/// Explores, and checks that the source reads on in some order, which the model returns.
fn explore_reading(model: impl Fn() -> bool + Send + Sync + 'static) {
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    explore(2, move || {
        counted.fetch_add(model().into(), Ordering::Relaxed);
    });
    assert!(count.load(Ordering::Relaxed) > 0, "it never read on");
}

/// Both calls read on, and both are served, whichever comes first.
#[test]
fn two_calls_in_turn() {
    for [first, second] in [
        [Wait::Forever, Wait::Forever],
        [BY_HELPER, Wait::Forever],
        [Wait::Forever, BY_HELPER],
    ] {
        explore_reading(move || {
            let (buffer, _) = buffer(u64::MAX - 1);
            let other = reader(&buffer, NEXT, 1, first);
            assert_eq!(read(&buffer, FAR + NEXT, 1, second).unwrap(), 1);
            assert_eq!(other.join().unwrap().unwrap(), 1);
            let has_read_on = buffer.gate.lock().extent().buffered(WANTED) > 0;
            buffer.free();
            has_read_on
        });
    }
}

/// A call that needs bytes elsewhere gets them while the source stalls for nobody, and the call that
/// made it read on returns.
#[test]
fn a_call_elsewhere_against_a_stall() {
    for [stalled, moved] in [
        [Wait::Forever, Wait::Forever],
        [BY_HELPER, Wait::Forever],
        [Wait::Forever, BY_HELPER],
    ] {
        explore_reading(move || {
            let (buffer, stall) = buffer(WANTED);
            let other = reader(&buffer, NEXT, 1, stalled);
            assert_eq!(read(&buffer, FAR + NEXT, 1, moved).unwrap(), 1);
            let has_stalled = stall.has_stalled();
            stall.release();
            assert_eq!(other.join().unwrap().unwrap(), 1);
            buffer.free();
            has_stalled
        });
    }
}

/// All is canceled, or the buffer is freed: the call that made the source read on returns, and the
/// source is closed once.
#[test]
fn the_end_against_a_stall() {
    for stop in [Buffer::cancel, Buffer::free] {
        explore_reading(move || {
            let (buffer, stall) = buffer(WANTED);
            let other = reader(&buffer, NEXT, 1, Wait::Forever);
            stop(&buffer);
            let read = other.join().unwrap();
            assert!(matches!(read, Ok(1) | Err(Error::Canceled)), "{read:?}");
            buffer.free();
            drop(buffer);
            assert_eq!(stall.closed.load(Ordering::Relaxed), 1);
            stall.has_stalled()
        });
    }
}

/// The reader is canceled whose call makes the source read on.
#[test]
fn reader_cancel_against_a_stall() {
    explore_reading(|| {
        let (buffer, stall) = buffer(WANTED);
        let (position, other) = reader_at(&buffer, NEXT);
        position.cancel(&buffer.gate);
        let read = other.join().unwrap();
        assert!(matches!(read, Ok(1) | Err(Error::Canceled)), "{read:?}");
        buffer.free();
        stall.has_stalled()
    });
}

/// The reader is canceled, and the source delivers its byte all the same. It is not read on into the next
/// stall.
#[test]
fn reader_cancel_against_a_source_that_delivers() {
    explore_reading(|| {
        let (buffer, stall) = buffer_that_stalls(BLOCK + 1..2 * BLOCK, false, 1);
        for turn in 0..=NEXT {
            for place in [turn, FAR + turn] {
                assert_eq!(read(&buffer, place, 1, Wait::Forever).unwrap(), 1);
            }
        }
        // The run that goes on here is wanted to the end of the block.
        let (position, other) = reader_at(&buffer, BLOCK);
        position.cancel(&buffer.gate);
        let read = other.join().unwrap();
        assert!(matches!(read, Ok(1) | Err(Error::Canceled)), "{read:?}");
        buffer.free();
        stall.has_stalled()
    });
}
