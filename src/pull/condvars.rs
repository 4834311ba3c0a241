//! Condition variables, one for each call that waits, which stay where they are.

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::sync::Condvar;

/// A few at first, then that many again, then twice that many, and so on.
pub(super) struct Condvars {
    first: [Condvar; Condvars::FIRST],
    more: [OnceLock<Box<[Condvar]>>; 24],
}

impl Condvars {
    const FIRST: usize = if cfg!(loom) { 2 } else { 8 };

    pub(super) fn new() -> Condvars {
        Condvars {
            first: std::array::from_fn(|_| Condvar::new()),
            more: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    /// The one of that number, which is made if it is the first of its row. Called under the state's
    /// lock.
    pub(super) fn get(&self, number: usize) -> Result<&Condvar> {
        if let Some(condvar) = self.first.get(number) {
            return Ok(condvar);
        }
        // With eight at first: numbers 8 to 15, 16 to 31, and so on.
        let level = (number / Condvars::FIRST).ilog2() as usize;
        let size = Condvars::FIRST << level;
        let row = self.more.get(level).ok_or(Error::NoMemory)?;
        if row.get().is_none() {
            let mut condvars = Vec::new();
            condvars
                .try_reserve_exact(size)
                .map_err(|_| Error::NoMemory)?;
            condvars.resize_with(size, Condvar::new);
            // Under the state's lock, so nobody else sets it.
            let _ = row.set(condvars.into_boxed_slice());
        }
        row.get()
            .and_then(|row| row.get(number - size))
            .ok_or(Error::NoMemory)
    }
}
