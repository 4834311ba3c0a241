//! The operations on a buffer whose source is replaced, from the first source to the last.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use spoolbuf::{Error, Result, StreamBuffer, Watch};

use crate::options::{Options, open};
use crate::reopen::{Case, Operation};
use crate::source::CODE;
use crate::twin::{Kind, Record, Twin};

pub const PATIENCE: Duration = Duration::from_secs(300);

/// What all threads share.
pub struct Shared<'a> {
    case: &'a Case,
    buffer: StreamBuffer,
    /// Of every source, from before it could be called.
    records: Mutex<Vec<Record>>,
    /// The calls of `when` that have not come yet.
    pub watches: Mutex<Vec<Pending>>,
    pub was_canceled: AtomicBool,
}

pub struct Pending {
    pub offset: u64,
    pub receiver: Receiver<Result<u64>>,
    pub watch: Watch,
}

impl Shared<'_> {
    pub fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().expect("no panic")
    }
}

/// What one thread knows. If it is alone, that is how things are.
pub struct Scene<'a> {
    pub shared: &'a Shared<'a>,
    pub current: RefCell<Record>,
    pub canceled: Cell<bool>,
    /// The current source is known to deliver another resource.
    pub is_mismatch: Cell<bool>,
}

impl<'a> Scene<'a> {
    pub fn run(case: &'a Case) {
        let (source, record) = Twin::new(&case.first);
        let options = Options {
            size: case.declared,
            max_memory: case.max_memory,
            seek_gap: case.seek_gap,
            read_granularity: case.granularity,
            ..Options::default()
        };
        let shared = Shared {
            case,
            buffer: open(source, options).expect("a buffer"),
            records: Mutex::new(vec![record.clone()]),
            watches: Mutex::default(),
            was_canceled: AtomicBool::new(false),
        };
        let new = || Scene {
            shared: &shared,
            current: RefCell::new(record.clone()),
            canceled: Cell::new(false),
            is_mismatch: Cell::new(false),
        };
        new().read_first_byte();
        std::thread::scope(|scope| {
            for operations in &case.threads {
                let new = &new;
                scope.spawn(move || {
                    let scene = new();
                    for operation in operations {
                        scene.perform(operation);
                    }
                });
            }
        });
        new().finish();
    }

    pub fn buffer(&self) -> &StreamBuffer {
        &self.shared.buffer
    }

    pub fn size(&self) -> u64 {
        self.shared.case.size
    }

    pub fn alone(&self) -> bool {
        self.shared.case.alone
    }

    /// Without a byte there is nothing to compare others with. This one is before each gap.
    fn read_first_byte(&self) {
        let mut out = [0];
        while let Err(error) = self.buffer().read_at(0, &mut out) {
            assert!(matches!(error, Error::Source { code: CODE, .. }), "{error}");
            self.retry();
        }
    }

    fn look(&self, offset: u64) {
        let (buffer, size) = (self.buffer(), self.size());
        let ranges = buffer.ranges();
        assert!(ranges.last().is_none_or(|last| last.end <= size));
        assert!(buffer.buffered(offset) <= size.saturating_sub(offset));
        assert!(buffer.stats().final_size.is_none_or(|end| end == size));
    }

    fn cancel(&self) {
        self.shared.was_canceled.store(true, Ordering::SeqCst);
        self.canceled.set(true);
        self.buffer().cancel();
    }

    fn resume(&self) {
        self.canceled.set(false);
        self.forget_failure();
        self.buffer().resume();
    }

    fn retry(&self) {
        self.forget_failure();
        self.buffer().retry();
    }

    /// Not a mismatch, which persists.
    fn forget_failure(&self) {
        let current = self.current.borrow();
        current.marks.failing.store(false, Ordering::SeqCst);
    }

    fn reopen(&self, kind: &Kind) {
        let (source, record) = Twin::new(kind);
        self.shared.records().push(record.clone());
        let last = self.buffer().ranges().last().map_or(0, |last| last.end);
        let end = self.buffer().stats().final_size;
        let was_complete = self.is_complete();
        match self.buffer().reopen(source, kind.declared) {
            Ok(()) if was_complete => {
                assert!(record.seen.dropped.load(Ordering::SeqCst));
                assert_eq!(record.seen.fetched.load(Ordering::SeqCst), 0);
            }
            Ok(()) => {}
            Err(Error::Size) => {
                let declared = kind.declared.expect("no size is always right");
                assert_ne!(declared, self.size());
                let is_wrong = declared < last || end.is_some_and(|end| end != declared);
                assert!(!self.alone() || is_wrong, "{declared} was refused");
                assert!(record.seen.dropped.load(Ordering::SeqCst));
                return;
            }
            Err(error) => panic!("{error}"),
        }
        if let Some(declared) = kind.declared {
            assert!(declared >= last && end.is_none_or(|end| end == declared));
        }
        self.current.replace(record);
        self.is_mismatch.set(false);
    }

    fn is_complete(&self) -> bool {
        let held: u64 = self
            .buffer()
            .ranges()
            .iter()
            .map(|range| range.end - range.start)
            .sum();
        self.buffer().stats().final_size == Some(held)
    }

    fn perform(&self, operation: &Operation) {
        let buffer = self.buffer();
        match operation {
            Operation::Read { offset, length } => self.read(*offset, *length),
            Operation::Some {
                offset,
                length,
                limit,
            } => self.read_some(*offset, *length, *limit),
            Operation::FindSize(limit) => self.find_size(*limit),
            Operation::When(offset) => self.when(*offset),
            Operation::Cancel => self.cancel(),
            Operation::Resume => self.resume(),
            Operation::Retry => self.retry(),
            Operation::Spill => buffer.spill().expect("a spill"),
            Operation::Prefetch(ahead) => buffer.prefetch(*ahead).expect("a prefetch"),
            Operation::Look(offset) => self.look(*offset),
            Operation::Reopen(kind) => self.reopen(kind),
        }
    }

    /// A source of the right bytes goes on from anything, except from a cancel.
    fn finish(&self) {
        let case = self.shared.case;
        if case.last_is_canceled {
            self.cancel();
        }
        self.reopen(&case.last);
        if case.last_is_canceled {
            self.assert_canceled();
        }
        if self.shared.was_canceled.load(Ordering::SeqCst) {
            self.resume();
        }
        let mut all = vec![0; case.size as usize + 10];
        let count = self.buffer().read_at(0, &mut all).expect("all");
        assert_eq!(count as u64, case.size);
        self.judge_bytes(0, &all[..count]);
        assert_eq!(self.buffer().find_size(None).expect("the size"), case.size);
        let watches = std::mem::take(&mut *self.shared.watches.lock().expect("no panic"));
        for pending in watches {
            // An error is one of an earlier source.
            let _ = self.judge_pending(pending);
        }
        self.assert_all_closed();
    }

    fn assert_canceled(&self) {
        let ranges = self.buffer().ranges();
        let missing = ranges.first().map_or(0, |first| first.end);
        if missing < self.size() {
            let result = self.buffer().read_at(missing, &mut [0]);
            assert!(
                matches!(result, Err(Error::Canceled)),
                "{result:?} after a cancel"
            );
        }
    }

    /// Each source is closed once, by its last user, which may be the helper.
    fn assert_all_closed(&self) {
        let patience = Instant::now() + PATIENCE;
        for record in self.shared.records().iter() {
            record.marks.assert_obeyed();
            while !record.seen.dropped.load(Ordering::SeqCst) {
                assert!(Instant::now() < patience, "not closed");
                std::thread::yield_now();
            }
        }
    }
}
