//! A bump allocator: whole blocks, one after the other, out of an arena.

#![allow(unsafe_code)]

use crate::store::memory::BLOCK;
use crate::store::memory::arena::{ARENA, Arena};
use crate::store::memory::chunk::Chunk;
use crate::sync::shared::Shared;

/// What is left of an arena that pieces are being taken from.
#[derive(Default)]
pub(crate) struct ChunkAllocator {
    arena: Option<Shared<Arena>>,
    taken: usize,
}

impl ChunkAllocator {
    /// Gives what is left of the arena back to the system: it is resident as a whole, and no piece of it
    /// is needed soon.
    pub(crate) fn release_pages(&mut self) {
        let Some(arena) = self.arena.take() else {
            return;
        };
        let rest = ARENA - std::mem::take(&mut self.taken);
        #[cfg(unix)]
        // SAFETY: whole pages within the arena that no piece has been taken of.
        unsafe {
            libc::madvise(
                arena.start().add(ARENA - rest).as_ptr().cast(),
                rest,
                libc::MADV_DONTNEED,
            );
        }
        #[cfg(not(unix))]
        let _ = (arena, rest);
    }

    /// How much is left of it, in bytes.
    pub(crate) fn left(&self) -> usize {
        self.arena.as_ref().map_or(0, |_| ARENA - self.taken)
    }

    /// The next piece of `BLOCK` bytes, from the arena begun, else one that is kept, else, if
    /// `fresh`, a new one. None: do without.
    pub(crate) fn take(&mut self, allowed: bool, fresh: bool) -> Option<Chunk> {
        let piece = BLOCK as usize;
        if self.arena.is_none() || self.taken + piece > ARENA {
            if !allowed {
                return None;
            }
            let arena = Arena::kept().or_else(|| if fresh { Arena::fresh() } else { None })?;
            self.arena = Some(Shared::try_new(arena).ok()?);
            self.taken = 0;
        }
        let arena = self.arena.clone()?;
        // SAFETY: within the arena.
        let start = unsafe { arena.start().add(self.taken) };
        self.taken += piece;
        Some(Chunk::of_arena(arena, start, piece))
    }
}
