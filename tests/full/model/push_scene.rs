//! What the threads on a pushed buffer do, and which results they may get.

use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use spoolbuf::{CursorOptions, Error, OnFull, Pusher, StreamBuffer};

use crate::pushers::{Case, Control, Pushes, Reading};
use crate::scene::error_inside;
use crate::support::{assert_bytes, bytes};

const CODE: i32 = 32;

pub struct Scene<'a> {
    pub case: &'a Case,
    pub buffer: &'a StreamBuffer,
    pub pusher: &'a Pusher,
    /// Readers that are not done.
    pub readers: &'a AtomicUsize,
    /// Calls that wait for bytes alone, and not for the end.
    pub waiting: &'a AtomicUsize,
}

impl Scene<'_> {
    /// Checks an error that the case's other threads can cause.
    #[track_caller]
    fn assert_caused(&self, error: &Error) {
        let has = |one: fn(&Control) -> bool| self.case.controls.iter().any(one);
        match *error {
            Error::Canceled => assert!(has(|it| matches!(it, Control::CancelAndResume))),
            Error::Source { code, .. } => {
                assert_eq!(code, CODE.into());
                assert!(has(|it| matches!(it, Control::FailAndRetry)));
            }
            _ => panic!("{error}"),
        }
    }

    /// Pushes a piece until all of it is accepted, or nobody reads what would make room for it.
    fn push(&self, from: u64, end: u64, limit: Option<u64>) {
        // Nobody may come and read, where the limit is far behind.
        let limit = limit.or((self.case.ahead > 0).then_some(2));
        let mut offset = from;
        while offset < end {
            let piece = bytes(offset, (end - offset) as usize);
            let limit = limit.map(Duration::from_millis);
            match self.pusher.push(offset, &piece, limit) {
                Ok(count) => {
                    assert!(count > 0);
                    self.assert_readable(offset, count);
                    offset += count as u64;
                }
                Err(Error::Timeout) => {
                    assert!(limit.is_some());
                    if self.readers.load(Ordering::SeqCst) == 0 {
                        return;
                    }
                    // A reader may wait for other bytes, and until it has them there is no room.
                    self.push_wanted();
                }
                Err(Error::Io { .. }) => self.give_more_memory(),
                Err(error) => {
                    self.assert_caused(&error);
                    self.buffer.resume();
                }
            }
        }
    }

    /// The disk has no room.
    fn give_more_memory(&self) {
        assert!(!self.case.disk_works && self.case.on_full == OnFull::Fail);
        self.buffer.set_max_memory(u64::MAX).expect("more memory");
    }

    fn push_wanted(&self) {
        let wanted = self.pusher.wanted();
        let end = wanted.end.min(wanted.start + 5000).min(self.case.size);
        if wanted.start < end {
            let piece = bytes(wanted.start, (end - wanted.start) as usize);
            match self.pusher.push(wanted.start, &piece, Some(Duration::ZERO)) {
                Ok(count) => self.assert_readable(wanted.start, count),
                Err(Error::Io { .. }) => self.give_more_memory(),
                // The next push meets it too.
                Err(_) => {}
            }
        }
    }

    /// Accepted bytes are readable, whatever is in force.
    fn assert_readable(&self, offset: u64, count: usize) {
        let mut out = vec![0; count];
        let read = self.buffer.read_at(offset, &mut out);
        assert_eq!(read.expect("accepted bytes are readable"), count);
        assert_bytes(offset, &out);
    }

    fn push_all(&self, pushes: &Pushes) {
        let size = self.case.size;
        let pieces = size.div_ceil(pushes.piece).max(1);
        let first = pushes.first / pushes.piece % pieces;
        for turn in 0..pieces {
            let turn = if pushes.backward {
                pieces - 1 - turn
            } else {
                turn
            };
            let from = (first + turn) % pieces * pushes.piece;
            let end = (from + pushes.piece).min(size);
            self.push(from.saturating_sub(pushes.overlap), end, pushes.limit);
        }
    }

    fn read(&self, reading: &Reading) {
        match *reading {
            Reading::Through { offset, length } => self.read_through(offset, length),
            Reading::Peek {
                offset,
                length,
                limit,
                buffered,
            } => self.peek(offset, length, limit, buffered),
            Reading::FindSize(limit) => {
                match self.buffer.find_size(limit.map(Duration::from_millis)) {
                    Ok(size) => assert_eq!(size, self.case.size),
                    Err(Error::Timeout) => assert!(limit.is_some()),
                    Err(error) => self.assert_caused(&error),
                }
            }
        }
    }

    fn read_through(&self, mut offset: u64, length: usize) {
        let size = self.case.size;
        let mut out = vec![0; length];
        loop {
            let left = size.saturating_sub(offset);
            let length = if left > 0 {
                length.min(left as usize)
            } else {
                length
            };
            self.waiting
                .fetch_add(usize::from(left > 0), Ordering::SeqCst);
            let result = self.buffer.read_at(offset, &mut out[..length]);
            self.waiting
                .fetch_sub(usize::from(left > 0), Ordering::SeqCst);
            match result {
                Ok(0) => return assert!(offset >= size, "an end at {offset} of {size}"),
                Ok(count) => {
                    assert_bytes(offset, &out[..count]);
                    offset += count as u64;
                    assert!(offset <= size);
                }
                // The others resume and retry.
                Err(error) => {
                    self.assert_caused(&error);
                    std::thread::yield_now();
                }
            }
        }
    }

    fn peek(&self, offset: u64, length: usize, limit: Option<u64>, buffered: bool) {
        let timeout = limit.map(Duration::from_millis);
        let options = CursorOptions::new().timeout(timeout).buffered(buffered);
        let mut cursor = self.buffer.cursor_with(options).expect("a cursor");
        cursor.seek(SeekFrom::Start(offset)).expect("a position");
        let before = self.buffer.buffered(offset).min(length as u64);
        let mut out = vec![0; length];
        match cursor.read(&mut out).map_err(error_inside) {
            Ok(count) => {
                assert_bytes(offset, &out[..count]);
                assert!(count as u64 >= before);
                assert_eq!(count == 0, offset >= self.case.size);
            }
            Err(error) => {
                assert_eq!(before, 0, "{error}");
                match error {
                    Error::Timeout => assert!(limit.is_some() || buffered),
                    error => self.assert_caused(&error),
                }
            }
        }
    }

    fn control(&self, control: &Control) {
        let spilled = |result| match result {
            Ok(()) => {}
            Err(Error::Io { .. }) => assert!(!self.case.disk_works),
            Err(error) => panic!("{error}"),
        };
        match *control {
            Control::CancelAndResume => {
                self.buffer.cancel();
                std::thread::yield_now();
                self.buffer.resume();
            }
            Control::FailAndRetry => {
                self.pusher.fail(std::io::Error::from_raw_os_error(CODE));
                std::thread::yield_now();
                self.buffer.retry();
            }
            Control::Spill => spilled(self.buffer.spill()),
            Control::Limit(max) => spilled(self.buffer.set_max_memory(max)),
            Control::Prefetch(ahead) => self.buffer.prefetch(ahead).expect("a prefetch"),
            Control::Look(offset) => self.look(offset),
        }
    }

    fn look(&self, offset: u64) {
        let size = self.case.size;
        let wanted = self.pusher.wanted();
        assert!(wanted.start <= wanted.end);
        assert!(wanted.is_empty() || wanted.start <= size + 10);
        let ranges = self.buffer.ranges();
        assert!(ranges.windows(2).all(|two| two[0].end < two[1].start));
        assert!(
            ranges
                .iter()
                .all(|range| range.start < range.end && range.end <= size)
        );
        assert!(self.buffer.buffered(offset) <= size.saturating_sub(offset));
        let stats = self.buffer.stats();
        assert!(stats.final_size.is_none_or(|end| end == size));
        assert!(stats.memory + stats.disk <= size);
    }

    /// A failed stream has no end until somebody retries.
    fn end(&self) {
        while let Err(error) = self.pusher.end(self.case.size) {
            self.assert_caused(&error);
            std::thread::yield_now();
        }
    }

    pub fn run(&self) {
        if self.case.ends_first {
            self.pusher.end(self.case.size).expect("an end");
        }
        std::thread::scope(|scope| {
            for readings in &self.case.readers {
                scope.spawn(move || {
                    // Also if it panics.
                    let _done = Done(self.readers);
                    readings.iter().for_each(|reading| self.read(reading));
                });
            }
            for pushes in &self.case.pushers {
                scope.spawn(move || {
                    self.push_all(pushes);
                    // The bytes wake these calls, not the end.
                    while self.waiting.load(Ordering::SeqCst) > 0 {
                        std::thread::yield_now();
                    }
                    self.end();
                });
            }
            scope.spawn(move || {
                for control in &self.case.controls {
                    self.control(control);
                }
            });
        });
    }

    /// Every byte that was accepted is there; the rest is pushed.
    pub fn finish(&self) {
        let size = self.case.size;
        self.buffer.resume();
        self.buffer.set_max_memory(u64::MAX).expect("more memory");
        let mut out = vec![0; size as usize];
        let mut at = 0;
        while at < size {
            let end = (at + size / 20 + 1).min(size);
            let there = self.buffer.buffered(at);
            if there == 0 {
                // The read makes room.
                let _ = self
                    .buffer
                    .read_some(at, &mut out[..1], Some(Duration::ZERO));
                let count = self.pusher.push(at, &bytes(at, (end - at) as usize), None);
                at += count.expect("room") as u64;
            } else {
                at += there;
            }
        }
        self.pusher.end(size).expect("an end");
        assert_eq!(self.buffer.read_at(0, &mut out).expect("all") as u64, size);
        assert_bytes(0, &out);
        assert_eq!(self.buffer.stats().final_size, Some(size));
        assert!(self.pusher.wanted().is_empty());
    }
}

struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
