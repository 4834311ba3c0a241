//! Where a save writes its bytes.

use std::fs::File;
use std::io;

use crate::disk::preallocate::Preallocation;
use crate::disk::{self, Stream};
use crate::sync::host_call::HostCall;

/// Where the bytes are written.
pub(super) enum Sink<'f> {
    /// To the temporary file.
    TempFile(&'f File, Preallocation),
    /// To a file, from an offset on.
    At(&'f File, u64),
    /// To a pipe, or appended to a file.
    Stream(Stream<'f>),
    /// Nowhere: it is enough that they are buffered.
    Buffer,
}

impl Sink<'_> {
    /// Whether a write that would wait fails instead, with `WouldBlock`.
    pub(super) fn must_not_wait(&self) -> bool {
        matches!(self, Sink::Stream(_)) && HostCall::Ready.is_inside()
    }

    /// Returns false if `go_on` stopped it.
    pub(super) fn write(
        &self,
        bytes: &[u8],
        offset: u64,
        go_on: &dyn Fn() -> bool,
    ) -> io::Result<bool> {
        match self {
            Sink::TempFile(file, preallocation) => {
                preallocation.reserve(file, offset, bytes.len() as u64);
                disk::write_all_at(file, bytes, offset, &mut 0).map(|()| true)
            }
            Sink::At(file, start) => {
                disk::write_all_at(file, bytes, start + offset, &mut 0).map(|()| true)
            }
            Sink::Stream(stream) => disk::write_all(stream, bytes, !self.must_not_wait(), go_on),
            Sink::Buffer => Ok(true),
        }
    }
}
