//! Stale entries, and idle ones.

use super::*;

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
