//! Arenas: two MiB at a time for the pieces of one large buffer.
//!
//! Fresh memory costs ten times a copy into memory that is mapped already. An arena is the size and
//! the alignment of a huge page, so that it comes by one fault instead of 512 where the system has
//! huge pages to give; and the last two that nobody uses are kept, for the whole process, marked so
//! that the system may take them back whenever it wants memory.
//!
//! Only on Linux; elsewhere there are none, and pieces are mapped one by one.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Mutex;

use crate::store::memory::map::{map, unmap};

/// The size of an arena, and its alignment, in bytes.
pub(crate) const ARENA: usize = 2 * 1024 * 1024;

/// How many are kept.
const KEPT: usize = 2;

/// Memory of an arena that nobody uses.
struct Kept(NonNull<u8>);

// SAFETY: the only pointer to it.
unsafe impl Send for Kept {}

static POOL: Mutex<[Option<Kept>; KEPT]> = Mutex::new([const { None }; KEPT]);

pub(crate) struct Arena {
    start: NonNull<u8>,
    /// Nothing was ever written to it.
    zeroed: bool,
}

// SAFETY: an Arena itself only frees its memory, when its last block is gone.
unsafe impl Send for Arena {}
// SAFETY: a shared Arena hands out only its address.
unsafe impl Sync for Arena {}

impl Arena {
    /// Its first byte.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn is_zeroed(&self) -> bool {
        self.zeroed
    }

    /// One that is kept, which costs no memory that the process does not have already.
    pub(crate) fn kept() -> Option<Arena> {
        // Not waited for: in a forked child the holder may not exist.
        let mut pool = POOL.try_lock().ok()?;
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
        // SAFETY: the mapping is twice as long, so an aligned arena lies within; what is before and
        // after it is whole pages that nobody uses.
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
        let pool = POOL.try_lock();
        if let Some(free) = pool
            .ok()
            .as_mut()
            .and_then(|pool| pool.iter_mut().find(|kept| kept.is_none()))
        {
            #[cfg(target_os = "linux")]
            // SAFETY: nobody uses it; what is in it may go at any time.
            unsafe {
                libc::madvise(self.start.as_ptr().cast(), ARENA, libc::MADV_FREE);
            }
            *free = Some(Kept(self.start));
            return;
        }
        // SAFETY: mapped in `fresh`; its last block is gone.
        unsafe { unmap(self.start, ARENA) };
    }
}
