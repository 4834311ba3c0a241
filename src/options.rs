//! The options of a buffer.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

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
    pub(crate) trusts_size: bool,
    pub(crate) max_memory: u64,
    pub(crate) spool_dir: Option<PathBuf>,
    pub(crate) on_full: OnFull,
    pub(crate) on_short: OnShort,
    pub(crate) prefetch: u64,
    pub(crate) seek_gap: u64,
    pub(crate) read_granularity: u32,
    pub(crate) prefetch_low: u64,
    pub(crate) ahead: u64,
    /// The number of bytes to keep behind the newest; 0 for all.
    pub(crate) window: u64,
    pub(crate) thread: ThreadHooks,
}

/// How a [`Cursor`](crate::Cursor) reads, for [`cursor_with`](crate::StreamBuffer::cursor_with).
///
/// ```
/// use std::io::Read;
///
/// let buffer = spoolbuf::StreamBuffer::new(&[1u8; 10][..])?;
/// let options = spoolbuf::CursorOptions::new().buffered(true);
/// let mut peek = buffer.cursor_with(options)?;
/// // Not buffered yet, and this cursor does not call the source.
/// assert_eq!(peek.read(&mut [0; 4]).unwrap_err().kind(), std::io::ErrorKind::TimedOut);
/// # Ok::<(), spoolbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct CursorOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) buffered: bool,
    pub(crate) reach: u64,
}

impl Default for CursorOptions {
    fn default() -> CursorOptions {
        CursorOptions {
            timeout: None,
            buffered: false,
            reach: u64::MAX,
        }
    }
}

impl CursorOptions {
    /// Returns the options of [`cursor`](crate::StreamBuffer::cursor).
    pub fn new() -> CursorOptions {
        CursorOptions::default()
    }

    /// The longest time that a call blocks, as for
    /// [`read_some`](crate::StreamBuffer::read_some): it then fails with
    /// [`Error::Timeout`](crate::Error::Timeout). Zero never calls the source; with any other
    /// timeout a helper thread does. Default: `None`, no timeout.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> CursorOptions {
        self.timeout = timeout.into();
        self
    }

    /// Whether only bytes are read that are buffered, or that arrive for others before the timeout.
    /// The source is never called for this cursor, and the prefetch does not follow it. Without a
    /// timeout it never blocks. Default: false.
    pub fn buffered(mut self, buffered: bool) -> CursorOptions {
        self.buffered = buffered;
        self
    }

    /// The most bytes by which the position may pass the buffered ones, if the source cannot seek
    /// or the bytes are pushed. A seek further ahead fails at once with
    /// [`Error::Unsupported`](crate::Error::Unsupported) and leaves the position, instead of the
    /// next read fetching all bytes up to there. Within the buffered bytes every seek works. For
    /// players and parsers, which look at the end if they can; 64 KiB suits them. Default:
    /// `None`, no limit.
    pub fn reach(mut self, reach: impl Into<Option<u64>>) -> CursorOptions {
        self.reach = reach.into().unwrap_or(u64::MAX);
        self
    }
}

/// The largest value of `read_granularity`, in bytes.
pub(crate) const MAX_READ_GRANULARITY: u32 = 16 * 1024;

/// The default memory limit, in bytes.
pub(crate) const DEFAULT_MAX: u64 = 5 * 1024 * 1024;

impl Default for Options {
    fn default() -> Options {
        Options {
            size: None,
            trusts_size: false,
            max_memory: DEFAULT_MAX,
            spool_dir: None,
            on_full: OnFull::Fail,
            on_short: OnShort::End,
            prefetch: 0,
            seek_gap: 256 * 1024,
            read_granularity: MAX_READ_GRANULARITY,
            prefetch_low: 0,
            ahead: 0,
            window: 0,
            thread: ThreadHooks::default(),
        }
    }
}
