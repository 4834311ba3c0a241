//! An error that uses the buffer when it is dropped.

use std::error::Error as StdError;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::{PATIENCE, check, fill};
use spoolbuf::{Error, Result, Source, StreamBuffer};

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
