//! Skipping: the source delivers bytes that are held already. Those of a source that was reopened are
//! compared.

use super::SourceGuard;
use crate::error::{Error, Result};
use crate::pull::demand::Demand;
use crate::pull::gate::StateGuard;
use crate::pull::state::State;
use crate::source;

/// The most bytes that are read at a time in order to skip them.
const SKIPPED: u64 = 64 * 1024;

/// The most bytes that are compared at a time.
const COMPARED: usize = 16 * 1024;

impl<'b> SourceGuard<'b> {
    /// Reads bytes that are held already, because the source has to go past them and cannot jump, or
    /// has to show that it delivers the same resource. Those of a source that was reopened are
    /// compared.
    #[cold]
    pub(super) fn skip(
        &mut self,
        state: StateGuard<'b>,
        demand: Demand,
        most: u64,
    ) -> Result<StateGuard<'b>> {
        // Not on the stack, since a caller's stack may be small.
        let most = most.min(SKIPPED) as usize;
        let mut scratch = Vec::new();
        scratch
            .try_reserve_exact(most)
            .map_err(|_| Error::NoMemory)?;
        scratch.resize(most, 0);
        let (position, compares) = (state.position.offset(), state.check.is_some());
        let result = self.call(state, demand, None, |source| {
            source::ask(source, &mut scratch)
        })?;
        // Without the lock, since the held bytes may be in the spool file. They never change.
        let compared = match result {
            Ok(count) if compares => self.compare(position, &scratch[..count]),
            _ => Ok(true),
        };
        let passed = |state: &mut State, count| match count {
            0 => state.ended(),
            count => state.skipped(count as u64, compared),
        };
        self.settle(demand, result, passed, State::read_failed)
    }

    /// Whether bytes that the source delivered at `position` are the held ones.
    #[cold]
    fn compare(&self, position: u64, bytes: &[u8]) -> Result<bool> {
        let mut held = Vec::new();
        let most = bytes.len().min(COMPARED);
        held.try_reserve_exact(most).map_err(|_| Error::NoMemory)?;
        held.resize(most, 0);
        let (mut at, mut same) = (position, true);
        for bytes in bytes.chunks(COMPARED) {
            let mut done = 0;
            self.store.copy(at, &mut held[..bytes.len()], &mut done)?;
            same &= bytes[..done] == held[..done];
            at += bytes.len() as u64;
        }
        Ok(same)
    }
}
