//! Arguments from C, converted to Rust types.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ffi::abi::SB_SIZE_UNKNOWN;

pub(super) fn known(size: u64) -> Option<u64> {
    (size != SB_SIZE_UNKNOWN).then_some(size)
}

/// A timeout in milliseconds; None for a negative one.
#[inline]
pub(super) fn timeout(ms: i64) -> Option<Duration> {
    match u64::try_from(ms).ok()? {
        // Spares a non-blocking read the division.
        0 => Some(Duration::ZERO),
        ms => Some(Duration::from_millis(ms)),
    }
}

/// # Safety
/// `out` is writable for `len` bytes.
#[inline]
pub(super) unsafe fn out_slice<'o>(out: *mut c_void, len: usize) -> Result<&'o mut [u8]> {
    if len == 0 {
        return Ok(&mut []);
    }
    if out.is_null() || isize::try_from(len).is_err() {
        return Err(Error::Invalid);
    }
    // SAFETY: the caller guarantees that `out` is writable for `len` bytes. They may be
    // uninitialized: they are written, never read.
    Ok(unsafe { std::slice::from_raw_parts_mut(out.cast(), len) })
}

/// The path that C passed; None for NULL.
///
/// # Safety
/// `path` is NULL or a NUL-terminated string.
pub(super) unsafe fn path<'p>(path: *const c_char) -> Result<Option<&'p Path>> {
    if path.is_null() {
        return Ok(None);
    }
    // SAFETY: `path` is not NULL, so the caller guarantees that it is NUL-terminated.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    if bytes.is_empty() {
        return Err(Error::Invalid);
    }
    #[cfg(unix)]
    let path = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes);
    #[cfg(not(unix))]
    let path = std::str::from_utf8(bytes).map_err(|_| Error::Invalid)?;
    Ok(Some(Path::new(path)))
}
