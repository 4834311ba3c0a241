//! Copies to memory: to memory mapped already, to fresh small pages, to fresh huge pages.

use super::filled::Filled;
use crate::contender::buffer::Buffer;
use crate::source::Source;
use std::path::Path;
use std::ptr;
use std::sync::Mutex;

const HUGE: usize = 2 << 20;

/// Pages that are kept from one buffer to the next.
static KEPT: Mutex<Option<Pages>> = Mutex::new(None);

#[derive(Clone, Copy, PartialEq)]
enum Advice {
    Kept,
    Small,
    Huge,
}

struct Pages {
    map: *mut u8,
    mapped: usize,
    start: *mut u8,
    size: usize,
}

// SAFETY: plain memory, owned.
unsafe impl Send for Pages {}

impl Pages {
    fn new(size: usize, advice: Advice) -> Pages {
        let mapped = size.next_multiple_of(HUGE) + HUGE;
        // SAFETY: a fresh anonymous mapping; its length is not 0.
        unsafe {
            let map = libc::mmap(
                ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(map, libc::MAP_FAILED, "no memory");
            let start = map.byte_add(map.align_offset(HUGE));
            let how = match advice {
                Advice::Small => libc::MADV_NOHUGEPAGE,
                Advice::Kept | Advice::Huge => libc::MADV_HUGEPAGE,
            };
            libc::madvise(map, mapped, how);
            Pages {
                map: map.cast(),
                mapped,
                start: start.cast(),
                size,
            }
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, unmapped once.
        unsafe { libc::munmap(self.map.cast(), self.mapped) };
    }
}

struct Memory {
    filled: Filled<(Source, Option<Pages>)>,
    keep: bool,
}

impl Buffer for Memory {
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        let (_, pages) = self
            .filled
            .up_to(off + out.len() as u64, |(source, pages), _| {
                let pages = pages.as_ref().expect("pages until drop");
                let mut end = 0;
                loop {
                    // SAFETY: [end, size) is inside the mapping, and only this thread is here.
                    let room = unsafe {
                        std::slice::from_raw_parts_mut(pages.start.add(end), pages.size - end)
                    };
                    match source.fill(room) {
                        0 => return end as u64,
                        n => end += n,
                    }
                }
            });
        let pages = pages.as_ref().expect("pages until drop");
        assert!(off as usize + out.len() <= pages.size);
        // SAFETY: inside the mapping by the line above; `out` is the caller's own.
        unsafe {
            ptr::copy_nonoverlapping(pages.start.add(off as usize), out.as_mut_ptr(), out.len());
        }
        out.len()
    }

    fn save(&self, _: &Path) -> Option<u64> {
        None
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.keep {
            *KEPT.lock().unwrap() = self.filled.state().1.take();
        }
    }
}

fn open(source: Source, advice: Advice) -> Box<dyn Buffer> {
    let size = source.plan.size as usize;
    let kept = (advice == Advice::Kept)
        .then(|| KEPT.lock().unwrap().take())
        .flatten();
    let pages = match kept {
        Some(pages) if pages.size >= size => pages,
        _ => Pages::new(size, advice),
    };
    let keep = advice == Advice::Kept;
    Box::new(Memory {
        filled: Filled::new((source, Some(pages))),
        keep,
    })
}

/// Memory that is used again and again.
pub fn reused(source: Source, _: u64) -> Box<dyn Buffer> {
    open(source, Advice::Kept)
}

/// Fresh pages of the usual size, each time.
pub fn fresh_small(source: Source, _: u64) -> Box<dyn Buffer> {
    open(source, Advice::Small)
}

/// Fresh huge pages, each time.
pub fn fresh_huge(source: Source, _: u64) -> Box<dyn Buffer> {
    open(source, Advice::Huge)
}

/// Why there are no huge pages, if there are none.
pub fn no_huge_pages() -> Option<String> {
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    match std::fs::read_to_string(path) {
        Ok(text) if text.contains("[never]") => Some(format!("{path} says never")),
        Ok(_) => None,
        Err(e) => Some(format!("{path}: {e}")),
    }
}
