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
    /// Creates a read position in this buffer, as `Read` and `Seek`.
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
            position: Shared::try_new(Position::new(options))?,
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
