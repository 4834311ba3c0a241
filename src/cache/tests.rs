//! The cache by itself: hits, flights, leases, times and evictions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex as StdMutex};
use std::time::Duration;

use super::*;
use crate::buffer::Buffer;
use crate::buffer::read::{ReadRequest, Wait};
use crate::source::Source;

/// A resource as the opener finds it.
#[derive(Clone, Copy)]
struct Resource {
    size: usize,
    tag: u64,
    seed: u8,
}

/// An opener over a table of resources, which tests change.
#[derive(Clone, Default)]
struct World {
    resources: Arc<StdMutex<HashMap<Vec<u8>, Resource>>>,
    opens: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    delivered: Arc<AtomicUsize>,
}

struct Stream {
    at: usize,
    resource: Resource,
    world: World,
}

fn byte(resource: Resource, at: usize) -> u8 {
    (at / 251 + at) as u8 ^ resource.seed
}

impl Source for Stream {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let count = out.len().min(self.resource.size - self.at).min(10_000);
        for (index, out) in out[..count].iter_mut().enumerate() {
            *out = byte(self.resource, self.at + index);
        }
        self.at += count;
        self.world.delivered.fetch_add(count, Ordering::SeqCst);
        Ok(count)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.world.closed.fetch_add(1, Ordering::SeqCst);
    }
}

impl World {
    fn set(&self, key: &str, size: usize, tag: u64, seed: u8) {
        let resource = Resource { size, tag, seed };
        let mut resources = self.resources.lock().unwrap();
        resources.insert(key.as_bytes().to_vec(), resource);
    }

    fn opens(&self) -> usize {
        self.opens.load(Ordering::SeqCst)
    }
}

impl Opener for World {
    fn open(&self, key: &[u8], _old_tag: u64) -> Result<Opened> {
        self.opens.fetch_add(1, Ordering::SeqCst);
        let resources = self.resources.lock().unwrap();
        let resource = *resources.get(key).ok_or(Error::Source {
            code: 404,
            cause: None,
        })?;
        let stream = Stream {
            at: 0,
            resource,
            world: self.clone(),
        };
        Ok(Opened {
            source: Some(Box::new(stream)),
            size: Some(resource.size as u64),
            tag: resource.tag,
        })
    }
}

const MIB: u64 = 1024 * 1024;

fn options() -> CacheOptions {
    CacheOptions {
        max_memory: 4 * MIB,
        max_disk: 16 * MIB,
        ..CacheOptions::default()
    }
}

fn cache(world: &World, options: CacheOptions) -> Shared<BufferCache> {
    let made = BufferCache::new(Box::new(world.clone()), Box::new(Unnamed), options);
    Shared::try_new(made.unwrap()).unwrap()
}

const FOREVER: OpenWait = OpenWait {
    timeout: None,
    buffered: false,
};

fn open(cache: &Shared<BufferCache>, key: &str) -> Result<Lease> {
    Ok(BufferCache::open(cache, key.as_bytes(), FOREVER)?)
}

fn read(lease: &Lease, from: usize, size: usize) -> Result<Vec<u8>> {
    let mut out = vec![0; size];
    let request = ReadRequest {
        all: true,
        wait: Wait::Forever,
        terms: None,
    };
    let count = Buffer::read(lease.buffer(), from as u64, &mut out, request)?;
    out.truncate(count);
    Ok(out)
}

fn read_whole(world: &World, lease: &Lease, key: &str) {
    let resource = world.resources.lock().unwrap()[key.as_bytes()];
    let bytes = read(lease, 0, resource.size + 1).unwrap();
    assert_eq!(bytes.len(), resource.size);
    let right = bytes
        .iter()
        .enumerate()
        .all(|(at, is)| *is == byte(resource, at));
    assert!(right, "wrong bytes of {key}");
}

#[test]
fn a_second_open_hits() {
    let world = World::default();
    world.set("a", 100_000, 1, 7);
    let cache = cache(&world, options());
    let lease = open(&cache, "a").unwrap();
    read_whole(&world, &lease, "a");
    drop(lease);
    assert_eq!(world.closed.load(Ordering::SeqCst), 1);
    read_whole(&world, &open(&cache, "a").unwrap(), "a");
    assert_eq!(world.opens(), 1);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.pulled), (1, 1, 100_000));
    assert_eq!((stats.entries, stats.leases), (1, 0));
}

#[test]
fn one_flight_for_all_who_ask() {
    const THREADS: usize = 16;
    let world = World::default();
    world.set("a", 300_000, 1, 7);
    let cache = cache(&world, options());
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                read_whole(&world, &open(&cache, "a").unwrap(), "a");
            });
        }
    });
    // A thread that comes when all others have left may find an incomplete entry without a source.
    let stats = cache.stats();
    assert_eq!(stats.leases, 0);
    assert_eq!(stats.pulled, 300_000 * world.opens() as u64);
}

#[test]
fn an_error_reaches_the_caller_and_is_not_remembered() {
    let world = World::default();
    let cache = cache(&world, options());
    let failed = open(&cache, "a").map(|_| ()).unwrap_err();
    assert!(matches!(failed, Error::Source { code: 404, .. }));
    world.set("a", 10, 0, 1);
    assert_eq!(read(&open(&cache, "a").unwrap(), 0, 20).unwrap().len(), 10);
}

#[test]
fn an_incomplete_entry_goes_on_if_the_tag_is_the_same() {
    let world = World::default();
    world.set("a", 500_000, 5, 3);
    let cache = cache(&world, options());
    let lease = open(&cache, "a").unwrap();
    read(&lease, 0, 100_000).unwrap();
    drop(lease);
    assert_eq!(
        world.closed.load(Ordering::SeqCst),
        1,
        "an idle entry has no source"
    );
    let lease = open(&cache, "a").unwrap();
    assert!(lease.buffer().held() >= 100_000);
    read_whole(&world, &lease, "a");
    assert_eq!(world.opens(), 2);
    drop(lease);
    // Another tag: other bytes, while an old lease keeps the old ones.
    let old = open(&cache, "a").unwrap();
    cache.remove(Some(b"a")).unwrap();
    world.set("a", 500_000, 6, 4);
    let new = open(&cache, "a").unwrap();
    assert_eq!(read(&old, 0, 1).unwrap(), [3]);
    read_whole(&world, &new, "a");
    assert_eq!(cache.stats().entries, 2);
}

#[test]
fn a_stale_entry_is_asked_for() {
    let world = World::default();
    world.set("a", 1000, 5, 3);
    let cache = cache(
        &world,
        CacheOptions {
            fresh_ms: 1000,
            ..options()
        },
    );
    read_whole(&world, &open(&cache, "a").unwrap(), "a");
    cache.advance_clock(Duration::from_secs(2));
    let lease = open(&cache, "a").unwrap();
    assert_eq!((world.opens(), cache.stats().pulled), (2, 1000));
    world.set("a", 1000, 6, 9);
    cache.advance_clock(Duration::from_secs(2));
    read_whole(&world, &open(&cache, "a").unwrap(), "a");
    assert_eq!(read(&lease, 0, 1).unwrap(), [3], "a lease keeps its bytes");
}

#[test]
fn an_idle_entry_expires() {
    let world = World::default();
    world.set("a", 1000, 5, 3);
    let cache = cache(
        &world,
        CacheOptions {
            idle_ms: 1000,
            ..options()
        },
    );
    let lease = open(&cache, "a").unwrap();
    cache.advance_clock(Duration::from_secs(5));
    assert_eq!(cache.stats().entries, 1);
    drop(lease);
    cache.advance_clock(Duration::from_millis(900));
    assert_eq!(cache.stats().entries, 1);
    cache.advance_clock(Duration::from_millis(200));
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.expired), (0, 1));
    assert_eq!((stats.memory, stats.disk), (0, 0));
}

#[test]
fn budgets_hold_and_every_byte_is_right() {
    let world = World::default();
    let cache = cache(&world, options());
    for round in 0..3 {
        for number in 0..20 {
            let key = format!("resource {number}");
            world.set(&key, 2_000_000 + number * 1000, 1, number as u8);
            read_whole(&world, &open(&cache, &key).unwrap(), &key);
            let stats = cache.stats();
            assert!(
                stats.memory_peak <= 4 * MIB + 256 * 1024,
                "{round}: {stats:?}"
            );
            assert!(stats.disk_peak <= 16 * MIB, "{round}: {stats:?}");
        }
    }
    assert!(cache.stats().evicted_disk > 0);
    cache.remove(None).unwrap();
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.memory, stats.disk), (0, 0, 0));
}

#[test]
fn bad_keys_are_invalid() {
    let world = World::default();
    let cache = cache(&world, options());
    for key in [&b""[..], &[1; MAX_KEY + 1]] {
        let failure = BufferCache::open(&cache, key, FOREVER)
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(failure.error, Error::Invalid));
    }
}

#[test]
fn a_freed_cache_frees_its_entries() {
    let world = World::default();
    world.set("a", 1_000_000, 5, 3);
    let cache = cache(&world, options());
    let lease = open(&cache, "a").unwrap();
    read(&lease, 0, 1000).unwrap();
    cache.close();
    assert_eq!(world.closed.load(Ordering::SeqCst), 1);
    assert!(matches!(read(&lease, 900_000, 1000), Err(Error::Canceled)));
    assert!(matches!(
        open(&cache, "a").map(|_| ()),
        Err(Error::Canceled)
    ));
}

#[test]
fn a_timed_open_is_served_by_a_helper() {
    let world = World::default();
    world.set("a", 100_000, 1, 7);
    let cache = cache(&world, options());
    let within = |time| OpenWait {
        timeout: Some(time),
        buffered: false,
    };
    let soon = within(Duration::from_secs(60));
    let lease = BufferCache::open(&cache, b"a", soon).unwrap();
    read_whole(&world, &lease, "a");
    // No time at all: the opener is called all the same, for those who come later.
    world.set("b", 10, 1, 1);
    let opened = BufferCache::open(&cache, b"b", within(Duration::ZERO));
    let failure = opened.map(|_| ()).err();
    assert!(failure.is_none_or(|it| matches!(it.error, Error::Timeout)));
    while world.opens() < 2 {
        std::thread::yield_now();
    }
    cache.close();
}

#[test]
fn many_prefetches_share_a_few_threads() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = begun.clone();
    let world = World::default();
    let mut options = options();
    options.max_memory = 64 * MIB;
    options.threads = 3;
    options.prefetch = u64::MAX;
    options.thread.begin = Some(Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    let cache = cache(&world, options);
    let leases: Vec<_> = (0..30)
        .map(|number| {
            let key = format!("{number}");
            world.set(&key, 1_000_000, 1, number);
            (open(&cache, &key).unwrap(), key)
        })
        .collect();
    for (lease, key) in &leases {
        read_whole(&world, lease, key);
    }
    for (lease, _) in &leases {
        while !lease.buffer().is_complete() {
            std::thread::yield_now();
        }
    }
    assert!((1..=3).contains(&begun.load(Ordering::SeqCst)));
    assert_eq!(cache.stats().pulled, 30_000_000);
}

/// The hooks refer to what the caller frees afterwards.
#[test]
fn a_freed_cache_has_no_helper_left() {
    for turn in 0..100 {
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let world = World::default();
        let mut options = options();
        options.threads = 2;
        options.prefetch = if turn % 2 == 0 { 0 } else { u64::MAX };
        let hook = |count: &Arc<AtomicUsize>| -> Option<crate::options::ThreadHook> {
            let count = count.clone();
            Some(Box::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
            }))
        };
        (options.thread.begin, options.thread.end) = (hook(&begun), hook(&ended));
        let cache = cache(&world, options);
        for key in ["a", "b", "c"] {
            world.set(key, 100_000, 1, 7);
            let soon = OpenWait {
                timeout: Some(Duration::from_secs(60)),
                buffered: false,
            };
            let lease = BufferCache::open(&cache, key.as_bytes(), soon).unwrap();
            read_whole(&world, &lease, key);
        }
        cache.close();
        assert_eq!(
            begun.load(Ordering::SeqCst),
            ended.load(Ordering::SeqCst),
            "{turn}"
        );
    }
}

/// Bookkeeping counts, so that keys alone cannot take any amount of memory.
#[test]
fn entries_are_charged_with_their_keys() {
    let counted = |length: usize| {
        let world = World::default();
        let cache = cache(&world, options());
        for number in 0..100 {
            let key = format!("{number:0length$}");
            world.set(&key, 0, 1, 7);
            let lease = open(&cache, &key).unwrap();
            read_whole(&world, &lease, &key);
        }
        let memory = cache.stats().memory;
        cache.remove(None).unwrap();
        assert_eq!(cache.stats().memory, 0);
        memory
    };
    let (short, long) = (counted(10), counted(MAX_KEY));
    assert_eq!(long - short, 100 * (MAX_KEY as u64 - 10));
}

/// A budget full of keys evicts entries, since no spill frees those.
#[test]
fn keys_alone_evict_entries() {
    let world = World::default();
    let mut options = options();
    options.max_memory = MIB;
    let cache = cache(&world, options);
    for number in 0..1000 {
        let key = format!("{number:04096}");
        world.set(&key, 1000, 1, 7);
        let lease = open(&cache, &key).unwrap();
        read_whole(&world, &lease, &key);
        drop(lease);
        let stats = cache.stats();
        // The bytes of the newest, and the entry itself.
        assert!(stats.memory <= MIB + 64 * 1024, "{number}: {stats:?}");
    }
    let stats = cache.stats();
    assert!(stats.evicted_memory > 500, "{stats:?}");
    // Beside the keys, each entry takes about 3 KiB.
    assert!(stats.entries * (MAX_KEY as u64) < MIB * 3 / 4, "{stats:?}");
}

/// What cannot fit takes the room of all that is not in use, and no more than that.
#[test]
fn a_resource_larger_than_the_budget_is_a_full_disk() {
    let world = World::default();
    let cache = cache(&world, options());
    for number in 0..5 {
        let key = format!("{number}");
        world.set(&key, MIB as usize, 1, number);
        read_whole(&world, &open(&cache, &key).unwrap(), &key);
    }
    let used = open(&cache, "0").unwrap();
    world.set("film", 40 * MIB as usize, 1, 9);
    let film = open(&cache, "film").unwrap();
    let step = MIB as usize;
    let failed = (0..40).find_map(|at| read(&film, at * step, step).err().map(|why| (at, why)));
    let (at, why) = failed.expect("it does not fit");
    assert!(matches!(why, Error::DiskFull { .. }), "{why}");
    assert!((15..=20).contains(&at), "{at}");
    let stats = cache.stats();
    assert_eq!((stats.evicted_disk, stats.entries), (4, 2), "{stats:?}");
    assert!(stats.disk <= 16 * MIB, "{stats:?}");
    // What has arrived stays, and what was in use.
    assert_eq!(read(&film, 0, 1000).unwrap().len(), 1000);
    read_whole(&world, &used, "0");
    // It makes way for the next one.
    drop(film);
    world.set("song", 8 * MIB as usize, 1, 3);
    read_whole(&world, &open(&cache, "song").unwrap(), "song");
    assert_eq!(cache.stats().evicted_large, 1);
}

/// Opens "b" in the opener of "a", once somebody else has asked for "b" with a time limit.
struct Nested {
    world: World,
    cache: Arc<StdMutex<Option<Shared<BufferCache>>>>,
    is_inside: Arc<Barrier>,
    may_go_on: Arc<Barrier>,
}

impl Opener for Nested {
    fn open(&self, key: &[u8], old_tag: u64) -> Result<Opened> {
        if key == b"a" {
            self.is_inside.wait();
            self.may_go_on.wait();
            let cache = self.cache.lock().unwrap().clone().unwrap();
            drop(open(&cache, "b")?);
        }
        self.world.open(key, old_tag)
    }
}

/// The only helper is inside an opener, which needs a key whose opener waits for a helper.
#[test]
fn an_opener_runs_what_waits_for_its_helper() {
    let world = World::default();
    world.set("a", 10, 1, 1);
    world.set("b", 10, 1, 2);
    let place = Arc::new(StdMutex::new(None));
    let barriers = [(); 2].map(|()| Arc::new(Barrier::new(2)));
    let [is_inside, may_go_on] = barriers.clone();
    let nested = Nested {
        world: world.clone(),
        cache: place.clone(),
        is_inside,
        may_go_on,
    };
    let mut options = options();
    options.threads = 1;
    let cache = BufferCache::new(Box::new(nested), Box::new(Unnamed), options);
    let cache = Shared::try_new(cache.unwrap()).unwrap();
    *place.lock().unwrap() = Some(cache.clone());
    let within = |time| OpenWait {
        timeout: Some(time),
        buffered: false,
    };
    let opening = std::thread::spawn({
        let cache = cache.clone();
        let long = within(Duration::from_secs(60));
        move || BufferCache::open(&cache, b"a", long).map(drop).is_ok()
    });
    barriers[0].wait();
    let opened = BufferCache::open(&cache, b"b", within(Duration::ZERO));
    assert!(matches!(
        opened.map(drop).unwrap_err().error,
        Error::Timeout
    ));
    barriers[1].wait();
    assert!(opening.join().unwrap());
    assert_eq!(world.opens(), 2);
    place.lock().unwrap().take();
    cache.close();
}

/// Whoever waits for the flight of a key that was removed does not wait for its opener.
#[test]
fn a_freed_cache_lands_the_flights_of_removed_keys() {
    let barriers = [(); 2].map(|()| Arc::new(Barrier::new(2)));
    let [is_inside, may_go_on] = barriers.clone();
    let place = Arc::new(StdMutex::new(None));
    let nested = Nested {
        world: World::default(),
        cache: place.clone(),
        is_inside,
        may_go_on,
    };
    let cache = BufferCache::new(Box::new(nested), Box::new(Unnamed), options());
    let cache = Shared::try_new(cache.unwrap()).unwrap();
    *place.lock().unwrap() = Some(cache.clone());
    let asks = || {
        let cache = cache.clone();
        std::thread::spawn(move || open(&cache, "a").map(drop))
    };
    let opens = asks();
    barriers[0].wait();
    let waits = asks();
    while cache.stats().misses < 2 {
        std::thread::yield_now();
    }
    cache.remove(Some(b"a")).unwrap();
    let frees = std::thread::spawn({
        let cache = cache.clone();
        move || cache.close()
    });
    let start = std::time::Instant::now();
    while !waits.is_finished() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it waits for the opener"
        );
        std::thread::yield_now();
    }
    assert!(matches!(waits.join().unwrap(), Err(Error::Canceled)));
    barriers[1].wait();
    assert!(matches!(opens.join().unwrap(), Err(Error::Canceled)));
    frees.join().unwrap();
    place.lock().unwrap().take();
}

/// What the sources have delivered is counted to the byte, although an idle entry is asked only once.
#[test]
fn what_was_delivered_is_counted() {
    let world = World::default();
    let cache = cache(&world, options());
    let is_counted = |least: u64| {
        for _ in 0..2 {
            let pulled = cache.stats().pulled;
            assert_eq!(pulled, world.delivered.load(Ordering::SeqCst) as u64);
            assert!(pulled >= least);
        }
    };
    for (key, tag) in [("same", 1), ("other", 0)] {
        world.set(key, 200_000, tag, 0);
        let before = cache.stats().pulled;
        for (size, least) in [(30_000, 30_000), (120_000, 120_000), (200_000, 200_000)] {
            let lease = open(&cache, key).unwrap();
            is_counted(before);
            read(&lease, 0, size).unwrap();
            is_counted(before + least);
            let further = open(&cache, key).unwrap();
            drop(lease);
            is_counted(before + least);
            drop(further);
            is_counted(before + least);
        }
        cache.remove(Some(key.as_bytes())).unwrap();
        is_counted(before + 200_000);
    }
}
