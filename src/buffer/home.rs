//! The home of a buffer: whoever keeps it with others, and what that needs of it.

use std::any::Any;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::pull::crew::{Assisted, Crew, CrewSeat};
use crate::pull::helper;
use crate::sync::ThreadToken;
use crate::sync::shared::{Shared, try_box};

impl Buffer {
    /// Makes it share the helper threads of a crew, in place of one of its own. Once, after
    /// `set_home`, and before it is used.
    pub(crate) fn join_crew(this: &Shared<Buffer>, crew: &Shared<Crew>) -> Result<()> {
        assert!(
            this.home.get().is_some(),
            "a buffer without a home leaves no crew"
        );
        let seat = try_box(CrewSeat::new(crew, this)?)?;
        let before = this.gate.lock().set_crew(Some(seat));
        debug_assert!(before.is_none(), "a buffer has one crew");
        Ok(())
    }

    /// Before the end of the buffer's drop. The buffer is freed.
    #[cold]
    pub(crate) fn leave_crew(&self) {
        let seat = self.gate.lock().set_crew(None);
        drop(seat);
    }

    /// Attaches what the owner knows of the buffer. Once.
    pub(crate) fn set_home(&self, home: Box<dyn Any + Send + Sync>) {
        let was_set = self.home.set(home);
        debug_assert!(was_set.is_ok(), "a buffer has one home");
    }

    /// What the owner attached, if it is of this type.
    pub(crate) fn home<T: 'static>(&self) -> Option<&T> {
        self.home.get()?.downcast_ref()
    }

    /// The number of bytes that are buffered.
    pub(crate) fn held(&self) -> u64 {
        self.gate.lock().extent().held()
    }

    /// The number of bytes that its sources have delivered, and whether that stays so until there is
    /// another source.
    pub(crate) fn pulled(&self) -> (u64, bool) {
        let state = self.gate.lock();
        let is_final = state.is_unplugged() || state.extent().is_complete();
        (state.counters().pulled, is_final)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.gate.lock().extent().is_complete()
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        self.gate.lock().failure().cloned()
    }

    /// Which of its sources is the current one.
    pub(crate) fn source_generation(&self) -> u64 {
        self.gate.lock().source().generation()
    }

    /// Closes the source, if it still is the one of this generation, and leaves the buffer without
    /// one: until it is reopened, calls that need a source are canceled. Never waits for a source that
    /// has a close.
    #[inline(never)]
    pub(crate) fn unplug(this: &Shared<Buffer>, generation: u64) {
        let mut state = this.gate.lock();
        let is_current = state.source().generation() == generation;
        if !is_current || state.is_freed() || state.extent().is_complete() {
            return;
        }
        // Without memory, one that a thread uses stays until the next reopen.
        let is_in_use = state.source().is_in_use();
        if is_in_use && Buffer::prepare_reopen(this, &mut state, None).is_err() {
            return;
        }
        let replaced = state.unplug();
        state.interrupt_orphans();
        replaced.close();
        log!(
            Debug,
            this.store.number(),
            "closed the source until the next open"
        );
    }
}

impl Assisted for Buffer {
    fn assist(&self, is_contended: &dyn Fn() -> bool) {
        helper::assist(&self.gate, &self.store, is_contended);
    }

    fn is_away(&self, thread: ThreadToken) -> bool {
        self.gate.lock().is_away(thread)
    }
}
