//! Condition variables, one per waiting call, which are never moved.

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::sync::Condvar;
use crate::sync::shared::try_box;

/// A first row, then a second one of the same size, then rows of twice the size of the one before.
pub(super) struct Condvars {
    first: [Condvar; Condvars::FIRST],
    /// Most buffers need no more than the first row, and pay for a pointer.
    more: OnceLock<Box<Rows>>,
}

type Rows = [OnceLock<Box<[Condvar]>>; 24];

impl Condvars {
    const FIRST: usize = if cfg!(loom) { 2 } else { 8 };

    pub(super) fn new() -> Condvars {
        Condvars {
            first: std::array::from_fn(|_| Condvar::new()),
            more: OnceLock::new(),
        }
    }

    /// The condition variable with this number. Allocates its row if necessary. Called under the
    /// state's lock.
    pub(super) fn get(&self, number: usize) -> Result<&Condvar> {
        if let Some(condvar) = self.first.get(number) {
            return Ok(condvar);
        }
        // With a first row of eight: numbers 8 to 15, 16 to 31, and so on.
        let level = (number / Condvars::FIRST).ilog2() as usize;
        let size = Condvars::FIRST << level;
        let row = self.rows()?.get(level).ok_or(Error::NoMemory)?;
        if row.get().is_none() {
            let mut condvars = Vec::new();
            condvars
                .try_reserve_exact(size)
                .map_err(|_| Error::NoMemory)?;
            condvars.resize_with(size, Condvar::new);
            // The state's lock is held, so no other thread sets it.
            let _ = row.set(condvars.into_boxed_slice());
        }
        row.get()
            .and_then(|row| row.get(number - size))
            .ok_or(Error::NoMemory)
    }

    /// The further rows. Called under the state's lock.
    fn rows(&self) -> Result<&Rows> {
        if self.more.get().is_none() {
            let rows = try_box(std::array::from_fn(|_| OnceLock::new()))?;
            // The state's lock is held, so no other thread sets it.
            let _ = self.more.set(rows);
        }
        self.more.get().map(|rows| &**rows).ok_or(Error::NoMemory)
    }
}
