//! Memory mapped from the system: zeroed, never moved, given back as whole pages.

#![allow(unsafe_code)]

use std::ptr::NonNull;

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
    // SAFETY: the caller guarantees that these pages are mapped and unused.
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
    // SAFETY: the caller guarantees that the region is mapped and unused; all of it is released.
    unsafe { VirtualFree(start.as_ptr(), 0, RELEASE) };
}
