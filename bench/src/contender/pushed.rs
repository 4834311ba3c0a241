//! This library without a source: a read pushes what is missing first, chunk by chunk.

use super::buffer::{Buffer, save_by_reads};
use super::library::{self, functions};
use super::spoolbuf::LIBRARY;
use crate::source::Source;
use std::ffi::{c_int, c_void};
use std::path::Path;
use std::ptr;
use std::sync::Mutex;

const SB_SIZE_UNKNOWN: u64 = u64::MAX;

/// An sb_options of the first release: what is not set here stays as sb_options_init() set it.
#[repr(C)]
#[derive(Default)]
struct Options {
    struct_size: usize,
    size: u64,
    max_memory: u64,
    others: [u64; 12],
}

functions! {
    sb_options_init(*mut Options, usize) -> c_int;
    sb_new_push(*const Options, *mut *mut c_void) -> c_int;
    sb_push(*mut c_void, u64, usize, *const c_void, i64) -> i64;
    sb_push_end(*mut c_void, u64, i64) -> c_int;
    sb_read(*mut c_void, u64, usize, *mut c_void) -> i64;
    sb_buffered(*mut c_void, u64) -> i64;
    sb_free(*mut c_void);
}

struct Handle {
    api: &'static Api,
    handle: *mut c_void,
    size: u64,
    rest: Mutex<Rest>,
}

/// What was not pushed yet.
struct Rest {
    source: Source,
    pushed: u64,
}

// SAFETY: a handle of this library may be used from any thread at any time.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// Pushes up to this offset, or to the end.
    fn push(&self, until: u64) {
        let mut rest = self.rest.lock().expect("no panic");
        let Rest { source, pushed } = &mut *rest;
        while *pushed < until.min(self.size) {
            let chunk = source.chunk();
            let (length, bytes) = (chunk.len(), chunk.as_ptr().cast());
            // SAFETY: the chunk is readable for its length.
            let n = unsafe { (self.api.sb_push)(self.handle, *pushed, length, bytes, -1) };
            assert_eq!(n, length as i64, "sb_push");
            *pushed += length as u64;
        }
        if *pushed == self.size {
            // SAFETY: the handle is this one's own.
            let status = unsafe { (self.api.sb_push_end)(self.handle, SB_SIZE_UNKNOWN, 0) };
            assert_eq!(status, 0, "sb_push_end");
        }
    }
}

impl Buffer for Handle {
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        // SAFETY: the handle is this one's own.
        let buffered = unsafe { (self.api.sb_buffered)(self.handle, off) };
        if buffered < out.len() as i64 {
            self.push(off.saturating_add(out.len() as u64));
        }
        // SAFETY: `out` has room for its own length.
        let n = unsafe { (self.api.sb_read)(self.handle, off, out.len(), out.as_mut_ptr().cast()) };
        usize::try_from(n).unwrap_or_else(|_| panic!("sb_read: {n}"))
    }

    fn save(&self, path: &Path) -> Option<u64> {
        Some(save_by_reads(self, self.size, path))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { (self.api.sb_free)(self.handle) };
    }
}

/// Opens one.
pub fn open(source: Source, max: u64) -> Box<dyn Buffer> {
    let api = api().as_ref().expect("the library");
    let size = source.plan.size;
    let (mut options, mut handle) = (Options::default(), ptr::null_mut());
    // SAFETY: a struct of that size, and space for a handle.
    let status = unsafe {
        (api.sb_options_init)(&raw mut options, size_of::<Options>());
        options.size = size;
        options.max_memory = max;
        (api.sb_new_push)(&raw const options, &raw mut handle)
    };
    assert_eq!(status, 0, "sb_new_push");
    Box::new(Handle {
        api,
        handle,
        size,
        rest: Mutex::new(Rest { source, pushed: 0 }),
    })
}

fn load() -> Result<Api, String> {
    let path = std::env::var(LIBRARY).map_err(|e| format!("{LIBRARY}: {e}"))?;
    Api::of(library::open(&[path])?)
}
