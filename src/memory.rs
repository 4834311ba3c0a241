//! Memory for a segment: never moved, and given back to the system when dropped.
//!
//! Blocks of a page or more are mapped, so that what is spilled or freed really leaves the process
//! instead of becoming a hole in a heap, and pages that no byte reached cost nothing. Whole pieces
//! of large buffers come out of [arenas](crate::arena) instead.
//!
//! What a source is given to write to must not show anyone else's bytes if it writes less than it
//! says: a block knows up to where it is clean, and is cleaned before it is handed out beyond that.

use std::ptr::NonNull;

use crate::arena::Arena;
use crate::error::{Error, Result};
use crate::shared::Shared;

/// From here on a block is mapped.
const MAPPED: usize = 16 * 1024;

pub(crate) struct Block {
    start: NonNull<u8>,
    size: usize,
    /// Bytes from the start that hold zeroes, or bytes of the very resource it is to hold.
    clean: usize,
    home: Option<Shared<Arena>>,
}

// SAFETY: a Block is the only owner of its memory and gives out nothing but its address.
unsafe impl Send for Block {}

/// A block taken apart, for an owner that shares its memory with readers.
pub(crate) struct Parts {
    pub(crate) start: *mut u8,
    pub(crate) size: usize,
    pub(crate) clean: usize,
    pub(crate) home: *mut Arena,
}

impl Block {
    /// `size` bytes of zeroes; `size` is not 0.
    pub(crate) fn zeroed(size: usize) -> Result<Block> {
        debug_assert!(size > 0);
        let start = if size >= MAPPED {
            map(size)
        } else {
            allocate(size)
        };
        let start = start.ok_or(Error::NoMemory)?;
        Ok(Block {
            start,
            size,
            clean: size,
            home: None,
        })
    }

    /// A part of an arena, which lives as long as the block does.
    pub(crate) fn of_arena(home: Shared<Arena>, start: NonNull<u8>, size: usize) -> Block {
        let clean = if home.is_clean() { size } else { 0 };
        Block {
            start,
            size,
            clean,
            home: Some(home),
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Gives the memory back to the system even if its arena lives on.
    pub(crate) fn give_back(self) {
        #[cfg(unix)]
        if self.home.is_some() {
            // SAFETY: whole pages, whose only owner is being dropped.
            unsafe { libc::madvise(self.start.as_ptr().cast(), self.size, libc::MADV_DONTNEED) };
        }
    }

    /// What the block is made of, and the duty to give it back by `from_parts`.
    pub(crate) fn into_parts(self) -> Parts {
        let mut this = std::mem::ManuallyDrop::new(self);
        let home = this
            .home
            .take()
            .map_or(std::ptr::null_mut(), Shared::into_raw);
        Parts {
            start: this.start.as_ptr(),
            size: this.size,
            clean: this.clean,
            home,
        }
    }

    /// # Safety
    /// The parts came from `into_parts` and are given back once, but for `clean`, which may be less.
    pub(crate) unsafe fn from_parts(parts: Parts) -> Option<Block> {
        let Parts {
            start,
            size,
            clean,
            home,
        } = parts;
        // SAFETY: the caller's: `into_parts` left this count.
        let home = (!home.is_null()).then(|| unsafe { Shared::from_raw(home) });
        NonNull::new(start).map(|start| Block {
            start,
            size,
            clean,
            home,
        })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.home.is_some() {
            // The arena goes with its last block.
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
    // SAFETY: 16 is a power of two, and a block is far smaller than isize::MAX.
    unsafe { std::alloc::Layout::from_size_align_unchecked(size, 16) }
}

fn allocate(size: usize) -> Option<NonNull<u8>> {
    // SAFETY: the caller's size is not 0.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout(size)) })
}

/// Fresh zeroed memory from the system.
#[cfg(unix)]
pub(crate) fn map(size: usize) -> Option<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh anonymous mapping touches nothing that exists.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        None
    } else {
        NonNull::new(start.cast())
    }
}

/// # Safety
/// `start` and `size` are, or are whole pages of, what `map` gave, and nobody uses it any more.
#[cfg(unix)]
pub(crate) unsafe fn unmap(start: NonNull<u8>, size: usize) {
    // SAFETY: the caller's.
    unsafe { libc::munmap(start.as_ptr().cast(), size) };
}

#[cfg(windows)]
#[link(name = "kernel32")]
unsafe extern "system" {
    fn VirtualAlloc(at: *mut u8, size: usize, kind: u32, protection: u32) -> *mut u8;
    fn VirtualFree(start: *mut u8, size: usize, kind: u32) -> i32;
}

/// Fresh zeroed memory from the system.
#[cfg(windows)]
pub(crate) fn map(size: usize) -> Option<NonNull<u8>> {
    const RESERVE_AND_COMMIT: u32 = 0x3000;
    const READ_WRITE: u32 = 4;
    // SAFETY: fresh memory touches nothing that exists.
    NonNull::new(unsafe {
        VirtualAlloc(std::ptr::null_mut(), size, RESERVE_AND_COMMIT, READ_WRITE)
    })
}

/// # Safety
/// `start` is what `map` gave, and nobody uses it any more.
#[cfg(windows)]
pub(crate) unsafe fn unmap(start: NonNull<u8>, _size: usize) {
    const RELEASE: u32 = 0x8000;
    // SAFETY: the caller's. All of it goes.
    unsafe { VirtualFree(start.as_ptr(), 0, RELEASE) };
}
