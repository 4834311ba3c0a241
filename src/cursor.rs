//! A cursor: a read position in a buffer, with its own cancellation.

use std::io::{self, Read, Seek, SeekFrom};

use crate::buffer::reader::Position;
use crate::error::{Error, Result};
use crate::pull::gate::Gate;
use crate::stream_buffer::StreamBuffer;
use crate::sync::shared::Shared;

/// A read position in a [`StreamBuffer`], as `Read` and `Seek`.
///
/// Any number of cursors share a buffer, each with its own position; one is used by one thread at a
/// time. `read` waits for the first byte only. Seeking reads nothing and never waits, except from an
/// end that is neither known nor declared: that reads the source to its end first, which a
/// [`CancelHandle`] or [`cancel`](StreamBuffer::cancel) stops like a read.
///
/// An error of the source is never [`Interrupted`](io::ErrorKind::Interrupted),
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), [`WouldBlock`](io::ErrorKind::WouldBlock) or
/// [`WriteZero`](io::ErrorKind::WriteZero), which readers take for a reason to ask again or for the
/// end. Such an error is [`Other`](io::ErrorKind::Other), with the [`Error`] inside.
///
/// ```
/// use std::io::{Read, Seek, SeekFrom};
///
/// let buffer = spoolbuf::StreamBuffer::new(&b"once upon a time"[..], Some(16), 0)?;
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
    /// A read position in this buffer, as `Read` and `Seek`.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::Error::NoMemory).
    pub fn cursor(&self) -> Result<Cursor> {
        Ok(Cursor {
            buffer: self.clone(),
            position: Shared::try_new(Position::new())?,
        })
    }
}

impl Cursor {
    /// A handle that cancels this cursor's calls from other threads.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle {
            gate: self.buffer.inner().gate.clone(),
            position: self.position.clone(),
        }
    }
}

/// Cancels the calls of a [`Cursor`] from any thread. Does not keep its buffer alive.
pub struct CancelHandle {
    gate: Shared<Gate>,
    position: Shared<Position>,
}

impl CancelHandle {
    /// The cursor's waiting read, and later ones that would wait, fail with
    /// [`Error::Canceled`]. Other readers and the source go on.
    pub fn cancel(&self) {
        self.position.cancel(&self.gate);
    }

    /// Lets the cursor wait again.
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
        Ok(self.position.read(self.buffer.inner(), out)?)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let buffer = self.buffer.inner();
        match self.position.seek(buffer, to) {
            Err(Error::Unknown) => {
                self.position.find_end(buffer)?;
                Ok(self.position.seek(buffer, to)?)
            }
            result => Ok(result?),
        }
    }
}
