//! Sources: where a buffer's bytes come from.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::panic::catch;

/// Makes a blocked [`Source::pull`] return soon; callable from any thread.
pub type Interrupt = Box<dyn Fn() + Send + Sync>;

/// Where a buffer's bytes come from: any [`Read`], a [`Seekable`] one, or a type of your own.
///
/// A source is called by one thread at a time, without a lock held. After it has ended or failed,
/// it is not called again until [`retry`](crate::StreamBuffer::retry) or
/// [`resume`](crate::StreamBuffer::resume). It is closed by dropping it: as soon as every byte is
/// buffered, or when it is [replaced](crate::StreamBuffer::reopen), or else with the buffer.
///
/// A call gives up without bytes if its [interrupt](Source::interrupt) was called, or if no bytes
/// are available yet. It then fails with [`Error::Canceled`]; a `Read` fails with an `io::Error`
/// that contains that.
///
/// Any other error is a failure, and an end right after a failure is not believed. After a retry or
/// a resume, a source that can seek is first asked again for up to 64 KiB of buffered bytes before
/// that end, and an end that follows them is believed. A source that is only read forward is
/// believed if the end is at the declared size.
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
/// let buffer = spoolbuf::StreamBuffer::builder(Zeroes(10)).max_memory(0).open()?;
/// assert_eq!(buffer.read_at(4, &mut [1; 100])?, 6);
/// # Ok::<(), spoolbuf::Error>(())
/// ```
pub trait Source: Send {
    /// Writes the next bytes to `out`, which is never empty. Returns the number of bytes written; 0
    /// is the end.
    ///
    /// # Errors
    /// Any failure, usually [`Error::Source`]. Readers get the bytes before it first.
    fn pull(&mut self, out: &mut [u8]) -> Result<usize>;

    /// Returns whether `jump` is expected to work. Called once, before the source is used.
    fn can_seek(&self) -> bool {
        false
    }

    /// Makes the next `pull` deliver the bytes at `offset`, counted from the start of the resource.
    ///
    /// # Errors
    /// After an error the source must still be where it was. After [`Error::Unsupported`] it is not
    /// asked to seek again. Any other error is returned by the read that needed the bytes, and the
    /// next read tries again.
    fn jump(&mut self, _offset: u64) -> Result<()> {
        Err(Error::Unsupported)
    }

    /// Returns whether `jump` only records the offset, and the next `pull` shows whether the seek
    /// works. An error of that `pull` then counts as a failed `jump`, and undoes it. Called once,
    /// before the source is used.
    fn jumps_lazily(&self) -> bool {
        false
    }

    /// Returns whether `size` can return a size. Called once, before the source is used.
    fn reports_size(&self) -> bool {
        false
    }

    /// Returns the size of the resource, or `None` as long as it is not known: for sources that
    /// learn it only from their first response. Called after each `pull`, and after each `jump`
    /// that is not lazy, until it returns a size or the final size is known. The result becomes the
    /// declared size. If the caller declared a size, that one counts, and this is never called. Must
    /// not block.
    ///
    /// A panic stops the source like one of `pull`, but the bytes that arrived are kept.
    fn size(&mut self) -> Option<u64> {
        None
    }

    /// Returns a function that makes a blocked `pull` or `jump` return soon. Called once, before the
    /// source is used.
    fn interrupt(&self) -> Option<Interrupt> {
        None
    }

    /// Returns whether an interrupt ends only the call that is running: the source then goes on as if
    /// there had been none, and closes no connection, say. The buffer may then call the interrupt by
    /// itself: for one reader that was canceled, and if the source stalls while a call waits for bytes
    /// that are elsewhere. If several places are read in turn and seeks take long, it may also pull more
    /// than is needed yet: see [`Builder::read_granularity`](crate::Builder::read_granularity). Called
    /// once, before the source is used.
    fn is_interruptible(&self) -> bool {
        false
    }

    /// Returns whether freeing the buffer must wait for a running `pull`, because nothing else
    /// tells the source's owner that the call is over. Called once, before the source is used.
    fn free_waits_for_pull(&self) -> bool {
        false
    }
}

impl<R: Read + Send> Source for R {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        read(self, out)
    }
}

/// A source that can seek: any `Read + Seek` whose offset 0 is the start of the resource. Its
/// initial position does not matter.
///
/// ```
/// let file = std::io::Cursor::new(vec![7u8; 1_000_000]);
/// let buffer = spoolbuf::StreamBuffer::builder(spoolbuf::Seekable::new(file)).size(1_000_000).max_memory(0).open()?;
/// let mut last = [0; 4];
/// assert_eq!(buffer.read_at(999_996, &mut last)?, 4);
/// assert_eq!(buffer.stats().seeks, 1);
/// # Ok::<(), spoolbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Seekable<R> {
    reader: R,
    /// The position at which the buffer expects it.
    at: u64,
    /// Whether it is at that position.
    placed: bool,
    /// Whether it cannot be at that position, which is past its end.
    past_end: bool,
}

impl<R> Seekable<R> {
    /// Makes a source from a reader. The reader is not used before the first byte is needed.
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
            // A file system rejects offsets beyond the largest that it supports.
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

/// Asks a source for bytes and validates the result. Only this and [`seek`] call user code that
/// delivers bytes.
pub(crate) fn ask(source: &mut dyn Source, out: &mut [u8]) -> Result<usize> {
    let capacity = out.len();
    match catch(Err(Error::Panic), || source.pull(out)) {
        Ok(count) if count > capacity => Err(Error::Source {
            code: i64::try_from(count).unwrap_or(i64::MAX),
            cause: None,
        }),
        result => result.map_err(own),
    }
}

/// Turns any error of a source into [`Error::Source`]: if the source is another buffer, its `Short`
/// or `Timeout` says nothing about this one. A panic keeps its meaning, and so do the codes that
/// the library understands: canceled, and cannot seek.
fn own(error: Error) -> Error {
    match error {
        Error::Source { .. } | Error::Panic | Error::Canceled | Error::Unsupported => error,
        other => Error::Source {
            code: other.code().into(),
            cause: Some(Arc::new(other.into())),
        },
    }
}

/// Asks a source to seek.
pub(crate) fn seek(source: &mut dyn Source, offset: u64) -> Result<()> {
    catch(Err(Error::Panic), || source.jump(offset)).map_err(own)
}

/// Asks a source for the size of the resource.
pub(crate) fn size(source: &mut dyn Source) -> Result<Option<u64>> {
    catch(Err(Error::Panic), || Ok(source.size()))
}

/// Closes a source. This runs its own code, so no lock may be held here.
#[inline]
pub(crate) fn close(source: Box<dyn Source>) {
    // If the drop panics, no caller is left to whom the panic could be reported.
    catch((), || drop(source));
}
