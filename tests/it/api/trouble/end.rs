//! Sources that end in the wrong place or at a bad moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::{PATIENCE, SIZE, check, fill};
use crate::options::{Options, open};
use crate::support::{assert_bytes, byte};
use spoolbuf::{Error, Interrupt, OnShort, Result, Source, SourceState, StreamBuffer};

/// A read may end at 2^64, where no byte is, and not past it.
#[test]
fn a_read_ends_at_2_to_the_64th_at_most() {
    let buffer = StreamBuffer::builder(&[7u8; 10][..])
        .max_memory(0)
        .open()
        .expect("a buffer");
    for limit in [None, Some(Duration::ZERO), Some(PATIENCE)] {
        for before in 0..5 {
            let mut out = [0; 10];
            for length in 0..10 {
                let got = buffer.read_some(u64::MAX - before, &mut out[..length], limit);
                if length as u64 <= before + 1 {
                    assert_eq!(got.expect("nothing"), 0);
                } else {
                    assert!(matches!(got, Err(Error::Invalid)), "{got:?}");
                }
            }
        }
    }
    assert_eq!(buffer.stats().pulls, 0);
}

/// Delivers ten bytes. At its end it reports that it is there, waits for a cancel, and returns the
/// end. The cancel returns when the read has.
struct Stopped {
    left: u64,
    entered: Sender<()>,
    stops: Receiver<()>,
    stop: Sender<()>,
    returned: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
}

impl Source for Stopped {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.left == 0 {
            self.entered.send(()).expect("the test listens");
            self.stops.recv_timeout(PATIENCE).expect("a stop");
            return Ok(0);
        }
        self.left -= 1;
        out[0] = byte(9 - self.left);
        Ok(1)
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let (stop, returned) = (self.stop.clone(), self.returned.clone());
        Some(Box::new(move || {
            let _ = stop.send(());
            while !returned.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
        }))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

/// A source that ends during a cancel is closed when the cancel is over, and not only with the
/// buffer.
#[test]
fn a_source_that_ends_during_a_cancel_is_closed_after_it() {
    let ((entered, events), (stop, stops)) = (channel(), channel());
    let (returned, closed) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let source = Stopped {
        left: 10,
        entered,
        stops,
        stop,
        returned: returned.clone(),
        closed: closed.clone(),
    };
    let buffer = StreamBuffer::builder(source)
        .max_memory(0)
        .open()
        .expect("a buffer");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let ended = buffer.read_at(0, &mut [0; 20]);
            // Not during the cancel.
            let early = closed.load(Ordering::SeqCst);
            returned.store(true, Ordering::SeqCst);
            assert!(!early);
            assert!(matches!(ended, Ok(10) | Err(Error::Canceled)), "{ended:?}");
        });
        events.recv_timeout(PATIENCE).expect("inside");
        buffer.cancel();
        assert!(closed.load(Ordering::SeqCst), "it is closed");
    });
    let stats = buffer.stats();
    assert_eq!(stats.final_size, Some(10));
    assert_eq!(stats.state, SourceState::Ended);
    let mut out = [0; 20];
    assert_eq!(buffer.read_at(0, &mut out).expect("bytes"), 10);
    assert_bytes(0, &out[..10]);
}

/// Reports an end at `ends_at`, below bytes that it has delivered, as often as planned.
struct Forgetful {
    at: u64,
    ends_at: u64,
    times: u32,
    /// How many seeks succeed.
    jumps: u32,
}

impl Source for Forgetful {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.at == self.ends_at && self.times > 0 {
            self.times -= 1;
            return Ok(0);
        }
        let mut most = out.len() as u64;
        if self.times > 0 && self.at < self.ends_at {
            most = most.min(self.ends_at - self.at);
        }
        Ok(fill(&mut self.at, &mut out[..most as usize]))
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.jumps = self.jumps.checked_sub(1).ok_or(Error::Unsupported)?;
        self.at = offset;
        Ok(())
    }
}

/// The same if the source must pass buffered bytes because it cannot seek any more.
#[test]
fn an_end_within_buffered_bytes_is_a_failure() {
    const HELD: u64 = 1_000_000;
    let source = Forgetful {
        at: 0,
        ends_at: HELD + 5_000,
        times: 0,
        jumps: 2,
    };
    let (told, tells) = channel();
    let source = Told { source, tells };
    let buffer = StreamBuffer::builder(source)
        .max_memory(0)
        .open()
        .expect("a buffer");
    check(&buffer, HELD);
    check(&buffer, HELD + 10_000);
    check(&buffer, 0);
    told.send(1).expect("a source");
    // Past buffered bytes, by reading them again.
    let failed = buffer.read_at(HELD + 100_000, &mut [0; 10]);
    let code = match failed {
        Err(Error::Source { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code, 0);
    assert!(!buffer.stats().seekable);
    assert_eq!(buffer.stats().final_size, None);
    check(&buffer, HELD);
    buffer.retry();
    check(&buffer, HELD + 100_000);
    check(&buffer, SIZE - 1000);
}

/// A forgetful source whose number of faults is set later.
struct Told {
    source: Forgetful,
    tells: Receiver<u32>,
}

impl Source for Told {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        if let Ok(times) = self.tells.try_recv() {
            self.source.times = times;
        }
        self.source.pull(out)
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.source.jump(offset)
    }
}

/// An end before buffered bytes is not an end: the source is wrong.
#[test]
fn an_end_before_buffered_bytes_is_a_failure() {
    for max in [0, u64::MAX] {
        let source = Forgetful {
            at: 0,
            ends_at: 500_000,
            times: 2,
            jumps: 100,
        };
        let options = Options {
            max_memory: max,
            ..Options::default()
        };
        let buffer = open(source, options).expect("a buffer");
        check(&buffer, 2_000_000);
        let mut out = vec![0; 600_000];
        let got = buffer.read_at(0, &mut out).expect("what came before");
        assert_eq!(got, 500_000);
        assert_bytes(0, &out[..got]);
        for _ in 0..2 {
            for _ in 0..2 {
                let failed = buffer.read_at(500_000, &mut out);
                let code = match failed {
                    Err(Error::Source { code, .. }) => code,
                    other => panic!("{other:?}"),
                };
                assert_eq!(code, 0);
            }
            let stats = buffer.stats();
            assert_eq!((stats.final_size, stats.bound), (None, None));
            assert_eq!(stats.state, SourceState::Failed);
            // Buffered bytes stay.
            check(&buffer, 2_000_000);
            check(&buffer, 499_000);
            buffer.retry();
        }
        // A source that has the bytes after all.
        check(&buffer, 500_000);
        check(&buffer, SIZE - 1000);
        assert_eq!(buffer.read_at(SIZE, &mut out).expect("the end"), 0);
        assert_eq!(buffer.stats().final_size, Some(SIZE));
    }
}

/// An end is short below the declared size only.
#[test]
fn an_end_is_short_below_the_declared_size_only() {
    for on_short in [OnShort::End, OnShort::Error] {
        for declared in [None, Some(0), Some(9), Some(10), Some(11), Some(1 << 40)] {
            let options = Options {
                size: declared,
                on_short,
                ..Options::default()
            };
            let buffer = open(&[7u8; 10][..], options).expect("a buffer");
            assert!(!buffer.stats().ended_short);
            assert_eq!(buffer.read_at(0, &mut [0; 20]).expect("bytes"), 10);
            let at_the_end = buffer.read_at(10, &mut [0]);
            let is_short = declared.is_some_and(|size| size > 10);
            let stats = buffer.stats();
            assert_eq!(stats.ended_short, is_short, "{declared:?}");
            if is_short && on_short == OnShort::Error {
                assert!(matches!(at_the_end, Err(Error::Short)), "{at_the_end:?}");
                assert!(matches!(stats.failure, Some(Error::Short)));
                assert_eq!((stats.final_size, buffer.size()), (None, declared));
            } else {
                assert_eq!(at_the_end.expect("the end"), 0);
                assert!(stats.failure.is_none());
                assert_eq!((stats.final_size, buffer.size()), (Some(10), Some(10)));
            }
        }
    }
}
