//! A cursor: a place in a buffer with a stop of its own. The C reader is the same thing.

#![forbid(unsafe_code)]

use std::io::{self, Read, Seek, SeekFrom};

use crate::buffer::{Buffer, Found, Limit, Wish};
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::pins::Pin;
use crate::shared::Shared;
use crate::stream_buffer::StreamBuffer;
use crate::sync::{AtomicU64, Ordering};

/// Stops one reader's calls, and lets them go on.
pub(crate) struct Stop {
    /// Odd while it is set. Counted up, so that a call sees a stop that was lifted again.
    turns: AtomicU64,
}

impl Stop {
    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::SeqCst)
    }

    pub(crate) fn is_set_since(&self, turns: u64) -> bool {
        let now = self.turns();
        now % 2 == 1 || now != turns
    }

    /// What the gate knows it by.
    pub(crate) fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn turn(&self, to: u64) {
        let step = |now| (now % 2 != to).then_some(now + 1);
        let _ = self
            .turns
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, step);
    }
}

/// Where a reader is, and its stop. Knows no buffer: it is given one for each call.
pub(crate) struct Place {
    at: AtomicU64,
    stop: Stop,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place {
            at: AtomicU64::new(0),
            stop: Stop {
                turns: AtomicU64::new(0),
            },
        }
    }

    /// Reads if all that is wanted is in memory; else nothing has happened.
    #[inline]
    pub(crate) fn read_memory(
        &self,
        buffer: &Buffer,
        out: &mut [u8],
        pin: &Pin<'_>,
    ) -> Option<usize> {
        let at = self.at.load(Ordering::Relaxed);
        let mut done = 0;
        let found = buffer.read_memory(at, out, false, &mut done, pin);
        matches!(found, Found::All).then(|| {
            self.at.store(at + done as u64, Ordering::Relaxed);
            done
        })
    }

    pub(crate) fn read(&self, buffer: &Shared<Buffer>, out: &mut [u8]) -> Result<usize> {
        let at = self.at.load(Ordering::Relaxed);
        let wish = Wish {
            all: false,
            limit: Limit::None,
            stop: Some(&self.stop),
        };
        let count = Buffer::read(buffer, at, out, wish)?;
        self.at.store(at + count as u64, Ordering::Relaxed);
        Ok(count)
    }

    /// Reads the source to its end, so that the size is known. The place does not move.
    fn find_end(&self, buffer: &Shared<Buffer>) -> Result<()> {
        const STEP: usize = 64 * 1024;
        // Not on the stack, of which a caller may have little.
        let mut scratch = Vec::new();
        scratch
            .try_reserve_exact(STEP)
            .map_err(|_| Error::NoMemory)?;
        scratch.resize(STEP, 0);
        let mut at = 0;
        loop {
            at += buffer.gate.lock().buffered(at);
            let wish = Wish {
                all: false,
                limit: Limit::None,
                stop: Some(&self.stop),
            };
            match Buffer::read(buffer, at, &mut scratch, wish)? {
                0 => return Ok(()),
                count => at += count as u64,
            }
        }
    }

    pub(crate) fn seek(&self, buffer: &Buffer, to: SeekFrom) -> Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(offset) => (offset, 0),
            SeekFrom::Current(by) => (self.at.load(Ordering::Relaxed), by),
            SeekFrom::End(by) => (buffer.gate.lock().size().ok_or(Error::Unknown)?, by),
        };
        let to = from
            .checked_add_signed(by)
            .filter(|to| i64::try_from(*to).is_ok());
        let to = to.ok_or(Error::Invalid)?;
        self.at.store(to, Ordering::Relaxed);
        Ok(to)
    }

    pub(crate) fn cancel(&self, gate: &Gate) {
        self.stop.turn(1);
        gate.wake_reader(self.stop.id());
    }

    pub(crate) fn resume(&self) {
        self.stop.turn(0);
    }
}

/// A place in a [`StreamBuffer`], as `Read` and `Seek`.
///
/// Any number of cursors share a buffer, each with its own place; one is used by one thread at a
/// time. `read` waits for the first byte only. Seeking reads nothing and never waits, except from an
/// end that is neither known nor declared: that reads the source to its end first, which a
/// [`Stopper`] or [`cancel`](StreamBuffer::cancel) stops like a read.
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
    pub(crate) place: Shared<Place>,
}

impl Cursor {
    /// What stops this cursor from other threads.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            gate: self.buffer.inner().gate.clone(),
            place: self.place.clone(),
        }
    }
}

/// Stops a [`Cursor`] from any thread; does not keep its buffer alive.
pub struct Stopper {
    gate: Shared<Gate>,
    place: Shared<Place>,
}

impl Stopper {
    /// The cursor's waiting read, and later ones that would wait, fail with
    /// [`Error::Canceled`]. Other readers and the source go on.
    pub fn cancel(&self) {
        self.place.cancel(&self.gate);
    }

    /// Lets the cursor wait again.
    pub fn resume(&self) {
        self.place.resume();
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.place.at.load(Ordering::Relaxed);
        f.debug_struct("Cursor")
            .field("at", &at)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_set = self.place.stop.turns() % 2 == 1;
        f.debug_struct("Stopper")
            .field("is_set", &is_set)
            .finish_non_exhaustive()
    }
}

impl Read for Cursor {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Ok(self.place.read(self.buffer.inner(), out)?)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let buffer = self.buffer.inner();
        match self.place.seek(buffer, to) {
            Err(Error::Unknown) => {
                self.place.find_end(buffer)?;
                Ok(self.place.seek(buffer, to)?)
            }
            result => Ok(result?),
        }
    }
}
