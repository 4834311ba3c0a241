//! A chunk: memory for one segment, never moved, and returned to the system on drop.
//!
//! Chunks of 16 KiB or more are mapped, so that spilled or freed memory really leaves the process
//! instead of becoming a hole in the heap, and so that pages without bytes cost nothing. The
//! block-sized chunks of large buffers are parts of [arenas](crate::store::memory::arena) instead.
//!
//! A source that writes fewer bytes than it claims must not expose bytes that belong to anyone
//! else. A chunk therefore knows how far it is initialized, and is zeroed beyond that before the
//! source gets it.

#![allow(unsafe_code)]

use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::store::budget::account::Charge;
use crate::store::memory::arena::Arena;
use crate::store::memory::map::{map, unmap};
use crate::sync::shared::Shared;

/// Chunks of this size or more are mapped.
const MAPPED: usize = 16 * 1024;

/// What mapped memory is a multiple of, on most systems.
const PAGE: usize = 4096;

pub(crate) struct Chunk {
    start: NonNull<u8>,
    size: usize,
    /// The number of bytes, from the start, that hold zeros or bytes of the same resource.
    initialized: usize,
    home: Option<Shared<Home>>,
}

/// What a chunk's memory is a part of, and lives as long as.
pub(crate) enum Home {
    Arena(Arena),
    /// It is charged to a budget.
    #[allow(dead_code, reason = "it is there to be dropped")]
    Charge(Charge),
}

impl Home {
    pub(crate) fn arena(&self) -> Option<&Arena> {
        match self {
            Home::Arena(arena) => Some(arena),
            Home::Charge(_) => None,
        }
    }
}

// SAFETY: a Chunk is the only owner of its memory, so any thread may use and free it.
unsafe impl Send for Chunk {}

/// A chunk taken apart, for an owner that shares its memory with readers.
pub(crate) struct RawParts {
    pub(crate) start: *mut u8,
    pub(crate) size: usize,
    pub(crate) initialized: usize,
    pub(crate) home: *mut Home,
}

impl Chunk {
    /// Allocates `size` zeroed bytes; `size` is not 0.
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
            home: None,
        })
    }

    /// The same for memory that `charge` pays for, which is at least the `footprint`.
    pub(crate) fn charged(size: usize, charge: Charge) -> Result<Chunk> {
        debug_assert!(charge.bytes() >= Chunk::footprint(size));
        let home = Shared::try_new(Home::Charge(charge))?;
        let mut chunk = Chunk::zeroed(size)?;
        chunk.home = Some(home);
        Ok(chunk)
    }

    /// The memory that a charged chunk takes, in bytes.
    pub(crate) fn footprint(size: usize) -> u64 {
        let taken = if size >= MAPPED {
            size.next_multiple_of(PAGE)
        } else {
            size
        };
        (taken + Shared::<Home>::SIZE) as u64
    }

    /// Makes a chunk of a part of an arena, which lives at least as long as the chunk.
    pub(crate) fn of_arena(home: Shared<Home>, start: NonNull<u8>, size: usize) -> Chunk {
        let zeroed = home.arena().is_some_and(Arena::is_zeroed);
        let initialized = if zeroed { size } else { 0 };
        Chunk {
            start,
            size,
            initialized,
            home: Some(home),
        }
    }

    /// Makes the chunk fit for another resource: its bytes are zeroed before a source gets them.
    pub(crate) fn forget_bytes(mut self) -> Chunk {
        self.initialized = 0;
        self
    }

    fn is_of_arena(&self) -> bool {
        self.home
            .as_deref()
            .is_some_and(|home| home.arena().is_some())
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Releases the pages to the system, even if the arena lives on.
    pub(crate) fn release_pages(self) {
        #[cfg(unix)]
        if self.is_of_arena() {
            // SAFETY: a chunk of an arena is whole pages, and `self` is their only owner.
            unsafe { libc::madvise(self.start.as_ptr().cast(), self.size, libc::MADV_DONTNEED) };
        }
    }

    /// Takes the chunk apart. `from_parts` must take the parts back.
    pub(crate) fn into_parts(self) -> RawParts {
        let mut this = std::mem::ManuallyDrop::new(self);
        let home = this
            .home
            .take()
            .map_or(std::ptr::null_mut(), Shared::into_raw);
        RawParts {
            start: this.start.as_ptr(),
            size: this.size,
            initialized: this.initialized,
            home,
        }
    }

    /// # Safety
    /// The parts came from `into_parts` and are taken back once. Only `initialized` may differ: it
    /// may be any number of bytes that are initialized.
    pub(crate) unsafe fn from_parts(parts: RawParts) -> Option<Chunk> {
        let RawParts {
            start,
            size,
            initialized,
            home,
        } = parts;
        // SAFETY: the caller guarantees that the parts came from `into_parts`, which put this count
        // of the home into them, and are taken back once.
        let home = (!home.is_null()).then(|| unsafe { Shared::from_raw(home) });
        NonNull::new(start).map(|start| Chunk {
            start,
            size,
            initialized,
            home,
        })
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if self.is_of_arena() {
            // The arena is freed with its last chunk.
        } else if self.size >= MAPPED {
            // SAFETY: `zeroed` mapped the memory, and its only owner is being dropped.
            unsafe { unmap(self.start, self.size) };
        } else {
            // SAFETY: `allocate` allocated the memory with this layout, and its only owner is being
            // dropped.
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
