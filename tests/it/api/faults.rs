//! Sources written in Rust that fail: at their first call, in the middle, at the last byte, and while the
//! buffer is canceled. An error each time, never the end; a retry goes on without a byte missing.

use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::support::{assert_bytes, bytes};
use spoolbuf::{Error, Interrupt, Result, Source, StreamBuffer};

const SIZE: u64 = 100_000;

/// Delivers the resource; fails `times` times at `fails_at`.
struct Failing {
    place: u64,
    fails_at: u64,
    times: u32,
    how: ErrorKind,
}

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let until = match self.place < self.fails_at {
            true => self.fails_at.min(SIZE),
            false => SIZE,
        };
        if self.place == self.fails_at && self.times > 0 {
            self.times -= 1;
            return Err(self.how.into());
        }
        let count = out.len().min((until - self.place) as usize);
        out[..count].copy_from_slice(&bytes(self.place, count));
        self.place += count as u64;
        Ok(count)
    }
}

fn over(source: impl Source + 'static) -> StreamBuffer {
    StreamBuffer::builder(source)
        .max_memory(1 << 20)
        .open()
        .expect("a buffer")
}

fn is_whole(buffer: &StreamBuffer) {
    let mut out = vec![0; SIZE as usize + 1];
    assert_eq!(buffer.read_at(0, &mut out).expect("all"), SIZE as usize);
    assert_bytes(0, &out[..SIZE as usize]);
    assert_eq!(buffer.read_at(SIZE, &mut out).expect("the end"), 0);
    assert_eq!(buffer.size(), Some(SIZE));
}

#[test]
fn an_error_is_never_the_end() {
    for fails_at in [0, SIZE / 2, SIZE - 1] {
        for how in [ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof] {
            let buffer = over(Failing {
                place: 0,
                fails_at,
                times: 3,
                how,
            });
            for _ in 0..3 {
                let mut out = vec![0; SIZE as usize];
                if fails_at > 0 {
                    let count = buffer.read_at(0, &mut out).expect("what came before");
                    assert_eq!(count as u64, fails_at);
                    assert_bytes(0, &out[..count]);
                }
                let Err(Error::Source { cause, .. }) = buffer.read_at(fails_at, &mut out) else {
                    panic!("no error of the source at {fails_at}");
                };
                assert_eq!(cause.expect("the source's own").kind(), how);
                // Readers to the end do not take it for the end.
                let mut all = Vec::new();
                let read = buffer.cursor().expect("a cursor").read_to_end(&mut all);
                assert!(read.is_err() && all.len() as u64 == fails_at);
                assert_eq!(buffer.size(), None);
                buffer.retry();
            }
            is_whole(&buffer);
        }
    }
}

/// A broken connection reports the end once it has reported the error.
#[test]
fn an_end_after_an_error_is_that_error() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, _out: &mut [u8]) -> io::Result<usize> {
            match std::mem::replace(&mut self.0, true) {
                true => Ok(0),
                false => Err(ErrorKind::ConnectionReset.into()),
            }
        }
    }
    let buffer = over(Broken(false));
    for _ in 0..3 {
        let read = buffer.read_at(0, &mut [0; 1]);
        assert!(matches!(read, Err(Error::Source { .. })), "{read:?}");
        buffer.retry();
    }
}

/// Waits in the middle for a cancel, and returns from it as planned.
struct Stalling {
    inner: Failing,
    entered: Sender<()>,
    stopped: Receiver<()>,
    stop: Arc<Mutex<Sender<()>>>,
    comes_back: Option<Error>,
}

impl Source for Stalling {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let here = self.inner.place == SIZE / 2;
        match self.comes_back.take_if(|_| here) {
            Some(error) => {
                self.entered.send(()).expect("a test that waits");
                self.stopped.recv().expect("a stop");
                Err(error)
            }
            None => self.inner.pull(out),
        }
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let stop = self.stop.clone();
        Some(Box::new(move || {
            let _ = stop.lock().expect("a sender").send(());
        }))
    }
}

#[test]
fn a_cancel_is_a_cancel_whatever_the_source_returns() {
    let failed = || Error::Source {
        code: -5,
        cause: None,
    };
    for (error, code) in [(Error::Canceled, 0), (failed(), -5)] {
        let (entered, inside) = channel();
        let (stop, stopped) = channel();
        let buffer = over(Stalling {
            inner: Failing {
                place: 0,
                fails_at: SIZE / 2,
                times: 0,
                how: ErrorKind::Other,
            },
            entered,
            stopped,
            stop: Arc::new(Mutex::new(stop)),
            comes_back: Some(error),
        });
        let canceled = buffer.clone();
        let canceling = std::thread::spawn(move || {
            inside.recv().expect("a source that waits");
            canceled.cancel();
        });
        let mut out = vec![0; SIZE as usize];
        let read = buffer.read_at(0, &mut out);
        assert!(matches!(read, Err(Error::Canceled)), "{read:?}");
        canceling.join().expect("the cancel");
        assert_eq!(buffer.stats().source_error, code);
        let read = buffer.read_at(SIZE / 2, &mut out);
        assert!(matches!(read, Err(Error::Canceled)), "{read:?}");
        buffer.resume();
        is_whole(&buffer);
    }
}

/// "No bytes yet" is not a failure after which an end is not believed.
#[test]
fn no_bytes_yet_and_then_the_end() {
    let buffer = over(Failing {
        place: 0,
        fails_at: SIZE,
        times: 2,
        how: ErrorKind::WouldBlock,
    });
    let mut out = vec![0; SIZE as usize];
    for _ in 0..2 {
        assert_eq!(buffer.read_at(0, &mut out).expect("bytes"), SIZE as usize);
        assert!(buffer.read_at(SIZE, &mut out).is_err());
        buffer.retry();
    }
    is_whole(&buffer);
}
