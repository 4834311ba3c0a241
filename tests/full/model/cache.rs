//! A cache under eight threads, through the C ABI: they open, read, seek, release, remove, trim and let
//! time pass, while openers fail or find another resource and sources fail. At every step the budgets
//! hold, every byte is right, one opener runs for a key, and nothing that has a lease is evicted.

use std::ffi::c_int;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use spoolbuf::ffi::abi::{
    SB_REACH_WHOLE, sb_buffer, sb_cache, sb_cache_options, sb_cache_stats, sb_reader,
    sb_reader_flag, sb_reader_options, sb_status, sb_whence,
};
use spoolbuf::ffi::{
    advance_cache_clock, sb_buffered, sb_cache_free, sb_cache_new, sb_cache_open,
    sb_cache_options_init, sb_cache_remove, sb_cache_stat, sb_cache_trim, sb_prefetch,
    sb_reader_buffer, sb_reader_free, sb_reader_new, sb_reader_read, sb_reader_seek, sb_retry,
    sb_size, sb_spill,
};

use crate::cache_world::{KEYS, Random, World, byte_at, open_track, size_of, version_of};

const THREADS: usize = 8;
/// The most readers of a thread.
const READERS: usize = 3;
const SEGMENT: u64 = 256 * 1024;
const LONGEST: usize = 100_000;

/// What a call may return besides its success.
fn is_one_of(result: i64, allowed: &[sb_status]) -> bool {
    allowed.iter().any(|status| result == *status as i64)
}

#[derive(Clone, Copy, Debug)]
struct Budgets {
    max_memory: u64,
    max_disk: u64,
    prefetch: u64,
}

/// A cache that any thread may use.
struct Shared(*mut sb_cache);
unsafe impl Sync for Shared {}

struct Held {
    reader: *mut sb_reader,
    key: usize,
    version: u64,
    /// Not for this reader is the source called.
    is_buffered: bool,
    /// Bytes that were read, which must stay.
    seen: std::ops::Range<u64>,
}

struct Scene<'s> {
    cache: &'s Shared,
    world: &'s World,
    budgets: Budgets,
    /// The cache is being freed.
    ends: &'s AtomicBool,
    random: Random,
    held: Vec<Held>,
}

fn stats_of(cache: &Shared) -> Option<sb_cache_stats> {
    let mut stats = std::mem::MaybeUninit::<sb_cache_stats>::zeroed();
    let size = std::mem::size_of::<sb_cache_stats>();
    let status = unsafe { sb_cache_stat(cache.0, stats.as_mut_ptr(), size) };
    (status == 0).then(|| unsafe { stats.assume_init() })
}

impl Scene<'_> {
    fn ends(&self) -> bool {
        self.ends.load(SeqCst)
    }

    fn step(&mut self) {
        match self.random.below(32) {
            0..=7 => self.open(),
            8..=17 => self.read(),
            18..=19 => self.recheck(),
            20..=23 => self.release(),
            24 => self.further(),
            25 => self.remove(),
            26 => self.trim(),
            27 => {
                let by = self.random.below(1500);
                advance_cache_clock(self.cache.0, Duration::from_millis(by));
            }
            28 => {
                let key = self.random.below(KEYS as u64) as usize;
                self.world.resources[key].version.fetch_add(1, SeqCst);
            }
            29 => {
                let key = self.random.below(KEYS as u64) as usize;
                self.world.resources[key].failures.store(1, SeqCst);
            }
            30 => self.world.source_failures.store(1, SeqCst),
            _ => self.manage(),
        }
        self.check_budgets();
    }

    fn open(&mut self) {
        if self.held.len() == READERS {
            self.release();
        }
        let key = self.random.below(KEYS as u64) as usize;
        let is_buffered = self.random.below(6) == 0;
        let timeout_ms = [-1, -1, 0, 20][self.random.below(4) as usize];
        let options = sb_reader_options {
            struct_size: std::mem::size_of::<sb_reader_options>(),
            timeout_ms,
            flags: if is_buffered {
                sb_reader_flag::SB_READER_BUFFERED as u32
            } else {
                0
            },
            reserved: 0,
            reach: SB_REACH_WHOLE,
            error: null_mut(),
            reserved_pointer: null_mut(),
        };
        let (bytes, mut reader) = ([key as u8], null_mut());
        let status = unsafe {
            sb_cache_open(
                self.cache.0,
                bytes.as_ptr().cast(),
                1,
                &options,
                &mut reader,
            )
        };
        if status != 0 {
            assert!(reader.is_null());
            use sb_status::{SB_ERR_CANCELED, SB_ERR_INVALID, SB_ERR_SOURCE, SB_ERR_TIMEOUT};
            let may_time_out = timeout_ms >= 0 || is_buffered;
            let allowed = is_one_of(status.into(), &[SB_ERR_SOURCE])
                || (may_time_out && is_one_of(status.into(), &[SB_ERR_TIMEOUT]))
                || (self.ends() && is_one_of(status.into(), &[SB_ERR_INVALID, SB_ERR_CANCELED]));
            assert!(allowed, "an open of key {key} returned {status}");
            return;
        }
        self.hold(reader, key, is_buffered);
    }

    fn hold(&mut self, reader: *mut sb_reader, key: usize, is_buffered: bool) {
        let size = unsafe { sb_size(sb_reader_buffer(reader)) };
        if size < 0 {
            assert!(self.ends(), "the size of key {key} is {size}");
            unsafe { sb_reader_free(reader) };
            return;
        }
        let version = version_of(key, size as u64);
        assert!(version <= self.world.resources[key].version.load(SeqCst));
        self.held.push(Held {
            reader,
            key,
            version,
            is_buffered,
            seen: 0..0,
        });
    }

    fn pick(&mut self) -> Option<usize> {
        let count = self.held.len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    fn read(&mut self) {
        let Some(at) = self.pick() else { return };
        let size = size_of(self.held[at].key, self.held[at].version);
        if self.random.below(3) == 0 {
            let to = self.random.below(size + 1000);
            self.seek(at, to);
        }
        let length = self.random.below(LONGEST as u64) as usize + 1;
        let (from, bytes) = match self.read_at(at, length) {
            Some(read) => read,
            None => return,
        };
        let held = &mut self.held[at];
        let end = from + bytes.len() as u64;
        let right = (from..)
            .zip(&bytes)
            .all(|(at, byte)| *byte == byte_at(held.key, held.version, at));
        assert!(right, "wrong bytes of key {} at {from}", held.key);
        assert!(
            !bytes.is_empty() || from >= size,
            "an end at {from} of {size}"
        );
        assert!(end <= size || bytes.is_empty());
        if !bytes.is_empty() {
            held.seen = from..end;
        }
    }

    fn seek(&self, at: usize, to: u64) -> bool {
        let reader = self.held[at].reader;
        let moved = unsafe { sb_reader_seek(reader, to as i64, sb_whence::SB_SEEK_SET as c_int) };
        assert!(
            moved == to as i64 || self.ends(),
            "a seek to {to} returned {moved}"
        );
        moved >= 0
    }

    /// Where a reader is, and what it reads there. None: it failed as it may.
    fn read_at(&self, at: usize, length: usize) -> Option<(u64, Vec<u8>)> {
        let held = &self.held[at];
        let from = unsafe { sb_reader_seek(held.reader, 0, sb_whence::SB_SEEK_CUR as c_int) };
        let mut bytes = vec![0; length];
        let count = unsafe { sb_reader_read(held.reader, length, bytes.as_mut_ptr().cast()) };
        if let Ok(count) = usize::try_from(count) {
            bytes.truncate(count);
            return Some((u64::try_from(from).expect("a position"), bytes));
        }
        use sb_status::{
            SB_ERR_CANCELED, SB_ERR_DISK_FULL, SB_ERR_INVALID, SB_ERR_SOURCE, SB_ERR_TIMEOUT,
            SB_ERR_UNSUPPORTED,
        };
        let allowed = is_one_of(count, &[SB_ERR_SOURCE, SB_ERR_DISK_FULL, SB_ERR_TIMEOUT])
            // A further reader of an entry that was opened for buffered bytes only.
            || (held.is_buffered && is_one_of(count, &[SB_ERR_CANCELED]))
            // A source that cannot seek has passed them.
            || is_one_of(count, &[SB_ERR_UNSUPPORTED])
            || (self.ends() && is_one_of(count, &[SB_ERR_INVALID, SB_ERR_CANCELED]));
        assert!(
            allowed,
            "a read of key {} at {from} returned {count}",
            held.key
        );
        None
    }

    /// What was read once stays while there is a lease.
    fn recheck(&mut self) {
        let Some(at) = self.pick() else { return };
        let seen = self.held[at].seen.clone();
        if seen.is_empty() {
            return;
        }
        let buffered = unsafe { sb_buffered(self.buffer(at), seen.start) };
        if self.ends() {
            return;
        }
        let length = seen.end - seen.start;
        assert!(
            buffered >= length as i64,
            "{buffered} of {length} bytes are left"
        );
        if self.seek(at, seen.start) {
            let read = self.read_at(at, length as usize);
            let Some((from, bytes)) = read else {
                // The spool file can always be read.
                assert!(self.ends(), "buffered bytes cannot be read");
                return;
            };
            let held = &self.held[at];
            let right = (from..)
                .zip(&bytes)
                .all(|(at, byte)| *byte == byte_at(held.key, held.version, at));
            assert!(right && from == seen.start && !bytes.is_empty());
        }
    }

    fn buffer(&self, at: usize) -> *mut sb_buffer {
        unsafe { sb_reader_buffer(self.held[at].reader) }
    }

    fn release(&mut self) {
        if let Some(at) = self.pick() {
            let held = self.held.swap_remove(at);
            unsafe { sb_reader_free(held.reader) };
        }
    }

    /// A further reader of the same buffer, which may outlive the first.
    fn further(&mut self) {
        let Some(at) = self.pick() else { return };
        let reader = unsafe { sb_reader_new(self.buffer(at)) };
        if reader.is_null() {
            assert!(self.ends());
            return;
        }
        let Held {
            key,
            version,
            ref seen,
            ..
        } = self.held[at];
        let is_buffered = self.held[at].is_buffered;
        let further = Held {
            reader,
            key,
            version,
            is_buffered,
            seen: seen.clone(),
        };
        // In the place of the first.
        let first = std::mem::replace(&mut self.held[at], further);
        unsafe { sb_reader_free(first.reader) };
    }

    fn remove(&mut self) {
        let key = self.random.below(KEYS as u64) as usize;
        let status = if self.random.below(4) == 0 {
            unsafe { sb_cache_remove(self.cache.0, std::ptr::null(), 0) }
        } else {
            self.world.resources[key].removals.fetch_add(1, SeqCst);
            unsafe { sb_cache_remove(self.cache.0, [key as u8].as_ptr().cast(), 1) }
        };
        assert!(status == 0 || self.ends());
    }

    fn trim(&mut self) {
        let memory = self.random.below(self.budgets.max_memory + 1);
        let disk = self.random.below(self.budgets.max_disk + 1);
        let status = unsafe { sb_cache_trim(self.cache.0, memory, disk) };
        let full = status == sb_status::SB_ERR_DISK_FULL as c_int;
        assert!(
            status == 0 || full || self.ends(),
            "a trim returned {status}"
        );
    }

    fn manage(&mut self) {
        let Some(at) = self.pick() else { return };
        let buffer = self.buffer(at);
        let status = match self.random.below(3) {
            0 => unsafe { sb_retry(buffer) },
            1 => unsafe { sb_spill(buffer) },
            _ => unsafe { sb_prefetch(buffer, self.random.below(2) * 100_000) },
        };
        let full = status == sb_status::SB_ERR_DISK_FULL as c_int;
        assert!(status == 0 || full || self.ends(), "{status}");
    }

    fn check_budgets(&self) {
        let Some(stats) = stats_of(self.cache) else {
            assert!(self.ends());
            return;
        };
        // Each entry that is being filled may exceed it by a segment.
        let filled = (THREADS * READERS) as u64;
        assert!(stats.memory_peak <= self.budgets.max_memory + filled * SEGMENT);
        assert!(
            stats.disk_peak <= self.budgets.max_disk,
            "{} of {:?}",
            stats.disk_peak,
            self.budgets
        );
        assert!(stats.leases >= self.held.len() as u64 || self.ends());
    }
}

fn cache_of(world: &World, budgets: Budgets) -> Shared {
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
    }
    let patience = Instant::now() + Duration::from_secs(60);
    while world.opened.load(SeqCst) != world.closed.load(SeqCst) {
        assert!(Instant::now() < patience, "a source is not closed");
        std::thread::yield_now();
    }
}

/// Whether memory fits, except where the disk was full.
fn is_at_rest(stats: &sb_cache_stats, budgets: Budgets) -> bool {
    let bookkeeping = 256 * 1024;
    stats.memory <= budgets.max_memory.max(bookkeeping)
        || stats.disk_peak + SEGMENT > budgets.max_disk
}

/// What holds once no thread uses the cache.
fn assert_quiet(world: &World, cache: &Shared, budgets: Budgets) {
    let patience = Instant::now() + Duration::from_secs(60);
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
    let bookkeeping = 256 * 1024;
    let is_trimmed = || {
        assert_eq!(unsafe { sb_cache_trim(cache.0, memory, disk) }, 0);
        let stats = stats_of(cache).expect("a cache");
        stats.memory <= memory + bookkeeping && stats.disk <= disk
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
