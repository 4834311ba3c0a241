//! `AsyncRead` and `AsyncSeek` of futures-io.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::AsyncCursor;

impl futures_io::AsyncRead for AsyncCursor {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_some(context, out)
    }
}

impl futures_io::AsyncSeek for AsyncCursor {
    fn poll_seek(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        self.get_mut().poll_seek_to(context, to)
    }
}
