//! This library, loaded as its users load it: the release shared library, by its C interface.

use super::Buffer;
use crate::source::Source;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

/// The variable that says where the shared library is.
pub const LIBRARY: &str = "SPOOLBUF_BENCH_LIBRARY";

const SB_SIZE_UNKNOWN: u64 = u64::MAX;
const SB_SAVE_LINK: u32 = 16;

#[repr(C)]
struct Callback {
    read: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> i64,
    opaque: *mut c_void,
    seek: *const c_void,
    cancel: *const c_void,
    close: *const c_void,
    reserved: [*const c_void; 3],
}

struct Api {
    new: unsafe extern "C" fn(*const Callback, u64, u64) -> *mut c_void,
    read: unsafe extern "C" fn(*mut c_void, u64, usize, *mut c_void) -> i64,
    save: unsafe extern "C" fn(*mut c_void, *const c_char) -> i64,
    save_with: unsafe extern "C" fn(
        *mut c_void,
        *const c_char,
        c_int,
        u32,
        *const c_void,
        *mut c_void,
    ) -> i64,
    spill: unsafe extern "C" fn(*mut c_void) -> c_int,
    free: unsafe extern "C" fn(*mut c_void),
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
        let n = unsafe { (self.api.read)(self.handle, off, out.len(), out.as_mut_ptr().cast()) };
        usize::try_from(n).unwrap_or_else(|_| panic!("sb_read: {n}"))
    }

    fn save(&self, path: &Path) -> Option<u64> {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: a string with its NUL.
        let n = unsafe { (self.api.save)(self.handle, path.as_ptr()) };
        Some(u64::try_from(n).unwrap_or_else(|_| panic!("sb_save: {n}")))
    }

    fn link(&self, path: &Path) -> Option<u64> {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        let (none, opaque) = (ptr::null(), ptr::null_mut());
        // SAFETY: a string with its NUL; no progress is asked for.
        let n = unsafe {
            (self.api.save_with)(self.handle, path.as_ptr(), -1, SB_SAVE_LINK, none, opaque)
        };
        Some(u64::try_from(n).unwrap_or_else(|_| panic!("sb_save_with: {n}")))
    }

    fn spill(&self) {
        // SAFETY: the handle is this one's own.
        let status = unsafe { (self.api.spill)(self.handle) };
        assert_eq!(status, 0, "sb_spill");
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: freed once; without a `close` the source is free when sb_free returns.
        unsafe {
            (self.api.free)(self.handle);
            drop(Box::from_raw(self.source));
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
    let source = Box::into_raw(Box::new(source));
    let callback = Callback {
        read: pull,
        opaque: source.cast(),
        seek: ptr::null(),
        cancel: ptr::null(),
        close: ptr::null(),
        reserved: [ptr::null(); 3],
    };
    // SAFETY: a whole callback, whose source lives until after sb_free.
    let handle = unsafe { (api.new)(&raw const callback, SB_SIZE_UNKNOWN, max) };
    assert!(!handle.is_null(), "sb_new");
    Box::new(Handle {
        api,
        handle,
        source,
    })
}

/// Why the library can't be had, if it can't.
pub fn missing() -> Option<String> {
    api().as_ref().err().cloned()
}

fn api() -> &'static Result<Api, String> {
    static API: OnceLock<Result<Api, String>> = OnceLock::new();
    API.get_or_init(load)
}

fn load() -> Result<Api, String> {
    let path = std::env::var_os(LIBRARY).ok_or_else(|| format!("{LIBRARY} is not set"))?;
    let path = CString::new(path.as_bytes()).map_err(|e| e.to_string())?;
    // SAFETY: the signatures above are those of include/spoolbuf.h.
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
        if library.is_null() {
            return Err(CStr::from_ptr(libc::dlerror())
                .to_string_lossy()
                .into_owned());
        }
        macro_rules! symbol {
            ($name:literal) => {{
                let found = libc::dlsym(library, $name.as_ptr());
                if found.is_null() {
                    return Err(format!("{} is missing", $name.to_string_lossy()));
                }
                std::mem::transmute(found)
            }};
        }
        Ok(Api {
            new: symbol!(c"sb_new"),
            read: symbol!(c"sb_read"),
            save: symbol!(c"sb_save"),
            save_with: symbol!(c"sb_save_with"),
            spill: symbol!(c"sb_spill"),
            free: symbol!(c"sb_free"),
        })
    }
}
