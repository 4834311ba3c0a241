//! Sources: where a buffer's bytes come from.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::panic::catch;

/// What makes a blocked [`Source::pull`] return soon; callable from any thread.
pub type Interrupt = Box<dyn Fn() + Send + Sync>;

/// Where a buffer's bytes come from: any [`Read`], a [`Seekable`] one, or a type of your own.
///
/// It is called by one thread at a time, without a lock held, and never again after it has ended or
/// failed (until [`retry`](crate::StreamBuffer::retry) or [`resume`](crate::StreamBuffer::resume)).
/// Dropping it is its close: that happens as soon as every byte is held, else with the buffer.
///
/// A call that gave up without bytes, since its [interrupt](Source::interrupt) came or nothing is
/// there yet, fails with [`Error::Canceled`], a `Read` with an `io::Error` that carries that. Any other
/// error is a failure: an end that follows one at once is not believed. After a retry or a resume a
/// source that can seek is asked for up to 64 KiB of held bytes before that place again, and an end that
/// follows them is believed; one that only goes forwards is believed at the declared size.
///
/// ```
/// struct Zeroes(u64);
///
/// impl spoolbuf::Source for Zeroes {
///     fn pull(&mut self, out: &mut [u8]) -> spoolbuf::Result<usize> {
///         let count = out.len().min(self.0 as usize);
///         out[..count].fill(0);
///         self.0 -= count as u64;
///         Ok(count)
///     }
/// }
///
/// let buffer = spoolbuf::StreamBuffer::new(Zeroes(10), None, 0)?;
/// assert_eq!(buffer.read_at(4, &mut [1; 100])?, 6);
/// # Ok::<(), spoolbuf::Error>(())
/// ```
pub trait Source: Send {
    /// Writes the next bytes to `out`, which is never empty, and returns how many; 0 is the end.
    ///
    /// # Errors
    /// Whatever went wrong, usually [`Error::Source`]; readers get it after the bytes before it.
    fn pull(&mut self, out: &mut [u8]) -> Result<usize>;

    /// Whether `jump` can be expected to work. Asked once, when the buffer is made.
    fn can_seek(&self) -> bool {
        false
    }

    /// Makes the next `pull` deliver the bytes at `offset` from the start of the resource.
    ///
    /// # Errors
    /// The source then stands where it stood. After [`Error::Unsupported`] it is not asked to seek
    /// again; any other error is that of the read that needed the bytes, and the next read tries
    /// again.
    fn jump(&mut self, _offset: u64) -> Result<()> {
        Err(Error::Unsupported)
    }

    /// Whether a `jump` only notes the offset, and the `pull` after it shows whether that works: an
    /// error of that `pull` is then the jump's, and takes it back. Asked once, when the buffer is made.
    fn jumps_lazily(&self) -> bool {
        false
    }

    /// What makes a blocked `pull` or `jump` return soon. Asked once, when the buffer is made.
    fn interrupt(&self) -> Option<Interrupt> {
        None
    }

    /// Whether the end of the buffer has to wait for a `pull` that is running, because nothing else
    /// tells the source's owner that it is over. Asked once, when the buffer is made.
    fn must_return(&self) -> bool {
        false
    }
}

impl<R: Read + Send> Source for R {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        read(self, out)
    }
}

/// A source that can seek: any `Read + Seek`, whose offset 0 is the start of the resource. Where it
/// stands at first does not matter.
///
/// ```
/// let file = std::io::Cursor::new(vec![7u8; 1_000_000]);
/// let buffer = spoolbuf::StreamBuffer::new(spoolbuf::Seekable::new(file), Some(1_000_000), 0)?;
/// let mut last = [0; 4];
/// assert_eq!(buffer.read_at(999_996, &mut last)?, 4);
/// assert_eq!(buffer.stats().seeks, 1);
/// # Ok::<(), spoolbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Seekable<R> {
    reader: R,
    /// Where the buffer believes it to stand.
    at: u64,
    /// It stands there.
    placed: bool,
    /// It can't stand there: that is past its end.
    past_end: bool,
}

impl<R> Seekable<R> {
    /// A source out of a reader. It is not touched before the first byte is needed.
    pub fn new(reader: R) -> Seekable<R> {
        Seekable {
            reader,
            at: 0,
            placed: false,
            past_end: false,
        }
    }
}

impl<R: Read + Seek + Send> Source for Seekable<R> {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.past_end {
            return Ok(0);
        }
        if !self.placed {
            let placed = self.reader.seek(SeekFrom::Start(self.at));
            placed.map_err(Error::from_source)?;
            self.placed = true;
        }
        let count = read(&mut self.reader, out)?;
        self.at += count as u64;
        Ok(count)
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        match self.reader.seek(SeekFrom::Start(offset)) {
            Ok(_) => (self.placed, self.past_end) = (true, false),
            // A file system refuses places that are past what it can hold.
            Err(refused) if refused.kind() == io::ErrorKind::InvalidInput => {
                self.placed = false;
                let end = self.reader.seek(SeekFrom::End(0));
                if !end.is_ok_and(|end| end <= offset) {
                    return Err(Error::from_source(refused));
                }
                self.past_end = true;
            }
            Err(error) => return Err(Error::from_source(error)),
        }
        self.at = offset;
        Ok(())
    }
}

fn read(reader: &mut impl Read, out: &mut [u8]) -> Result<usize> {
    loop {
        match reader.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(Error::from_source),
        }
    }
}

/// Asks a source for bytes. With [`seek`] the only call of user code that brings bytes, and the
/// place where what comes back is checked.
pub(crate) fn ask(source: &mut dyn Source, out: &mut [u8]) -> Result<usize> {
    let room = out.len();
    match catch(Err(Error::Panic), || source.pull(out)) {
        Ok(count) if count > room => Err(Error::Source {
            code: i64::try_from(count).unwrap_or(i64::MAX),
            cause: None,
        }),
        result => result.map_err(own),
    }
}

/// A source's error as such, whatever it calls it: another buffer that is a source may be short or
/// out of time, which says nothing of this one. What the library asks a source for keeps its meaning:
/// to stop, or to go elsewhere.
fn own(error: Error) -> Error {
    match error {
        Error::Source { .. } | Error::Panic | Error::Canceled | Error::Unsupported => error,
        other => Error::Source {
            code: other.code().into(),
            cause: Some(Arc::new(other.into())),
        },
    }
}

/// Asks a source to go elsewhere.
pub(crate) fn seek(source: &mut dyn Source, offset: u64) -> Result<()> {
    catch(Err(Error::Panic), || source.jump(offset)).map_err(own)
}

/// Closes a source: its own code runs, so no lock is held here.
pub(crate) fn close(source: Option<Box<dyn Source>>) {
    // A source that panics as it goes has nobody left to tell.
    catch((), || drop(source));
}
