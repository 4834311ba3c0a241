//! `Readiness`: functions that are called instead of a wait, in the Rust API.

use crate::buffer::Buffer;
use crate::buffer::when::{Subject, Watch};
use crate::error::Result;
use crate::stream_buffer::StreamBuffer;
use crate::sync::shared::{Shared, try_box};

/// What [`StreamBuffer::when`] and [`Pusher::when_wanted`](crate::Pusher::when_wanted) return.
#[derive(Debug)]
#[must_use = "a watch that is dropped does not call its function any more"]
pub enum Readiness {
    /// This many bytes are ready; 0 is the end. The function was dropped.
    Ready(u64),
    /// The function will be called once, unless the watch is dropped first.
    Pending(Watch),
}

impl Readiness {
    pub(crate) fn of(
        buffer: &Shared<Buffer>,
        subject: Subject,
        ready: impl FnOnce(Result<u64>) + Send + 'static,
    ) -> Result<Readiness> {
        let mut made = None;
        let now = Buffer::when(buffer, subject, |watch| {
            made = Some(watch);
            Ok(try_box(ready)?)
        })?;
        Ok(match (now, made) {
            (None, Some(watch)) => Readiness::Pending(watch),
            (now, _) => Readiness::Ready(now.unwrap_or_default()),
        })
    }
}

impl StreamBuffer {
    /// Calls a function once bytes are available at `offset`, instead of blocking a thread.
    ///
    /// Returns what [`read_some`](StreamBuffer::read_some) with a timeout of zero would, without
    /// copying. If it would fail with [`Error::Timeout`](crate::Error::Timeout), the helper thread
    /// leads the source to `offset`, and `ready` is called exactly once, with a count or an error:
    /// also if the buffer is canceled or freed, with [`Error::Canceled`](crate::Error::Canceled).
    ///
    /// `ready` runs without a lock held, on the thread that made the bytes readable or that canceled:
    /// inside any call for this buffer, or on the helper thread. It must not block. What would wait
    /// inside fails with [`Error::Reentrant`](crate::Error::Reentrant). A panic is caught and ignored.
    ///
    /// ```
    /// use spoolbuf::{Readiness, StreamBuffer};
    /// use std::sync::mpsc;
    ///
    /// let buffer = StreamBuffer::new(&b"bytes"[..])?;
    /// let (sender, receiver) = mpsc::channel();
    /// let ready = move |buffered| sender.send(buffered).unwrap_or_default();
    /// let Readiness::Pending(watch) = buffer.when(1, ready)? else {
    ///     panic!("nothing has been read yet");
    /// };
    /// assert_eq!(receiver.recv().expect("called once")?, 4);
    /// # drop(watch);
    /// # Ok::<(), spoolbuf::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`read_some`](StreamBuffer::read_some), and [`Error::NoMemory`](crate::Error::NoMemory) if
    /// the helper thread cannot be created. `ready` was dropped then, and not called.
    pub fn when(
        &self,
        offset: u64,
        ready: impl FnOnce(Result<u64>) + Send + 'static,
    ) -> Result<Readiness> {
        Readiness::of(self.inner(), Subject::bytes(offset), ready)
    }
}
