//! Arenas: 2 MiB of memory each, for the chunks of one large buffer.
//!
//! Fresh memory costs ten times as much as a copy into memory that is already mapped. An arena has
//! the size and alignment of a huge page, so that one page fault maps it instead of 512 where the
//! system has huge pages. The process keeps the last two unused arenas, marked so that the system
//! may reclaim their pages at any time.
//!
//! Arenas exist only on Linux; elsewhere chunks are mapped one by one.

#![allow(unsafe_code)]

use std::ptr::NonNull;

use crate::store::memory::map::{map, unmap};
use crate::sync::{StaticMutex, try_lock};

/// The size of an arena, and its alignment, in bytes.
pub(crate) const ARENA: usize = 2 * 1024 * 1024;

/// The number of unused arenas that the process keeps.
const KEPT: usize = 2;

/// The memory of an unused arena.
struct Kept(NonNull<u8>);

// SAFETY: `Kept` holds the only pointer to the memory, so its owner may use it on any thread.
unsafe impl Send for Kept {}

static POOL: StaticMutex<[Option<Kept>; KEPT]> = StaticMutex::new([const { None }; KEPT]);

pub(crate) struct Arena {
    start: NonNull<u8>,
    /// Nothing has been written to it.
    zeroed: bool,
}

// SAFETY: the last owner of an Arena frees its memory, which any thread may do.
unsafe impl Send for Arena {}
// SAFETY: a shared Arena only returns its address and `zeroed`, which never change.
unsafe impl Sync for Arena {}

impl Arena {
    /// The address of its first byte.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn is_zeroed(&self) -> bool {
        self.zeroed
    }

    /// Takes an unused arena that the process kept, whose memory it has already.
    pub(crate) fn kept() -> Option<Arena> {
        // Does not wait for the lock: in a forked child its holder may not exist.
        let mut pool = try_lock(&POOL)?;
        let kept = pool.iter_mut().find_map(Option::take)?;
        Some(Arena {
            start: kept.0,
            zeroed: false,
        })
    }

    pub(crate) fn fresh() -> Option<Arena> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let start = map(2 * ARENA)?;
        let before = start.as_ptr().align_offset(ARENA);
        // SAFETY: the mapping is twice the size of an arena, so an aligned arena lies within it.
        // The memory before and after it is whole pages that nobody uses.
        unsafe {
            let aligned = start.add(before);
            if before > 0 {
                unmap(start, before);
            }
            if before < ARENA {
                unmap(aligned.add(ARENA), ARENA - before);
            }
            #[cfg(target_os = "linux")]
            libc::madvise(aligned.as_ptr().cast(), ARENA, libc::MADV_HUGEPAGE);
            Some(Arena {
                start: aligned,
                zeroed: true,
            })
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let mut pool = try_lock(&POOL);
        if let Some(free) = pool
            .as_mut()
            .and_then(|pool| pool.iter_mut().find(|kept| kept.is_none()))
        {
            #[cfg(target_os = "linux")]
            // SAFETY: the last chunk is gone, so nobody uses the memory, and its bytes may be lost
            // at any time.
            unsafe {
                libc::madvise(self.start.as_ptr().cast(), ARENA, libc::MADV_FREE);
            }
            *free = Some(Kept(self.start));
            return;
        }
        // SAFETY: `fresh` mapped the memory, and the last chunk of it is gone.
        unsafe { unmap(self.start, ARENA) };
    }
}
