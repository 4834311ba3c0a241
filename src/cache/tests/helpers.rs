//! The threads that the entries share.

use super::*;

#[test]
fn a_timed_open_is_served_by_a_helper() {
    let world = World::default();
    world.set("a", 100_000, 1, 7);
    let cache = cache(&world, options());
    let within = |time| OpenWait {
        timeout: Some(time),
        buffered: false,
    };
    let soon = within(Duration::from_secs(300));
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
                timeout: Some(Duration::from_secs(300)),
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
