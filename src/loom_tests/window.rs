//! Blocks leave a window while they are read, spilled, and written over in the ring.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::tap::byte;
use crate::error::Error;
use crate::options::Options;
use crate::store::Store;
use crate::store::memory::BLOCK;
use crate::sync::rcu::DomainRef;
use crate::sync::take_stripe;

/// A store that keeps a block behind the newest byte: two slots in its ring.
fn store(max: u64) -> Arc<Store> {
    let mut options = Options {
        max_memory: max,
        window: BLOCK,
        ..Options::default()
    };
    Arc::new(Store::new(&mut options, DomainRef::own()))
}

/// Commits bytes as a source guard does, and drops what leaves the window.
fn fill(store: &Store, from: u64, to: u64) {
    let mut at = from;
    while at < to {
        let tail = at.saturating_sub(BLOCK);
        store.drop_before(tail - tail % BLOCK);
        let mut grant = store.reserve(at, at, None, || Ok(())).unwrap();
        let bytes = grant.bytes((to - at) as usize);
        let count = bytes.len();
        for (byte_out, offset) in bytes.iter_mut().zip(at..) {
            *byte_out = byte(offset);
        }
        store.commit(grant, count, false);
        at += count as u64;
    }
}

/// Reads a block: all of it, or what had come before it was lapped. Every byte is the right one.
fn read(store: &Store, from: u64) -> usize {
    let (mut out, mut done) = ([0; BLOCK as usize], 0);
    let copied = store.copy(from, &mut out, &mut done);
    assert!(matches!(copied, Ok(()) | Err(Error::Lapped)));
    for (found, offset) in out[..done].iter().zip(from..) {
        assert_eq!(*found, byte(offset), "at {offset}");
    }
    done
}

fn reads(store: &Arc<Store>, from: u64) -> thread::JoinHandle<usize> {
    let store = store.clone();
    thread::spawn(move || {
        take_stripe(1);
        read(&store, from)
    })
}

/// A read of the spool file while the block is dropped, and another one written to its slot.
#[test]
fn read_against_drop_and_overwrite() {
    explore(2, || {
        let store = store(0);
        fill(&store, 0, 2 * BLOCK);
        assert_eq!(store.spooled(), BLOCK);
        let reader = reads(&store, 0);
        fill(&store, 2 * BLOCK, 3 * BLOCK);
        store.spill().unwrap();
        reader.join().unwrap();
        assert_eq!(read(&store, BLOCK), BLOCK as usize);
        assert_eq!(read(&store, 2 * BLOCK), BLOCK as usize);
    });
}

/// A read from memory while the block is dropped, and its memory used for another one. Its leaf is
/// unlinked, too.
#[test]
fn read_against_drop_in_memory() {
    explore(2, || {
        let store = store(u64::MAX);
        fill(&store, 0, 3 * BLOCK);
        let reader = reads(&store, BLOCK);
        fill(&store, 3 * BLOCK, 4 * BLOCK + 1);
        reader.join().unwrap();
        assert_eq!(read(&store, BLOCK), 0);
        assert_eq!(read(&store, 3 * BLOCK), BLOCK as usize);
        assert_eq!(store.spooled(), 0);
    });
}

/// A block leaves the window while another thread spills it.
#[test]
fn drop_against_spill() {
    explore(2, || {
        let store = store(u64::MAX);
        fill(&store, BLOCK - 1, 2 * BLOCK);
        let spiller = thread::spawn({
            let store = store.clone();
            move || {
                take_stripe(1);
                store.spill().unwrap();
            }
        });
        fill(&store, 2 * BLOCK, 3 * BLOCK + 1);
        spiller.join().unwrap();
        store.spill().unwrap();
        assert_eq!(store.spooled(), BLOCK + 1);
        assert_eq!(read(&store, 2 * BLOCK), BLOCK as usize);
        assert_eq!(read(&store, 3 * BLOCK), 1);
    });
}
