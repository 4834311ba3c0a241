//! What a pushed buffer must be: the bytes that it accepted, the end, a failure, a cancellation.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use spoolbuf::{Error, Pusher, Result, StreamBuffer, Watch};

use crate::push::Case;

/// The most bytes in memory past the limit.
pub const SEGMENT: u64 = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failure {
    Code(i64),
    Short,
}

/// A call that a watch has promised.
pub struct Pending {
    pub offset: u64,
    pub receiver: Receiver<Result<u64>>,
    pub watch: Watch,
}

/// What a buffer must be, from what it accepted.
pub struct Model {
    pub case: Case,
    pub buffer: StreamBuffer,
    pub pusher: Pusher,
    /// The accepted bytes.
    pub bytes: Vec<Option<u8>>,
    pub end: Option<u64>,
    pub failure: Option<Failure>,
    pub canceled: bool,
    pub max_memory: u64,
    pub prefetches: bool,
    /// The furthest read, at least and at most: that of a read in vain need not count.
    pub furthest: (u64, u64),
    pub pushes: u8,
    pub watches: Vec<Pending>,
    /// How many accepted pieces did not continue the one before, and where that one ended.
    pub jumps: u64,
    pub position: usize,
}

impl Model {
    pub fn new(case: Case, spool_dir: PathBuf) -> Model {
        let builder = StreamBuffer::pushed()
            .size(case.declared)
            .on_short(case.on_short)
            .on_full(case.on_full)
            .max_memory(case.max_memory)
            .ahead(case.ahead)
            .spool_dir(spool_dir);
        let (buffer, pusher) = builder.open_push().expect("a buffer");
        Model {
            max_memory: case.max_memory,
            case,
            buffer,
            pusher,
            bytes: Vec::new(),
            end: None,
            failure: None,
            canceled: false,
            prefetches: false,
            furthest: (0, 0),
            pushes: 0,
            watches: Vec::new(),
            jumps: 0,
            position: 0,
        }
    }

    pub fn is_held(&self, offset: u64) -> bool {
        let place = usize::try_from(offset).expect("a small offset");
        self.bytes.get(place).is_some_and(Option::is_some)
    }

    /// The number of bytes from an offset on without a gap.
    pub fn buffered(&self, offset: u64) -> u64 {
        let from = self.bytes.get(offset as usize..).unwrap_or_default();
        from.iter().take_while(|byte| byte.is_some()).count() as u64
    }

    /// The offset of the next byte at or after this one.
    pub fn next(&self, offset: u64) -> Option<u64> {
        let from = self.bytes.get(offset as usize..).unwrap_or_default();
        let gap = from.iter().position(Option::is_some)?;
        Some(offset + gap as u64)
    }

    pub fn ranges(&self) -> Vec<std::ops::Range<u64>> {
        let (mut ranges, mut at) = (Vec::new(), 0);
        while let Some(start) = self.next(at) {
            at = start + self.buffered(start);
            ranges.push(start..at);
        }
        ranges
    }

    pub fn held(&self) -> u64 {
        self.bytes.iter().flatten().count() as u64
    }

    pub fn last(&self) -> u64 {
        let last = self.bytes.iter().rposition(Option::is_some);
        last.map_or(0, |last| last as u64 + 1)
    }

    pub fn is_complete(&self) -> bool {
        self.end == Some(self.held())
    }

    pub fn is_at_end(&self, offset: u64) -> bool {
        self.end.is_some_and(|end| offset >= end)
    }

    /// Checks an error that ends a call which needs more bytes.
    #[track_caller]
    pub fn assert_stopped(&self, error: &Error) {
        match *error {
            Error::Canceled => assert!(self.canceled, "nobody canceled"),
            Error::Source { code, .. } => assert_eq!(self.failure, Some(Failure::Code(code))),
            Error::Short => assert_eq!(self.failure, Some(Failure::Short)),
            _ => panic!("{error}"),
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.canceled || self.failure.is_some()
    }

    /// The offset at which bytes are too far past the furthest read, at least and at most.
    pub fn limits(&self) -> (u64, u64) {
        let waited = self.watches.iter().map(|pending| pending.offset + 1).max();
        let limit = |furthest: u64| match self.case.ahead {
            0 => u64::MAX,
            ahead => furthest.saturating_add(ahead),
        };
        let most = self.furthest.1.max(waited.unwrap_or(0));
        (limit(self.furthest.0), limit(most))
    }

    /// The number of bytes that would be accepted if memory had room, up to this limit.
    pub fn acceptable(&self, offset: u64, length: usize, limit: u64) -> usize {
        let mut offsets = offset..offset + length as u64;
        let first = offsets.position(|at| !self.is_held(at) && at >= limit);
        first.unwrap_or(length)
    }

    /// Whether memory may have no room for these bytes. It counts whole segments, and each piece
    /// that does not follow the one before it begins another.
    pub fn may_be_full(&self, length: usize) -> bool {
        let segments = (1 + self.jumps + self.ranges().len() as u64) * SEGMENT;
        self.held() + length as u64 + segments > self.max_memory
    }
}
