//! Sources that end, fail or panic at a bad moment: nobody waits forever, and no buffered byte is
//! lost.

use std::error::Error as StdError;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::options::{Options, open};
use crate::support::{assert_bytes, byte};
use spoolbuf::{Error, Interrupt, OnShort, Result, Source, SourceState, StreamBuffer};

/// Far more than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const SIZE: u64 = 4 << 20;

fn fill(at: &mut u64, out: &mut [u8]) -> usize {
    let count = (out.len() as u64).min(SIZE.saturating_sub(*at)) as usize;
    for (place, offset) in out[..count].iter_mut().zip(*at..) {
        *place = byte(offset);
    }
    *at += count as u64;
    count
}

#[track_caller]
fn check(buffer: &StreamBuffer, offset: u64) {
    let mut out = [0; 1000];
    assert_eq!(buffer.read_at(offset, &mut out).expect("bytes"), 1000);
    assert_bytes(offset, &out);
}

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

/// Panics as planned.
struct Panics {
    at: u64,
    jumps: u32,
    panics_at_jump: u32,
}

impl Source for Panics {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        Ok(fill(&mut self.at, out))
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.jumps += 1;
        if self.jumps == self.panics_at_jump {
            // A panic without a message, which would surprise a reader of the test's output.
            resume_unwind(Box::new("as it is told to"));
        }
        self.at = offset;
        Ok(())
    }
}

/// A panic in a seek is a failure for every read, whoever called the source. Buffered bytes stay,
/// and after a retry the source must seek again, since its position is unknown.
#[test]
fn a_panic_in_a_seek_is_a_failure_until_a_retry() {
    for by_helper in [false, true] {
        let source = Panics {
            at: 0,
            jumps: 0,
            panics_at_jump: 2,
        };
        let buffer = StreamBuffer::builder(source)
            .size(SIZE)
            .max_memory(0)
            .open()
            .expect("a buffer");
        check(&buffer, 1_000_000);
        let limit = by_helper.then_some(PATIENCE);
        let mut out = [0; 1000];
        for _ in 0..2 {
            let failed = buffer.read_some(3_000_000, &mut out, limit);
            assert!(matches!(failed, Err(Error::Panic)), "{failed:?}");
        }
        let stats = buffer.stats();
        assert_eq!(stats.state, SourceState::Failed);
        assert!(matches!(stats.failure, Some(Error::Panic)));
        assert_eq!(stats.seeks, 2, "not called again");
        check(&buffer, 1_000_000);
        buffer.retry();
        check(&buffer, 3_000_000);
        check(&buffer, 2_000_000);
        assert!(buffer.stats().seekable);
    }
}

/// An error that panics on drop, and reports that.
#[derive(Debug)]
struct Bomb(Arc<AtomicBool>);

impl fmt::Display for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bomb")
    }
}

impl StdError for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
            resume_unwind(Box::new("as it goes"));
        }
    }
}

/// Fails once with an error that panics when the library is done with it.
struct Mined {
    at: u64,
    gone: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
    fails_at: u32,
}

impl Mined {
    fn fails(&mut self) -> Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if call == self.fails_at {
            let error = std::io::Error::other(Bomb(self.gone.clone()));
            return Err(Error::Source {
                code: -9,
                cause: Some(Arc::new(error)),
            });
        }
        Ok(())
    }
}

impl Source for Mined {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        self.fails()?;
        let most = out.len().min(1000);
        Ok(fill(&mut self.at, &mut out[..most]))
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.fails()?;
        self.at = offset;
        Ok(())
    }
}

/// A drop by the library runs the user's code, also that of an error. Wherever it panics, later
/// reads get the right bytes, and reads by the helper are served.
#[test]
fn an_error_that_panics_when_it_is_dropped_loses_no_byte() {
    for by_helper in [false, true] {
        for fails_at in 1..8 {
            let calls = Arc::<AtomicU32>::default();
            let source = Mined {
                at: 0,
                gone: Arc::default(),
                calls: calls.clone(),
                fails_at,
            };
            let buffer = StreamBuffer::builder(source)
                .size(SIZE)
                .max_memory(0)
                .open()
                .expect("a buffer");
            let limit = by_helper.then_some(PATIENCE);
            let places = [0, 2_000_000, 2_001_000, 1_000_000, 1_001_000, 3_000_000];
            for place in places.into_iter().cycle().take(18) {
                let mut out = [0; 1000];
                let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match buffer
                    .read_some(place, &mut out, limit)
                {
                    Ok(count) => Some(count),
                    Err(Error::Source { code: -9, .. } | Error::Panic) => None,
                    Err(error) => panic!("{error}"),
                }));
                if let Ok(Some(count)) = read {
                    assert!(count > 0);
                    assert_bytes(place, &out[..count]);
                } else {
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        buffer.retry();
                    }));
                }
            }
            assert!(calls.load(Ordering::SeqCst) > fails_at);
            for place in places {
                check(&buffer, place);
            }
        }
    }
}

/// A panic in the helper's own work: the work is lost, and the helper continues with the next.
#[test]
fn a_panic_on_the_helper_is_survived() {
    let calls = Arc::<AtomicU32>::default();
    let gone = Arc::<AtomicBool>::default();
    let source = Mined {
        at: 0,
        gone: gone.clone(),
        calls,
        fails_at: 1,
    };
    let buffer = StreamBuffer::builder(source)
        .size(SIZE)
        .max_memory(0)
        .open()
        .expect("a buffer");
    // Nobody waits for this one, so the error is dropped on the helper.
    let nothing = buffer.read_some(2_000_000, &mut [0], Some(Duration::ZERO));
    assert!(matches!(nothing, Err(Error::Timeout)), "{nothing:?}");
    buffer.prefetch(100_000).expect("a helper");
    let begun = Instant::now();
    while !gone.load(Ordering::SeqCst) {
        assert!(begun.elapsed() < PATIENCE, "the helper never came");
        std::thread::yield_now();
    }
    for limit in [Some(PATIENCE), None] {
        for offset in [2_000_000, 1_000_000, 3_000_000] {
            let mut out = [0; 1000];
            let count = buffer.read_some(offset, &mut out, limit);
            // Unless it is called before the helper has finished with it.
            if !matches!(count, Err(Error::Panic)) {
                assert_bytes(offset, &out[..count.expect("bytes")]);
            }
        }
    }
    check(&buffer, 500_000);
    assert!(buffer.stats().helper);
}

/// An error that uses the buffer on drop.
struct Nosy(Arc<Mutex<Option<StreamBuffer>>>);

impl fmt::Debug for Nosy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nosy")
    }
}

impl fmt::Display for Nosy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a nosy error")
    }
}

impl StdError for Nosy {}

impl Drop for Nosy {
    fn drop(&mut self) {
        if let Some(buffer) = &*self.0.lock().expect("no panic") {
            buffer.stats();
        }
    }
}

/// Fails with such an error in its first seek, once it is told to, and in the first read after
/// that.
struct Watched {
    at: u64,
    jumps: u32,
    failures: u32,
    buffer: Arc<Mutex<Option<StreamBuffer>>>,
    entered: Sender<()>,
    go: Receiver<()>,
}

impl Watched {
    fn error(&mut self) -> Error {
        self.failures += 1;
        let error = std::io::Error::other(Nosy(self.buffer.clone()));
        Error::Source {
            code: -9,
            cause: Some(Arc::new(error)),
        }
    }
}

impl Source for Watched {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.failures == 1 {
            return Err(self.error());
        }
        Ok(fill(&mut self.at, out))
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.jumps += 1;
        if self.jumps == 1 {
            self.entered.send(()).expect("the test listens");
            self.go.recv_timeout(PATIENCE).expect("let go");
            return Err(self.error());
        }
        self.at = offset;
        Ok(())
    }
}

/// The library drops an error as it calls any code of the user: without a lock.
#[test]
fn an_error_may_use_the_buffer_when_it_is_dropped() {
    for canceled in [false, true] {
        let ((entered, events), (let_go, go)) = (channel(), channel());
        let (done, all_done) = channel();
        let itself = Arc::new(Mutex::new(None));
        let source = Watched {
            at: 0,
            jumps: 0,
            failures: 0,
            buffer: itself.clone(),
            entered,
            go,
        };
        let buffer = StreamBuffer::builder(source)
            .max_memory(0)
            .open()
            .expect("a buffer");
        *itself.lock().expect("no panic") = Some(buffer.clone());
        let reader = std::thread::spawn({
            let buffer = buffer.clone();
            move || {
                for offset in [2_000_000, 2_000_000, 1_000_000, 0] {
                    let failed = buffer.read_at(offset, &mut [0; 10]).err();
                    buffer.resume();
                    assert!(matches!(
                        failed,
                        None | Some(Error::Canceled | Error::Source { code: -9, .. })
                    ));
                }
                check(&buffer, 2_000_000);
                check(&buffer, 0);
                done.send(()).expect("the test listens");
            }
        });
        events.recv_timeout(PATIENCE).expect("inside");
        if canceled {
            buffer.cancel();
        }
        let_go.send(()).expect("the source waits");
        all_done.recv_timeout(PATIENCE).expect("nobody hangs");
        reader.join().expect("no panic");
        // No reference cycle that keeps it.
        let buffer = itself.lock().expect("no panic").take();
        drop(buffer);
    }
}
