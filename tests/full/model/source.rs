//! The source of the model: a [`Stream`] that can fail for once and can learn its size late.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use spoolbuf::{Error, Result, Source};

use crate::support::Stream;

/// The code of each failure.
pub const CODE: i64 = -104;

thread_local! {
    static MAY_PULL: Cell<bool> = const { Cell::new(true) };
}

/// Runs a call that must not call the source on this thread.
pub fn without_pulls<T>(call: impl FnOnce() -> T) -> T {
    MAY_PULL.set(false);
    let result = call();
    MAY_PULL.set(true);
    result
}

/// A size that the source states, and how often it is asked before that.
#[derive(Clone, Copy, Debug)]
pub struct Stated {
    pub size: u64,
    pub after: u32,
}

/// What a [`Watched`] source did.
#[derive(Default)]
pub struct Marks {
    /// It has failed, and nobody has retried.
    pub failing: AtomicBool,
    pub failures: AtomicU64,
    /// The stated size plus 1; 0 as long as it has stated none.
    stated: AtomicU64,
    pulled_by_others: AtomicBool,
}

impl Marks {
    pub fn stated(&self) -> Option<u64> {
        self.stated.load(Ordering::SeqCst).checked_sub(1)
    }

    pub fn assert_obeyed(&self) {
        assert!(!self.pulled_by_others.load(Ordering::SeqCst));
    }
}

pub struct Watched {
    pub stream: Stream,
    pub marks: Arc<Marks>,
    /// It fails once when it stands at each of these offsets or past it, in order.
    pub failures: Vec<u64>,
    pub stated: Option<Stated>,
    pub has_declared_size: bool,
}

impl Watched {
    fn watch(&self) {
        if !MAY_PULL.get() {
            self.marks.pulled_by_others.store(true, Ordering::SeqCst);
        }
    }
}

impl Source for Watched {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        self.watch();
        // Not where it ends: an end right after a failure is not believed.
        let at = self.stream.at;
        if at < self.stream.size && self.failures.first().is_some_and(|first| at >= *first) {
            self.failures.remove(0);
            self.marks.failing.store(true, Ordering::SeqCst);
            self.marks.failures.fetch_add(1, Ordering::SeqCst);
            return Err(Error::Source {
                code: CODE,
                cause: None,
            });
        }
        self.stream.pull(out)
    }

    fn can_seek(&self) -> bool {
        self.stream.can_seek()
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        self.watch();
        self.stream.jump(offset)
    }

    fn reports_size(&self) -> bool {
        self.stated.is_some()
    }

    fn size(&mut self) -> Option<u64> {
        assert!(
            !self.has_declared_size,
            "asked though the caller declared one"
        );
        assert_eq!(self.marks.stated(), None, "asked again");
        let stated = self.stated.as_mut()?;
        if stated.after > 0 {
            stated.after -= 1;
            return None;
        }
        self.marks.stated.store(stated.size + 1, Ordering::SeqCst);
        Some(stated.size)
    }
}
