//! This library, loaded as its users load it: the release shared library, by its C interface.

use super::buffer::Buffer;
use super::library::{self, functions};
use crate::source::Source;
use std::ffi::{CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// The variable that says where the shared library is.
pub const LIBRARY: &str = "SPOOLBUF_BENCH_LIBRARY";

const SB_SAVE_LINK: u32 = 16;

/// Everything, as the distance of a prefetch.
pub(super) const SB_PREFETCH_ALL: u64 = u64::MAX;

#[repr(C)]
pub(super) struct Callback {
    read: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> i64,
    opaque: *mut c_void,
    seek: *const c_void,
    cancel: *const c_void,
    close: Option<unsafe extern "C" fn(*mut c_void)>,
    pull: *const c_void,
    flags: [u32; 2],
    reserved: [*const c_void; 8],
}

#[repr(C)]
struct SaveOptions {
    struct_size: usize,
    path: *const c_char,
    progress_opaque_error: [*const c_void; 3],
    reserved_pointer: *const c_void,
    timeout_ms: i64,
    fd: c_int,
    flags: u32,
    mode: u32,
    reserved: u32,
}

functions! {
    sb_new(*const Callback, u64, u64) -> *mut c_void;
    sb_read(*mut c_void, u64, usize, *mut c_void) -> i64;
    sb_save(*mut c_void, *const c_char) -> i64;
    sb_save_with(*mut c_void, *const SaveOptions) -> i64;
    sb_spill(*mut c_void) -> c_int;
    sb_prefetch(*mut c_void, u64) -> c_int;
    sb_free(*mut c_void);
}

struct Handle {
    api: &'static Api,
    handle: *mut c_void,
    source: *mut Source,
}

// SAFETY: a handle of this library may be used from any thread at any time.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Buffer for Handle {
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        // SAFETY: `out` has room for its own length.
        let n = unsafe { (self.api.sb_read)(self.handle, off, out.len(), out.as_mut_ptr().cast()) };
        usize::try_from(n).unwrap_or_else(|_| panic!("sb_read: {n}"))
    }

    fn save(&self, path: &Path) -> Option<u64> {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: a string with its NUL.
        let n = unsafe { (self.api.sb_save)(self.handle, path.as_ptr()) };
        Some(u64::try_from(n).unwrap_or_else(|_| panic!("sb_save: {n}")))
    }

    fn link(&self, path: &Path) -> Option<u64> {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        let options = SaveOptions {
            struct_size: size_of::<SaveOptions>(),
            path: path.as_ptr(),
            progress_opaque_error: [ptr::null(); 3],
            reserved_pointer: ptr::null(),
            timeout_ms: 0,
            fd: -1,
            flags: SB_SAVE_LINK,
            mode: 0,
            reserved: 0,
        };
        // SAFETY: a string with its NUL; no progress is asked for.
        let n = unsafe { (self.api.sb_save_with)(self.handle, &options) };
        Some(u64::try_from(n).unwrap_or_else(|_| panic!("sb_save_with: {n}")))
    }

    fn spill(&self) {
        // SAFETY: the handle is this one's own.
        let status = unsafe { (self.api.sb_spill)(self.handle) };
        assert_eq!(status, 0, "sb_spill");
    }

    fn prefetch(&self) {
        // SAFETY: the handle is this one's own.
        let status = unsafe { (self.api.sb_prefetch)(self.handle, SB_PREFETCH_ALL) };
        assert_eq!(status, 0, "sb_prefetch");
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: freed once; without a `close` the source is free when sb_free returns.
        unsafe {
            (self.api.sb_free)(self.handle);
            drop(Box::from_raw(self.source));
        }
    }
}

impl Callback {
    /// The callback of a source, which `close` drops.
    pub(super) fn of(
        source: *mut Source,
        close: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> Callback {
        Callback {
            read: pull,
            opaque: source.cast(),
            seek: ptr::null(),
            cancel: ptr::null(),
            close,
            pull: ptr::null(),
            flags: [0; 2],
            reserved: [ptr::null(); 8],
        }
    }
}

unsafe extern "C" fn pull(opaque: *mut c_void, out: *mut c_void, capacity: usize) -> i64 {
    // SAFETY: the library hands back `opaque`, from one thread at a time, and room for `capacity`.
    unsafe {
        let source = &mut *opaque.cast::<Source>();
        source.fill(std::slice::from_raw_parts_mut(out.cast(), capacity)) as i64
    }
}

/// Opens one.
pub fn open(source: Source, max: u64) -> Box<dyn Buffer> {
    let api = api().as_ref().expect("the library");
    let size = source.plan.size;
    let source = Box::into_raw(Box::new(source));
    let callback = Callback::of(source, None);
    // SAFETY: a whole callback, whose source lives until after sb_free.
    let handle = unsafe { (api.sb_new)(&raw const callback, size, max) };
    assert!(!handle.is_null(), "sb_new");
    Box::new(Handle {
        api,
        handle,
        source,
    })
}

fn load() -> Result<Api, String> {
    let path = std::env::var(LIBRARY).map_err(|e| format!("{LIBRARY}: {e}"))?;
    Api::of(library::open(&[path])?)
}
