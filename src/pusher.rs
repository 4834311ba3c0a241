//! `Pusher`: pushed buffers in the Rust API.

use std::io;
use std::ops::Range;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::buffer::read::Wait;
use crate::buffer::when::Subject;
use crate::builder::Builder;
use crate::error::{Error, Result};
use crate::readiness::Readiness;
use crate::stream_buffer::StreamBuffer;
use crate::sync::shared::Shared;

/// Marks a [`Builder`] for a buffer without a source; made by [`StreamBuffer::pushed`].
#[derive(Debug)]
pub struct Pushed(());

/// Pushes the bytes of a [`StreamBuffer`] that has no source; made by
/// [`open_push`](Builder::open_push).
///
/// For bytes that arrive through events: in callbacks, messages, async tasks. Readers wait for the
/// pusher as they would wait for a source. Clones push to the same buffer, from any thread.
///
/// Once the last `StreamBuffer` and [`Cursor`](crate::Cursor) are dropped, pushes fail with
/// [`Error::Canceled`](crate::Error::Canceled). The buffer's memory and spool file stay until the
/// last pusher is dropped too. A pusher that is dropped without [`end`](Pusher::end) or
/// [`fail`](Pusher::fail) leaves readers waiting until they are canceled or time out: that is never
/// taken for the end.
///
/// ```
/// let (buffer, pusher) = spoolbuf::StreamBuffer::pushed().max_memory(64 * 1024).open_push()?;
/// let reader = buffer.clone();
/// let read = std::thread::spawn(move || {
///     let mut out = [0; 10];
///     reader.read_at(0, &mut out).map(|count| out[..count].to_vec())
/// });
/// // In any order.
/// assert_eq!(pusher.push(5, b"tream", None)?, 5);
/// assert_eq!(pusher.wanted(), 0..5);
/// assert_eq!(pusher.push(0, b"any s", None)?, 5);
/// pusher.end(None)?;
/// assert_eq!(read.join().expect("no panic")?, b"any stream");
/// assert_eq!(buffer.size(), Some(10));
/// # Ok::<(), spoolbuf::Error>(())
/// ```
#[derive(Clone)]
pub struct Pusher {
    buffer: Shared<Buffer>,
}

impl StreamBuffer {
    /// Returns a builder, which creates a buffer without a source and a [`Pusher`] for its bytes.
    pub fn pushed() -> Builder<Pushed> {
        Builder::with(Pushed(()))
    }
}

impl Builder<Pushed> {
    /// The most bytes to accept past the furthest read, which slows the pusher down to the speed of
    /// the readers. Bytes that a call waits for are accepted anyway. Default: 0, no limit.
    pub fn ahead(mut self, bytes: u64) -> Builder<Pushed> {
        self.options_mut().ahead = bytes;
        self
    }

    /// Creates the buffer, and the pusher for its bytes. Starts no thread and opens no file.
    ///
    /// `seek_gap` and `read_granularity` have no effect. A prefetch only determines what
    /// [`wanted`](Pusher::wanted) returns.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::Error::NoMemory).
    pub fn open_push(self) -> Result<(StreamBuffer, Pusher)> {
        let buffer = StreamBuffer::without_source(self.into_options())?;
        let pusher = Pusher {
            buffer: buffer.inner().clone(),
        };
        Ok((buffer, pusher))
    }
}

impl Pusher {
    /// Pushes the bytes at `offset`. Returns how many were accepted, counted from the first, and at
    /// least 1 unless `bytes` is empty. If it is fewer than all, push the rest again: an error that
    /// ended the call is returned then.
    ///
    /// Accepted bytes are buffered: every thread can read them before this call returns. Pieces may
    /// come in any order and may overlap. Bytes that are buffered already count as accepted, and
    /// stay as they are: they are not compared.
    ///
    /// Blocks only while there is no space, and at most for `timeout`: while memory is over its
    /// limit, until the helper thread has spilled; and while the bytes are too far
    /// [ahead](Builder::ahead) of the readers. A timeout of zero makes it non-blocking.
    ///
    /// # Errors
    /// - [`Error::Timeout`](crate::Error::Timeout): no byte was accepted in time.
    /// - [`Error::DiskFull`](crate::Error::DiskFull), [`Error::Io`](crate::Error::Io): memory is
    ///   full, and the helper thread could not spill. The next push tries again.
    /// - [`Error::Canceled`](crate::Error::Canceled): the buffer is canceled, or was dropped.
    /// - [`Error::Source`](crate::Error::Source), [`Error::Short`](crate::Error::Short): the stream
    ///   has failed, until [`retry`](StreamBuffer::retry).
    /// - [`Error::Size`](crate::Error::Size): the bytes would extend past the end, or past 2^63 - 1.
    /// - [`Error::NoMemory`](crate::Error::NoMemory): out of memory, or the helper thread cannot be
    ///   created.
    /// - [`Error::Unsupported`](crate::Error::Unsupported): there is a
    ///   [window](Builder::window), and `offset` is past the end of the buffered bytes.
    /// - [`Error::Reentrant`](crate::Error::Reentrant): called in a [log function](crate::set_log), in
    ///   a ready function or on the helper thread, and it would block.
    pub fn push(&self, offset: u64, bytes: &[u8], timeout: Option<Duration>) -> Result<usize> {
        Buffer::push(&self.buffer, offset, bytes, Wait::from(timeout))
    }

    /// Ends the stream at `size`, by default after the highest byte. Missing bytes below it can
    /// still be pushed. The same end may be reported more than once.
    ///
    /// An end below the declared size is an [`Error::Short`](crate::Error::Short) for the readers
    /// if [`on_short`](Builder::on_short) says so.
    ///
    /// # Errors
    /// - [`Error::Source`](crate::Error::Source), [`Error::Short`](crate::Error::Short): the stream
    ///   has failed, until [`retry`](StreamBuffer::retry). A failed stream has no end.
    /// - [`Error::Size`](crate::Error::Size): `size` is below the highest byte, above 2^63 - 1, or
    ///   not the end that was reported before.
    pub fn end(&self, size: impl Into<Option<u64>>) -> Result<()> {
        Buffer::end_push(&self.buffer, size.into(), None)
    }

    /// Reports that the stream failed: readers get the buffered bytes first, then
    /// [`Error::Source`](crate::Error::Source) with this error as its cause. Its code is that of the
    /// system, or -1. A later failure replaces it. After a [`retry`](StreamBuffer::retry), pushes are
    /// accepted again, at any offset. Has no effect once every byte is buffered.
    ///
    /// ```
    /// use std::io;
    ///
    /// let (buffer, pusher) = spoolbuf::StreamBuffer::pushed().open_push()?;
    /// pusher.push(0, b"half", None)?;
    /// pusher.fail(io::Error::other("the peer has closed"));
    /// let mut out = [0; 8];
    /// assert_eq!(buffer.read_at(0, &mut out)?, 4);
    /// let error = buffer.read_at(4, &mut out).expect_err("a failure");
    /// assert_eq!(error.to_string(), "the source failed: the peer has closed");
    /// # Ok::<(), spoolbuf::Error>(())
    /// ```
    pub fn fail(&self, error: impl Into<io::Error>) {
        let failure = Error::caused_by(error.into());
        // Fails only for a buffer that has a source.
        let _ = Buffer::end_push(&self.buffer, None, Some(failure));
    }

    /// Returns what to push next: a hint, since bytes elsewhere are accepted too. Its end is
    /// `u64::MAX` if nothing limits it.
    ///
    /// It is the gap for which a call has waited longest; else what the prefetch keeps buffered;
    /// else what follows the frontier. It is empty if every byte is buffered, if enough bytes are
    /// [ahead](Builder::ahead), or if the buffer is canceled, has failed or was dropped.
    pub fn wanted(&self) -> Range<u64> {
        // Fails only for a buffer that has a source.
        self.buffer.wanted().unwrap_or(0..0)
    }

    /// Calls a function once bytes are [wanted](Pusher::wanted) and a push with a timeout of zero
    /// would accept at least one of them, instead of blocking a thread.
    ///
    /// Returns the number of bytes that are wanted, 0 once every byte is buffered, or an error, if
    /// there is such a result now. Otherwise `ready` is called exactly once with it:
    /// [`StreamBuffer::when`] says how. If memory is full, the helper thread spills for this, and if
    /// that fails, `ready` gets its error.
    ///
    /// ```
    /// use spoolbuf::{Readiness, StreamBuffer};
    /// use std::sync::mpsc;
    ///
    /// let (buffer, pusher) = StreamBuffer::pushed().ahead(3).open_push()?;
    /// assert_eq!(pusher.push(0, b"any stream", Some(std::time::Duration::ZERO))?, 3);
    /// let (sender, receiver) = mpsc::channel();
    /// let ready = move |wanted| sender.send(wanted).unwrap_or_default();
    /// let Readiness::Pending(_watch) = pusher.when_wanted(ready)? else {
    ///     panic!("nothing has been read yet");
    /// };
    /// assert_eq!(buffer.read_at(0, &mut [0; 2])?, 2);
    /// assert_eq!(receiver.recv().expect("called once")?, 2);
    /// assert_eq!(pusher.wanted(), 3..5);
    /// # Ok::<(), spoolbuf::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Canceled`](crate::Error::Canceled), the failure of the stream, or
    /// [`Error::NoMemory`](crate::Error::NoMemory). `ready` was dropped then, and not called.
    pub fn when_wanted(
        &self,
        ready: impl FnOnce(Result<u64>) + Send + 'static,
    ) -> Result<Readiness> {
        Readiness::of(&self.buffer, Subject::Wanted, ready)
    }
}

impl std::fmt::Debug for Pusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pusher")
            .field("wanted", &self.wanted())
            .finish_non_exhaustive()
    }
}
