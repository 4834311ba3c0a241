//! A source that takes the place of another: of the same resource, or of one that differs from it
//! in every byte.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use spoolbuf::{Result, Source};

use crate::source::{Marks, Stated, Watched};
use crate::support::{Seen, Stream};

#[derive(Clone, Debug)]
pub struct Kind {
    pub size: u64,
    /// Whether it is another resource.
    pub other: bool,
    pub chunk: usize,
    pub seeks: bool,
    pub good_seeks: u32,
    /// The offset at which it fails once.
    pub failure: Option<u64>,
    /// After how many calls it states its size, if it does.
    pub stated_after: Option<u32>,
    /// How many of its first pulls take a while, so that a reopen finds a thread inside.
    pub pauses: u32,
    /// The size that the caller states for it.
    pub declared: Option<u64>,
}

/// What one source did.
#[derive(Clone)]
pub struct Record {
    pub other: bool,
    pub seen: Arc<Seen>,
    pub marks: Arc<Marks>,
}

pub struct Twin {
    watched: Watched,
    record: Record,
    pauses: u32,
}

impl Twin {
    pub fn new(kind: &Kind) -> (Twin, Record) {
        let (mut stream, seen) = Stream::new(kind.size, kind.chunk);
        stream.seeks = kind.seeks;
        stream.good_seeks = kind.good_seeks;
        let marks = Arc::new(Marks::default());
        let size = kind.size;
        let watched = Watched {
            stream,
            marks: marks.clone(),
            failures: kind.failure.into_iter().collect(),
            stated: kind.stated_after.map(|after| Stated { size, after }),
            has_declared_size: false,
        };
        let record = Record {
            other: kind.other,
            seen,
            marks,
        };
        let twin = Twin {
            watched,
            record: record.clone(),
            pauses: kind.pauses,
        };
        (twin, record)
    }
}

impl Source for Twin {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.pauses > 0 {
            self.pauses -= 1;
            std::thread::sleep(Duration::from_micros(200));
        }
        if self.record.other {
            // One that ends before held bytes has failed, and a retry asks it again.
            self.record.seen.ended.store(false, Ordering::SeqCst);
        }
        let count = self.watched.pull(out)?;
        if self.record.other {
            out[..count].iter_mut().for_each(|byte| *byte ^= 0x55);
        }
        Ok(count)
    }

    fn can_seek(&self) -> bool {
        self.watched.can_seek()
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.watched.jump(offset)
    }

    fn reports_size(&self) -> bool {
        self.watched.reports_size()
    }

    fn size(&mut self) -> Option<u64> {
        self.watched.size()
    }
}
