//! Freed memory shows: whoever reads it does not find what was there.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

struct Poison;

#[global_allocator]
static POISON: Poison = Poison;

// SAFETY: the system's allocator, which is given what it gave.
unsafe impl GlobalAlloc for Poison {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's: nobody uses it any more. Volatile, or it would be left out.
        unsafe {
            for at in 0..layout.size() {
                start.add(at).write_volatile(0xDD);
            }
            System.dealloc(start, layout);
        }
    }
}
