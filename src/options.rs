//! What a buffer may be told when it is made.

use std::path::PathBuf;

/// What a disk that is full, or fails, does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// Reads that need more fail with [`Error::DiskFull`](crate::Error::DiskFull) or
    /// [`Error::Io`](crate::Error::Io); memory stays within its limit.
    #[default]
    Fail,
    /// Goes on in memory past the limit, until the disk has room again.
    Memory,
}

/// What a source that ends below the declared size means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnShort {
    /// The end. The source's word wins over the declared size.
    #[default]
    End,
    /// [`Error::Short`](crate::Error::Short): more may come when the source is asked again.
    Error,
}

/// Options of a [`StreamBuffer`](crate::StreamBuffer). More may come: end with
/// `..Default::default()`.
///
/// ```
/// # fn main() -> spoolbuf::Result<()> {
/// let options = spoolbuf::Options { max: 64 * 1024, ..Default::default() };
/// let buffer = spoolbuf::StreamBuffer::with_options(&b"some bytes"[..], options)?;
/// assert_eq!(buffer.size(), None);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The declared size in bytes: a hint, never trusted. Default: unknown.
    pub size: Option<u64>,
    /// The memory part's limit in bytes. Default: 5 MiB.
    pub max: u64,
    /// The directory of the spool file, looked at at the first spill. Default: `TMPDIR`, else the
    /// system's own, else `/var/tmp` where that one is kept in memory.
    pub spool_dir: Option<PathBuf>,
    /// What a full disk does. Default: reads fail.
    pub on_full: OnFull,
    /// What an end below the declared size means. Default: the end.
    pub on_short: OnShort,
    /// Bytes to keep ready past the furthest read, by a helper thread. Default: 0, none.
    pub prefetch: u64,
    /// The largest gap, in bytes, that is read through where the source could seek over it.
    /// Default: 256 KiB.
    pub seek_gap: u64,
    /// The source is asked for what is needed rounded up to a multiple of this, in bytes, at most
    /// 16 KiB; 0 for exactly what is needed. Default: 16 KiB.
    pub round_up: u32,
}

/// The most by which a request is rounded up, in bytes.
pub(crate) const ROUND_UP_MOST: u32 = 16 * 1024;

/// The default memory limit, in bytes.
pub(crate) const DEFAULT_MAX: u64 = 5 * 1024 * 1024;

impl Default for Options {
    fn default() -> Options {
        Options {
            size: None,
            max: DEFAULT_MAX,
            spool_dir: None,
            on_full: OnFull::Fail,
            on_short: OnShort::End,
            prefetch: 0,
            seek_gap: 256 * 1024,
            round_up: ROUND_UP_MOST,
        }
    }
}
