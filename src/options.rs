//! The options of a buffer.

use std::path::PathBuf;

/// What happens when the disk is full or fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// Reads that need more space fail with [`Error::DiskFull`](crate::Error::DiskFull) or
    /// [`Error::Io`](crate::Error::Io). Memory stays within its limit.
    #[default]
    Fail,
    /// The buffer grows in memory past the limit until the disk has space again.
    Memory,
}

/// What an end below the declared size means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnShort {
    /// The end of the resource: the source takes precedence over the declared size.
    #[default]
    End,
    /// [`Error::Short`](crate::Error::Short): more bytes may arrive when the source is called
    /// again.
    Error,
}

/// Options of a [`StreamBuffer`](crate::StreamBuffer). Later versions may add some, so end with
/// `..Default::default()`.
///
/// ```
/// # fn main() -> spoolbuf::Result<()> {
/// let options = spoolbuf::Options { max_memory: 64 * 1024, ..Default::default() };
/// let buffer = spoolbuf::StreamBuffer::with_options(&b"some bytes"[..], options)?;
/// assert_eq!(buffer.size(), None);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The declared size in bytes: a hint that is never trusted. Default: unknown.
    pub size: Option<u64>,
    /// The memory limit in bytes. Default: 5 MiB.
    pub max_memory: u64,
    /// The directory of the spool file, not accessed before the first spill. Default: `TMPDIR`,
    /// else the system's temporary directory, or `/var/tmp` if that one is kept in memory.
    pub spool_dir: Option<PathBuf>,
    /// What happens when the disk is full. Default: reads fail.
    pub on_full: OnFull,
    /// What an end below the declared size means. Default: the end.
    pub on_short: OnShort,
    /// The number of bytes that a helper thread keeps buffered past the furthest read. Default: 0,
    /// none.
    pub prefetch: u64,
    /// If the source can seek, a gap of at most this many bytes is read through, and a larger one
    /// is sought over. Default: 256 KiB.
    pub seek_gap: u64,
    /// The source is asked for the bytes that are needed, rounded up to a multiple of this many
    /// bytes, which is at most 16 KiB. 0 requests exactly what is needed. Default: 16 KiB.
    pub read_granularity: u32,
    /// With a prefetch, the helper fetches once fewer than this many bytes are buffered past the
    /// furthest read, until as many as the prefetch keeps are. More than that counts as that.
    /// Default: 0, half of what the prefetch keeps.
    pub prefetch_low: u64,
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
        }
    }
}
