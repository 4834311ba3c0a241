//! Memory mapped from the system: zeroed, never moved, returned as whole pages.

#![allow(unsafe_code)]

use std::ptr::NonNull;

#[cfg(all(test, unix))]
std::thread_local! {
    /// The number of bytes that this thread has mapped and not unmapped, in whole pages.
    pub(crate) static MAPPED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    /// How often this thread has mapped memory.
    pub(crate) static MAPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts memory that was mapped or, with a negative sign, unmapped.
#[cfg(all(test, unix))]
fn count(size: isize) {
    let pages = size.unsigned_abs().next_multiple_of(4096) as isize;
    let bytes = MAPPED.get();
    MAPPED.set(bytes.wrapping_add_signed(pages * size.signum()));
}

/// Maps fresh zeroed memory.
#[cfg(unix)]
pub(crate) fn map(size: usize) -> Option<NonNull<u8>> {
    #[cfg(test)]
    count(size as isize);
    #[cfg(test)]
    MAPS.set(MAPS.get() + 1);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping affects no existing memory.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        None
    } else {
        NonNull::new(start.cast())
    }
}

/// # Safety
/// `start` and `size` are a result of `map`, or whole pages of one, and nobody uses them any more.
#[cfg(unix)]
pub(crate) unsafe fn unmap(start: NonNull<u8>, size: usize) {
    #[cfg(test)]
    count(-(size as isize));
    // SAFETY: the caller guarantees that these pages are mapped and unused.
    unsafe { libc::munmap(start.as_ptr().cast(), size) };
}

#[cfg(windows)]
#[link(name = "kernel32")]
unsafe extern "system" {
    fn VirtualAlloc(at: *mut u8, size: usize, kind: u32, protection: u32) -> *mut u8;
    fn VirtualFree(start: *mut u8, size: usize, kind: u32) -> i32;
}

/// Maps fresh zeroed memory.
#[cfg(windows)]
pub(crate) fn map(size: usize) -> Option<NonNull<u8>> {
    const RESERVE_AND_COMMIT: u32 = 0x3000;
    const READ_WRITE: u32 = 4;
    // SAFETY: a new allocation affects no existing memory.
    NonNull::new(unsafe {
        VirtualAlloc(std::ptr::null_mut(), size, RESERVE_AND_COMMIT, READ_WRITE)
    })
}

/// # Safety
/// `start` is a result of `map`, and nobody uses the memory any more.
#[cfg(windows)]
pub(crate) unsafe fn unmap(start: NonNull<u8>, _size: usize) {
    const RELEASE: u32 = 0x8000;
    // SAFETY: the caller guarantees that `start` is a result of `map` and that nobody uses the
    // memory. The size 0 releases all of it, as MEM_RELEASE requires.
    unsafe { VirtualFree(start.as_ptr(), 0, RELEASE) };
}
