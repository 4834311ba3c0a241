//! Sources written in Rust, and the effects of their results.

use std::io::{Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::child::alone;
use crate::options::{Options, open};
use crate::support::{Stream, assert_bytes, bytes};
use spoolbuf::ffi::abi::sb_source_code;
use spoolbuf::{Error, Interrupt, Result, Seekable, Source, StreamBuffer};

/// Far more than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Delivers its bytes, then returns an error.
struct Failing {
    left: Vec<u8>,
    error: Error,
}

impl Source for Failing {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.left.is_empty() {
            return Err(self.error.clone());
        }
        let count = self.left.len().min(out.len());
        out[..count].copy_from_slice(&self.left[..count]);
        self.left.drain(..count);
        Ok(count)
    }
}

#[test]
fn any_error_of_a_source_is_a_failure_of_the_source() {
    // As a buffer does that is the source of another one.
    let own = [
        Error::Timeout,
        Error::Reentrant,
        Error::Invalid,
        Error::NoMemory,
        Error::Exists,
        Error::Short,
    ];
    for error in own {
        let status = i64::from(error.code());
        let left = bytes(0, 10);
        let buffer = StreamBuffer::builder(Failing { left, error })
            .max_memory(0)
            .open()
            .expect("a buffer");
        let mut out = [0; 100];
        assert_eq!(buffer.read_at(0, &mut out).expect("what came before"), 10);
        assert_bytes(0, &out[..10]);
        for _ in 0..2 {
            let Err(Error::Source { code, cause }) = buffer.read_at(10, &mut out) else {
                panic!("no failure of the source");
            };
            assert_eq!(code, status);
            assert!(cause.is_some_and(|cause| cause.get_ref().is_some()));
        }
        assert_eq!(buffer.stats().source_error, status);
    }
}

#[test]
fn an_unexpected_special_result_of_a_source_is_a_failure() {
    let unasked = [
        (Error::Canceled, sb_source_code::SB_SOURCE_CANCELED),
        (Error::Unsupported, sb_source_code::SB_SOURCE_UNSUPPORTED),
    ];
    for (error, expected) in unasked {
        let left = bytes(0, 10);
        let buffer = StreamBuffer::builder(Failing { left, error })
            .max_memory(0)
            .open()
            .expect("a buffer");
        let mut out = [0; 100];
        assert_eq!(buffer.read_at(0, &mut out).expect("what came before"), 10);
        for _ in 0..2 {
            let Err(Error::Source { code, .. }) = buffer.read_at(10, &mut out) else {
                panic!("no failure of the source");
            };
            assert_eq!(code, expected as i64);
        }
    }
}

#[test]
fn a_reader_that_is_not_at_its_start_is_sought_there() {
    let mut reader = Cursor::new(bytes(0, 1000));
    let mut sniffed = [0; 4];
    reader.read_exact(&mut sniffed).expect("bytes");
    let buffer = StreamBuffer::builder(Seekable::new(reader))
        .max_memory(0)
        .open()
        .expect("a buffer");
    let mut out = [0; 1001];
    assert_eq!(buffer.read_at(0, &mut out).expect("bytes"), 1000);
    assert_bytes(0, &out[..1000]);
}

#[test]
fn a_cancel_handle_does_not_keep_its_buffer_alive() {
    // The memory in use is the process's.
    if !alone("api::sources::a_cancel_handle_does_not_keep_its_buffer_alive") {
        return;
    }
    const EACH: usize = 4 << 20;
    let before = resident();
    let stoppers: Vec<_> = (0..16)
        .map(|_| {
            let (stream, seen) = Stream::new(EACH as u64 + 1, 1 << 20);
            let buffer = StreamBuffer::builder(stream)
                .max_memory(u64::MAX)
                .open()
                .expect("a buffer");
            let mut cursor = buffer.cursor().expect("a cursor");
            cursor.seek(SeekFrom::Start(EACH as u64)).expect("a place");
            assert!(cursor.read(&mut [0; 10]).expect("bytes") > 0);
            let stopper = cursor.cancel_handle();
            drop((cursor, buffer));
            assert!(seen.dropped.load(Ordering::SeqCst));
            stopper
        })
        .collect();
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 * EACH, "{grown} bytes stay");
    // They no longer cancel anything, which is not an error.
    for stopper in &stoppers {
        stopper.cancel();
        stopper.resume();
    }
}

/// A stream that fails several times at the end of each 256 KiB, and then continues.
struct Stumbling {
    stream: Stream,
    failures: u32,
}

const FAILURES: u32 = 8;

impl Source for Stumbling {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.stream.at % (256 * 1024) == 0 && self.failures < FAILURES {
            self.failures += 1;
            return Err(Error::Source {
                code: -5,
                cause: None,
            });
        }
        self.failures = 0;
        self.stream.pull(out)
    }
}

#[test]
fn calls_that_fail_cost_no_memory() {
    if !alone("api::sources::calls_that_fail_cost_no_memory") {
        return;
    }
    const SIZE: u64 = 48 << 20;
    let before = resident();
    let (stream, _) = Stream::new(SIZE, 1 << 20);
    let source = Stumbling {
        stream,
        failures: 0,
    };
    let buffer = StreamBuffer::builder(source)
        .max_memory(SIZE)
        .open()
        .expect("a buffer");
    let mut failures = 0;
    while buffer.buffered(0) < SIZE {
        match buffer.read_at(SIZE - 1, &mut [0]) {
            Err(Error::Source { code: -5, .. }) => failures += 1,
            other => assert_eq!(other.expect("a byte"), 1),
        }
        buffer.resume();
    }
    assert_eq!(failures, FAILURES * (SIZE / (256 * 1024)) as u32);
    let grown = resident().saturating_sub(before);
    assert!(grown < SIZE as usize * 5 / 4, "{grown} bytes for {SIZE}");
    let mut out = vec![0; 1 << 20];
    for offset in (0..SIZE).step_by(out.len()) {
        assert_eq!(buffer.read_at(offset, &mut out).expect("bytes"), out.len());
        assert_bytes(offset, &out);
    }
}

#[test]
fn an_interrupted_source_is_not_called_again_by_a_cursor() {
    let error = Error::Source {
        code: -4,
        cause: Some(Arc::new(ErrorKind::Interrupted.into())),
    };
    let left = bytes(0, 10);
    let buffer = StreamBuffer::builder(Failing { left, error })
        .max_memory(0)
        .open()
        .expect("a buffer");
    let mut cursor = buffer.cursor().expect("a cursor");
    assert_eq!(cursor.read(&mut [0; 100]).expect("bytes"), 10);
    // std's readers to the end retry after that one, forever.
    let error = cursor.read(&mut [0; 100]).expect_err("a failure");
    assert_ne!(error.kind(), ErrorKind::Interrupted);
}

/// A source whose cancel leaves a mark for the next call to find. In its first call it reports that
/// it is inside, and waits.
struct Marked {
    stream: Stream,
    calls: u32,
    /// It finds the mark already in its first call, which takes time to return.
    obeys: bool,
    entered: Sender<()>,
    go: Receiver<()>,
    mark: Arc<AtomicBool>,
}

const STOPPED: Error = Error::Canceled;
const STOPPED_CODE: i64 = sb_source_code::SB_SOURCE_CANCELED as i64;

impl Marked {
    fn wait(&self) {
        self.entered.send(()).expect("the test listens");
        self.go.recv_timeout(PATIENCE).expect("let go");
    }

    fn enter(&mut self) -> Result<()> {
        self.calls += 1;
        if self.mark.swap(false, Ordering::SeqCst) {
            return Err(STOPPED);
        }
        if self.calls == 1 {
            self.wait();
            if self.obeys {
                assert!(self.mark.swap(false, Ordering::SeqCst));
                self.wait();
                return Err(STOPPED);
            }
        }
        Ok(())
    }
}

impl Source for Marked {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        self.enter()?;
        self.stream.pull(out)
    }

    fn can_seek(&self) -> bool {
        self.stream.seeks
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.enter()?;
        self.stream.jump(offset)
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let mark = self.mark.clone();
        Some(Box::new(move || mark.store(true, Ordering::SeqCst)))
    }
}

#[test]
fn a_cancel_as_the_source_returns_does_not_fail_the_next_call() {
    for (seeks, obeys) in [(false, false), (true, false), (false, true), (true, true)] {
        let (mut stream, _) = Stream::new(1 << 20, 1000);
        stream.seeks = seeks;
        let ((entered, events), (let_go, go)) = (channel(), channel());
        let mark = Arc::<AtomicBool>::default();
        let marked = Marked {
            stream,
            calls: 0,
            obeys,
            entered,
            go,
            mark: mark.clone(),
        };
        let buffer = StreamBuffer::builder(marked)
            .max_memory(0)
            .open()
            .expect("a buffer");
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| buffer.read_at(0, &mut [0]));
            for _ in 0..=u32::from(obeys) {
                events.recv_timeout(PATIENCE).expect("inside");
                buffer.cancel();
                let_go.send(()).expect("the source waits");
            }
            let canceled = reader.join().expect("the reader");
            assert!(matches!(canceled, Err(Error::Canceled)), "{canceled:?}");
        });
        buffer.resume();
        assert!(mark.load(Ordering::SeqCst), "the mark is left");
        let mut out = [0; 10];
        assert_eq!(buffer.read_at(900_000, &mut out).expect("bytes"), 10);
        assert_bytes(900_000, &out);
        let stats = buffer.stats();
        assert!(
            stats.failure.is_none() && stats.source_error == 0,
            "{stats:?}"
        );
        assert_eq!((stats.seekable, stats.seeks > 0), (seeks, seeks));
        // Without a cancel it is a failure at once.
        mark.store(true, Ordering::SeqCst);
        let before = buffer.stats().pulls;
        let failed = buffer.read_at(950_000, &mut out);
        assert!(matches!(
            failed,
            Err(Error::Source {
                code: STOPPED_CODE,
                ..
            })
        ));
        assert!(seeks || buffer.stats().pulls == before + 1);
        assert_eq!(buffer.stats().source_error, STOPPED_CODE);
    }
}

/// Refuses offsets past a limit, as files do past what their file system can hold.
struct Strict {
    file: Cursor<Vec<u8>>,
    last: u64,
    refusal: ErrorKind,
}

impl Read for Strict {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(out)
    }
}

impl Seek for Strict {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match to {
            SeekFrom::Start(offset) if offset > self.last => Err(self.refusal.into()),
            to => self.file.seek(to),
        }
    }
}

fn strict(last: u64, refusal: ErrorKind) -> StreamBuffer {
    let file = Cursor::new(bytes(0, 100_000));
    let strict = Strict {
        file,
        last,
        refusal,
    };
    let options = Options {
        seek_gap: 0,
        ..Options::default()
    };
    open(Seekable::new(strict), options).expect("a buffer")
}

#[test]
fn an_offset_that_a_file_refuses_is_past_its_end() {
    let buffer = strict(100_000, ErrorKind::InvalidInput);
    assert_eq!(buffer.read_at(1 << 45, &mut [0; 10]).expect("the end"), 0);
    let mut out = [0; 10];
    assert_eq!(buffer.read_at(500, &mut out).expect("bytes"), 10);
    assert_bytes(500, &out);
    let stats = buffer.stats();
    assert!(stats.seekable && stats.source_error == 0, "{stats:?}");
}

#[test]
fn an_offset_refused_once_is_not_the_end() {
    for refusal in [ErrorKind::InvalidInput, ErrorKind::ConnectionReset] {
        let buffer = strict(50_000, refusal);
        assert_eq!(buffer.read_at(0, &mut [0]).expect("a byte"), 1);
        let mut out = [0; 10];
        // Each read asks again, and the other offsets are still reachable.
        for seeks in 1..3 {
            let refused = buffer.read_at(90_000, &mut out);
            assert!(matches!(refused, Err(Error::Source { .. })), "{refused:?}");
            assert_eq!(buffer.stats().seeks, seeks);
        }
        assert_eq!(buffer.read_at(40_000, &mut out).expect("bytes"), 10);
        assert_bytes(40_000, &out);
        assert!(buffer.stats().seekable);
        let mut all = vec![0; 100_001];
        assert_eq!(buffer.read_at(0, &mut all).expect("all"), 100_000);
        assert_bytes(0, &all[..100_000]);
    }
}

/// Memory in use, in bytes; 0 where that can't be told.
fn resident() -> usize {
    let Ok(pages) = std::fs::read_to_string("/proc/self/statm") else {
        return 0;
    };
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.map_or(0, |pages: usize| pages * 4096)
}

/// Learns its size with its first byte.
struct Sized {
    left: usize,
    size: Option<u64>,
    panics: bool,
}

impl Source for Sized {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let count = self.left.min(out.len()).min(10);
        out[..count].fill(1);
        self.left -= count;
        Ok(count)
    }

    fn reports_size(&self) -> bool {
        true
    }

    fn size(&mut self) -> Option<u64> {
        assert!(!std::mem::take(&mut self.panics), "in `size`");
        self.size
    }
}

#[test]
fn a_size_that_the_source_reports_is_the_declared_one() {
    let source = |size, panics| Sized {
        left: 30,
        size,
        panics,
    };
    let mut out = [0; 100];

    let buffer = StreamBuffer::builder(source(Some(30), false))
        .max_memory(0)
        .open()
        .expect("a buffer");
    assert_eq!(buffer.size(), None);
    assert_eq!(buffer.read_at(0, &mut out[..5]).expect("bytes"), 5);
    assert_eq!(buffer.size(), Some(30));
    let mut cursor = buffer.cursor().expect("a cursor");
    assert_eq!(cursor.seek(SeekFrom::End(-1)).expect("a place"), 29);
    assert_eq!(buffer.stats().final_size, None);

    // One that the caller declared counts.
    let buffer = StreamBuffer::builder(source(Some(30), true))
        .size(40)
        .max_memory(0)
        .open()
        .expect("a buffer");
    assert_eq!(buffer.read_at(0, &mut out[..5]).expect("bytes"), 5);
    assert_eq!(buffer.size(), Some(40));
}

#[test]
fn a_panic_in_size_loses_no_byte() {
    let source = Sized {
        left: 30,
        size: Some(30),
        panics: true,
    };
    let buffer = StreamBuffer::builder(source)
        .max_memory(0)
        .open()
        .expect("a buffer");
    let mut out = [0; 100];
    assert_eq!(buffer.read_at(0, &mut out).expect("what came before"), 10);
    assert!(matches!(buffer.read_at(10, &mut out), Err(Error::Panic)));
    assert_eq!(buffer.size(), None);
    buffer.retry();
    assert_eq!(buffer.read_at(0, &mut out).expect("all"), 30);
    assert_eq!(buffer.stats().declared, Some(30));
}
