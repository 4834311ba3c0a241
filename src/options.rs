//! The options of a buffer.

use std::fmt;
use std::path::PathBuf;

/// What happens when the disk is full or fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnFull {
    /// Reads that need more space fail with [`Error::DiskFull`](crate::Error::DiskFull) or
    /// [`Error::Io`](crate::Error::Io). Memory stays within its limit.
    #[default]
    Fail,
    /// The buffer grows in memory past the limit until the disk has space again.
    Memory,
}

/// What an end below the declared size means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnShort {
    /// The end of the resource: the source takes precedence over the declared size.
    #[default]
    End,
    /// [`Error::Short`](crate::Error::Short): more bytes may arrive when the source is called
    /// again.
    Error,
}

/// Called on the helper thread of a buffer.
pub type ThreadHook = Box<dyn Fn() + Send + Sync>;

/// What the host does on the helper thread when it begins and ends.
#[derive(Default)]
pub(crate) struct ThreadHooks {
    pub(crate) begin: Option<ThreadHook>,
    pub(crate) end: Option<ThreadHook>,
}

impl ThreadHooks {
    pub(crate) fn is_empty(&self) -> bool {
        self.begin.is_none() && self.end.is_none()
    }
}

impl fmt::Debug for ThreadHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadHooks")
            .field("begin", &self.begin.is_some())
            .field("end", &self.end.is_some())
            .finish()
    }
}

/// Options of a buffer, which [`Builder`](crate::Builder) and `sb_options` describe.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) size: Option<u64>,
    pub(crate) max_memory: u64,
    pub(crate) spool_dir: Option<PathBuf>,
    pub(crate) on_full: OnFull,
    pub(crate) on_short: OnShort,
    pub(crate) prefetch: u64,
    pub(crate) seek_gap: u64,
    pub(crate) read_granularity: u32,
    pub(crate) prefetch_low: u64,
    pub(crate) thread: ThreadHooks,
}

/// The largest value of `read_granularity`, in bytes.
pub(crate) const MAX_READ_GRANULARITY: u32 = 16 * 1024;

/// The default memory limit, in bytes.
pub(crate) const DEFAULT_MAX: u64 = 5 * 1024 * 1024;

impl Default for Options {
    fn default() -> Options {
        Options {
            size: None,
            max_memory: DEFAULT_MAX,
            spool_dir: None,
            on_full: OnFull::Fail,
            on_short: OnShort::End,
            prefetch: 0,
            seek_gap: 256 * 1024,
            read_granularity: MAX_READ_GRANULARITY,
            prefetch_low: 0,
            thread: ThreadHooks::default(),
        }
    }
}
