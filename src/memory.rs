//! Memory for a segment: zeroed, never moved, given back to the system when dropped.
//!
//! Small blocks come from the allocator. Large ones are mapped, so that a spilled piece really
//! leaves the process instead of becoming a hole in a heap, and pages that no byte reached cost
//! nothing.

use std::ptr::NonNull;

use crate::error::{Error, Result};

/// From here on a block is mapped.
const MAPPED: usize = 64 * 1024;

pub(crate) struct Block {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: a Block is the only owner of its memory and gives out nothing but its address.
unsafe impl Send for Block {}

impl Block {
    /// `size` bytes of zeroes; `size` is not 0.
    pub(crate) fn zeroed(size: usize) -> Result<Block> {
        debug_assert!(size > 0);
        let start = if size >= MAPPED {
            map(size)
        } else {
            allocate(size)
        };
        match start {
            Some(start) => Ok(Block { start, size }),
            None => Err(Error::NoMemory),
        }
    }

    /// The address, and the duty to give it back by `from_raw`.
    pub(crate) fn into_raw(self) -> *mut u8 {
        std::mem::ManuallyDrop::new(self).start.as_ptr()
    }

    /// # Safety
    /// `start` came from `into_raw` of a Block of `size` bytes, and is given back once.
    pub(crate) unsafe fn from_raw(start: *mut u8, size: usize) -> Option<Block> {
        NonNull::new(start).map(|start| Block { start, size })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.size >= MAPPED {
            unmap(self.start, self.size);
        } else {
            // SAFETY: allocated in `allocate` with this very layout.
            unsafe { std::alloc::dealloc(self.start.as_ptr(), layout(self.size)) };
        }
    }
}

fn layout(size: usize) -> std::alloc::Layout {
    // 64 bytes: a cache line, so that copies into and out of a block start aligned.
    std::alloc::Layout::from_size_align(size, 64).expect("a block is far smaller than isize::MAX")
}

fn allocate(size: usize) -> Option<NonNull<u8>> {
    // SAFETY: the caller's size is not 0.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout(size)) })
}

#[cfg(unix)]
fn map(size: usize) -> Option<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping touches nothing that exists.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        None
    } else {
        NonNull::new(start.cast())
    }
}

#[cfg(unix)]
fn unmap(start: NonNull<u8>, size: usize) {
    // SAFETY: mapped in `map` with this size, and its only owner is being dropped.
    unsafe { libc::munmap(start.as_ptr().cast(), size) };
}

#[cfg(not(unix))]
fn map(size: usize) -> Option<NonNull<u8>> {
    allocate(size)
}

#[cfg(not(unix))]
fn unmap(start: NonNull<u8>, size: usize) {
    // SAFETY: allocated in `map` with this very layout.
    unsafe { std::alloc::dealloc(start.as_ptr(), layout(size)) };
}
