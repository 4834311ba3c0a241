//! A cache: an entry is opened, evicted, released and removed by several threads. Each open gets an
//! entry that nobody ends, and each source is closed once.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::tap::{Tap, read};
use crate::buffer::read::Wait;
use crate::cache::{BufferCache, CacheOptions, Lease, OpenWait, Opened, Opener, Unnamed};
use crate::error::{Error, Result};
use crate::sync::shared::Shared;
use crate::sync::{AtomicUsize, Mutex, Ordering, lock};

/// Opens sources of two bytes, which remember that they were closed.
#[derive(Clone)]
struct Taps {
    closed: Arc<Mutex<Vec<Arc<AtomicUsize>>>>,
    inside: Arc<AtomicUsize>,
    tag: u64,
    /// A removal may come, so that two openers may run.
    may_overlap: bool,
}

impl Opener for Taps {
    fn open(&self, _key: &[u8], _old_tag: u64) -> Result<Opened> {
        let others = self.inside.fetch_add(1, Ordering::Relaxed);
        assert!(others == 0 || self.may_overlap, "one opener at a time");
        let tap = Tap::new(2);
        lock(&self.closed).push(tap.closed.clone());
        self.inside.fetch_sub(1, Ordering::Relaxed);
        Ok(Opened {
            source: Some(Box::new(tap)),
            size: None,
            tag: self.tag,
        })
    }
}

const FOREVER: OpenWait = OpenWait {
    timeout: None,
    buffered: false,
};

fn cache(tag: u64, may_overlap: bool) -> (Shared<BufferCache>, Taps) {
    let taps = Taps {
        closed: Arc::new(Mutex::new(Vec::new())),
        inside: Arc::new(AtomicUsize::new(0)),
        tag,
        may_overlap,
    };
    (cache_of(Box::new(taps.clone())), taps)
}

fn cache_of(opener: Box<dyn Opener>) -> Shared<BufferCache> {
    let options = CacheOptions {
        max_memory: 1 << 20,
        max_disk: 0,
        threads: 1,
        ..CacheOptions::default()
    };
    let cache = BufferCache::new(opener, Box::new(Unnamed), options);
    Shared::try_new(cache.unwrap()).unwrap()
}

fn open(cache: &Shared<BufferCache>) -> Result<Lease> {
    Ok(BufferCache::open(cache, b"a", FOREVER)?)
}

/// Opens the entry, reads `bytes` of it, and releases it.
fn visit(cache: &Shared<BufferCache>, bytes: u64) {
    let lease = open(cache).unwrap();
    for at in 0..bytes {
        assert_eq!(read(lease.buffer(), at, 1, Wait::Forever).unwrap(), 1);
    }
    // Nobody ends it: a read is still served.
    assert_eq!(read(lease.buffer(), 0, 1, Wait::Forever).unwrap(), 1);
}

/// Nothing is left, and each source was closed once.
fn finish(cache: Shared<BufferCache>, taps: &Taps) {
    let stats = cache.stats();
    assert_eq!((stats.leases, stats.opening), (0, 0));
    assert!(stats.entries <= 1);
    cache.remove(None).unwrap();
    assert_eq!(cache.stats().entries, 0);
    drop(cache);
    for closed in &*lock(&taps.closed) {
        assert_eq!(closed.load(Ordering::Relaxed), 1);
    }
}

/// An entry without a lease is evicted while another thread opens it and releases it.
#[test]
fn open_against_evict_and_release() {
    for (tag, bytes) in [(1, 2), (1, 1), (0, 1)] {
        explore(2, move || {
            let (cache, taps) = cache(tag, false);
            visit(&cache, bytes);
            let evicting = thread::spawn({
                let cache = cache.clone();
                move || cache.evict_one()
            });
            visit(&cache, bytes);
            evicting.join().unwrap();
            finish(cache, &taps);
        });
    }
}

/// Two threads open the same key: one opener runs at a time, and both get a lease.
#[test]
fn open_against_open() {
    for tag in [0, 1] {
        explore(2, move || {
            let (cache, taps) = cache(tag, false);
            let other = thread::spawn({
                let cache = cache.clone();
                move || visit(&cache, 1)
            });
            visit(&cache, 1);
            other.join().unwrap();
            finish(cache, &taps);
        });
    }
}

/// The key is removed meanwhile.
#[test]
fn open_against_remove() {
    explore(2, || {
        let (cache, taps) = cache(1, true);
        let removing = thread::spawn({
            let cache = cache.clone();
            move || cache.remove(Some(b"a")).unwrap()
        });
        visit(&cache, 1);
        removing.join().unwrap();
        visit(&cache, 1);
        finish(cache, &taps);
    });
}

/// The last lease ends on one thread and another one begins on a second.
#[test]
fn release_against_open() {
    explore(3, || {
        let (cache, taps) = cache(1, false);
        let lease = open(&cache).unwrap();
        assert_eq!(read(lease.buffer(), 0, 1, Wait::Forever).unwrap(), 1);
        let releasing = thread::spawn(move || drop(lease));
        visit(&cache, 2);
        releasing.join().unwrap();
        finish(cache, &taps);
    });
}

/// The cache is freed while a thread opens a key.
#[test]
fn open_against_close() {
    explore(2, || {
        let (cache, taps) = cache(1, false);
        let opening = thread::spawn({
            let cache = cache.clone();
            move || match open(&cache) {
                Ok(lease) => drop(lease),
                Err(error) => assert!(matches!(error, Error::Canceled)),
            }
        });
        cache.close();
        assert_eq!(taps.inside.load(Ordering::Relaxed), 0);
        opening.join().unwrap();
        finish(cache, &taps);
    });
}

const AT_ONCE: OpenWait = OpenWait {
    timeout: Some(Duration::ZERO),
    buffered: false,
};

/// Nobody waits when the opener returns. The next open comes while the time of what it brought ends. If
/// it gets a lease, nobody closes its source.
#[test]
fn a_poll_against_the_end_of_its_time() {
    for (next, has_returned) in [(AT_ONCE, false), (AT_ONCE, true), (FOREVER, true)] {
        explore(1, move || {
            poll_against_the_end_of_its_time(next, has_returned);
        });
    }
}

/// `has_returned`: the opener has, before the time ends.
fn poll_against_the_end_of_its_time(next: OpenWait, has_returned: bool) {
    let (cache, taps) = cache(1, false);
    // It may be quick.
    if let Err(failure) = BufferCache::open(&cache, b"a", AT_ONCE) {
        assert!(matches!(failure.error, Error::Timeout));
    }
    while has_returned && cache.stats().opening > 0 {
        thread::yield_now();
    }
    let opening = thread::spawn({
        let cache = cache.clone();
        move || BufferCache::open(&cache, b"a", next)
    });
    cache.advance_clock(Duration::from_secs(60));
    cache.stats();
    match opening.join().unwrap() {
        Ok(lease) => assert_eq!(read(lease.buffer(), 0, 1, Wait::Forever).unwrap(), 1),
        Err(failure) => {
            assert!(matches!(failure.error, Error::Timeout) && next.timeout.is_some());
        }
    }
    cache.close();
    drop(cache);
    for closed in &*lock(&taps.closed) {
        assert_eq!(closed.load(Ordering::Relaxed), 1);
    }
}

/// An opener that opens the other key first, unless it is not to for "b".
#[derive(Clone)]
struct Circle {
    cache: Arc<Mutex<Option<Shared<BufferCache>>>>,
    refused: Arc<AtomicUsize>,
    is_whole: bool,
}

impl Opener for Circle {
    fn open(&self, key: &[u8], _old_tag: u64) -> Result<Opened> {
        if self.is_whole || key == b"a" {
            self.open_other(key);
        }
        Ok(Opened {
            source: Some(Box::new(Tap::new(1))),
            size: None,
            tag: 1,
        })
    }
}

impl Circle {
    fn new(is_whole: bool) -> Circle {
        Circle {
            cache: Arc::new(Mutex::new(None)),
            refused: Arc::new(AtomicUsize::new(0)),
            is_whole,
        }
    }

    fn open_other(&self, key: &[u8]) {
        let cache = lock(&self.cache).clone().expect("it is open");
        let other = if key == b"a" { b"b" } else { b"a" };
        match BufferCache::open(&cache, other, FOREVER) {
            Ok(lease) => drop(lease),
            Err(failure) => {
                assert!(matches!(failure.error, Error::Reentrant));
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The only helper is inside an opener that opens a key whose opener waits for a helper.
#[test]
fn an_opener_against_a_queued_one() {
    const BY_HELPER: OpenWait = OpenWait {
        timeout: Some(Duration::MAX),
        buffered: false,
    };
    explore(1, || {
        let circle = Circle::new(false);
        let cache = cache_of(Box::new(circle.clone()));
        *lock(&circle.cache) = Some(cache.clone());
        let other = thread::spawn({
            let cache = cache.clone();
            move || {
                BufferCache::open(&cache, b"b", BY_HELPER)
                    .map(drop)
                    .unwrap()
            }
        });
        BufferCache::open(&cache, b"a", BY_HELPER)
            .map(drop)
            .unwrap();
        other.join().unwrap();
        *lock(&circle.cache) = None;
        cache.remove(None).unwrap();
        drop(cache);
    });
}

/// Two openers open each other's key, on two threads: one of them is refused, and both return.
#[test]
fn a_circle_of_openers() {
    explore(2, || {
        let circle = Circle::new(true);
        let cache = cache_of(Box::new(circle.clone()));
        *lock(&circle.cache) = Some(cache.clone());
        let other = thread::spawn({
            let cache = cache.clone();
            move || BufferCache::open(&cache, b"b", FOREVER).map(drop).unwrap()
        });
        BufferCache::open(&cache, b"a", FOREVER).map(drop).unwrap();
        other.join().unwrap();
        assert!(circle.refused.load(Ordering::Relaxed) > 0);
        *lock(&circle.cache) = None;
        assert_eq!(cache.stats().opening, 0);
        cache.remove(None).unwrap();
        drop(cache);
    });
}
