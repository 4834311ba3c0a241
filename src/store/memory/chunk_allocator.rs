//! A bump allocator: takes block-sized chunks from an arena, one after the other.

#![allow(unsafe_code)]

use crate::store::memory::BLOCK;
use crate::store::memory::arena::{ARENA, Arena};
use crate::store::memory::chunk::{Chunk, Home};
use crate::sync::shared::Shared;

/// The arena from which chunks are being taken, and how much of it is taken.
#[derive(Default)]
pub(crate) struct ChunkAllocator {
    arena: Option<Shared<Home>>,
    taken: usize,
}

impl ChunkAllocator {
    /// Releases the rest of the arena to the system: the arena may be resident as a whole, and no
    /// chunk of it is needed soon.
    #[inline]
    pub(crate) fn release_pages(&mut self) {
        if let Some(home) = self.arena.take() {
            self.release_rest(&home);
        }
    }

    #[cold]
    fn release_rest(&mut self, home: &Home) {
        let Some(arena) = home.arena() else {
            return;
        };
        let rest = ARENA - std::mem::take(&mut self.taken);
        #[cfg(unix)]
        // SAFETY: the rest is whole pages within the arena of which no chunk was taken.
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

    /// The number of bytes of the arena that are not taken.
    pub(crate) fn left(&self) -> usize {
        self.arena.as_ref().map_or(0, |_| ARENA - self.taken)
    }

    /// The next chunk of `BLOCK` bytes: from the current arena, else, if `allowed`, from one that
    /// the process kept, else, if `fresh`, from a new one. None: the caller allocates another kind
    /// of chunk.
    pub(crate) fn take(&mut self, allowed: bool, fresh: bool) -> Option<Chunk> {
        let size = BLOCK as usize;
        if self.arena.is_none() || self.taken + size > ARENA {
            if !allowed {
                return None;
            }
            let arena = Arena::kept().or_else(|| if fresh { Arena::fresh() } else { None })?;
            self.arena = Some(Shared::try_new(Home::Arena(arena)).ok()?);
            self.taken = 0;
        }
        let home = self.arena.clone()?;
        // SAFETY: `taken + size` is at most ARENA, so the address lies within the arena.
        let start = unsafe { home.arena()?.start().add(self.taken) };
        self.taken += size;
        Some(Chunk::of_arena(home, start, size))
    }
}
