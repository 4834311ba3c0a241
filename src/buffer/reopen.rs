//! Reopen: another source for the same bytes. [`pull::reopen`](crate::pull::reopen) describes how it
//! takes the place of the one before it.

use crate::buffer::Buffer;
use crate::error::Result;
use crate::pull::gate::StateGuard;
use crate::pull::reopen::Successor;
use crate::source::Source;
use crate::sync::shared::Shared;

impl Buffer {
    /// Replaces the source by another one of the same resource. `sb_reopen` describes the result.
    pub(crate) fn reopen(
        this: &Shared<Buffer>,
        source: Box<dyn Source>,
        size: Option<u64>,
    ) -> Result<()> {
        let successor = Successor::new(source)?;
        let mut state = this.gate.lock();
        let prepared = Buffer::prepare_reopen(this, &mut state, size);
        if prepared.is_err() || state.extent().is_complete() {
            drop(state);
            successor.close();
            return prepared;
        }
        let replaced = state.reopen(successor, size);
        let generation = replaced.generation;
        state.interrupt_orphans();
        replaced.close();
        this.gate.lock().wait_for_orphan(generation);
        log!(Info, this.store.number(), "reopened with another source");
        Ok(())
    }

    /// Checks whether the source may be replaced, and allocates everything for it.
    pub(super) fn prepare_reopen(
        this: &Shared<Buffer>,
        state: &mut StateGuard<'_>,
        size: Option<u64>,
    ) -> Result<()> {
        state.check_reopen(size)?;
        if state.extent().is_complete() {
            return Ok(());
        }
        let orphans = state.reserve_orphan()?;
        this.store.expect_orphans(orphans)?;
        if state.is_helper_inside() {
            Buffer::start_another_helper(this, state)?;
        }
        Ok(())
    }
}
