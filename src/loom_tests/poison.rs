//! Overwrites freed memory, so that a read of it finds other bytes.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

struct Poison;

#[global_allocator]
static POISON: Poison = Poison;

// SAFETY: every request goes to the system's allocator, which gets back only what it allocated.
unsafe impl GlobalAlloc for Poison {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller guarantees that the layout's size is not 0.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller guarantees that `alloc` returned `start` for this layout and that
        // nobody uses the memory any more. The writes are volatile, or the compiler would omit
        // them.
        unsafe {
            for at in 0..layout.size() {
                start.add(at).write_volatile(0xDD);
            }
            System.dealloc(start, layout);
        }
    }
}
