//! Crate stream-download: a task fetches ahead into its storage, a reader seeks and reads.

use super::buffer::Buffer;
use crate::source::Source;
use bytes::Bytes;
use futures_core::Stream;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Mutex, OnceLock};
use std::task::{Context, Poll};
use stream_download::source::SourceStream;
use stream_download::storage::StorageProvider;
use stream_download::storage::memory::MemoryStorageProvider;
use stream_download::storage::temp::TempStorageProvider;
use stream_download::{Settings, StreamDownload};
use tokio::runtime::{Builder, Runtime};

struct Chunks(Source);

impl Stream for Chunks {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

impl SourceStream for Chunks {
    type Params = Source;
    type StreamCreationError = Infallible;

    async fn create(source: Source) -> Result<Self, Infallible> {
        Ok(Chunks(source))
    }

    fn content_length(&self) -> Option<u64> {
        Some(self.0.plan.size)
    }

    async fn seek_range(&mut self, _: u64, _: Option<u64>) -> io::Result<()> {
        unreachable!("a source that can't seek")
    }

    async fn reconnect(&mut self, _: u64) -> io::Result<()> {
        unreachable!("a source that does not fail")
    }

    fn supports_seek(&self) -> bool {
        false
    }
}

struct Download<P: StorageProvider>(Mutex<StreamDownload<P>>);

impl<P: StorageProvider> Buffer for Download<P>
where
    P::Reader: Send,
{
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        let mut stream = self.0.lock().unwrap();
        stream.seek(SeekFrom::Start(off)).expect("seek");
        let mut have = 0;
        while have < out.len() {
            match stream.read(&mut out[have..]).expect("read") {
                0 => break,
                n => have += n,
            }
        }
        have
    }

    fn save(&self, path: &Path) -> Option<u64> {
        let mut stream = self.0.lock().unwrap();
        stream.rewind().expect("seek");
        let mut file = File::create_new(path).expect("create");
        Some(io::copy(&mut *stream, &mut file).expect("copy"))
    }
}

fn runtime() -> &'static Runtime {
    static MADE: OnceLock<Runtime> = OnceLock::new();
    MADE.get_or_init(|| {
        Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

fn open<P>(source: Source, storage: P) -> Box<dyn Buffer>
where
    P: StorageProvider + 'static,
    P::Reader: Send + 'static,
{
    let opened = StreamDownload::new::<Chunks>(source, storage, Settings::default());
    let stream = runtime().block_on(opened);
    Box::new(Download(Mutex::new(
        stream.unwrap_or_else(|_| panic!("it does not open")),
    )))
}

/// Its default: a temporary file.
pub fn in_file(source: Source, _: u64) -> Box<dyn Buffer> {
    open(source, TempStorageProvider::default())
}

/// Everything in memory.
pub fn in_memory(source: Source, _: u64) -> Box<dyn Buffer> {
    open(source, MemoryStorageProvider)
}
