//! A source that delivers little at a time, and can be made to stall.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::{sleep, spawn};
use std::time::Duration;

use crate::options::{Options, open};
use crate::support::bytes;
use spoolbuf::{Error, Interrupt, Result, Source, StreamBuffer};

pub(crate) const SIZE: u64 = 8 << 20;

/// Makes a source with these properties.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) piece: usize,
    pub(crate) seek: Duration,
    pub(crate) read: Duration,
    pub(crate) is_interruptible: bool,
}

pub(crate) const DEAR_SEEKS: Line = Line {
    piece: 16 * 1024,
    seek: Duration::from_millis(8),
    read: Duration::ZERO,
    is_interruptible: true,
};

struct Pieces {
    line: Line,
    at: u64,
    dam: Arc<Dam>,
}

/// An offset, and what runs on another thread during the first read there. That read delivers bytes
/// even if it is interrupted.
pub(crate) type Event = (u64, Box<dyn FnOnce() + Send>);

/// Where the source stalls.
#[derive(Default)]
pub(crate) struct Dam {
    state: Mutex<Water>,
    changed: Condvar,
    pub(crate) reads: AtomicU64,
    /// Those in the first half of the resource.
    pub(crate) near_reads: AtomicU64,
    event: Mutex<Option<Event>>,
}

#[derive(Default)]
struct Water {
    /// No byte from here to there is delivered.
    shut: (u64, u64),
    stalls: bool,
    interrupted: bool,
}

impl Dam {
    pub(crate) fn shut(&self, from: u64, to: u64) {
        self.state.lock().expect("no panic").shut = (from, to);
        self.changed.notify_all();
    }

    pub(crate) fn stalls(&self) -> bool {
        self.state.lock().expect("no panic").stalls
    }

    pub(crate) fn set_event(&self, event: Event) {
        *self.event.lock().expect("no panic") = Some(event);
    }

    pub(crate) fn has_event(&self) -> bool {
        self.event.lock().expect("no panic").is_some()
    }

    fn run_event(&self, at: u64) {
        let mut event = self.event.lock().expect("no panic");
        if let Some((_, run)) = event.take_if(|event| at == event.0) {
            spawn(run).join().expect("no panic");
            self.state.lock().expect("no panic").interrupted = false;
        }
    }

    /// Waits at `at`, if it is shut there.
    fn pass(&self, at: u64) -> Result<()> {
        let mut water = self.state.lock().expect("no panic");
        while (water.shut.0..water.shut.1).contains(&at) && !water.interrupted {
            water.stalls = true;
            water = self.changed.wait(water).expect("no panic");
        }
        water.stalls = false;
        match std::mem::take(&mut water.interrupted) {
            true => Err(Error::Canceled),
            false => Ok(()),
        }
    }
}

/// Filled at once, so that a piece takes hardly any time.
fn resource() -> &'static [u8] {
    static RESOURCE: OnceLock<Vec<u8>> = OnceLock::new();
    RESOURCE.get_or_init(|| bytes(0, SIZE as usize))
}

impl Source for Pieces {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        self.dam.reads.fetch_add(1, Ordering::Relaxed);
        let is_near = self.at < SIZE / 2;
        self.dam
            .near_reads
            .fetch_add(is_near.into(), Ordering::Relaxed);
        self.dam.pass(self.at)?;
        self.dam.run_event(self.at);
        sleep(self.line.read);
        let rest = &resource()[self.at as usize..];
        let count = rest.len().min(out.len()).min(self.line.piece);
        out[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        sleep(self.line.seek);
        self.at = offset;
        Ok(())
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let dam = self.dam.clone();
        Some(Box::new(move || {
            dam.state.lock().expect("no panic").interrupted = true;
            dam.changed.notify_all();
        }))
    }

    fn is_interruptible(&self) -> bool {
        self.line.is_interruptible
    }
}

pub(crate) fn buffer(line: Line, read_granularity: u32) -> (StreamBuffer, Arc<Dam>) {
    resource();
    let dam = Arc::new(Dam::default());
    let source = Pieces {
        line,
        at: 0,
        dam: dam.clone(),
    };
    let options = Options {
        size: Some(SIZE),
        read_granularity,
        seek_gap: 0,
        ..Options::default()
    };
    (open(source, options).expect("a buffer"), dam)
}
