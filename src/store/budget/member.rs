//! What a budget needs of the owner of a store in it.

use crate::error::{Error, Result};
use crate::store::memory::chunk::Chunk;

/// The owner of a store that shares a budget.
pub(crate) trait Member: Send + Sync {
    /// Spills the oldest segment of the store, if `is_needed` still holds when its turn has come.
    fn spill_oldest(&self, is_needed: &dyn Fn() -> bool) -> Result<Spilled>;

    /// Records that the store could not spill for another member.
    fn note(&self, error: &Error);
}

/// What came of an attempt to spill one segment.
pub(crate) enum Spilled {
    /// A segment left memory, which is here, or that is not needed any more.
    Done(Option<Chunk>),
    /// The store has no segment that could leave memory: the one that it has is being filled.
    Nothing,
    /// The budget has no space for it on the disk.
    NoSpace(Cause),
}

/// Which limit an eviction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    /// The disk that the budget allows is used up.
    Disk,
    /// The file system has fewer free bytes than it should have, or takes none.
    FreeSpace,
    /// What the members need besides their bytes takes all of the memory.
    Memory,
}

/// Removes what is not in use. The budget calls it without a lock, on a thread that needs space.
pub(crate) trait Evictor: Send + Sync {
    /// Removes one store. Its segments and the blocks of its file are free when this returns, except a
    /// segment that another thread is filling: that thread frees it. Returns false if every store is in
    /// use.
    fn evict_one(&self, cause: Cause) -> bool;

    /// Removes what has been unused for too long. Called before memory for a segment is charged.
    fn expire(&self);
}
