//! What leaves when the budget is used up.

use super::*;

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

/// Fills a budget of one MiB with 1000 entries, whose keys are long. Returns what is left of them.
fn fill_with_keys(size: usize) -> CacheStats {
    let world = World::default();
    let mut options = options();
    options.max_memory = MIB;
    let cache = cache(&world, options);
    for number in 0..1000 {
        let key = format!("{number:04096}");
        world.set(&key, size, 1, 7);
        let lease = open(&cache, &key).unwrap();
        if size > 0 {
            read_whole(&world, &lease, &key);
        }
        drop(lease);
        let stats = cache.stats();
        // The bytes of the newest, and the entry itself.
        assert!(stats.memory <= MIB + 64 * 1024, "{number}: {stats:?}");
    }
    cache.stats()
}

/// A budget full of keys evicts entries, since no spill frees those.
#[test]
fn keys_alone_evict_entries() {
    let stats = fill_with_keys(1000);
    assert!(stats.evicted_memory > 500, "{stats:?}");
    // Beside the keys, each entry takes about 3 KiB.
    assert!(stats.entries * (MAX_KEY as u64) < MIB * 3 / 4, "{stats:?}");
}

/// The same if nobody ever reads: no segment needs room.
#[test]
fn opens_alone_evict_entries() {
    let stats = fill_with_keys(0);
    assert!(stats.evicted_memory > 500, "{stats:?}");
    assert!(stats.memory <= MIB, "{stats:?}");
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
    assert!(matches!(why, Error::DiskFull { code: 0, .. }), "{why}");
    assert!(why.to_string().contains("max_disk"), "{why}");
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
