//! A cancellation token with a generation: cancels the calls of one reader, and lets later ones
//! block again.

use crate::sync::{AtomicU64, Ordering};

pub(crate) struct CancelToken {
    /// Odd while canceled. It only counts up, so that a call notices a cancellation that a resume
    /// has already lifted.
    generation: AtomicU64,
}

impl CancelToken {
    pub(crate) fn new() -> CancelToken {
        CancelToken {
            generation: AtomicU64::new(0),
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    pub(crate) fn is_canceled(&self) -> bool {
        self.generation() % 2 == 1
    }

    /// Whether a call that saw `generation` when it began has been canceled.
    pub(crate) fn is_canceled_since(&self, generation: u64) -> bool {
        let now = self.generation();
        now % 2 == 1 || now != generation
    }

    /// Identifies the token's reader to the gate; not 0.
    pub(crate) fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn cancel(&self) {
        self.set(1);
    }

    pub(crate) fn resume(&self) {
        self.set(0);
    }

    fn set(&self, parity: u64) {
        let step = |now| (now % 2 != parity).then_some(now + 1);
        let _ = self
            .generation
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, step);
    }
}
