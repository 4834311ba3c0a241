//! One thread's use of a cache: it opens, releases, removes, trims and lets time pass, and checks the
//! budgets after every step. What it reads is in `cache_reads.rs`.

use std::ffi::c_int;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use spoolbuf::ffi::abi::{
    SB_REACH_WHOLE, sb_buffer, sb_cache, sb_cache_stats, sb_reader, sb_reader_flag,
    sb_reader_options, sb_status,
};
use spoolbuf::ffi::{
    advance_cache_clock, sb_cache_open, sb_cache_remove, sb_cache_stat, sb_cache_trim, sb_prefetch,
    sb_reader_buffer, sb_reader_free, sb_reader_new, sb_retry, sb_size, sb_spill,
};

use crate::cache_world::{KEYS, Random, World, byte_at, version_of};

pub const THREADS: usize = 8;
/// The most readers of a thread.
const READERS: usize = 3;
pub const SEGMENT: u64 = 256 * 1024;

/// What a call may return besides its success.
pub fn is_one_of(result: i64, allowed: &[sb_status]) -> bool {
    allowed.iter().any(|status| result == *status as i64)
}

#[derive(Clone, Copy, Debug)]
pub struct Budgets {
    pub max_memory: u64,
    pub max_disk: u64,
    pub prefetch: u64,
}

/// A cache that any thread may use.
pub struct Shared(pub *mut sb_cache);
unsafe impl Sync for Shared {}

pub struct Held {
    pub reader: *mut sb_reader,
    pub key: usize,
    pub version: u64,
    /// The source is not called for this reader.
    pub is_buffered: bool,
    /// Bytes that were read, which must stay.
    pub seen: std::ops::Range<u64>,
}

impl Held {
    /// Whether these are the bytes of its version at that offset.
    pub fn has(&self, from: u64, bytes: &[u8]) -> bool {
        (from..)
            .zip(bytes)
            .all(|(at, byte)| *byte == byte_at(self.key, self.version, at))
    }
}

pub struct Scene<'s> {
    pub cache: &'s Shared,
    pub world: &'s World,
    pub budgets: Budgets,
    /// The cache is being freed.
    pub ends: &'s AtomicBool,
    pub random: Random,
    pub held: Vec<Held>,
}

pub fn stats_of(cache: &Shared) -> Option<sb_cache_stats> {
    let mut stats = std::mem::MaybeUninit::<sb_cache_stats>::zeroed();
    let size = std::mem::size_of::<sb_cache_stats>();
    let status = unsafe { sb_cache_stat(cache.0, stats.as_mut_ptr(), size) };
    (status == 0).then(|| unsafe { stats.assume_init() })
}

impl Scene<'_> {
    pub fn ends(&self) -> bool {
        self.ends.load(SeqCst)
    }

    pub fn step(&mut self) {
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

    pub fn pick(&mut self) -> Option<usize> {
        let count = self.held.len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    pub fn buffer(&self, at: usize) -> *mut sb_buffer {
        unsafe { sb_reader_buffer(self.held[at].reader) }
    }

    pub fn release(&mut self) {
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
        // In the place of the first.
        let first = std::mem::replace(&mut self.held[at].reader, reader);
        unsafe { sb_reader_free(first) };
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
