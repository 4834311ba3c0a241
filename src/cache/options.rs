//! The options of a cache, and those of an open.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::options::{OnShort, ThreadHooks};

/// The options of a cache, which `sb_cache_options` describes.
#[derive(Debug)]
pub(crate) struct CacheOptions {
    pub(crate) max_memory: u64,
    pub(crate) max_disk: u64,
    pub(crate) min_free: u64,
    pub(crate) max_entry: u64,
    /// Negative: no limit.
    pub(crate) fresh_ms: i64,
    pub(crate) idle_ms: i64,
    pub(crate) on_short: OnShort,
    pub(crate) prefetch: u64,
    pub(crate) prefetch_low: u64,
    pub(crate) spool_dir: Option<PathBuf>,
    /// The most helper threads.
    pub(crate) threads: u32,
    pub(crate) thread: ThreadHooks,
}

impl Default for CacheOptions {
    fn default() -> CacheOptions {
        CacheOptions {
            max_memory: 64 * 1024 * 1024,
            max_disk: 512 * 1024 * 1024,
            min_free: 0,
            max_entry: 0,
            fresh_ms: -1,
            idle_ms: -1,
            on_short: OnShort::End,
            prefetch: 0,
            prefetch_low: 0,
            spool_dir: None,
            threads: 4,
            thread: ThreadHooks::default(),
        }
    }
}

/// How an open waits.
#[derive(Clone, Copy)]
pub(crate) struct OpenWait {
    /// The longest time that the call blocks.
    pub(crate) timeout: Option<Duration>,
    /// Whether the opener is not called for this open.
    pub(crate) buffered: bool,
}

impl OpenWait {
    /// Whether the call may block.
    pub(super) fn may_block(self) -> bool {
        match self.timeout {
            Some(limit) => !limit.is_zero(),
            None => !self.buffered,
        }
    }

    /// Whether the call may run an opener that waits for a helper.
    pub(super) fn launches(self) -> bool {
        self.timeout.is_none() && !self.buffered
    }

    /// When the call returns at the latest. None: it may take any time.
    pub(super) fn deadline(self) -> Option<Instant> {
        let limit = match self.buffered {
            true => Some(self.timeout.unwrap_or(Duration::ZERO)),
            false => self.timeout,
        };
        limit.and_then(|limit| Instant::now().checked_add(limit))
    }
}
