//! Creates buffers in the Rust API: `Builder` has one method for each option.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::options::{MAX_READ_GRANULARITY, OnFull, OnShort, Options, ThreadHook};
use crate::source::Source;
use crate::stream_buffer::StreamBuffer;

impl StreamBuffer {
    /// Creates a buffer over a source, with the default options: 5 MiB of memory, no declared size.
    /// Starts no thread, opens no file and reads nothing.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::Error::NoMemory).
    pub fn new(source: impl Source + 'static) -> Result<StreamBuffer> {
        StreamBuffer::builder(source).open()
    }

    /// Returns a builder, which creates a buffer over a source with other options.
    pub fn builder<S: Source + 'static>(source: S) -> Builder<S> {
        Builder::with(source)
    }
}

/// Creates a [`StreamBuffer`] with options; made by [`StreamBuffer::builder`] for one with a source,
/// and by [`StreamBuffer::pushed`] for one without.
///
/// ```
/// let buffer = spoolbuf::StreamBuffer::builder(&b"some bytes"[..])
///     .size(10)
///     .max_memory(64 * 1024)
///     .open()?;
/// assert_eq!(buffer.size(), Some(10));
/// # Ok::<(), spoolbuf::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder creates the buffer in `open`"]
pub struct Builder<S> {
    source: S,
    options: Options,
}

impl<S> Builder<S> {
    pub(crate) fn with(source: S) -> Builder<S> {
        Builder {
            source,
            options: Options::default(),
        }
    }

    pub(crate) fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    pub(crate) fn into_options(self) -> Options {
        self.options
    }

    /// The declared size in bytes: a hint that is never trusted. Default: unknown.
    pub fn size(mut self, size: impl Into<Option<u64>>) -> Builder<S> {
        self.options.size = size.into();
        self
    }

    /// Whether the declared size, or the one that the source states, is a fact:
    /// [`known_size`](StreamBuffer::known_size) then returns it before the end is known. Set it only
    /// for a size that cannot be wrong, and not for that of a file that still grows. Default: false.
    pub fn trust_size(mut self, trusts: bool) -> Builder<S> {
        self.options.trusts_size = trusts;
        self
    }

    /// The memory limit in bytes; `u64::MAX` never spills. Default: 5 MiB.
    pub fn max_memory(mut self, bytes: u64) -> Builder<S> {
        self.options.max_memory = bytes;
        self
    }

    /// The directory of the spool file, not accessed before the first spill. Default: the first of
    /// these in which a file can be created: `TMPDIR`, if it is set; the system's temporary
    /// directory; `/var/tmp`, which comes before a temporary directory that is kept in memory.
    pub fn spool_dir(mut self, directory: impl Into<PathBuf>) -> Builder<S> {
        self.options.spool_dir = Some(directory.into());
        self
    }

    /// What happens when the disk is full. Default: reads fail.
    pub fn on_full(mut self, on_full: OnFull) -> Builder<S> {
        self.options.on_full = on_full;
        self
    }

    /// What an end below the declared size means. Default: the end.
    pub fn on_short(mut self, on_short: OnShort) -> Builder<S> {
        self.options.on_short = on_short;
        self
    }

    /// The number of bytes that a helper thread keeps buffered past the furthest read; `u64::MAX`
    /// means everything. Default: 0, none.
    pub fn prefetch(mut self, bytes: u64) -> Builder<S> {
        self.options.prefetch = bytes;
        self
    }

    /// With a prefetch, the helper fetches once fewer than this many bytes are buffered past the
    /// furthest read, until as many as the prefetch keeps are. More than that counts as that.
    /// Default: 0, half of what the prefetch keeps.
    pub fn prefetch_low(mut self, bytes: u64) -> Builder<S> {
        self.options.prefetch_low = bytes;
        self
    }

    /// For streams without an end: the number of bytes to keep behind the newest. At least that many
    /// stay readable, and at most 512 KiB more. Older ones are dropped, in memory and in the spool
    /// file, and reading there fails with [`Error::Lapped`]. Default: 0, which keeps all bytes.
    ///
    /// The buffer is then forward only. The source is never sought. Pushes are accepted only where the
    /// buffered bytes end. A prefetch keeps at most that many bytes ahead, so that it drops no byte
    /// that the furthest reader still has to read. Other readers may be lapped: in front of a
    /// [`Pusher`](crate::Pusher), [`ahead`](Builder::ahead) holds that back. There is no spool file if
    /// the window is at most the memory limit; otherwise it takes at most the window and 512 KiB.
    /// Saves fail with [`Error::Unsupported`], except of buffered bytes without a link, and so does
    /// [`reopen`](StreamBuffer::reopen).
    ///
    /// ```
    /// let radio = std::io::repeat(7);
    /// let buffer = spoolbuf::StreamBuffer::builder(radio).window(1 << 20).open()?;
    /// buffer.read_at(4 << 20, &mut [0; 1000])?;
    /// assert!(matches!(buffer.read_at(0, &mut [0; 1000]), Err(spoolbuf::Error::Lapped)));
    /// assert_eq!(buffer.read_at(buffer.stats().tail, &mut [0; 1000])?, 1000);
    /// # Ok::<(), spoolbuf::Error>(())
    /// ```
    pub fn window(mut self, bytes: u64) -> Builder<S> {
        self.options.window = bytes;
        self
    }

    /// Called on the helper thread before that first calls the source: to attach it to a runtime,
    /// say, or to set its priority. A read of any buffer there that would need a source, or a push
    /// that would block, fails with [`Error::Reentrant`]. A panic is caught and ignored. Default: none.
    pub fn thread_begin(mut self, hook: ThreadHook) -> Builder<S> {
        self.options.thread.begin = Some(hook);
        self
    }

    /// Called as the last act of the helper thread. What fails in
    /// [`thread_begin`](Builder::thread_begin) fails here. Default: none.
    pub fn thread_end(mut self, hook: ThreadHook) -> Builder<S> {
        self.options.thread.end = Some(hook);
        self
    }

    /// If the source can seek, a gap of at most this many bytes is read through, and a larger one
    /// is sought over. Default: 256 KiB. Lower it for a slow line on which a seek is fast: at
    /// 400 KB/s such a gap takes 0.6 s.
    pub fn seek_gap(mut self, bytes: u64) -> Builder<S> {
        self.options.seek_gap = bytes;
        self
    }

    /// The source is asked for the bytes that are needed, rounded up to a multiple of this many
    /// bytes, which is at most 16 KiB. 0 requests exactly what is needed. Default: 16 KiB.
    ///
    /// Unless it is 0, more is requested where several places of a source that can seek are read in
    /// turn: up to 64 KiB where the source goes on for the first time, and then twice as much each
    /// time, up to 256 KiB. If it [is interruptible](Source::is_interruptible) and delivers less, it is
    /// asked again until it has delivered that, for at most about as long as its seek took. A call
    /// without a timeout returns after that, unless the source is interrupted: by a cancel, or, if it
    /// stalls, for a call that needs bytes elsewhere. After a stall, the next 16 seeks fetch nothing
    /// more, and twice as many after each further one, up to 1024.
    pub fn read_granularity(mut self, bytes: u32) -> Builder<S> {
        self.options.read_granularity = bytes;
        self
    }
}

impl<S: Source + 'static> Builder<S> {
    /// Creates the buffer. Reads nothing and opens no file. Starts a thread only with a prefetch.
    ///
    /// # Errors
    /// - [`Error::Invalid`]: the read granularity is greater than 16 KiB.
    /// - [`Error::NoMemory`]: out of memory, or the helper thread cannot be created.
    ///
    /// The source is dropped then.
    pub fn open(self) -> Result<StreamBuffer> {
        if self.options.read_granularity > MAX_READ_GRANULARITY {
            return Err(Error::Invalid);
        }
        StreamBuffer::from_options(self.source, self.options)
    }
}
