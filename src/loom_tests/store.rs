//! Buffered bytes are found while they move to the spool file, a real one, and while their memory
//! is used for new bytes.

#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::tap::byte;
use crate::options::Options;
use crate::store::Store;
use crate::store::memory::BLOCK;
use crate::sync::rcu::{Domain, DomainRef};
use crate::sync::{AtomicBool, Ordering, take_stripe};

fn store(max: u64) -> Arc<Store> {
    store_of(max, DomainRef::own())
}

fn store_of(max: u64, domain: DomainRef) -> Arc<Store> {
    let mut options = Options {
        max_memory: max,
        ..Options::default()
    };
    Arc::new(Store::new(&mut options, domain))
}

/// Commits bytes as a source guard does, as many at a time as a grant holds.
fn fill(store: &Store, from: u64, to: u64) {
    fill_by(store, from, to, usize::MAX);
}

fn fill_by(store: &Store, from: u64, to: u64, most: usize) {
    let (mut at, mut kept) = (from, None);
    while at < to {
        let most = most.min((to - at) as usize);
        let mut grant = kept
            .take()
            .unwrap_or_else(|| store.reserve(at, at, None, || Ok(())).unwrap());
        let bytes = grant.bytes(most);
        let count = bytes.len();
        for (byte_out, offset) in bytes.iter_mut().zip(at..) {
            *byte_out = byte(offset);
        }
        at += count as u64;
        kept = store.commit(grant, count, at < to);
    }
}

/// Checks that all of `[from, to)` is buffered, with the right bytes.
fn check(store: &Store, from: u64, to: u64) {
    let mut out = vec![0; (to - from) as usize];
    let mut done = 0;
    store.copy(from, &mut out, &mut done).unwrap();
    assert_eq!(done, out.len());
    for (found, offset) in out.iter().zip(from..) {
        assert_eq!(*found, byte(offset), "at {offset}");
    }
}

fn checks(store: &Arc<Store>, from: u64, to: u64) -> thread::JoinHandle<()> {
    let store = store.clone();
    thread::spawn(move || {
        take_stripe(1);
        check(&store, from, to);
    })
}

/// A read of a block in several segments while they leave memory.
#[test]
fn read_against_spill() {
    explore(3, || {
        let store = store(u64::MAX);
        fill(&store, 0, BLOCK);
        let reader = checks(&store, 0, BLOCK);
        store.spill().unwrap();
        reader.join().unwrap();
        check(&store, 0, BLOCK);
        assert_eq!(store.spooled(), BLOCK);
    });
}

/// A handle is freed while its buffer, which another thread keeps, is spilled. Both synchronize the
/// same domain, and a read by the handle needs the memory that each of them removes.
#[test]
fn read_by_handle_against_spill_and_free() {
    explore(2, || {
        let domain: &'static Domain = Box::leak(Box::new(Domain::new()));
        let store = store_of(u64::MAX, DomainRef::OfHandle(domain));
        fill(&store, 0, BLOCK);
        let valid = Arc::new(AtomicBool::new(true));
        // True once freed. loom tracks every access, and which happens before which.
        let freed = Arc::new(UnsafeCell::new(false));
        let reader = thread::spawn({
            let (store, valid, freed) = (store.clone(), valid.clone(), freed.clone());
            move || {
                take_stripe(1);
                let guard = domain.enter();
                if !valid.load(Ordering::SeqCst) {
                    return;
                }
                // SAFETY: loom reports a write to the cell that is not ordered with this read.
                freed.with(|freed| assert!(!unsafe { *freed }, "read after free"));
                let (mut out, mut done) = ([0; BLOCK as usize], 0);
                let spooled = store.copy_memory(0, &mut out, &mut done, &guard);
                assert_eq!(done == out.len(), spooled == 0);
                for (found, offset) in out[..done].iter().zip(0..) {
                    assert_eq!(*found, byte(offset), "at {offset}");
                }
            }
        });
        let spiller = thread::spawn({
            let store = store.clone();
            move || store.spill().unwrap()
        });
        valid.store(false, Ordering::SeqCst);
        domain.synchronize();
        // SAFETY: loom reports an access to the cell that is not ordered with this write.
        freed.with_mut(|freed| unsafe { *freed = true });
        reader.join().unwrap();
        spiller.join().unwrap();
    });
}

/// A read of a block that must leave memory, while its chunk is filled again.
#[test]
fn read_against_making_space() {
    explore(3, || {
        let store = store(0);
        fill(&store, 0, 2 * BLOCK);
        // A read of a whole block, whose chunk the next block uses.
        let reader = checks(&store, BLOCK, 2 * BLOCK);
        fill(&store, 2 * BLOCK, 3 * BLOCK);
        reader.join().unwrap();
        check(&store, 0, 3 * BLOCK);
    });
}

/// A read of bytes that were committed while more are, until the tree grows.
#[test]
fn read_against_filling() {
    explore(3, || {
        let store = store(u64::MAX);
        fill(&store, 0, 1);
        let reader = checks(&store, 0, 1);
        fill(&store, 1, 3 * BLOCK);
        reader.join().unwrap();
        check(&store, 0, 3 * BLOCK);
    });
}

/// A read from a leaf that is collapsed to a sentinel, under a root above it.
#[test]
fn read_against_collapsing() {
    explore(3, || {
        let store = store(u64::MAX);
        fill(&store, 0, 2 * BLOCK + 1);
        let reader = checks(&store, BLOCK, 2 * BLOCK);
        store.spill().unwrap();
        reader.join().unwrap();
        check(&store, 0, 2 * BLOCK + 1);
        assert_eq!(store.spooled(), 2 * BLOCK + 1);
    });
}

/// A read from a block that was alone under its slot, while a second one is added and both leave
/// memory.
#[test]
fn read_against_a_second_block() {
    explore(3, || {
        let store = store(u64::MAX);
        fill(&store, 0, 1);
        fill(&store, 2 * BLOCK, 3 * BLOCK);
        let reader = checks(&store, 2 * BLOCK, 3 * BLOCK);
        fill(&store, 3 * BLOCK, 3 * BLOCK + 1);
        store.spill().unwrap();
        reader.join().unwrap();
        check(&store, 2 * BLOCK, 3 * BLOCK + 1);
    });
}

/// The same for a block that gets its leaf only to be replaced by a sentinel in it.
#[test]
fn read_against_collapsing_a_lone_segment() {
    explore(3, || {
        let store = store(u64::MAX);
        fill(&store, 0, 1);
        fill(&store, 2 * BLOCK, 3 * BLOCK);
        let reader = checks(&store, 2 * BLOCK, 3 * BLOCK);
        store.spill().unwrap();
        reader.join().unwrap();
        check(&store, 2 * BLOCK, 3 * BLOCK);
        check(&store, 0, 1);
    });
}

/// A spill by a thread that has read the last bytes takes them too.
#[test]
fn spill_of_what_was_read() {
    explore(3, || {
        let store = store(u64::MAX);
        fill(&store, 0, 1);
        let filler = thread::spawn({
            let store = store.clone();
            move || {
                take_stripe(1);
                fill(&store, 1, 2);
            }
        });
        let (mut out, mut done) = ([0; 2], 0);
        while done < 2 {
            thread::yield_now();
            done = 0;
            store.copy(0, &mut out, &mut done).unwrap();
        }
        store.spill().unwrap();
        assert_eq!(store.spooled(), 2);
        filler.join().unwrap();
        check(&store, 0, 2);
    });
}

/// A spill on request while a segment is filled byte by byte.
#[test]
fn spill_against_filling() {
    explore(3, || {
        let store = store(u64::MAX);
        fill(&store, 0, BLOCK);
        let spiller = thread::spawn({
            let store = store.clone();
            move || {
                take_stripe(1);
                store.spill().unwrap();
            }
        });
        fill_by(&store, BLOCK, 2 * BLOCK, 1);
        spiller.join().unwrap();
        check(&store, 0, 2 * BLOCK);
        store.spill().unwrap();
        assert_eq!(store.spooled(), 2 * BLOCK);
        check(&store, 0, 2 * BLOCK);
    });
}
