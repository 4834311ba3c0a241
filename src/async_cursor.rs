//! `AsyncCursor`: a read position for async code, with the features `tokio` and `futures-io`.
//!
//! A poll reads what is buffered. If that is nothing, it leaves a watch that wakes the task, so that
//! no thread waits. `tokio.rs` and `futures_io.rs` have the traits of one family each.

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "tokio")]
mod tokio;

use std::io::{self, SeekFrom};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::buffer::reader::Position;
use crate::buffer::when::{Subject, Watch};
use crate::error::{Error, Result};
use crate::options::CursorOptions;
use crate::readiness::Readiness;
use crate::stream_buffer::StreamBuffer;

/// A read position in a [`StreamBuffer`], as `AsyncRead` and `AsyncSeek`: of tokio with the feature
/// `tokio`, of futures-io with the feature `futures-io`.
///
/// Any number of cursors share a buffer, each with its own position. While one waits, it takes no
/// thread: the buffer's helper thread calls the source for all of them. Dropping a cursor, or a future
/// that uses it, ends its wait. [`StreamBuffer::cancel`] fails it.
///
/// A read of bytes that are in the spool file reads that file on the calling thread. A seek reads
/// nothing, except from an end whose size is neither known nor declared: that leads the source to its
/// end first. Errors are those of [`Cursor`](crate::Cursor).
pub struct AsyncCursor {
    buffer: StreamBuffer,
    position: Position,
    /// The seek that is being made.
    #[cfg(feature = "tokio")]
    seek: Option<SeekFrom>,
    watch: Option<Watch>,
}

impl StreamBuffer {
    /// Creates a read position in this buffer, as `AsyncRead` and `AsyncSeek`.
    pub fn async_cursor(&self) -> AsyncCursor {
        // Its reads never wait.
        let options = CursorOptions::new().timeout(Duration::ZERO);
        AsyncCursor {
            buffer: self.clone(),
            position: Position::new(options, self.inner().first_offset()),
            #[cfg(feature = "tokio")]
            seek: None,
            watch: None,
        }
    }
}

impl AsyncCursor {
    fn poll_some(&mut self, context: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let read = self.position.read(self.buffer.inner(), out);
            match read.map_err(Error::from) {
                Err(Error::Timeout) => {
                    let (offset, capacity) = (self.position.offset(), out.len() as u64);
                    ready!(self.poll_when(context, offset, capacity))?;
                }
                result => return Poll::Ready(Ok(result?)),
            }
        }
    }

    fn poll_seek_to(&mut self, context: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>> {
        loop {
            match self.position.seek(self.buffer.inner(), to) {
                Err(Error::UnknownSize) => ready!(self.poll_toward_end(context))?,
                result => return Poll::Ready(Ok(result?)),
            }
        }
    }

    /// Waits for the next bytes on the way to the end.
    fn poll_toward_end(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let state = self.buffer.inner().gate.lock();
        let missing = state.extent().toward_end(state.can_seek());
        drop(state);
        match missing {
            Ok(_) => Poll::Ready(Ok(())),
            Err((offset, length)) => {
                ready!(self.poll_when(context, offset, length as u64))?;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Waits for a byte. The prefetch was told of a read already, and does not follow a seek.
    fn poll_when(
        &mut self,
        context: &mut Context<'_>,
        offset: u64,
        capacity: u64,
    ) -> Poll<Result<u64>> {
        self.forget_watch();
        let subject = Subject::Bytes {
            offset,
            capacity,
            moves_prefetch: false,
        };
        let waker = context.waker().clone();
        match Readiness::of(self.buffer.inner(), subject, move |_| waker.wake())? {
            Readiness::Ready(count) => Poll::Ready(Ok(count)),
            Readiness::Pending(watch) => {
                self.watch = Some(watch);
                Poll::Pending
            }
        }
    }

    /// Without a wait for a waker that is being called, since that refers to nothing here.
    fn forget_watch(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.detach();
        }
    }
}

impl Drop for AsyncCursor {
    fn drop(&mut self) {
        self.forget_watch();
    }
}

impl std::fmt::Debug for AsyncCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsyncCursor")
            .field("offset", &self.position.offset())
            .finish_non_exhaustive()
    }
}
