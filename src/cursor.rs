//! A cursor: a read position in a buffer, with its own cancellation.

use std::io::{self, Read, Seek, SeekFrom};

use crate::buffer::reader::Position;
use crate::error::{Error, Result};
use crate::options::CursorOptions;
use crate::pull::gate::Gate;
use crate::stream_buffer::StreamBuffer;
use crate::sync::shared::Shared;

/// A read position in a [`StreamBuffer`], as `Read` and `Seek`.
///
/// Any number of cursors share a buffer, each with its own position. A cursor is used by one thread
/// at a time. `read` blocks for the first byte only.
///
/// Seeking reads nothing and never blocks, except from an end whose size is neither known nor
/// declared. That reads the source to its end first. A [`CancelHandle`] or
/// [`cancel`](StreamBuffer::cancel) cancels it like a read.
///
/// An error of the source never has the kind [`Interrupted`](io::ErrorKind::Interrupted),
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), [`WouldBlock`](io::ErrorKind::WouldBlock) or
/// [`WriteZero`](io::ErrorKind::WriteZero), since readers take those as a reason to try again or as
/// the end. Such an error has the kind [`Other`](io::ErrorKind::Other), with the [`Error`] inside.
///
/// ```
/// use std::io::{Read, Seek, SeekFrom};
///
/// let buffer = spoolbuf::StreamBuffer::builder(&b"once upon a time"[..]).size(16).max_memory(0).open()?;
/// let mut cursor = buffer.cursor()?;
/// cursor.seek(SeekFrom::End(-4))?;
/// let mut last = String::new();
/// cursor.read_to_string(&mut last)?;
/// assert_eq!(last, "time");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Cursor {
    pub(crate) buffer: StreamBuffer,
    pub(crate) position: Shared<Position>,
}

impl StreamBuffer {
    /// Creates a read position in this buffer, as `Read` and `Seek`. It is 0 or, with a
    /// [`window`](crate::Builder::window), the offset of the oldest byte that is kept.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn cursor(&self) -> Result<Cursor> {
        self.cursor_with(CursorOptions::new())
    }

    /// Creates a read position with a timeout, or for buffered bytes only.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn cursor_with(&self, options: CursorOptions) -> Result<Cursor> {
        Ok(Cursor {
            buffer: self.clone(),
            position: Shared::try_new(Position::new(options, self.inner().first_offset()))?,
        })
    }
}

impl Cursor {
    /// Returns the buffer: to save it, say, or for another cursor. Clones of it are leases, like the
    /// cursor, if it is a buffer of a [`Cache`](crate::Cache).
    pub fn buffer(&self) -> &StreamBuffer {
        &self.buffer
    }

    /// Returns a handle that cancels this cursor's calls from other threads.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle {
            gate: self.buffer.inner().gate.clone(),
            position: self.position.clone(),
        }
    }

    /// Seeks to the newest byte: to where the furthest buffered byte ends, plus `by` bytes. Returns
    /// the new position. With 0, the next read waits for the next byte to arrive.
    ///
    /// ```
    /// use std::io::Read;
    ///
    /// let radio = std::io::repeat(7);
    /// let buffer = spoolbuf::StreamBuffer::builder(radio).window(1 << 20).open()?;
    /// let mut cursor = buffer.cursor()?;
    /// buffer.read_at(4 << 20, &mut [0; 100])?;
    /// // The bytes at its position have left the window.
    /// assert!(cursor.read(&mut [0; 100]).is_err());
    /// assert!(cursor.seek_live(-1000)? > 4 << 20);
    /// assert_eq!(cursor.read(&mut [0; 100])?, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] if the position would lie before the start of the resource, and
    /// [`Error::Unsupported`] if it would lie beyond the cursor's
    /// [`reach`](CursorOptions::reach).
    pub fn seek_live(&mut self, by: i64) -> Result<u64> {
        self.position.seek_live(self.buffer.inner(), by)
    }
}

/// Cancels the calls of a [`Cursor`], from any thread. Does not keep its buffer alive.
pub struct CancelHandle {
    gate: Shared<Gate>,
    position: Shared<Position>,
}

impl CancelHandle {
    /// The cursor's blocked read, and later reads that would block, fail with [`Error::Canceled`].
    /// Other readers are not affected. If the read is inside the source, the source is interrupted if
    /// that does it [no harm](crate::Source::is_interruptible).
    pub fn cancel(&self) {
        self.position.cancel(&self.gate);
    }

    /// Lets the cursor block again.
    pub fn resume(&self) {
        self.position.resume();
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor")
            .field("offset", &self.position.offset())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelHandle")
            .field("is_canceled", &self.position.is_canceled())
            .finish_non_exhaustive()
    }
}

impl Read for Cursor {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.position.read(self.buffer.inner(), out);
        Ok(read.map_err(Error::from)?)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let buffer = self.buffer.inner();
        match self.position.seek(buffer, to) {
            Err(Error::UnknownSize) => {
                self.position.find_size(buffer).map_err(Error::from)?;
                Ok(self.position.seek(buffer, to)?)
            }
            result => Ok(result?),
        }
    }
}
