//! The operations of a thread on a buffer with a source, and the results that they may have.

use std::cell::Cell;
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use spoolbuf::{CursorOptions, Error, Result, StreamBuffer};

use crate::source::{CODE, Marks, without_pulls};
use crate::support::{Seen, assert_bytes};
use crate::{Case, Operation};

/// What the operations of one thread share.
pub struct Scene<'a> {
    pub case: &'a Case,
    pub buffer: &'a StreamBuffer,
    pub seen: &'a Seen,
    pub marks: &'a Marks,
    /// Whether any thread has canceled.
    pub was_canceled: &'a AtomicBool,
    /// Whether a cancellation is in force, as far as this thread knows.
    pub canceled: Cell<bool>,
    /// The memory limit, as far as this thread knows.
    pub max_memory: Cell<u64>,
}

/// The state before a read.
struct Before {
    buffered: u64,
    failing: bool,
}

impl Scene<'_> {
    /// Checks that the byte at an offset can never arrive: a seek has failed, and the source,
    /// forward-only since then, has passed that byte without delivering it.
    #[track_caller]
    pub fn assert_passed(&self, offset: u64) {
        assert_eq!(self.seen.failed_seeks.load(Ordering::SeqCst), 1);
        assert!(!self.buffer.stats().seekable);
        let at = self.seen.at.load(Ordering::SeqCst);
        assert!(offset < at, "{offset} is not behind the source's {at}");
        assert_eq!(self.buffer.buffered(offset), 0);
        // Past the end, it is missing only until the end is known.
        if offset < self.case.size {
            match self.buffer.read_at(offset, &mut [0]) {
                Err(Error::Unsupported) => {}
                again => self.assert_stopped(&again.expect_err("passed bytes cannot arrive")),
            }
        }
    }

    /// Checks that an error has the reason that it states: a failure or a cancellation.
    #[track_caller]
    fn assert_stopped(&self, error: &Error) {
        let (failures, failing) = (&self.marks.failures, &self.marks.failing);
        match *error {
            Error::Source { code, .. } => {
                assert_eq!(code, CODE);
                assert!(failures.load(Ordering::SeqCst) > 0, "it never failed");
                assert!(
                    !self.case.alone || failing.load(Ordering::SeqCst),
                    "it was cleared"
                );
            }
            Error::Canceled => {
                assert!(self.was_canceled.load(Ordering::SeqCst), "nobody canceled");
                assert!(!self.case.alone || self.canceled.get(), "it was resumed");
            }
            _ => panic!("{error}"),
        }
    }

    fn before(&self, offset: u64) -> Before {
        Before {
            buffered: self.buffer.buffered(offset),
            failing: self.marks.failing.load(Ordering::SeqCst),
        }
    }

    /// Checks, where the state is known, that a cancellation and a failure are in force until they
    /// are cleared: a read of `length` bytes that misses some does not get them.
    #[track_caller]
    fn assert_in_force(&self, before: &Before, at: u64, length: u64, result: &Result<usize>) {
        if !self.case.alone || before.buffered >= length || at + before.buffered >= self.case.size {
            return;
        }
        if self.canceled.get() {
            assert!(
                matches!(result, Err(Error::Canceled)),
                "{result:?} in spite of a cancel"
            );
        } else if before.failing && before.buffered > 0 {
            assert!(matches!(result, Ok(count) if *count as u64 == before.buffered));
        } else if before.failing {
            assert!(
                matches!(result, Err(Error::Source { .. })),
                "{result:?} after a failure"
            );
        }
    }

    fn there(&self, offset: u64, length: usize) -> u64 {
        self.case.size.saturating_sub(offset).min(length as u64)
    }

    fn read(&self, offset: u64, length: usize) {
        let mut out = vec![0; length];
        let before = self.before(offset);
        let result = self.buffer.read_at(offset, &mut out);
        self.assert_in_force(&before, offset, length as u64, &result);
        let there = self.there(offset, length);
        match result {
            Ok(count) => {
                assert_bytes(offset, &out[..count]);
                assert!(count as u64 <= there);
                if (count as u64) < there {
                    assert!(count > 0, "an end at {offset} of {}", self.case.size);
                    if self.marks.failures.load(Ordering::SeqCst) == 0 {
                        self.assert_passed(offset + count as u64);
                    }
                }
            }
            Err(Error::Unsupported) => self.assert_passed(offset),
            Err(error) => self.assert_stopped(&error),
        }
    }

    /// Judges a read that blocks for the first byte only. It is quiet if it never calls the source.
    fn judge_some(&self, before: &Before, offset: u64, result: Result<&[u8]>, call: Peek) {
        let Peek {
            length,
            limited,
            quiet,
        } = call;
        let sure = before.buffered.min(length as u64);
        let asked = if sure > 0 { sure } else { length as u64 };
        let count = result.as_ref().map(|out| out.len()).map_err(Clone::clone);
        self.assert_in_force(before, offset, asked, &count);
        match result {
            Ok(out) => {
                assert_bytes(offset, out);
                assert!(out.len() as u64 >= sure);
                assert_eq!(!out.is_empty(), self.there(offset, length) > 0);
            }
            Err(Error::Timeout) => {
                assert!(limited);
                assert_eq!(sure, 0);
            }
            Err(Error::Unsupported) => {
                assert!(!quiet, "what never calls the source can't tell");
                self.assert_passed(offset);
            }
            Err(error) => {
                assert_eq!(sure, 0);
                self.assert_stopped(&error);
            }
        }
    }

    fn read_some(&self, offset: u64, length: usize, limit: Option<u64>) {
        let mut out = vec![0; length];
        let before = self.before(offset);
        let mut read = || {
            let limit = limit.map(Duration::from_millis);
            self.buffer.read_some(offset, &mut out, limit)
        };
        let result = if limit.is_some() {
            without_pulls(read)
        } else {
            read()
        };
        let call = Peek {
            length,
            limited: limit.is_some(),
            quiet: limit == Some(0),
        };
        self.judge_some(&before, offset, result.map(|count| &out[..count]), call);
    }

    fn peek(&self, offset: u64, length: usize, limit: Option<u64>, buffered: bool) {
        let timeout = limit.map(Duration::from_millis);
        let options = CursorOptions::new().timeout(timeout).buffered(buffered);
        let mut cursor = self.buffer.cursor_with(options).expect("a cursor");
        cursor.seek(SeekFrom::Start(offset)).expect("a position");
        let mut out = vec![0; length];
        let (before, fetched) = (
            self.before(offset),
            self.seen.fetched.load(Ordering::SeqCst),
        );
        let limited = limit.is_some() || buffered;
        let mut read = || cursor.read(&mut out).map_err(error_inside);
        let result = if limited { without_pulls(read) } else { read() };
        let call = Peek {
            length,
            limited,
            quiet: buffered || limit == Some(0),
        };
        if call.quiet && self.case.alone {
            assert_eq!(self.seen.fetched.load(Ordering::SeqCst), fetched);
        }
        self.judge_some(&before, offset, result.map(|count| &out[..count]), call);
    }

    fn find_size(&self, limit: Option<u64>) {
        let known = self.buffer.stats().final_size;
        let find = || self.buffer.find_size(limit.map(Duration::from_millis));
        match if limit.is_some() {
            without_pulls(find)
        } else {
            find()
        } {
            Ok(found) => {
                assert_eq!(found, self.case.size);
                assert_eq!(self.buffer.size(), Some(found));
                let allowed = known.is_some() || !self.case.alone || !self.canceled.get();
                assert!(allowed, "a size in spite of a cancel");
            }
            Err(error) => {
                assert_eq!(known, None, "{error}");
                match error {
                    Error::Timeout => assert!(limit.is_some()),
                    Error::Unsupported => {
                        assert_ne!(limit, Some(0));
                        assert_eq!(self.seen.failed_seeks.load(Ordering::SeqCst), 1);
                    }
                    error => self.assert_stopped(&error),
                }
            }
        }
    }

    /// The declared size, or else the one that the source stated.
    fn declared(&self) -> Option<u64> {
        self.case.declared.or(self.marks.stated())
    }

    fn look(&self, offset: u64) {
        let (size, declared) = (self.case.size, self.declared());
        let mut end = 0;
        for range in self.buffer.ranges() {
            assert!(range.start < range.end && (range.start > end || end == 0));
            end = range.end;
        }
        assert!(end <= size);
        assert!(self.buffer.buffered(offset) <= size.saturating_sub(offset));
        let stats = self.buffer.stats();
        assert!(stats.final_size.is_none_or(|end| end == size));
        let told = self.buffer.size();
        if !self.case.alone {
            // The source may state the size meanwhile.
            let declared = self.declared();
            assert!(told.is_none() || told == Some(size) || told == declared);
            return;
        }
        assert_eq!(stats.declared, declared);
        let least = end..=stats.bound.unwrap_or(u64::MAX);
        let stated = declared.filter(|size| least.contains(size));
        assert_eq!(told, stats.final_size.or(stated));
    }

    fn cancel(&self) {
        self.was_canceled.store(true, Ordering::SeqCst);
        self.canceled.set(true);
        self.buffer.cancel();
    }

    pub fn resume(&self) {
        self.marks.failing.store(false, Ordering::SeqCst);
        self.canceled.set(false);
        self.buffer.resume();
    }

    fn retry(&self) {
        self.marks.failing.store(false, Ordering::SeqCst);
        self.buffer.retry();
    }

    pub fn perform(&self, operation: &Operation) {
        match *operation {
            Operation::Read { offset, length } => self.read(offset, length),
            Operation::Some {
                offset,
                length,
                limit,
            } => self.read_some(offset, length, limit),
            Operation::Peek {
                offset,
                length,
                limit,
                buffered,
            } => self.peek(offset, length, limit, buffered),
            Operation::FindSize(limit) => self.find_size(limit),
            Operation::Cancel => self.cancel(),
            Operation::Resume => self.resume(),
            Operation::Retry => self.retry(),
            Operation::Spill => self.buffer.spill().expect("a spill"),
            Operation::Limit(quarters) => {
                let max = self.case.max_memory / 4 * quarters;
                self.buffer.set_max_memory(max).expect("a spill");
                // Nothing is being filled.
                assert!(!self.case.alone || self.buffer.stats().memory <= max);
                self.max_memory.set(max);
            }
            Operation::Prefetch(ahead) => self.buffer.prefetch(ahead).expect("a prefetch"),
            Operation::Look(offset) => self.look(offset),
        }
    }

    /// Reads again after each failure: there are only a few.
    pub fn read_on(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let mut result = self.buffer.read_at(offset, out);
        for _ in &self.case.failures {
            if matches!(result, Err(Error::Source { .. })) {
                self.retry();
                result = self.buffer.read_at(offset, out);
            }
        }
        result
    }
}

/// A read that blocks for the first byte only.
struct Peek {
    length: usize,
    limited: bool,
    quiet: bool,
}

/// The error of the library in one of `Read`.
pub fn error_inside(error: std::io::Error) -> Error {
    let inside = error
        .get_ref()
        .and_then(|inside| inside.downcast_ref::<Error>());
    inside.cloned().unwrap_or_else(|| panic!("{error:?}"))
}
