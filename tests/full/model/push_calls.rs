//! The calls of one thread on a pushed buffer, and the only result that each may have.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use spoolbuf::{CursorOptions, Error, OnFull, OnShort, Readiness, Result, SourceState};

use crate::push::Operation;
use crate::push_model::{Failure, Model, Pending, SEGMENT};
use crate::scene::error_inside;
use crate::support::byte;
use crate::tempfile::tempdir;

const NO_LIMIT: Option<Duration> = None;

impl Model {
    fn push(&mut self, offset: u64, length: usize, limit: Option<u64>) {
        self.pushes = self.pushes.wrapping_add(1);
        let variant = self.pushes;
        let bytes: Vec<u8> = (offset..offset + length as u64)
            .map(|at| byte(at) ^ variant)
            .collect();
        let (least, most) = self.limits();
        let least = self.acceptable(offset, length, least);
        let most = self.acceptable(offset, length, most);
        let excess = self.end.is_some_and(|end| offset + length as u64 > end);
        // One that waits for a reader, or for a disk, would wait for ever.
        let may_be_full = self.may_be_full(length);
        let waits = least == length && (self.case.disk_works || !may_be_full);
        let limit = match limit {
            None if waits => NO_LIMIT,
            limit => Some(Duration::from_millis(limit.unwrap_or(0))),
        };
        let result = self.pusher.push(offset, &bytes, limit);
        if self.is_stopped() {
            return self.assert_stopped(&result.expect_err("a push in spite of a stop"));
        }
        if excess {
            assert!(
                matches!(result, Err(Error::Size)),
                "{result:?} past the end"
            );
            return;
        }
        let count = match result {
            Ok(count) => count,
            Err(Error::Timeout) => 0,
            Err(Error::Io { .. }) => {
                assert!(!self.case.disk_works && self.case.on_full == OnFull::Fail);
                assert!(may_be_full);
                0
            }
            Err(error) => panic!("{error}"),
        };
        assert!(count <= most, "{count} of {most} acceptable bytes");
        assert!(result.is_err() || count > 0);
        let all = limit.is_none() || !may_be_full;
        assert!(
            !all || count >= least,
            "{count} of {least} bytes, though there is room"
        );
        self.accept(offset, &bytes[..count]);
        // Accepted is buffered.
        assert!(self.buffer.buffered(offset) >= count as u64);
    }

    fn accept(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset as usize + bytes.len();
        if self.bytes.len() < end && !bytes.is_empty() {
            self.bytes.resize(end, None);
        }
        for (at, byte) in bytes.iter().enumerate() {
            let place = offset as usize + at;
            if self.bytes[place].is_none() {
                self.bytes[place] = Some(*byte);
                self.jumps += u64::from(place != self.position);
                self.position = place + 1;
            }
        }
    }

    fn push_wanted(&mut self, length: usize) {
        let wanted = self.wanted();
        if wanted.start < wanted.end {
            let left = usize::try_from(wanted.end - wanted.start).unwrap_or(usize::MAX);
            let least = self.case.size.saturating_sub(wanted.start).max(1) as usize;
            self.push(wanted.start, length.min(left).min(least), Some(0));
        }
    }

    /// What the buffer wants, which must be missing bytes that it accepts.
    fn wanted(&self) -> std::ops::Range<u64> {
        let wanted = self.pusher.wanted();
        if self.is_stopped() || self.is_complete() {
            assert!(
                wanted.is_empty(),
                "{wanted:?} is wanted of a buffer that takes nothing"
            );
            return wanted;
        }
        if !wanted.is_empty() {
            assert_eq!(self.buffered(wanted.start), 0, "{wanted:?} is there");
            assert!(
                self.next(wanted.start)
                    .is_none_or(|next| wanted.end <= next)
            );
            assert!(!self.is_at_end(wanted.start) && self.end.is_none_or(|end| wanted.end <= end));
        }
        let waits = !self.watches.is_empty();
        if waits || !self.prefetches {
            // The longest wait comes first.
            let from = self.watches.first().map_or(0, |pending| pending.offset);
            let start = from + self.buffered(from);
            let end = self.next(start).or(self.end).unwrap_or(u64::MAX);
            let (least, most) = self.limits();
            let (least, most) = (least.min(end), most.min(end));
            if least > start || !wanted.is_empty() {
                assert_eq!(wanted.start, start);
                assert!((least..=most).contains(&wanted.end), "{wanted:?}");
            }
        }
        wanted
    }

    fn end(&mut self, size: Option<u64>) {
        let last = self.last();
        let result = self.pusher.end(size);
        if self.failure.is_some() {
            // It has no end.
            return self.assert_stopped(&result.expect_err("an end in spite of a failure"));
        }
        let size = size.unwrap_or(last);
        if size < last || self.end.is_some_and(|end| end != size) {
            assert!(
                matches!(result, Err(Error::Size)),
                "{result:?} for an end at {size}"
            );
            return;
        }
        result.expect("an end");
        let short = self.case.declared.is_some_and(|declared| size < declared);
        if short && self.case.on_short == OnShort::Error {
            self.failure = Some(Failure::Short);
        } else {
            self.end = Some(size);
        }
    }

    fn fail(&mut self, code: i32) {
        self.pusher.fail(std::io::Error::from_raw_os_error(code));
        if !self.is_complete() {
            self.failure = Some(Failure::Code(code.into()));
        }
    }

    fn judge_bytes(&self, offset: u64, out: &[u8]) {
        for (at, byte) in out.iter().enumerate() {
            let place = offset as usize + at;
            assert_eq!(Some(*byte), self.bytes[place], "at {place}");
        }
    }

    /// Reads what needs no waiting.
    fn read(&mut self, offset: u64, length: usize) {
        let there = self.buffered(offset).min(length as u64);
        let complete = there == length as u64 || self.is_at_end(offset + there);
        if !complete && !self.is_stopped() {
            return self.peek(offset, length, 0, false);
        }
        let mut out = vec![0; length];
        match self.buffer.read_at(offset, &mut out) {
            Ok(count) => {
                assert_eq!(count as u64, there);
                assert!(complete || !self.canceled, "a cancel ends the whole call");
                assert!(complete || count > 0, "an end at {offset}");
                self.judge_bytes(offset, &out[..count]);
            }
            Err(error) => {
                assert!(!complete && (there == 0 || self.canceled), "{error}");
                self.assert_stopped(&error);
            }
        }
        self.note_read(offset, there, length, false);
    }

    fn note_read(&mut self, offset: u64, count: u64, length: usize, quiet: bool) {
        let most = offset + length as u64;
        self.furthest.1 = self.furthest.1.max(most);
        if count > 0 && !quiet {
            self.furthest.0 = self.furthest.0.max(offset + count);
        }
    }

    fn peek(&mut self, offset: u64, length: usize, limit: u64, buffered: bool) {
        let timeout = Duration::from_millis(limit);
        let options = CursorOptions::new().timeout(timeout).buffered(buffered);
        let mut cursor = self.buffer.cursor_with(options).expect("a cursor");
        cursor.seek(SeekFrom::Start(offset)).expect("a position");
        let mut out = vec![0; length];
        let there = self.buffered(offset).min(length as u64);
        match cursor.read(&mut out).map_err(error_inside) {
            Ok(count) => {
                assert_eq!(count as u64, there);
                assert!(count > 0 || self.is_at_end(offset), "an end at {offset}");
                self.judge_bytes(offset, &out[..count]);
            }
            Err(error) => {
                assert!(there == 0 && !self.is_at_end(offset), "{error} at {offset}");
                match error {
                    Error::Timeout => assert!(!self.is_stopped()),
                    error => self.assert_stopped(&error),
                }
            }
        }
        assert_eq!(
            cursor.stream_position().expect("a position"),
            offset + there
        );
        if !buffered {
            self.note_read(offset, there, length, false);
        }
    }

    fn find_size(&mut self, limit: u64) {
        let found = self.buffer.find_size(Some(Duration::from_millis(limit)));
        match (found, self.end) {
            (Ok(found), end) => assert_eq!(Some(found), end),
            (Err(error), Some(end)) => panic!("{error}, though the end is at {end}"),
            (Err(Error::Timeout), None) => assert!(!self.is_stopped()),
            (Err(error), None) => self.assert_stopped(&error),
        }
        // It may wait for the last declared byte.
        self.note_read(self.case.declared.unwrap_or(0), 0, 0, true);
    }

    /// A call instead of a wait. What ends the wait is among the next operations, or the end of the
    /// case; it is told then, or never if this was the result at once.
    fn when(&mut self, offset: u64) {
        let (sender, receiver) = std::sync::mpsc::channel();
        let ready = move |result: Result<u64>| sender.send(result).unwrap_or_default();
        let there = self.buffered(offset);
        match self.buffer.when(offset, ready) {
            Ok(Readiness::Ready(count)) => {
                assert_eq!(count, there);
                assert!(count > 0 || self.is_at_end(offset), "an end at {offset}");
                assert!(receiver.recv().is_err(), "called though there was a result");
            }
            Ok(Readiness::Pending(watch)) => {
                assert!(there == 0 && !self.is_at_end(offset) && !self.is_stopped());
                self.watches.push(Pending {
                    offset,
                    receiver,
                    watch,
                });
            }
            Err(error) => {
                assert!(there == 0 && !self.is_at_end(offset), "{error} at {offset}");
                self.assert_stopped(&error);
                assert!(receiver.recv().is_err(), "called though there was an error");
            }
        }
        self.note_read(offset, 0, 0, false);
    }

    /// As `when`, for a pusher.
    fn when_wanted(&mut self) {
        let wanted = self.pusher.wanted();
        let (sender, receiver) = std::sync::mpsc::channel();
        let ready = move |result: Result<u64>| sender.send(result).unwrap_or_default();
        match self.pusher.when_wanted(ready) {
            Ok(Readiness::Ready(0)) => assert!(self.is_complete()),
            // No resource is larger.
            Ok(Readiness::Ready(count)) => {
                assert_eq!(count, wanted.end.min(i64::MAX as u64) - wanted.start);
            }
            // Too far ahead of the readers, or memory is full.
            Ok(Readiness::Pending(watch)) => {
                assert!(!self.is_stopped() && !self.is_complete());
                if !wanted.is_empty() && !self.may_be_full(1) {
                    // A spill that was requested earlier is still due: it makes the call.
                    let patience = std::time::Duration::from_secs(300);
                    match receiver.recv_timeout(patience).expect("the spill's call") {
                        Ok(count) => assert!(count > 0),
                        Err(error) => assert!(!self.case.disk_works, "{error}"),
                    }
                }
                drop(watch);
                assert!(receiver.try_iter().count() <= 1, "called twice");
            }
            Err(Error::Io { .. }) => assert!(!self.case.disk_works && self.may_be_full(1)),
            Err(error) => self.assert_stopped(&error),
        }
    }

    /// Each pending call must have come if its reason has: on this thread, before the operation that
    /// brought it returned.
    fn judge_watches(&mut self) {
        for pending in std::mem::take(&mut self.watches) {
            let there = self.buffered(pending.offset);
            match pending.receiver.try_recv() {
                // Exactly what was there when it came: at least one byte, and no more than now.
                Ok(Ok(0)) => assert!(self.is_at_end(pending.offset)),
                Ok(Ok(count)) => assert!(count <= there),
                Ok(Err(error)) => self.assert_stopped(&error),
                Err(_) => {
                    let offset = pending.offset;
                    let due = there > 0 || self.is_at_end(offset) || self.is_stopped();
                    assert!(!due, "not called for {offset}, {there} bytes");
                    self.watches.push(pending);
                    continue;
                }
            }
            drop(pending.watch);
            assert!(pending.receiver.recv().is_err(), "called twice");
        }
    }

    fn judge_spill(&self, result: Result<()>, max: u64) {
        let memory = self.buffer.stats().memory;
        match result {
            Ok(()) => assert!(memory <= max, "{memory} bytes are in memory"),
            Err(Error::Io { .. }) => {
                assert!(!self.case.disk_works && (max == 0 || self.may_be_full(0)))
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn look(&self, offset: u64) {
        assert_eq!(self.buffer.ranges(), self.ranges());
        assert_eq!(self.buffer.buffered(offset), self.buffered(offset));
        let stats = self.buffer.stats();
        assert_eq!(stats.memory + stats.disk, self.held());
        assert_eq!(stats.frontier, self.buffered(0));
        assert_eq!(stats.final_size, self.end);
        assert_eq!((stats.pulls, stats.seeks), (0, 0));
        if self.case.disk_works {
            assert!(stats.memory <= self.max_memory.saturating_add(SEGMENT));
        } else {
            assert_eq!(stats.disk, 0);
        }
        let stated = self.case.declared.filter(|size| *size >= self.last());
        assert_eq!(self.buffer.size(), self.end.or(stated));
        let state = match (self.canceled && !self.is_complete(), self.failure, self.end) {
            (true, ..) => SourceState::Canceled,
            (_, Some(_), _) => SourceState::Failed,
            (_, _, Some(_)) => SourceState::Ended,
            _ => SourceState::Open,
        };
        assert_eq!(stats.state, state);
        self.wanted();
    }

    pub fn perform(&mut self, operation: Operation) {
        self.call(operation);
        self.judge_watches();
    }

    fn call(&mut self, operation: Operation) {
        match operation {
            Operation::Push {
                offset,
                length,
                limit,
            } => self.push(offset, length, limit),
            Operation::PushWanted(length) => self.push_wanted(length),
            Operation::End(size) => self.end(size),
            Operation::Fail(code) => self.fail(code),
            Operation::Cancel => {
                self.buffer.cancel();
                self.canceled = true;
            }
            Operation::Resume => self.resume(),
            Operation::Retry => {
                self.buffer.retry();
                self.failure = None;
            }
            Operation::Read { offset, length } => self.read(offset, length),
            Operation::Peek {
                offset,
                length,
                limit,
                buffered,
            } => self.peek(offset, length, limit, buffered),
            Operation::FindSize(limit) => self.find_size(limit),
            Operation::Spill => self.judge_spill(self.buffer.spill(), 0),
            Operation::Limit(quarters) => {
                self.max_memory = self.case.max_memory / 4 * quarters;
                let result = self.buffer.set_max_memory(self.max_memory);
                self.judge_spill(result, self.max_memory);
            }
            Operation::Prefetch(ahead) => {
                self.buffer.prefetch(ahead).expect("a prefetch");
                self.prefetches = ahead > 0;
            }
            Operation::Look(offset) => self.look(offset),
            Operation::When(offset) => self.when(offset),
            Operation::WhenWanted => self.when_wanted(),
        }
    }

    fn resume(&mut self) {
        self.buffer.resume();
        self.canceled = false;
        self.failure = None;
    }

    /// Pushes what is missing, and reads and saves everything.
    pub fn finish(&mut self) {
        self.resume();
        self.look(0);
        self.buffer.prefetch(0).expect("no prefetch");
        self.prefetches = false;
        // A full disk has no room, but memory has.
        self.max_memory = u64::MAX;
        self.buffer.set_max_memory(u64::MAX).expect("more memory");
        let size = self.end.unwrap_or(self.last().max(self.case.size));
        while self.buffered(0) < size {
            let frontier = self.buffered(0);
            if frontier > 0 {
                self.read(frontier - 1, 1);
            }
            self.push(frontier, (size - frontier).min(100_000) as usize, Some(0));
            assert!(self.buffered(0) > frontier, "no room at {frontier}");
        }
        self.end(None);
        self.end(Some(size));
        // A declared size that is too large makes it a failure; every byte is there all the same.
        self.look(0);
        let mut all = vec![0; size as usize];
        assert_eq!(self.buffer.read_at(0, &mut all).expect("all") as u64, size);
        self.judge_bytes(0, &all);
        if self.failure.is_none() {
            let directory = tempdir().expect("a directory");
            let path = directory.path().join("saved");
            assert_eq!(self.buffer.save(&path).expect("a save"), size);
            assert!(std::fs::read(&path).expect("the file") == all);
        }
    }
}
