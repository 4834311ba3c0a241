//! Everything at once from many threads: reads, timeouts, cancels, prefetches, spills, and the free
//! in the middle. Meant for race detectors; without one it still checks every byte, that nothing
//! hangs, and that the source is dropped once.

use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::options::{Options, open};
use crate::support::{Seen, Stream, assert_bytes};
use spoolbuf::{Error, Interrupt, Result, Source, StreamBuffer};

const SIZE: u64 = 3_000_000;

/// A [`Stream`] that sometimes blocks until it is interrupted or a moment has passed, and sometimes
/// fails.
struct Moody {
    stream: Stream,
    calls: u32,
    stopped: Arc<AtomicBool>,
}

impl Source for Moody {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        self.calls += 1;
        if self.calls % 17 == 0 {
            let until = Instant::now() + Duration::from_millis(3);
            while Instant::now() < until {
                if self.stopped.swap(false, Ordering::SeqCst) {
                    return Err(Error::Source {
                        code: -2,
                        cause: None,
                    });
                }
                thread::yield_now();
            }
        }
        if self.calls % 41 == 0 {
            return Err(Error::Source {
                code: -1,
                cause: None,
            });
        }
        self.stream.pull(out)
    }

    fn can_seek(&self) -> bool {
        self.stream.seeks
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.stream.jump(offset)
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let stopped = self.stopped.clone();
        Some(Box::new(move || stopped.store(true, Ordering::SeqCst)))
    }
}

fn buffer(seeks: bool, max: u64) -> (StreamBuffer, Arc<Seen>) {
    let (mut stream, seen) = Stream::new(SIZE, 30_000);
    stream.seeks = seeks;
    let stopped = Arc::new(AtomicBool::new(false));
    let source = Moody {
        stream,
        calls: 0,
        stopped,
    };
    let options = Options {
        size: Some(SIZE),
        max_memory: max,
        seek_gap: 0,
        ..Options::default()
    };
    (open(source, options).expect("a buffer"), seen)
}

/// A pseudo-random number; each thread has its own sequence.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The results that a call may have when anything may happen to it.
fn check(offset: u64, out: &[u8], result: Result<usize>, buffer: &StreamBuffer) {
    match result {
        Ok(0) => assert!(offset >= SIZE, "an end at {offset}"),
        Ok(count) => assert_bytes(offset, &out[..count]),
        Err(Error::Canceled | Error::Timeout) => {}
        Err(Error::Source { .. }) => buffer.resume(),
        Err(error) => panic!("{error}"),
    }
}

fn live(buffer: &StreamBuffer, seed: u64, rounds: u32) {
    let mut dice = Dice(seed);
    let mut out = vec![0; 100_000];
    for _ in 0..rounds {
        let offset = dice.roll(SIZE + 1000);
        let length = 1 + dice.roll(out.len() as u64) as usize;
        let out = &mut out[..length];
        match dice.roll(12) {
            0..4 => {
                let result = buffer.read_at(offset, out);
                check(offset, out, result, buffer);
            }
            4..8 => {
                let limit = [None, Some(0), Some(1), Some(20)][dice.roll(4) as usize];
                let result = buffer.read_some(offset, out, limit.map(Duration::from_millis));
                check(offset, out, result, buffer);
            }
            8 => {
                buffer.cancel();
                buffer.resume();
            }
            9 => {
                let ahead = [0, 200_000, u64::MAX][dice.roll(3) as usize];
                buffer.prefetch(ahead).expect("a helper");
            }
            10 => buffer.spill().expect("a spill"),
            _ => {
                let stats = buffer.stats();
                assert!(stats.frontier <= SIZE && buffer.buffered(offset) <= SIZE);
            }
        }
    }
}

fn all_at_once(seeks: bool, max: u64) {
    let (buffer, seen) = buffer(seeks, max);
    thread::scope(|scope| {
        for seed in 0..4 {
            let buffer = &buffer;
            scope.spawn(move || live(buffer, (seed * 7919u64).wrapping_add(max), 150));
        }
        // A reader that another thread cancels again and again.
        let mut cursor = buffer.cursor().expect("a cursor");
        let stopper = cursor.cancel_handle();
        let done = Arc::new(AtomicBool::new(false));
        let over = done.clone();
        let reader = buffer.clone();
        scope.spawn(move || {
            let mut dice = Dice(99);
            let mut out = vec![0; 20_000];
            for _ in 0..150 {
                let offset = dice.roll(SIZE);
                cursor.seek(SeekFrom::Start(offset)).expect("a place");
                match cursor.read(&mut out) {
                    Ok(count) => assert_bytes(offset, &out[..count]),
                    Err(_) => reader.resume(),
                }
            }
            over.store(true, Ordering::SeqCst);
        });
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                stopper.cancel();
                thread::yield_now();
                stopper.resume();
                thread::sleep(Duration::from_millis(1));
            }
        });
    });
    // After all that, every byte is there.
    buffer.prefetch(0).expect("no prefetch");
    let mut all = vec![0; SIZE as usize];
    let mut at = 0;
    let patience = Instant::now() + Duration::from_secs(300);
    while at < all.len() {
        assert!(Instant::now() < patience, "it does not come");
        match buffer.read_at(at as u64, &mut all[at..]) {
            Ok(count) => at += count,
            Err(_) => buffer.resume(),
        }
    }
    assert_bytes(0, &all);
    assert_eq!(
        seen.fetched.load(Ordering::Relaxed),
        SIZE,
        "some bytes were fetched twice"
    );
}

#[test]
fn forwards_in_memory() {
    all_at_once(false, u64::MAX);
}

#[test]
fn forwards_through_the_spool_file() {
    all_at_once(false, 100_000);
}

#[test]
fn with_jumps() {
    all_at_once(true, 100_000);
}

#[test]
fn the_end_in_the_middle_of_it() {
    for round in 0..20 {
        let (buffer, seen) = buffer(round % 2 == 0, 50_000);
        let mut cursor = buffer.cursor().expect("a cursor");
        let readers: Vec<_> = (0..3)
            .map(|seed| {
                let buffer = buffer.clone();
                thread::spawn(move || live(&buffer, seed + round, 10))
            })
            .collect();
        let mut out = [0; 1000];
        let _ = cursor.read(&mut out);
        drop(buffer);
        for reader in readers {
            reader.join().expect("no panic");
        }
        drop(cursor);
        // By whoever came out of it last.
        let patience = Instant::now() + Duration::from_secs(300);
        while !seen.dropped.load(Ordering::SeqCst) {
            assert!(Instant::now() < patience, "the source was never dropped");
            thread::yield_now();
        }
    }
}

/// The hooks run on the helper's thread, around all that it does. A panic in one stays there.
#[test]
fn hooks_around_the_helper() {
    for panics in [false, true] {
        let (sender, events) = mpsc::channel();
        let hook = |event: &'static str| {
            let sender = sender.clone();
            let hook = move || {
                let thread = std::thread::current().id();
                sender.send((event, thread)).expect("the test listens");
                if panics {
                    // Without the message of a panic that nobody planned.
                    std::panic::resume_unwind(Box::new("as planned"));
                }
            };
            Box::new(hook) as spoolbuf::ThreadHook
        };
        let builder = StreamBuffer::builder(&[7; 100][..]);
        let builder = builder.thread_begin(hook("begin")).thread_end(hook("end"));
        let buffer = builder.open().expect("a buffer");
        buffer.prefetch(10).expect("a helper");
        assert_eq!(buffer.read_at(0, &mut [0; 100]).expect("bytes"), 100);
        drop(buffer);
        let (first, helper) = events.try_recv().expect("an event");
        assert_eq!(first, "begin");
        assert_ne!(helper, std::thread::current().id());
        assert_eq!(events.try_recv().expect("an event"), ("end", helper));
        assert!(events.try_recv().is_err());
    }
}

/// A source that stays inside a read until it is released.
struct Held {
    entered: mpsc::Sender<()>,
    released: mpsc::Receiver<()>,
}

impl Read for Held {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.entered.send(()).expect("the test listens");
        let _ = self.released.recv();
        Ok(0)
    }
}

/// A hook may own something that panics when it is dropped. If the helper outlives the buffer, it
/// drops the hooks.
#[test]
fn a_hook_that_panics_when_it_is_dropped() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            // Without the message of a panic that nobody planned.
            std::panic::resume_unwind(Box::new("as planned"));
        }
    }
    thread_local! {
        /// Dropped at the end of the thread.
        static LAST: std::cell::RefCell<Option<mpsc::Sender<()>>> = const { std::cell::RefCell::new(None) };
    }
    let (entered, has_entered) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let (last, is_over) = mpsc::channel::<()>();
    let (owned, last) = (Panics, std::sync::Mutex::new(Some(last)));
    let end = move || {
        let _owned = &owned;
        LAST.set(last.lock().expect("no panic").take());
    };
    let builder = StreamBuffer::builder(Held { entered, released });
    let buffer = builder.thread_end(Box::new(end)).open().expect("a buffer");
    buffer.prefetch(10).expect("a helper");
    has_entered.recv().expect("the helper calls the source");
    drop(buffer);
    drop(release);
    let over = is_over.recv_timeout(Duration::from_secs(300));
    assert_eq!(over, Err(mpsc::RecvTimeoutError::Disconnected));
}
