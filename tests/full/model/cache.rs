//! A cache under eight threads, through the C ABI: they open, read, seek, release, remove, trim and let
//! time pass, while openers fail or find another resource and sources fail. At every step the budgets
//! hold, every byte is right, one opener runs for a key, and nothing that has a lease is evicted.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spoolbuf::ffi::abi::{sb_cache_options, sb_cache_stats};
use spoolbuf::ffi::{
    sb_cache_free, sb_cache_new, sb_cache_options_init, sb_cache_remove, sb_cache_trim,
};

use crate::cache_rest::fill_at_once;
use crate::cache_scene::{Budgets, SEGMENT, Scene, Shared, THREADS, stats_of};
use crate::cache_world::{KEYS, Random, World, open_track};

/// What keys and records may use beyond `max_memory`.
const BOOKKEEPING: u64 = 256 * 1024;

pub fn cache_of(world: &World, budgets: Budgets) -> Shared {
    let mut cache = null_mut();
    let made = unsafe {
        let mut options = std::mem::MaybeUninit::<sb_cache_options>::zeroed();
        let size = std::mem::size_of::<sb_cache_options>();
        assert_eq!(sb_cache_options_init(options.as_mut_ptr(), size), 0);
        let mut options = options.assume_init();
        options.open = Some(open_track);
        options.opaque = std::ptr::from_ref(world).cast_mut().cast();
        options.max_memory = budgets.max_memory;
        options.max_disk = budgets.max_disk;
        options.prefetch = budgets.prefetch;
        options.fresh_ms = 1000;
        options.idle_ms = 10_000;
        sb_cache_new(&options, &mut cache)
    };
    assert_eq!(made, 0);
    Shared(cache)
}

/// Runs the threads. With `ends_early`, the cache is freed while they go on.
fn run(seed: u64, budgets: Budgets, steps: usize, ends_early: bool) {
    let world = World::default();
    let cache = cache_of(&world, budgets);
    let ends = AtomicBool::new(false);
    let (world, cache, ends) = (&world, &cache, &ends);
    std::thread::scope(|scope| {
        let start = |thread: u64| {
            scope.spawn(move || {
                let random =
                    Random((seed * 31 + thread + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
                let held = Vec::new();
                let mut scene = Scene {
                    cache,
                    world,
                    budgets,
                    ends,
                    random,
                    held,
                };
                for _ in 0..steps {
                    scene.step();
                }
                while !scene.held.is_empty() {
                    scene.release();
                }
            })
        };
        let threads: Vec<_> = (0..THREADS as u64).map(start).collect();
        if ends_early {
            let are_done = || threads.iter().all(|thread| thread.is_finished());
            while world.pulled.load(SeqCst) < 3_000_000 && !are_done() {
                std::thread::yield_now();
            }
            ends.store(true, SeqCst);
            unsafe { sb_cache_free(cache.0) };
        }
    });
    if !ends_early {
        assert_quiet(world, cache, budgets);
        unsafe { sb_cache_free(cache.0) };
        fill_at_once(budgets);
    }
    let patience = Instant::now() + Duration::from_secs(300);
    while world.opened.load(SeqCst) != world.closed.load(SeqCst) {
        assert!(Instant::now() < patience, "a source is not closed");
        std::thread::yield_now();
    }
}

/// Whether memory fits, except where the disk was full.
fn is_at_rest(stats: &sb_cache_stats, budgets: Budgets) -> bool {
    stats.memory <= budgets.max_memory.max(BOOKKEEPING)
        || stats.disk_peak + SEGMENT > budgets.max_disk
}

/// What holds once no thread uses the cache.
fn assert_quiet(world: &World, cache: &Shared, budgets: Budgets) {
    let patience = Instant::now() + Duration::from_secs(300);
    // Openers and sources whose calls have timed out.
    while stats_of(cache).expect("a cache").opening > 0 {
        assert!(Instant::now() < patience, "an opener does not end");
        std::thread::yield_now();
    }
    let stats = stats_of(cache).expect("a cache");
    let opens: usize = world.resources.iter().map(|it| it.opens.load(SeqCst)).sum();
    assert!(
        opens as u64 <= stats.misses,
        "{opens} openers for {} misses",
        stats.misses
    );
    assert_eq!(stats.leases, 0);
    assert!(stats.entries <= KEYS as u64);
    // What a source delivers after its entry has let it go is discarded, and not counted.
    assert!(stats.pulled <= world.pulled.load(SeqCst));
    assert_eq!(world.opened.load(SeqCst) > 0, stats.misses > 0);
    // A helper may still be inside a source that was closed for the readers.
    while !is_at_rest(&stats_of(cache).expect("a cache"), budgets) {
        assert!(Instant::now() < patience, "more memory than allowed");
        std::thread::yield_now();
    }
    // A helper may still hold an entry that was freed, for a moment.
    let (memory, disk) = (budgets.max_memory / 2, budgets.max_disk / 2);
    let is_trimmed = || {
        assert_eq!(unsafe { sb_cache_trim(cache.0, memory, disk) }, 0);
        let stats = stats_of(cache).expect("a cache");
        stats.memory <= memory + BOOKKEEPING && stats.disk <= disk
    };
    while !is_trimmed() {
        assert!(Instant::now() < patience, "a trim leaves too much");
        std::thread::yield_now();
    }
    assert_eq!(unsafe { sb_cache_remove(cache.0, std::ptr::null(), 0) }, 0);
    // The helper of an entry that was freed may still hold it for a moment.
    while stats_of(cache).is_some_and(|it| it.entries + it.memory + it.disk > 0) {
        assert!(Instant::now() < patience, "an entry does not end");
        std::thread::yield_now();
    }
}

/// As many as the other models have cases, which are shorter.
fn rounds() -> u64 {
    u64::from(crate::settings::cases() / 25).max(4)
}

fn budgets(seed: u64) -> Budgets {
    let max_memory = [0, SEGMENT, 4 * SEGMENT, 16 * SEGMENT][(seed % 4) as usize];
    let max_disk = [0, 2 * SEGMENT, 8 * SEGMENT, 64 * SEGMENT][(seed / 4 % 4) as usize];
    let prefetch = [0, 0, 150_000][(seed % 3) as usize];
    Budgets {
        max_memory,
        max_disk,
        prefetch,
    }
}

#[test]
fn a_cache_holds_its_budgets_and_every_byte_is_right() {
    for seed in 0..rounds() {
        let case = (seed, budgets(seed));
        crate::watched(&case, || run(seed, budgets(seed), 400, false));
    }
}

#[test]
fn a_cache_can_be_freed_at_any_time() {
    for seed in 0..rounds() {
        let budgets = Budgets {
            max_disk: 64 * SEGMENT,
            ..budgets(seed)
        };
        let case = (seed, budgets);
        crate::watched(&case, || run(seed, budgets, 400, true));
    }
}
