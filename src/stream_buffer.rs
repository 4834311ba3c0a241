//! `StreamBuffer`: the buffer in the Rust API.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::buffer::read::{ReadRequest, Wait};
use crate::buffer::save::{self, SaveOptions};
use crate::buffer::stats::Stats;
use crate::cache::Lease;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::source::Source;
use crate::sync::rcu::DomainRef;
use crate::sync::shared::{Shared, try_box};

/// A stream that arrives once, readable at any offset, any number of times, from any number of
/// threads.
///
/// Clones refer to the same buffer. The buffer is freed with its last clone and its last
/// [`Cursor`](crate::Cursor): calls that are still inside fail with
/// [`Error::Canceled`](crate::Error::Canceled), the source is dropped, and the spool file is
/// deleted. A [`Pusher`](crate::Pusher) does not prevent that, but the memory and the spool file
/// stay until it is dropped too. In a child of `fork`, a buffer of the parent must be neither used
/// nor dropped.
///
/// ```
/// let stream = std::io::Cursor::new((0..=255u8).cycle().take(1_000_000).collect::<Vec<_>>());
/// let buffer = spoolbuf::StreamBuffer::builder(stream).max_memory(64 * 1024).open()?;
/// let mut out = [0; 4];
/// assert_eq!(buffer.read_at(513, &mut out)?, 4);
/// assert_eq!(out, [1, 2, 3, 4]);
/// assert_eq!(buffer.read_at(999_998, &mut out)?, 2); // the end
/// assert_eq!(buffer.read_at(0, &mut out)?, 4); // and back
/// # Ok::<(), spoolbuf::Error>(())
/// ```
#[derive(Clone)]
pub struct StreamBuffer {
    owner: Shared<BufferOwner>,
}

/// Frees the buffer when dropped, or ends the lease of a cache's buffer.
struct BufferOwner {
    buffer: Shared<Buffer>,
    lease: Option<Lease>,
}

impl Drop for BufferOwner {
    fn drop(&mut self) {
        if self.lease.is_none() {
            self.buffer.free();
        }
    }
}

impl StreamBuffer {
    pub(crate) fn from_options(
        source: impl Source + 'static,
        options: Options,
    ) -> Result<StreamBuffer> {
        StreamBuffer::over(Some(try_box(source)?), options)
    }

    /// A buffer whose bytes are pushed.
    pub(crate) fn without_source(options: Options) -> Result<StreamBuffer> {
        StreamBuffer::over(None, options)
    }

    fn over(source: Option<Box<dyn Source>>, options: Options) -> Result<StreamBuffer> {
        let prefetch = options.prefetch;
        let buffer = Buffer::new(source, options, DomainRef::own())?;
        let lease = None;
        let owner = Shared::try_new(BufferOwner { buffer, lease })?;
        let made = StreamBuffer { owner };
        if prefetch > 0 {
            made.prefetch(prefetch)?;
        }
        Ok(made)
    }

    /// A buffer that is a member of a budget.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn in_budget(
        source: impl Source + 'static,
        options: Options,
        budget: &Shared<crate::store::budget::Budget>,
    ) -> Result<StreamBuffer> {
        let source: Option<Box<dyn Source>> = Some(try_box(source)?);
        let buffer = Buffer::in_budget(source, options, DomainRef::own(), budget)?;
        let lease = None;
        let owner = Shared::try_new(BufferOwner { buffer, lease })?;
        Ok(StreamBuffer { owner })
    }

    /// The buffer of a cache's entry, which the lease keeps.
    pub(crate) fn leased(lease: Lease) -> Result<StreamBuffer> {
        let buffer = lease.buffer().clone();
        let lease = Some(lease);
        let owner = Shared::try_new(BufferOwner { buffer, lease })?;
        Ok(StreamBuffer { owner })
    }

    pub(crate) fn inner(&self) -> &Shared<Buffer> {
        &self.owner.buffer
    }

    /// Copies the bytes at `offset` to `out`, and blocks until they are buffered. Returns the
    /// number of bytes copied: all of `out`, or fewer if the resource ends or fails first. Returns
    /// 0 at or past the end.
    ///
    /// # Errors
    /// The error of the source, the disk or a cancellation. If bytes before an error were copied,
    /// they are returned first, and the next read fails. A cancellation fails the whole call.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let request = ReadRequest {
            all: true,
            wait: Wait::Forever,
            terms: None,
        };
        Ok(Buffer::read(self.inner(), offset, out, request)?)
    }

    /// Blocks only until the first byte at `offset` is buffered, at most for `timeout`, and returns
    /// the bytes that are buffered there. A timeout of zero makes it non-blocking: it never calls
    /// the source. With any other timeout, the source is called on a helper thread.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let buffer = spoolbuf::StreamBuffer::builder(&[1u8; 10][..]).max_memory(0).open()?;
    /// let mut out = [0; 100];
    /// let nothing = buffer.read_some(0, &mut out, Some(Duration::ZERO));
    /// assert!(matches!(nothing, Err(spoolbuf::Error::Timeout)));
    /// assert_eq!(buffer.read_some(0, &mut out, None)?, 10);
    /// # Ok::<(), spoolbuf::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read_at`](StreamBuffer::read_at), and [`Error::Timeout`](crate::Error::Timeout).
    pub fn read_some(
        &self,
        offset: u64,
        out: &mut [u8],
        timeout: Option<Duration>,
    ) -> Result<usize> {
        let request = ReadRequest {
            all: false,
            wait: Wait::from(timeout),
            terms: None,
        };
        Ok(Buffer::read(self.inner(), offset, out, request)?)
    }

    /// Reads the source to its end and saves the whole resource at `path` atomically. Returns its
    /// size.
    ///
    /// ```
    /// let buffer = spoolbuf::StreamBuffer::builder(&b"all of it"[..]).max_memory(0).open()?;
    /// # let path = std::env::temp_dir().join(format!("spoolbuf-doc-{}", std::process::id()));
    /// assert_eq!(buffer.save(&path)?, 9);
    /// assert_eq!(std::fs::read(&path)?, b"all of it");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`read_at`](StreamBuffer::read_at), and the errors of writing the file.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.save_with(path, SaveOptions::default(), |_, _| true)
    }

    /// Saves with options. `progress` is called with `(done, total)`, in bytes, after each step. It
    /// stops the save by returning false.
    ///
    /// # Errors
    /// As [`save`](StreamBuffer::save), and those that the options add.
    pub fn save_with(
        &self,
        path: impl AsRef<Path>,
        options: SaveOptions,
        mut progress: impl FnMut(u64, Option<u64>) -> bool,
    ) -> Result<u64> {
        Ok(save::to_path(
            self.inner(),
            path.as_ref(),
            options,
            &mut progress,
        )?)
    }

    /// Cancels every blocked call, and every later call that would need the source, until
    /// [`resume`](StreamBuffer::resume). Buffered bytes stay readable. Does nothing to a buffer of a
    /// [`Cache`](crate::Cache), which others read too: cancel a [`Cursor`](crate::Cursor).
    pub fn cancel(&self) {
        if self.owner.lease.is_none() {
            self.inner().cancel();
        }
    }

    /// Clears a source error, including [`Error::Short`](crate::Error::Short) and a panic, but not
    /// a cancellation. The source is called again at its current position.
    pub fn retry(&self) {
        self.inner().retry();
    }

    /// Clears a cancellation and a source error. The source is called again at its current
    /// position.
    pub fn resume(&self) {
        self.inner().resume();
    }

    /// Replaces the source by another one of the same resource, since its URL has expired, say, or its
    /// connection has died. Buffered bytes stay. The new source starts at offset 0 and is asked for
    /// what is missing: by a jump if it can seek, else by reading it from its start. `size` is the
    /// declared size, if none is known.
    ///
    /// Blocked calls go on with the new source at once. The old one is dropped; if a thread is inside
    /// it, it is interrupted, the bytes that it still delivers are discarded, and it is dropped when
    /// it returns. Clears a source error, but not a cancellation. If every byte is buffered already,
    /// the new source is dropped.
    ///
    /// Bytes that the new source delivers again are compared with the buffered ones. A source that can
    /// seek delivers up to 4 KiB beside each gap that it fills again. If they differ, calls that need
    /// the source fail with an error that [is a mismatch](crate::Error::is_mismatch), until another
    /// reopen. This is a check, not a proof: compare validators (ETag, Last-Modified, the size) where
    /// there are some.
    ///
    /// ```
    /// use std::io::{self, Read};
    ///
    /// /// Delivers 600 bytes, and then fails.
    /// struct Expires(usize);
    ///
    /// impl Read for Expires {
    ///     fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
    ///         let count = out.len().min(self.0);
    ///         if count == 0 {
    ///             return Err(io::ErrorKind::PermissionDenied.into());
    ///         }
    ///         out[..count].fill(7);
    ///         self.0 -= count;
    ///         Ok(count)
    ///     }
    /// }
    ///
    /// let buffer = spoolbuf::StreamBuffer::new(Expires(600))?;
    /// let mut out = [0; 1000];
    /// assert_eq!(buffer.read_at(0, &mut out)?, 600);
    /// assert!(buffer.read_at(600, &mut out).is_err());
    /// buffer.reopen(io::Cursor::new(vec![7; 1000]), None)?;
    /// assert_eq!(buffer.read_at(0, &mut out)?, 1000);
    /// # Ok::<(), spoolbuf::Error>(())
    /// ```
    ///
    /// # Errors
    /// After an error nothing has changed, and the new source is dropped.
    /// [`Error::Size`](crate::Error::Size) if `size` is not the final size, if that is known, or below
    /// the end of the buffered bytes.
    /// [`Error::Unsupported`](crate::Error::Unsupported) if the bytes are pushed, there is a
    /// [`window`](crate::Builder::window), or the buffer is that of a [`Cache`](crate::Cache), which
    /// reopens it itself.
    /// [`Error::NoMemory`](crate::Error::NoMemory).
    pub fn reopen(&self, source: impl Source + 'static, size: Option<u64>) -> Result<()> {
        if self.owner.lease.is_some() {
            return Err(Error::Unsupported);
        }
        Buffer::reopen(self.inner(), try_box(source)?, size)
    }

    /// Makes a helper thread keep `ahead` bytes buffered past the furthest read. `u64::MAX` means
    /// everything; 0 stops the prefetch.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::Error::NoMemory) if the thread cannot be created.
    pub fn prefetch(&self, ahead: u64) -> Result<()> {
        Buffer::prefetch(self.inner(), ahead)
    }

    /// Spills all buffered bytes to the spool file, except the segment that the source is filling.
    ///
    /// # Errors
    /// [`Error::DiskFull`](crate::Error::DiskFull), [`Error::Io`](crate::Error::Io): the bytes that
    /// could not be spilled are still in memory.
    pub fn spill(&self) -> Result<()> {
        self.inner().spill()
    }

    /// Changes the memory limit, in bytes. Spills until memory is within it, except the segment that
    /// the source is filling.
    ///
    /// ```
    /// let buffer = spoolbuf::StreamBuffer::new(&[1u8; 1000][..])?;
    /// buffer.read_at(0, &mut [0; 1000])?;
    /// buffer.set_max_memory(0)?;
    /// assert_eq!(buffer.stats().memory, 0);
    /// # Ok::<(), spoolbuf::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`spill`](StreamBuffer::spill). The new limit applies all the same.
    pub fn set_max_memory(&self, bytes: u64) -> Result<()> {
        Buffer::set_max_memory(self.inner(), bytes)
    }

    /// Returns the final size, else the declared size unless it has been disproved, else `None`.
    pub fn size(&self) -> Option<u64> {
        self.inner().gate.lock().extent().size()
    }

    /// Returns the size if it is a fact: the final size, else the declared size if
    /// [`trust_size`](crate::Builder::trust_size) is set and it has not been disproved, else `None`.
    ///
    /// ```
    /// let hint = spoolbuf::StreamBuffer::builder(&b"bytes"[..]).size(4).open()?;
    /// assert_eq!((hint.size(), hint.known_size()), (Some(4), None));
    /// let fact = spoolbuf::StreamBuffer::builder(&b"bytes"[..]).size(5).trust_size(true).open()?;
    /// assert_eq!(fact.known_size(), Some(5));
    /// # Ok::<(), spoolbuf::Error>(())
    /// ```
    pub fn known_size(&self) -> Option<u64> {
        self.inner().gate.lock().extent().known_size()
    }

    /// Returns the final size. Until it is known, blocks for at most `timeout`, and reads the source
    /// to its end, as [`read_some`](StreamBuffer::read_some) does. A source that can seek is sent to
    /// the end of the declared size instead.
    ///
    /// ```
    /// let buffer = spoolbuf::StreamBuffer::builder(&[1u8; 1000][..]).size(900).open()?;
    /// assert_eq!(buffer.find_size(None)?, 1000);
    /// # Ok::<(), spoolbuf::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read_some`](StreamBuffer::read_some).
    pub fn find_size(&self, timeout: Option<Duration>) -> Result<u64> {
        Ok(Buffer::find_size(self.inner(), Wait::from(timeout), None)?)
    }

    /// Returns the number of bytes that can be read at `offset` without blocking.
    pub fn buffered(&self, offset: u64) -> u64 {
        self.inner().gate.lock().extent().buffered(offset)
    }

    /// Returns the buffered ranges, in order.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        self.inner().gate.lock().extent().ranges().iter().collect()
    }

    /// Returns a snapshot.
    pub fn stats(&self) -> Stats {
        let mut stats = self.inner().stats();
        stats.spool_dir = self.inner().store.spool_directory().map(Path::to_path_buf);
        stats
    }
}

#[cfg(test)]
impl StreamBuffer {
    /// Truncates the spool file, as a disk fault would.
    pub(crate) fn cut_spool(&self, size: u64) {
        self.inner().store.spool().expect("a spool file").cut(size);
    }
}

impl std::fmt::Debug for StreamBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stats().fmt(f)
    }
}
