//! `Cache`: many buffers under one budget, in the Rust API.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::cache::{self, CacheOptions, CacheStats, OpenWait, Opened, Opener, Unnamed};
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::options::{CursorOptions, OnShort, ThreadHook};
use crate::source::Source;
use crate::stream_buffer::StreamBuffer;
use crate::sync::shared::{Shared, try_box};

/// Many buffers under one budget, each known by a key.
///
/// [`open`](Cache::open) returns a [`Cursor`] over the buffer of a key. If there is none, the cache
/// calls the *opener*, once for all threads that ask for that key meanwhile. A cursor is a lease: as
/// long as it lives, its buffer is kept. A buffer without a cursor is kept until the cache needs its
/// room, has been idle too long, or is removed; the least recently used one goes first.
///
/// The limits hold at every instant, except for up to 256 KiB for each buffer that is being filled.
/// Beyond `max_memory` the oldest bytes of any buffer move to its temporary file. Beyond `max_disk`, or
/// if the disk itself takes no bytes, a buffer that is not in use is evicted. If each one is in use, reads
/// that need room fail.
///
/// When the last cursor of an incomplete buffer is dropped, its source is dropped too. The next open
/// calls the opener, and the buffer goes on if the tag is the same.
///
/// Clones refer to the same cache. The last one frees it: cursors that are left fail with
/// [`Error::Canceled`] for bytes that are not buffered.
///
/// ```
/// use std::io::Read;
///
/// use spoolbuf::{Cache, Resource};
///
/// let cache = Cache::builder(|key: &[u8], _old_tag| {
///     // A request, say, for the URL in `key`.
///     Ok(Resource::new(std::io::Cursor::new(key.repeat(1000))))
/// })
/// .max_memory(64 << 20)
/// .max_disk(512 << 20)
/// .build()?;
/// let mut text = String::new();
/// cache.open("abc")?.read_to_string(&mut text)?;
/// assert_eq!(text.len(), 3000);
/// cache.open("abc")?;
/// assert_eq!(cache.stats().hits, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Cache {
    owner: Shared<CloseOnDrop>,
}

/// Frees the cache when dropped, even if a helper thread still uses it.
struct CloseOnDrop(Shared<cache::BufferCache>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What an opener found: the resource of a key.
pub struct Resource {
    source: Option<Result<Box<dyn Source>>>,
    size: Option<u64>,
    tag: u64,
}

impl Resource {
    /// A resource with its source. Its size and tag are not known.
    pub fn new(source: impl Source + 'static) -> Resource {
        let source = try_box(source).map(|source| source as Box<dyn Source>);
        Resource {
            source: Some(source),
            size: None,
            tag: 0,
        }
    }

    /// The resource still has the bytes with the old tag, which the opener got, and no source is
    /// needed. If the old tag is 0, a source is needed, and the open fails with [`Error::Invalid`].
    pub fn unchanged(old_tag: u64) -> Resource {
        Resource {
            source: None,
            size: None,
            tag: old_tag,
        }
    }

    /// The declared size in bytes, a hint.
    #[must_use]
    pub fn size(mut self, size: impl Into<Option<u64>>) -> Resource {
        self.size = size.into();
        self
    }

    /// Identifies the bytes: a hash of the ETag, say. Two resources of a key with equal tags have the
    /// same bytes, except that 0, the default, is equal to nothing.
    #[must_use]
    pub fn tag(mut self, tag: u64) -> Resource {
        self.tag = tag;
        self
    }
}

/// Creates a [`Cache`] with options; made by [`Cache::builder`].
#[must_use = "a builder creates the cache in `build`"]
pub struct CacheBuilder<F> {
    open: F,
    options: CacheOptions,
}

impl Cache {
    /// Returns a builder. `open` is called with a key and the tag of the bytes that the cache has of
    /// it, 0 if there are none or a source is needed for more. It is called without a lock, on a thread
    /// that opens the key or, with a timeout, on a helper thread. Its error reaches every caller who
    /// waits for that key, and is not remembered.
    pub fn builder<F>(open: F) -> CacheBuilder<F>
    where
        F: Fn(&[u8], u64) -> io::Result<Resource> + Send + Sync + 'static,
    {
        let options = CacheOptions::default();
        CacheBuilder { open, options }
    }

    /// Returns a cursor at the start of the resource of a key.
    ///
    /// # Errors
    /// - [`Error::Source`]: the opener's error, which is its `cause`. [`Error::Canceled`], if it carried
    ///   that. [`Error::Panic`]: the opener panicked.
    /// - [`Error::Invalid`]: the key is empty or longer than 4,096 bytes, or the opener returned no
    ///   source although one is needed.
    /// - [`Error::Size`]: the opener returned the same tag, and a size that the bytes contradict. The
    ///   next open makes a new buffer.
    /// - [`Error::Reentrant`]: the opener opens its own key, or one whose opener waits for it; or the
    ///   call came from a log function, a ready function or a thread hook, and would block.
    /// - [`Error::NoMemory`]: memory runs out.
    pub fn open(&self, key: impl AsRef<[u8]>) -> Result<Cursor> {
        self.open_with(key, CursorOptions::new())
    }

    /// The same with a timeout, which also bounds the wait for the opener, or for buffered bytes
    /// only: then the opener is not called. An event loop can poll with a timeout of zero: if nobody
    /// waits when the opener returns, what it brings is for the next open of the key, for 5 seconds.
    ///
    /// # Errors
    /// As [`open`](Cache::open), and [`Error::Timeout`]: the opener did not return in time, or there is
    /// no buffer and the opener is not called. [`Error::NoMemory`] also if no helper thread can be
    /// created.
    pub fn open_with(&self, key: impl AsRef<[u8]>, options: CursorOptions) -> Result<Cursor> {
        let wait = OpenWait {
            timeout: options.timeout,
            buffered: options.buffered,
        };
        let lease = cache::BufferCache::open(&self.owner.0, key.as_ref(), wait)?;
        StreamBuffer::leased(lease)?.cursor_with(options)
    }

    /// Removes a key: the next open calls the opener with the old tag 0. Cursors keep the old bytes.
    ///
    /// # Errors
    /// [`Error::Invalid`]: the key is empty or longer than 4,096 bytes.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.owner.0.remove(Some(key.as_ref()))
    }

    /// Removes everything that has no cursor.
    pub fn remove_idle(&self) {
        // Only a key can be invalid.
        let _ = self.owner.0.remove(None);
    }

    /// Spills and evicts once, until no more than this many bytes are used, as far as buffers in use
    /// allow. The limits stay.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]: the bytes that could not be spilled are still in memory.
    pub fn trim(&self, max_memory: u64, max_disk: u64) -> Result<()> {
        self.owner.0.trim(max_memory, max_disk)
    }

    /// Returns a snapshot.
    pub fn stats(&self) -> CacheStats {
        self.owner.0.stats()
    }
}

impl<F> CacheBuilder<F>
where
    F: Fn(&[u8], u64) -> io::Result<Resource> + Send + Sync + 'static,
{
    /// The most memory for all buffers together, in bytes. Default: 64 MiB.
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.options.max_memory = bytes;
        self
    }

    /// The most disk space for all buffers together, in bytes. Default: 512 MiB.
    pub fn max_disk(mut self, bytes: u64) -> Self {
        self.options.max_disk = bytes;
        self
    }

    /// The free space to leave on the file system of the temporary files, in bytes. It is measured
    /// now and then, so this is a best effort. Default: 0.
    pub fn min_free(mut self, bytes: u64) -> Self {
        self.options.min_free = bytes;
        self
    }

    /// A buffer of more bytes than this is evicted before all others once it has no cursor. Default:
    /// 0, an eighth of the budget, memory and disk.
    pub fn max_entry(mut self, bytes: u64) -> Self {
        self.options.max_entry = bytes;
        self
    }

    /// How long a buffer is handed out without asking the opener whether its bytes are still the
    /// same, rounded up to milliseconds. Zero asks it at each open. Default: `None`, no limit.
    pub fn fresh(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.options.fresh_ms = milliseconds(time.into());
        self
    }

    /// How long a buffer without a cursor is kept although there is room, rounded up to milliseconds.
    /// Zero keeps none. Default: `None`, no limit.
    pub fn idle(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.options.idle_ms = milliseconds(time.into());
        self
    }

    /// The most helper threads, which all buffers share. They are started as they are needed: for
    /// prefetches, for cursors with a timeout and for opens with one. While all of them are blocked in
    /// sources and openers that stall, others wait for one, within their timeouts. At least 1, and at
    /// most 256. Default: 4.
    pub fn threads(mut self, most: u32) -> Self {
        self.options.threads = most;
        self
    }

    /// Called on each helper thread before its first work, as for
    /// [`Builder`](crate::Builder::thread_begin).
    pub fn thread_begin(mut self, hook: ThreadHook) -> Self {
        self.options.thread.begin = Some(hook);
        self
    }

    /// Called as the last act of each helper thread. Default: none.
    pub fn thread_end(mut self, hook: ThreadHook) -> Self {
        self.options.thread.end = Some(hook);
        self
    }

    /// What an end below the declared size means, as for [`Builder`](crate::Builder::on_short).
    pub fn on_short(mut self, on_short: OnShort) -> Self {
        self.options.on_short = on_short;
        self
    }

    /// The number of bytes kept buffered past the furthest read of each buffer. Default: 0, none.
    pub fn prefetch(mut self, bytes: u64) -> Self {
        self.options.prefetch = bytes;
        self
    }

    /// As for [`Builder`](crate::Builder::prefetch_low).
    pub fn prefetch_low(mut self, bytes: u64) -> Self {
        self.options.prefetch_low = bytes;
        self
    }

    /// The directory of the temporary files, as for [`Builder`](crate::Builder::spool_dir).
    pub fn spool_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.options.spool_dir = Some(directory.into());
        self
    }

    /// Creates the cache. Calls nothing and opens no file.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn build(self) -> Result<Cache> {
        let opener = try_box(Closure(self.open))?;
        let made = cache::BufferCache::new(opener, try_box(Unnamed)?, self.options)?;
        let owner = Shared::try_new(CloseOnDrop(Shared::try_new(made)?))?;
        Ok(Cache { owner })
    }
}

/// An opener written in Rust.
struct Closure<F>(F);

impl<F> Opener for Closure<F>
where
    F: Fn(&[u8], u64) -> io::Result<Resource> + Send + Sync,
{
    fn open(&self, key: &[u8], old_tag: u64) -> Result<Opened> {
        let Resource { source, size, tag } = (self.0)(key, old_tag).map_err(Error::from_source)?;
        let source = source.transpose()?;
        Ok(Opened { source, size, tag })
    }
}

fn milliseconds(time: Option<Duration>) -> i64 {
    time.map_or(-1, |time| {
        i64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
    })
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stats().fmt(f)
    }
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resource")
            .field("size", &self.size)
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

impl<F> std::fmt::Debug for CacheBuilder<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.options.fmt(f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_no_time_at_all_is_zero() {
        assert_eq!(milliseconds(None), -1);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::from_millis(7))), 7);
        assert_eq!(milliseconds(Some(Duration::MAX)), i64::MAX);
    }

    /// Less than a millisecond is neither "at each open" nor "keep none".
    #[test]
    fn times_are_rounded_up() {
        let build = |time: Option<Duration>| {
            let builder = Cache::builder(|_, _| Ok(Resource::new(&b"bytes"[..])));
            let CacheBuilder { options, .. } = builder.fresh(time).idle(time);
            (options.fresh_ms, options.idle_ms)
        };
        assert_eq!(build(None), (-1, -1));
        assert_eq!(build(Some(Duration::ZERO)), (0, 0));
        assert_eq!(build(Some(Duration::from_nanos(1))), (1, 1));
        assert_eq!(build(Some(Duration::from_micros(7001))), (8, 8));
    }
}
