//! `AsyncCursor`, over tokio's traits and those of futures-io: no thread waits, and no task is forgotten.

use std::future::Future;
use std::io::{self, Read, SeekFrom};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::io::{AsyncReadExt as FuturesRead, AsyncSeekExt as FuturesSeek};
use spoolbuf::{AsyncCursor, Error, Seekable, StreamBuffer};
use tokio::io::{AsyncReadExt as TokioRead, AsyncSeekExt as TokioSeek};

const SIZE: u64 = 1_000_000;

fn byte(offset: u64) -> u8 {
    ((offset + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn bytes(offset: u64, length: usize) -> Vec<u8> {
    (offset..).take(length).map(byte).collect()
}

/// Delivers a few bytes at a time, and fails at an offset.
struct Stream {
    at: u64,
    fails_at: u64,
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.fails_at {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let until = SIZE.min(self.fails_at);
        let count = out.len().min(7001).min((until - self.at) as usize);
        out[..count].copy_from_slice(&bytes(self.at, count));
        self.at += count as u64;
        Ok(count)
    }
}

fn stream(fails_at: u64) -> StreamBuffer {
    let source = Stream { at: 0, fails_at };
    let builder = StreamBuffer::builder(source).max_memory(100_000);
    builder.open().expect("a buffer")
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.build().expect("a runtime").block_on(work)
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("Linux").count()
}

#[test]
fn reads_to_the_end() {
    run(async {
        let mut cursor = stream(u64::MAX).async_cursor();
        let mut all = Vec::new();
        let read = TokioRead::read_to_end(&mut cursor, &mut all);
        assert_eq!(read.await.expect("no error") as u64, SIZE);
        assert!(all == bytes(0, SIZE as usize));
        // Again, from the spool file, by the other family.
        let mut cursor = stream(u64::MAX).async_cursor();
        all.clear();
        let read = FuturesRead::read_to_end(&mut cursor, &mut all);
        assert_eq!(read.await.expect("no error") as u64, SIZE);
        assert!(all == bytes(0, SIZE as usize));
    });
}

async fn seeks(buffer: &StreamBuffer) {
    let (mut by_tokio, mut by_futures) = (buffer.async_cursor(), buffer.async_cursor());
    let places = [
        (SeekFrom::End(-5), SIZE - 5),
        (SeekFrom::Current(-10), SIZE - 10),
        (SeekFrom::Start(500_000), 500_000),
    ];
    for (to, place) in places {
        let mut out = [0; 5];
        let sought = TokioSeek::seek(&mut by_tokio, to).await;
        assert_eq!(sought.expect("no error"), place);
        let read = TokioRead::read_exact(&mut by_tokio, &mut out).await;
        assert_eq!(read.expect("no error"), 5);
        assert_eq!(out[..], bytes(place, 5));
        let sought = FuturesSeek::seek(&mut by_futures, to).await;
        assert_eq!(sought.expect("no error"), place);
        let read = FuturesRead::read_exact(&mut by_futures, &mut out).await;
        read.expect("no error");
        assert_eq!(out[..], bytes(place, 5));
    }
    let before = TokioSeek::seek(&mut by_tokio, SeekFrom::Start(u64::MAX)).await;
    assert_eq!(
        before.expect_err("too far").kind(),
        io::ErrorKind::InvalidInput
    );
}

#[test]
fn finds_the_end_and_seeks() {
    run(async {
        // Read to its end; sought to its declared end; of unknown size, and sought.
        seeks(&stream(u64::MAX)).await;
        let whole = || Seekable::new(io::Cursor::new(bytes(0, SIZE as usize)));
        let declared = StreamBuffer::builder(whole()).size(SIZE);
        seeks(&declared.open().expect("a buffer")).await;
        seeks(&StreamBuffer::new(whole()).expect("a buffer")).await;
    });
}

#[test]
fn fails_as_a_cursor_does() {
    run(async {
        let buffer = stream(30_000);
        let mut cursor = buffer.async_cursor();
        let mut all = Vec::new();
        let read = TokioRead::read_to_end(&mut cursor, &mut all);
        // A decoder must not take it for the end.
        let error = read.await.expect_err("the source failed");
        assert_eq!(error.kind(), io::ErrorKind::Other);
        assert!(all == bytes(0, 30_000));
        let seek = TokioSeek::seek(&mut cursor, SeekFrom::End(0));
        assert!(seek.await.is_err());
    });
}

/// Counts how often it is woken; its references, how many watches have it.
struct Count(std::sync::atomic::AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

fn poll_once(cursor: &mut AsyncCursor, count: &Arc<Count>) -> Poll<io::Result<usize>> {
    let waker = Waker::from(count.clone());
    let mut out = [0; 10];
    let mut context = Context::from_waker(&waker);
    let read = FuturesRead::read(cursor, &mut out);
    pin!(read).poll(&mut context)
}

#[test]
fn a_dropped_cursor_leaves_nothing() {
    let (buffer, pusher) = StreamBuffer::pushed().open_push().expect("a buffer");
    let count = Arc::new(Count(0.into()));
    let woken = || count.0.load(std::sync::atomic::Ordering::SeqCst);
    let mut cursor = buffer.async_cursor();
    for _ in 0..3 {
        assert!(poll_once(&mut cursor, &count).is_pending());
        // One watch, however often it is polled.
        assert_eq!(Arc::strong_count(&count), 2);
    }
    pusher.push(0, b"0123456789", None).expect("accepted");
    assert_eq!((woken(), Arc::strong_count(&count)), (1, 1));
    assert!(matches!(
        poll_once(&mut cursor, &count),
        Poll::Ready(Ok(10))
    ));
    assert!(poll_once(&mut cursor, &count).is_pending());
    drop(cursor);
    assert_eq!(Arc::strong_count(&count), 1);
    // A cancel, and the end of the buffer, wake whoever waits.
    let mut cursor = buffer.async_cursor();
    let mut past = Box::pin(async move {
        let sought = TokioSeek::seek(&mut cursor, SeekFrom::End(0));
        sought.await.map_err(|error| error.kind())
    });
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut past).poll(&mut context).is_pending());
    buffer.cancel();
    assert_eq!(woken(), 2);
    assert!(matches!(
        Pin::new(&mut past).poll(&mut context),
        Poll::Ready(Err(_))
    ));
}

/// A thousand tasks wait, and no thread does.
#[test]
fn a_thousand_wait_without_a_thread() {
    const TASKS: u64 = 1000;
    let (buffer, pusher) = StreamBuffer::pushed().open_push().expect("a buffer");
    run(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let mut cursor = buffer.async_cursor();
                tokio::spawn(async move {
                    let offset = task * 100;
                    let seek = TokioSeek::seek(&mut cursor, SeekFrom::Start(offset));
                    seek.await.expect("no error");
                    let mut out = [0; 100];
                    let read = TokioRead::read_exact(&mut cursor, &mut out);
                    read.await.expect("no error");
                    assert_eq!(out[..], bytes(offset, 100));
                })
            })
            .collect();
        tokio::task::yield_now().await;
        let before = threads();
        assert_eq!(pusher.wanted().start, 0);
        let all = bytes(0, 100 * TASKS as usize);
        for (piece, at) in all.chunks(777).zip((0..).step_by(777)) {
            pusher.push(at, piece, None).expect("accepted");
        }
        for task in tasks {
            task.await.expect("no panic");
        }
        // Others of this program's tests may end meanwhile, and begin; not hundreds.
        assert!(threads() < before + 100);
        let stats = buffer.stats();
        assert_eq!((stats.waits, stats.helper), (0, false));
    });
}

#[test]
fn a_cancel_ends_a_wait() {
    run(async {
        let (buffer, _pusher) = StreamBuffer::pushed().open_push().expect("a buffer");
        let mut cursor = buffer.async_cursor();
        let task = tokio::spawn(async move {
            TokioRead::read_u8(&mut cursor).await.map_err(|error| {
                let inner = error
                    .into_inner()
                    .and_then(|it| it.downcast::<Error>().ok());
                matches!(inner.as_deref(), Some(Error::Canceled))
            })
        });
        tokio::task::yield_now().await;
        buffer.cancel();
        assert_eq!(task.await.expect("no panic"), Err(true));
    });
}
