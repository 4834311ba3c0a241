//! Memory at rest: entries that are filled at once may exceed the budget, and fit again afterwards.

use std::ptr::{null, null_mut};
use std::sync::Barrier;

use spoolbuf::ffi::{sb_cache_free, sb_cache_open, sb_reader_free, sb_reader_read};

use crate::cache::cache_of;
use crate::cache_scene::{Budgets, SEGMENT, Shared, THREADS, stats_of};
use crate::cache_world::{KEYS, World, byte_at};

/// Each thread fills an entry of its own, the larger ones, with a segment's worth of memory for all and
/// as much disk space as they need. All are inside their sources at the same time.
pub fn fill_at_once(budgets: Budgets) {
    let budgets = Budgets {
        max_memory: budgets.max_memory.min(SEGMENT),
        max_disk: u64::MAX,
        prefetch: 0,
    };
    let world = World {
        meeting: Some(Barrier::new(THREADS)),
        ..World::default()
    };
    let cache = &cache_of(&world, budgets);
    std::thread::scope(|scope| {
        for key in KEYS - THREADS..KEYS {
            scope.spawn(move || fill(cache, key));
        }
    });
    let stats = stats_of(cache).expect("a cache");
    assert!(
        stats.memory_peak > THREADS as u64 / 2 * SEGMENT,
        "not at once"
    );
    assert!(
        stats.memory <= SEGMENT,
        "{} bytes of memory at rest",
        stats.memory
    );
    unsafe { sb_cache_free(cache.0) };
}

fn fill(cache: &Shared, key: usize) {
    let (name, mut reader, mut byte) = ([key as u8], null_mut(), 0_u8);
    unsafe {
        let opened = sb_cache_open(cache.0, name.as_ptr().cast(), 1, null(), &mut reader);
        assert_eq!(opened, 0);
        let count = sb_reader_read(reader, 1, std::ptr::from_mut(&mut byte).cast());
        assert_eq!((count, byte), (1, byte_at(key, 0, 0)));
        sb_reader_free(reader);
    }
}
