//! Following: what the prefetch and the window are told of reads, and the trigger of the prefetch.

use super::StateGuard;
use crate::pull::state::State;
use crate::sync::Ordering;

impl StateGuard<'_> {
    /// Moves the tail of a window, if there is one, before more bytes arrive at the frontier. If it
    /// moved, the calls and the watches for bytes before it are told. The caller makes the store drop
    /// what is before the tail that is returned.
    pub(crate) fn move_tail(&mut self) -> u64 {
        let moved = self.extent.move_tail();
        let tail = self.extent.tail();
        if moved {
            self.prefetch.skip_to(tail);
            self.wake(None, |waiter| waiter.demand.offset < tail);
            self.wake_watches();
            self.update_prefetch_trigger();
        }
        tail
    }

    /// Called after each change of the buffered ranges or of the furthest read, and by `free`.
    #[inline]
    pub(in crate::pull) fn update_prefetch_trigger(&mut self) {
        if self.follows_reads() {
            self.set_prefetch_trigger();
        }
    }

    /// Called after each change of what `follows_reads` returns.
    #[inline(never)]
    fn set_prefetch_trigger(&mut self) {
        let state = &mut *self.state;
        state.prefetch.update(&state.extent);
        let (upto, above) = self.quiet();
        self.gate().trigger_upto.store(upto, Ordering::Relaxed);
        self.gate().trigger_above.store(above, Ordering::Relaxed);
    }

    /// Records a call for bytes that are missing at `offset`.
    #[inline(always)]
    pub(crate) fn note_miss(&mut self, offset: u64) {
        let State {
            prefetch,
            extent,
            position,
            ..
        } = &mut *self.state;
        prefetch.note_miss(offset, extent, position.can_seek());
        if self.follows_reads() {
            self.note_pushed_read(offset);
            self.set_prefetch_trigger();
        }
    }

    /// Records a read that ended at `offset`.
    pub(crate) fn note_read(&mut self, offset: u64) {
        let State {
            prefetch,
            extent,
            position,
            ..
        } = &mut *self.state;
        prefetch.note_read(offset, extent, position.can_seek());
        self.note_pushed_read(offset);
        self.update_prefetch_trigger();
        self.call_helper();
    }

    /// Keeps `ahead` bytes buffered past the furthest read; 0 turns the prefetch off.
    pub(crate) fn set_prefetch(&mut self, ahead: u64) {
        let State {
            prefetch, extent, ..
        } = &mut *self.state;
        prefetch.set(ahead, extent);
        self.set_prefetch_trigger();
        // Another thread may have to call the source for them now.
        self.wake_all(None);
        self.call_helper();
    }
}
