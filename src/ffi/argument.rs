//! Arguments from C, converted to Rust types.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::time::Duration;

use crate::buffer::read::Wait;
use crate::error::{Error, Result};
use crate::ffi::abi::SB_SIZE_UNKNOWN;

pub(super) fn known(size: u64) -> Option<u64> {
    (size != SB_SIZE_UNKNOWN).then_some(size)
}

/// How long a call with a timeout in milliseconds waits.
#[inline]
pub(super) fn wait(timeout_ms: i64) -> Wait {
    match u64::try_from(timeout_ms) {
        Err(_) => Wait::Forever,
        Ok(0) => Wait::Never,
        Ok(time) => Wait::For(Duration::from_millis(time)),
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

/// # Safety
/// `bytes` is NULL or readable for `len` bytes.
pub(super) unsafe fn in_slice<'b>(bytes: *const c_void, len: usize) -> Result<&'b [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    if bytes.is_null() || isize::try_from(len).is_err() {
        return Err(Error::Invalid);
    }
    // SAFETY: `bytes` is not NULL, so the caller guarantees that it is readable for `len` bytes.
    Ok(unsafe { std::slice::from_raw_parts(bytes.cast(), len) })
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
