//! The calls that return bytes of a buffer whose source is replaced, and the results that each may
//! have. What was ever read is the first resource, whatever came after it.

use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

use spoolbuf::{Error, Readiness, Result};

use crate::reopen_scene::{PATIENCE, Pending, Scene};
use crate::source::{CODE, without_pulls};
use crate::support::assert_bytes;
use crate::twin::Record;

/// The state before a call, for one that is alone.
struct Before {
    buffered: u64,
    failing: bool,
}

impl Scene<'_> {
    /// Checks that an error has the reason that it states.
    #[track_caller]
    fn judge_error(&self, error: &Error) {
        let has_reason = |record: &Record| match error {
            error if error.is_mismatch() => record.other,
            Error::Source { code: CODE, .. } => record.marks.failures.load(Ordering::SeqCst) > 0,
            Error::Unsupported => record.seen.failed_seeks.load(Ordering::SeqCst) > 0,
            _ => false,
        };
        let is_right = match error {
            Error::Canceled if self.alone() => self.canceled.get(),
            Error::Canceled => self.shared.was_canceled.load(Ordering::SeqCst),
            _ if self.alone() => has_reason(&self.current.borrow()),
            _ => self.shared.records().iter().any(has_reason),
        };
        assert!(is_right, "{error:?} without a reason");
        self.is_mismatch
            .set(self.is_mismatch.get() || error.is_mismatch());
    }

    fn before(&self, offset: u64) -> Before {
        Before {
            buffered: self.buffer().buffered(offset),
            failing: self.current.borrow().marks.failing.load(Ordering::SeqCst),
        }
    }

    /// Checks, where the state is known, what a read of `length` bytes that misses some returns.
    #[track_caller]
    fn judge_missing(&self, before: &Before, offset: u64, length: u64, result: &Result<u64>) {
        let missing = offset + before.buffered;
        if !self.alone() || before.buffered >= length || missing >= self.size() {
            return;
        }
        if self.canceled.get() {
            assert!(
                matches!(result, Err(Error::Canceled)),
                "{result:?} in spite of a cancel"
            );
        } else if self.is_mismatch.get() || before.failing || self.current.borrow().other {
            // Nothing arrives. An error comes only if there is nothing to return before it.
            assert_eq!(result.as_ref().ok().copied().unwrap_or(0), before.buffered);
            if let (true, Err(error)) = (self.is_mismatch.get(), result) {
                assert!(error.is_mismatch(), "{error:?} after a mismatch");
            }
        }
    }

    #[track_caller]
    pub fn judge_bytes(&self, offset: u64, out: &[u8]) {
        assert_bytes(offset, out);
        assert!(out.len() as u64 <= self.size().saturating_sub(offset));
    }

    /// Whether something can have ended a read early.
    fn is_troubled(&self) -> bool {
        let is_bad = |record: &Record| {
            let (seen, marks) = (&record.seen, &record.marks);
            record.other
                || marks.failures.load(Ordering::SeqCst) > 0
                || seen.failed_seeks.load(Ordering::SeqCst) > 0
        };
        if self.alone() {
            is_bad(&self.current.borrow())
        } else {
            self.shared.records().iter().any(is_bad)
        }
    }

    pub fn read(&self, offset: u64, length: usize) {
        let mut out = vec![0; length];
        let before = self.before(offset);
        let result = self.buffer().read_at(offset, &mut out);
        let count = result.clone().map(|count| count as u64);
        self.judge_missing(&before, offset, length as u64, &count);
        match count {
            Ok(count) => {
                self.judge_bytes(offset, &out[..count as usize]);
                let there = self.size().saturating_sub(offset).min(length as u64);
                assert!(count > 0 || there == 0, "an end at {offset}");
                assert!(
                    count == there || self.is_troubled(),
                    "{count} of {there} at {offset}"
                );
            }
            Err(error) => self.judge_error(&error),
        }
    }

    pub fn read_some(&self, offset: u64, length: usize, limit: Option<u64>) {
        let mut out = vec![0; length];
        let before = self.before(offset);
        let timeout = limit.map(Duration::from_millis);
        let mut read = || self.buffer().read_some(offset, &mut out, timeout);
        let result = if limit.is_some() {
            without_pulls(read)
        } else {
            read()
        };
        let sure = before.buffered.min(length as u64);
        let count = result.clone().map(|count| count as u64);
        match count {
            Err(Error::Timeout) => assert!(limit.is_some() && sure == 0),
            count => {
                let asked = if sure > 0 { sure } else { length as u64 };
                self.judge_missing(&before, offset, asked, &count);
                match count {
                    Ok(count) => {
                        self.judge_bytes(offset, &out[..count as usize]);
                        assert!(count >= sure);
                        let has_end = offset >= self.size() || length == 0;
                        assert_eq!(count == 0, has_end, "an end at {offset}");
                    }
                    Err(error) => {
                        assert_eq!(sure, 0);
                        self.judge_error(&error);
                    }
                }
            }
        }
    }

    pub fn find_size(&self, limit: Option<u64>) {
        let find = || self.buffer().find_size(limit.map(Duration::from_millis));
        match if limit.is_some() {
            without_pulls(find)
        } else {
            find()
        } {
            Ok(found) => assert_eq!(found, self.size()),
            Err(Error::Timeout) => assert!(limit.is_some()),
            Err(error) => self.judge_error(&error),
        }
    }

    #[track_caller]
    fn judge_readiness(&self, offset: u64, result: &Result<u64>) {
        match result {
            Ok(count) => {
                let is_end = offset >= self.size();
                assert_eq!(*count == 0, is_end, "an end at {offset}");
                assert!(*count <= self.size().saturating_sub(offset));
                assert!(self.buffer().buffered(offset) >= *count);
            }
            Err(error) => self.judge_error(error),
        }
    }

    pub fn when(&self, offset: u64) {
        let (sender, receiver) = channel();
        let ready = move |result: Result<u64>| sender.send(result).unwrap_or_default();
        let before = self.before(offset);
        let readiness = self.buffer().when(offset, ready);
        let now = match readiness {
            Ok(Readiness::Pending(watch)) => {
                let pending = Pending {
                    offset,
                    receiver,
                    watch,
                };
                if self.alone() {
                    let result = self.judge_pending(pending);
                    return self.judge_missing(&before, offset, 1, &result);
                }
                return self.shared.watches.lock().expect("no panic").push(pending);
            }
            Ok(Readiness::Ready(count)) => Ok(count),
            Err(error) => Err(error),
        };
        assert!(receiver.recv().is_err(), "called though there was a result");
        self.judge_readiness(offset, &now);
        self.judge_missing(&before, offset, 1, &now);
    }

    /// It is called, and once.
    pub fn judge_pending(&self, pending: Pending) -> Result<u64> {
        let result = pending.receiver.recv_timeout(PATIENCE).expect("a call");
        self.judge_readiness(pending.offset, &result);
        assert!(pending.receiver.recv().is_err(), "called twice");
        drop(pending.watch);
        result
    }
}
