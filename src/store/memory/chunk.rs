//! A chunk: memory for a segment, never moved, and given back to the system when dropped.
//!
//! Chunks of a page or more are mapped, so that what is spilled or freed really leaves the process
//! instead of becoming a hole in a heap, and pages that no byte reached cost nothing. Whole pieces
//! of large buffers come out of [arenas](crate::store::memory::arena) instead.
//!
//! What a source is given to write to must not show anyone else's bytes if it writes less than it
//! says: a chunk knows how far it is initialized, and is zeroed before it is handed out beyond that.

#![allow(unsafe_code)]

use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::store::memory::arena::Arena;
use crate::store::memory::map::{map, unmap};
use crate::sync::shared::Shared;

/// Chunks of this size or more are mapped.
const MAPPED: usize = 16 * 1024;

pub(crate) struct Chunk {
    start: NonNull<u8>,
    size: usize,
    /// Bytes from the start that hold zeroes, or bytes of the very resource it is to hold.
    initialized: usize,
    arena: Option<Shared<Arena>>,
}

// SAFETY: a Chunk is the only owner of its memory and hands out only its address.
unsafe impl Send for Chunk {}

/// A chunk taken apart, for an owner that shares its memory with readers.
pub(crate) struct RawParts {
    pub(crate) start: *mut u8,
    pub(crate) size: usize,
    pub(crate) initialized: usize,
    pub(crate) arena: *mut Arena,
}

impl Chunk {
    /// `size` bytes of zeroes; `size` is not 0.
    pub(crate) fn zeroed(size: usize) -> Result<Chunk> {
        debug_assert!(size > 0);
        let start = if size >= MAPPED {
            map(size)
        } else {
            allocate(size)
        };
        let start = start.ok_or(Error::NoMemory)?;
        Ok(Chunk {
            start,
            size,
            initialized: size,
            arena: None,
        })
    }

    /// A part of an arena, which lives at least as long as the chunk.
    pub(crate) fn of_arena(arena: Shared<Arena>, start: NonNull<u8>, size: usize) -> Chunk {
        let initialized = if arena.is_zeroed() { size } else { 0 };
        Chunk {
            start,
            size,
            initialized,
            arena: Some(arena),
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Gives the memory back to the system even if its arena lives on.
    pub(crate) fn release_pages(self) {
        #[cfg(unix)]
        if self.arena.is_some() {
            // SAFETY: whole pages, whose only owner is being dropped.
            unsafe { libc::madvise(self.start.as_ptr().cast(), self.size, libc::MADV_DONTNEED) };
        }
    }

    /// What the chunk consists of; `from_parts` has to take it back.
    pub(crate) fn into_parts(self) -> RawParts {
        let mut this = std::mem::ManuallyDrop::new(self);
        let arena = this
            .arena
            .take()
            .map_or(std::ptr::null_mut(), Shared::into_raw);
        RawParts {
            start: this.start.as_ptr(),
            size: this.size,
            initialized: this.initialized,
            arena,
        }
    }

    /// # Safety
    /// The parts came from `into_parts` and are given back once, except that `initialized` may be less.
    pub(crate) unsafe fn from_parts(parts: RawParts) -> Option<Chunk> {
        let RawParts {
            start,
            size,
            initialized,
            arena,
        } = parts;
        // SAFETY: the caller guarantees that these are parts of `into_parts`, which left this count of
        // the arena in them.
        let arena = (!arena.is_null()).then(|| unsafe { Shared::from_raw(arena) });
        NonNull::new(start).map(|start| Chunk {
            start,
            size,
            initialized,
            arena,
        })
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if self.arena.is_some() {
            // The arena goes with its last chunk.
        } else if self.size >= MAPPED {
            // SAFETY: mapped in `zeroed`, and its only owner is being dropped.
            unsafe { unmap(self.start, self.size) };
        } else {
            // SAFETY: allocated in `allocate` with this very layout.
            unsafe { std::alloc::dealloc(self.start.as_ptr(), layout(self.size)) };
        }
    }
}

fn layout(size: usize) -> std::alloc::Layout {
    // SAFETY: 16 is a power of two, and a chunk is far smaller than isize::MAX.
    unsafe { std::alloc::Layout::from_size_align_unchecked(size, 16) }
}

fn allocate(size: usize) -> Option<NonNull<u8>> {
    // SAFETY: `zeroed` is not called with 0, so the layout's size is not 0.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout(size)) })
}
