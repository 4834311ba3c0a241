//! The memory that a save allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use spoolbuf::SaveOptions;

use super::{LIMITS, SIZE, full_buffer};
use crate::files::assert_saved;

/// The system's allocator, for every test of this program. Knows the most that a thread had
/// allocated at a time.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static TAKEN: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: isize) {
    let _ = TAKEN.try_with(|taken| {
        let (now, most) = taken.get();
        taken.set((now + bytes, most.max(now + bytes)));
    });
}

// SAFETY: calls the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as it was asked for.
        unsafe { System.alloc(layout) }
    }

    // Zeroed memory from the system costs nothing until it is written to; other tests here measure
    // that.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as it was asked for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist for a moment.
        count(size as isize);
        count(-(layout.size() as isize));
        // SAFETY: as it was asked for.
        unsafe { System.realloc(start, layout, size) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as it was asked for.
        unsafe { System.dealloc(start, layout) }
    }
}

#[test]
fn a_save_takes_256_kib_at_most() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for max in LIMITS {
        let buffer = full_buffer(directory.path(), max);
        for buffered in [false, true] {
            let options = SaveOptions {
                buffered,
                ..SaveOptions::default()
            };
            TAKEN.set((0, 0));
            let saved = buffer.save_with(&target, options, |_, _| true);
            let most = TAKEN.get().1;
            assert_eq!(saved.expect("a save"), SIZE);
            assert_saved(&target, SIZE);
            // Including paths and names.
            assert!(most <= 256 * 1024 + 16 * 1024, "{most}, {max}");
            assert!(most >= 64 * 1024, "nothing is counted: {most}");
        }
    }
}
