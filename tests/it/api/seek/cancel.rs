//! A cancel before a seek, and during one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use super::{PATIENCE, SIZE, buffer, declared, fetched, read};
use crate::options::open;
use crate::support::Stream;
use spoolbuf::{Error, Interrupt, Source};

#[test]
fn a_cancel_before_a_seek_does_not_make_the_source_forward_only() {
    let (buffer, _) = buffer(SIZE, declared(SIZE));
    read(&buffer, 0, 10).expect("bytes");
    buffer.cancel();
    assert!(matches!(read(&buffer, SIZE / 2, 10), Err(Error::Canceled)));
    buffer.resume();
    assert_eq!(read(&buffer, SIZE / 2, 10).expect("bytes"), 10);
    assert!(buffer.stats().seekable);
}

/// A source whose first seek fails once it is interrupted and released, and not before. It reports
/// when it is inside.
struct Slow {
    stream: Stream,
    asked: u32,
    entered: Sender<&'static str>,
    go: Receiver<()>,
    interrupted: Arc<AtomicBool>,
}

impl Source for Slow {
    fn pull(&mut self, out: &mut [u8]) -> spoolbuf::Result<usize> {
        self.stream.pull(out)
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> spoolbuf::Result<()> {
        self.asked += 1;
        if self.asked > 1 {
            return self.stream.jump(offset);
        }
        self.entered.send("inside").expect("the test listens");
        self.go.recv_timeout(PATIENCE).expect("let go");
        assert!(self.interrupted.load(Ordering::SeqCst));
        Err(Error::Source {
            code: -4,
            cause: None,
        })
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let (entered, interrupted) = (self.entered.clone(), self.interrupted.clone());
        Some(Box::new(move || {
            interrupted.store(true, Ordering::SeqCst);
            let _ = entered.send("interrupted");
        }))
    }
}

#[test]
fn a_cancel_during_a_seek_does_not_make_the_source_forward_only() {
    // By the reader's own thread or by the helper's; resumed after the source has come back or,
    // which must be no other thing for the seek, while it is inside.
    for (helper, overtaken) in [(false, false), (false, true), (true, false), (true, true)] {
        let (stream, seen) = Stream::new(SIZE, 1 << 20);
        let ((entered, events), (let_go, go)) = (channel(), channel());
        let slow = Slow {
            stream,
            asked: 0,
            entered,
            go,
            interrupted: Arc::default(),
        };
        let buffer = open(slow, declared(SIZE)).expect("a buffer");
        let limit = helper.then_some(PATIENCE);
        let jump = || buffer.read_some(SIZE / 2, &mut [0; 10], limit);
        std::thread::scope(|scope| {
            let reader = scope.spawn(jump);
            assert_eq!(events.recv_timeout(PATIENCE), Ok("inside"));
            buffer.cancel();
            // It is called before the cancel returns.
            assert_eq!(events.try_recv(), Ok("interrupted"));
            if overtaken {
                buffer.resume();
            }
            let_go.send(()).expect("the source waits");
            let canceled = reader.join().expect("the reader");
            assert!(matches!(canceled, Err(Error::Canceled)), "{canceled:?}");
        });
        // A helper returns after its reader, which did not wait for it.
        buffer.resume();
        assert_eq!(jump().expect("bytes"), 10, "{helper} {overtaken}");
        let stats = buffer.stats();
        assert!(stats.seekable && stats.seeks == 2, "{stats:?}");
        assert!(fetched(&seen) <= 100_000, "{}", fetched(&seen));
        assert_eq!(events.try_recv(), Err(TryRecvError::Empty));
    }
}
