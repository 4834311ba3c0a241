//! A source that delivers no further than the test lets it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::{Arc, Condvar, Mutex};

use spoolbuf::{Error, Interrupt, Result, Source};

use super::support::Stream;

/// Opens a [`Tapped`] stream, and shows whether a thread waits at it.
#[derive(Default)]
pub struct Tap {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: u64,
    waits: bool,
    interrupted: bool,
}

impl Tap {
    /// Lets the stream deliver up to an offset.
    pub fn open(&self, until: u64) {
        self.state.lock().expect("no panic").open = until;
        self.changed.notify_all();
    }

    /// Waits until a thread waits for more than the tap lets through.
    pub fn wait_until_dry(&self) {
        let state = self.state.lock().expect("no panic");
        let patience = std::time::Duration::from_secs(300);
        let (_state, late) = self
            .changed
            .wait_timeout_while(state, patience, |state| !state.waits)
            .expect("no panic");
        assert!(!late.timed_out(), "nobody came for more");
    }
}

/// A stream behind a tap.
pub struct Tapped {
    pub stream: Stream,
    pub tap: Arc<Tap>,
}

impl Tapped {
    pub fn new(stream: Stream, open: u64) -> (Tapped, Arc<Tap>) {
        let tap = Arc::new(Tap::default());
        tap.open(open);
        let opened = tap.clone();
        (Tapped { stream, tap }, opened)
    }
}

impl Source for Tapped {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut state = self.tap.state.lock().expect("no panic");
        while state.open <= self.stream.at && !state.interrupted {
            state.waits = true;
            self.tap.changed.notify_all();
            state = self.tap.changed.wait(state).expect("no panic");
        }
        state.waits = false;
        if std::mem::take(&mut state.interrupted) {
            return Err(Error::Source {
                code: 4,
                cause: None,
            });
        }
        let most = (state.open - self.stream.at).min(out.len() as u64) as usize;
        drop(state);
        self.stream.pull(&mut out[..most])
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let tap = self.tap.clone();
        Some(Box::new(move || {
            tap.state.lock().expect("no panic").interrupted = true;
            tap.changed.notify_all();
        }))
    }
}
