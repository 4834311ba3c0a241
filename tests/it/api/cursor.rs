//! `Cursor` as decoders use it: errors that they would take for the end, and an unknown end.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use spoolbuf::{Error, StreamBuffer};

/// A reader that delivers bytes, then fails once, then ends.
struct Failing {
    bytes: io::Cursor<Vec<u8>>,
    kind: Option<ErrorKind>,
}

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.bytes.read(out)? {
            0 => self.kind.take().map_or(Ok(0), |kind| Err(kind.into())),
            count => Ok(count),
        }
    }
}

fn byte_at(at: u64) -> u8 {
    ((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn resource(size: u64) -> Vec<u8> {
    (0..size).map(byte_at).collect()
}

fn over(source: impl spoolbuf::Source + 'static) -> StreamBuffer {
    StreamBuffer::builder(source)
        .max_memory(1 << 20)
        .open()
        .expect("a buffer")
}

/// Kinds that std or a decoder takes for "try again", "the end" or "try later".
#[test]
fn an_error_of_the_source_is_never_mistaken_for_another_result() {
    for kind in [
        ErrorKind::UnexpectedEof,
        ErrorKind::WriteZero,
        ErrorKind::WouldBlock,
    ] {
        let buffer = over(Failing {
            bytes: io::Cursor::new(resource(1000)),
            kind: Some(kind),
        });
        let mut cursor = buffer.cursor().expect("a cursor");
        let mut before = [0; 1000];
        cursor.read_exact(&mut before).expect("what came before");
        let error = cursor.read(&mut [0; 1]).expect_err("the source failed");
        assert_eq!(error.kind(), ErrorKind::Other, "{kind:?}");
        // The original error is inside.
        let inner = error.get_ref().expect("the cause").downcast_ref::<Error>();
        let Some(Error::Source { cause, .. }) = inner else {
            panic!("{error:?}");
        };
        let cause: &Arc<io::Error> = cause.as_ref().expect("the source's own");
        assert_eq!(cause.kind(), kind);
    }
    // Others keep their kind.
    let buffer = over(Failing {
        bytes: io::Cursor::new(Vec::new()),
        kind: Some(ErrorKind::ConnectionReset),
    });
    let error = buffer.cursor().expect("a cursor").read(&mut [0; 1]);
    assert_eq!(
        error.expect_err("the source failed").kind(),
        ErrorKind::ConnectionReset
    );
}

#[test]
fn seeking_from_an_unknown_end_reads_to_it() {
    let buffer = over(io::Cursor::new(resource(300_000)));
    let mut cursor = buffer.cursor().expect("a cursor");
    assert_eq!(cursor.seek(SeekFrom::Start(10)).expect("a place"), 10);
    assert_eq!(cursor.seek(SeekFrom::End(-4)).expect("the end"), 299_996);
    let mut last = Vec::new();
    cursor.read_to_end(&mut last).expect("the last bytes");
    assert_eq!(last, resource(300_000)[299_996..]);
    assert_eq!(buffer.size(), Some(300_000));
}

#[test]
fn a_failed_seek_from_the_end_keeps_the_position() {
    let buffer = over(Failing {
        bytes: io::Cursor::new(resource(50_000)),
        kind: Some(ErrorKind::ConnectionReset),
    });
    let mut cursor = buffer.cursor().expect("a cursor");
    cursor.seek(SeekFrom::Start(7)).expect("a place");
    let error = cursor.seek(SeekFrom::End(0)).expect_err("no end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(cursor.stream_position().expect("a place"), 7);
}

/// Delivers a byte for each message; ends with the sender.
struct Told(Receiver<u8>);

impl Read for Told {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.recv().map_or(0, |byte| {
            out[0] = byte;
            1
        }))
    }
}

#[test]
fn a_search_for_the_end_can_be_canceled() {
    let (sender, receiver) = channel();
    let buffer = over(Told(receiver));
    // The helper calls the source, so that a cancel of the cursor takes effect at once.
    buffer.prefetch(u64::MAX).expect("a thread");
    let mut cursor = buffer.cursor().expect("a cursor");
    let stopper = cursor.cancel_handle();
    let waiting = buffer.clone();
    let stop = thread::spawn(move || {
        while waiting.stats().waits == 0 {
            thread::yield_now();
        }
        stopper.cancel();
        stopper
    });
    let error = cursor.seek(SeekFrom::End(0)).expect_err("stopped");
    let inner = error.get_ref().expect("a cause").downcast_ref::<Error>();
    assert!(matches!(inner, Some(Error::Canceled)), "{error:?}");
    stop.join().expect("the stop").resume();
    sender.send(1).expect("a source");
    drop(sender);
    assert_eq!(cursor.seek(SeekFrom::End(0)).expect("the end"), 1);
}

/// A source without any state.
#[test]
fn a_source_may_have_no_size() {
    struct Nothing;
    impl spoolbuf::Source for Nothing {
        fn pull(&mut self, _out: &mut [u8]) -> spoolbuf::Result<usize> {
            Ok(0)
        }
    }
    assert_eq!(over(Nothing).read_at(0, &mut [0; 1]).expect("the end"), 0);
    assert_eq!(
        over(io::empty()).read_at(0, &mut [0; 1]).expect("the end"),
        0
    );
}

#[test]
fn a_cursor_with_a_reach_looks_no_further() {
    let buffer = StreamBuffer::new(std::io::repeat(7).take(1_000_000)).expect("a buffer");
    let options = spoolbuf::CursorOptions::new().reach(65536);
    let mut player = buffer.cursor_with(options).expect("a cursor");
    player.read_exact(&mut [0; 1000]).expect("bytes");
    let pulls = buffer.stats().pulls;
    for far in [SeekFrom::Start(900_000), SeekFrom::End(-8)] {
        let error = player.seek(far).expect_err("a source that cannot seek");
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    }
    assert_eq!(player.stream_position().expect("a position"), 1000);
    assert_eq!(buffer.stats().pulls, pulls);
    player.seek(SeekFrom::Start(50_000)).expect("within reach");
    player.read_exact(&mut [0; 1000]).expect("bytes");
    player.rewind().expect("what is buffered");
    assert_eq!(buffer.find_size(None).expect("a size"), 1_000_000);
    assert_eq!(player.seek(SeekFrom::End(-8)).expect("an offset"), 999_992);
}

#[test]
fn a_cursor_of_buffered_bytes_asks_for_none() {
    let source = spoolbuf::Seekable::new(std::io::Cursor::new(vec![7; 1_000_000]));
    let buffer = StreamBuffer::builder(source).open().expect("a buffer");
    let options = spoolbuf::CursorOptions::new().buffered(true);
    let mut peek = buffer.cursor_with(options).expect("a cursor");
    let mut out = [0; 10];
    for offset in (0..1_000_000).step_by(10_000) {
        peek.seek(SeekFrom::Start(offset)).expect("an offset");
        let missing = peek.read(&mut out).expect_err("nothing is buffered");
        assert_eq!(missing.kind(), std::io::ErrorKind::TimedOut);
    }
    assert!(peek.seek(SeekFrom::End(0)).is_err());
    assert_eq!((buffer.stats().pulls, buffer.stats().seeks), (0, 0));

    // With a timeout it waits for what others bring; one that may call the source does so by the
    // helper.
    let patience = std::time::Duration::from_secs(300);
    let options = spoolbuf::CursorOptions::new().timeout(patience);
    let mut waits = buffer
        .cursor_with(options.buffered(true))
        .expect("a cursor");
    let mut timed = buffer.cursor_with(options).expect("a cursor");
    std::thread::scope(|threads| {
        threads.spawn(move || waits.read(&mut [0; 10]).expect("bytes"));
        assert!(timed.read(&mut out).expect("bytes") > 0);
    });
    assert!(buffer.stats().helper);
    assert_eq!(buffer.find_size(None).expect("a size"), 1_000_000);
    assert_eq!(peek.seek(SeekFrom::End(-1)).expect("an offset"), 999_999);
}
