//! `StreamBuffer`: the buffer as Rust sees it.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::buffer::read::{Limit, Wish};
use crate::buffer::save::{self, SaveOptions};
use crate::buffer::stats::Stats;
use crate::error::Result;
use crate::options::Options;
use crate::source::Source;
use crate::sync::rcu::Keeper;
use crate::sync::shared::{Shared, try_box};

/// A stream that arrives once, readable anywhere, any number of times, from any number of threads.
///
/// Clones are the same buffer. It ends with its last clone and its last [`Cursor`]: calls that are
/// inside then fail with [`Error::Canceled`](crate::Error::Canceled), the source is dropped, the
/// spool file goes. In a child of `fork` a buffer from before is neither used nor dropped.
///
/// ```
/// let stream = std::io::Cursor::new((0..=255u8).cycle().take(1_000_000).collect::<Vec<_>>());
/// let buffer = spoolbuf::StreamBuffer::new(stream, None, 64 * 1024)?;
/// let mut out = [0; 4];
/// assert_eq!(buffer.read_at(513, &mut out)?, 4);
/// assert_eq!(out, [1, 2, 3, 4]);
/// assert_eq!(buffer.read_at(999_998, &mut out)?, 2); // the end
/// assert_eq!(buffer.read_at(0, &mut out)?, 4); // and back
/// # Ok::<(), spoolbuf::Error>(())
/// ```
#[derive(Clone)]
pub struct StreamBuffer {
    owner: Shared<Owner>,
}

/// Ends the buffer when it goes.
struct Owner(Shared<Buffer>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.free();
    }
}

impl StreamBuffer {
    /// A buffer over a source, of the declared size (a hint, never trusted), that keeps up to `max`
    /// bytes in memory. Starts no thread, opens no file, reads nothing.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::Error::NoMemory).
    pub fn new(source: impl Source + 'static, size: Option<u64>, max: u64) -> Result<StreamBuffer> {
        StreamBuffer::with_options(
            source,
            Options {
                size,
                max,
                ..Options::default()
            },
        )
    }

    /// A buffer with [`Options`].
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::Error::NoMemory).
    pub fn with_options(source: impl Source + 'static, options: Options) -> Result<StreamBuffer> {
        let prefetch = options.prefetch;
        let buffer = Buffer::new(try_box(source)?, options, Keeper::own())?;
        let owner = Shared::try_new(Owner(buffer))?;
        let made = StreamBuffer { owner };
        if prefetch > 0 {
            made.prefetch(prefetch)?;
        }
        Ok(made)
    }

    pub(crate) fn inner(&self) -> &Shared<Buffer> {
        &self.owner.0
    }

    /// Copies the bytes at `offset` to `out`, waiting for what is missing, and returns how many:
    /// all of `out`, or fewer when the resource ends or fails first. At or past the end: 0.
    ///
    /// # Errors
    /// What the source, the disk or a cancel did, at the first byte that it kept from coming.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let wish = Wish {
            all: true,
            limit: Limit::None,
            cancel_token: None,
        };
        Buffer::read(self.inner(), offset, out, wish)
    }

    /// Waits only until the first byte at `offset` is there, at most for `timeout`, and returns
    /// what is there. With a limit of zero it never waits and never calls the source; with any
    /// limit the source is called on a helper thread.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let buffer = spoolbuf::StreamBuffer::new(&[1u8; 10][..], None, 0)?;
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
        let limit = match timeout {
            None => Limit::None,
            Some(Duration::ZERO) => Limit::Now,
            Some(time) => Limit::Within(time),
        };
        Buffer::read(
            self.inner(),
            offset,
            out,
            Wish {
                all: false,
                limit,
                cancel_token: None,
            },
        )
    }

    /// Reads to the end and puts the whole resource at `path`: completely or not at all. Returns
    /// its size.
    ///
    /// ```
    /// let buffer = spoolbuf::StreamBuffer::new(&b"all of it"[..], None, 0)?;
    /// # let path = std::env::temp_dir().join(format!("spoolbuf-doc-{}", std::process::id()));
    /// assert_eq!(buffer.save(&path)?, 9);
    /// assert_eq!(std::fs::read(&path)?, b"all of it");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`read_at`](StreamBuffer::read_at), and what kept the file from being written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.save_with(path, SaveOptions::default(), |_, _| true)
    }

    /// Saves with options. `progress` is told `(done, total)` in bytes after each step and stops
    /// the save by returning false.
    ///
    /// # Errors
    /// As [`save`](StreamBuffer::save), and as the options say.
    pub fn save_with(
        &self,
        path: impl AsRef<Path>,
        options: SaveOptions,
        mut progress: impl FnMut(u64, Option<u64>) -> bool,
    ) -> Result<u64> {
        save::to_path(self.inner(), path.as_ref(), options, &mut progress)
    }

    /// Stops every call that waits, and those that would need the source, until
    /// [`resume`](StreamBuffer::resume). Buffered bytes stay readable.
    pub fn cancel(&self) {
        self.inner().cancel();
    }

    /// Clears a source's failure, [`Error::Short`](crate::Error::Short) and a panic too: the source is
    /// asked again, where it stands. Leaves a cancel.
    pub fn retry(&self) {
        self.inner().retry();
    }

    /// Clears a cancel and a source's failure: the source is asked again, where it stands.
    pub fn resume(&self) {
        self.inner().resume();
    }

    /// Has a helper thread keep `ahead` bytes ready past the furthest read; `u64::MAX` everything,
    /// 0 none.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::Error::NoMemory) if no thread can be had.
    pub fn prefetch(&self, ahead: u64) -> Result<()> {
        Buffer::prefetch(self.inner(), ahead)
    }

    /// Moves what is in memory to the spool file, but for what the source is filling right now.
    ///
    /// # Errors
    /// [`Error::DiskFull`](crate::Error::DiskFull), [`Error::Io`](crate::Error::Io): what could not be moved is still in memory.
    pub fn spill(&self) -> Result<()> {
        self.inner().spill()
    }

    /// The final size, else the declared one as long as nothing has disproved it, else `None`.
    pub fn size(&self) -> Option<u64> {
        self.inner().gate.lock().size()
    }

    /// Bytes readable at `offset` without waiting.
    pub fn buffered(&self, offset: u64) -> u64 {
        self.inner().gate.lock().buffered(offset)
    }

    /// What is buffered, in order.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        self.inner().gate.lock().ranges.iter().collect()
    }

    /// A snapshot.
    pub fn stats(&self) -> Stats {
        let mut stats = self.inner().stats();
        stats.spool_dir = self.inner().store.spool_directory().map(Path::to_path_buf);
        stats
    }
}

#[cfg(test)]
impl StreamBuffer {
    /// Cuts the spool file, as a fault of the disk would.
    pub(crate) fn cut_spool(&self, size: u64) {
        self.inner().store.spool().expect("a spool file").cut(size);
    }
}

impl std::fmt::Debug for StreamBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stats().fmt(f)
    }
}
