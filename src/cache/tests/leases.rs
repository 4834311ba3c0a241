//! Hits, flights, and what a lease keeps.

use super::*;

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
