//! This library with a cache: each resource is an entry under a key of its own.

use super::buffer::{Buffer, Hit};
use super::library::{self, functions};
use super::spoolbuf::{Callback, LIBRARY, SB_PREFETCH_ALL};
use crate::source::Source;
use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

type OpenerFn = unsafe extern "C" fn(*mut c_void, *const c_void, usize, u64, *mut Opened) -> c_int;

#[repr(C)]
struct Opened {
    struct_size: usize,
    size: u64,
    tag: u64,
    source: Callback,
}

/// An sb_cache_options of the first release: what is not set here stays as sb_cache_options_init() set it.
#[repr(C)]
struct Options {
    struct_size: usize,
    open: Option<OpenerFn>,
    opaque: *mut c_void,
    max_memory: u64,
    others: [u64; 12],
}

functions! {
    sb_cache_options_init(*mut Options, usize) -> c_int;
    sb_cache_new(*const Options, *mut *mut c_void) -> c_int;
    sb_cache_open(*mut c_void, *const c_void, usize, *const c_void, *mut *mut c_void) -> c_int;
    sb_cache_remove(*mut c_void, *const c_void, usize) -> c_int;
    sb_reader_buffer(*mut c_void) -> *mut c_void;
    sb_reader_read(*mut c_void, usize, *mut c_void) -> i64;
    sb_reader_free(*mut c_void);
    sb_read(*mut c_void, u64, usize, *mut c_void) -> i64;
    sb_save(*mut c_void, *const c_char) -> i64;
    sb_prefetch(*mut c_void, u64) -> c_int;
}

/// The cache of this process.
struct Cache(*mut c_void);

// SAFETY: a handle of this library may be used from any thread at any time.
unsafe impl Send for Cache {}
// SAFETY: as above.
unsafe impl Sync for Cache {}

/// The sources that the opener hands out.
static SOURCES: Mutex<Option<HashMap<u64, Source>>> = Mutex::new(None);

struct Handle {
    api: &'static Api,
    cache: &'static Cache,
    key: u64,
    reader: *mut c_void,
    buffer: *mut c_void,
}

// SAFETY: as above; sb_reader_buffer() is called once.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Buffer for Handle {
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        // SAFETY: `out` has room for its own length.
        let n = unsafe { (self.api.sb_read)(self.buffer, off, out.len(), out.as_mut_ptr().cast()) };
        usize::try_from(n).unwrap_or_else(|_| panic!("sb_read: {n}"))
    }

    fn save(&self, path: &Path) -> Option<u64> {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: a string with its NUL.
        let n = unsafe { (self.api.sb_save)(self.buffer, path.as_ptr()) };
        Some(u64::try_from(n).unwrap_or_else(|_| panic!("sb_save: {n}")))
    }

    fn prefetch(&self) {
        // SAFETY: the handle is this one's own.
        let status = unsafe { (self.api.sb_prefetch)(self.buffer, SB_PREFETCH_ALL) };
        assert_eq!(status, 0, "sb_prefetch");
    }

    fn into_hit(self: Box<Self>) -> Option<Hit> {
        let (api, cache, key) = (self.api, self.cache, self.key);
        // SAFETY: freed once, since the handle is forgotten.
        unsafe { (api.sb_reader_free)(self.reader) };
        std::mem::forget(self);
        Some(Box::new(move |out| {
            let reader = lease(api, cache, key);
            // SAFETY: `out` has room for its own length; the reader is this one's own.
            let n = unsafe { (api.sb_reader_read)(reader, out.len(), out.as_mut_ptr().cast()) };
            assert_eq!(n, out.len() as i64, "sb_reader_read");
            // SAFETY: freed once.
            unsafe { (api.sb_reader_free)(reader) };
        }))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let key = ptr::from_ref(&self.key).cast();
        // SAFETY: the reader is freed once; a key of that size.
        unsafe {
            (self.api.sb_reader_free)(self.reader);
            (self.api.sb_cache_remove)(self.cache.0, key, size_of::<u64>());
        }
    }
}

fn lease(api: &Api, cache: &Cache, key: u64) -> *mut c_void {
    let mut reader = ptr::null_mut();
    let bytes = ptr::from_ref(&key).cast();
    // SAFETY: a key of that size, and space for a reader.
    let status = unsafe {
        (api.sb_cache_open)(
            cache.0,
            bytes,
            size_of::<u64>(),
            ptr::null(),
            &raw mut reader,
        )
    };
    assert_eq!(status, 0, "sb_cache_open");
    reader
}

unsafe extern "C" fn open_key(
    _: *mut c_void,
    key: *const c_void,
    _: usize,
    _: u64,
    out: *mut Opened,
) -> c_int {
    // SAFETY: a key of this contender is a number.
    let key = unsafe { key.cast::<u64>().read_unaligned() };
    let mut sources = SOURCES.lock().expect("no panic");
    let Some(source) = sources.as_mut().and_then(|it| it.remove(&key)) else {
        return -1;
    };
    // SAFETY: the library's own struct.
    unsafe {
        (*out).size = source.plan.size;
        let source = Box::into_raw(Box::new(source));
        (*out).source = Callback::of(source, Some(close));
    }
    0
}

unsafe extern "C" fn close(opaque: *mut c_void) {
    // SAFETY: `open_key` has made it; a source is closed once.
    drop(unsafe { Box::from_raw(opaque.cast::<Source>()) });
}

/// The cache, which the first one makes with its limit.
fn cache(api: &Api, max: u64) -> &'static Cache {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    CACHE.get_or_init(|| {
        let mut options = Options {
            struct_size: 0,
            open: None,
            opaque: ptr::null_mut(),
            max_memory: 0,
            others: [0; 12],
        };
        let mut cache = ptr::null_mut();
        // SAFETY: a struct of that size, and space for a cache.
        let status = unsafe {
            (api.sb_cache_options_init)(&raw mut options, size_of::<Options>());
            options.open = Some(open_key);
            options.max_memory = max;
            (api.sb_cache_new)(&raw const options, &raw mut cache)
        };
        assert_eq!(status, 0, "sb_cache_new");
        Cache(cache)
    })
}

/// Opens one.
pub fn open(source: Source, max: u64) -> Box<dyn Buffer> {
    static KEYS: AtomicU64 = AtomicU64::new(0);
    let api = api().as_ref().expect("the library");
    let cache = cache(api, max);
    let key = KEYS.fetch_add(1, Ordering::Relaxed);
    let mut sources = SOURCES.lock().expect("no panic");
    sources.get_or_insert_default().insert(key, source);
    drop(sources);
    let reader = lease(api, cache, key);
    // SAFETY: the reader is valid.
    let buffer = unsafe { (api.sb_reader_buffer)(reader) };
    Box::new(Handle {
        api,
        cache,
        key,
        reader,
        buffer,
    })
}

fn load() -> Result<Api, String> {
    let path = std::env::var(LIBRARY).map_err(|e| format!("{LIBRARY}: {e}"))?;
    Api::of(library::open(&[path])?)
}
