//! Creates a reader with options.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::time::Duration;

use super::reader::make;
use super::sized;
use super::status::{PANIC, status};
use crate::error::{Error, Result};
use crate::ffi::abi::{SB_REACH_WHOLE, sb_buffer, sb_reader, sb_reader_flag, sb_reader_options};
use crate::options::CursorOptions;
use crate::panic::catch;

const BUFFERED: u32 = sb_reader_flag::SB_READER_BUFFERED as u32;

/// Sets the options of a reader to the defaults: no timeout, no flags, no limit of the reach.
///
/// @param options     [out] the options; not NULL.
/// @param struct_size sizeof(sb_reader_options) in the caller's header.
/// @return SB_OK.
///         SB_ERR_INVALID: `options` is NULL, or no version has this size: it is less than in the
///         first version, or more than 4,096 bytes.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_options_init(
    options: *mut sb_reader_options,
    struct_size: usize,
) -> c_int {
    catch(PANIC as c_int, || {
        let defaults = sb_reader_options {
            struct_size,
            timeout_ms: -1,
            flags: 0,
            reserved: 0,
            reach: SB_REACH_WHOLE,
            error: std::ptr::null_mut(),
            reserved_pointer: std::ptr::null_mut(),
        };
        // SAFETY: C guarantees that `options` is NULL or has `struct_size` bytes.
        status(unsafe { sized::init(options, struct_size, defaults) })
    })
}

/// Creates a reader with options: a timeout, a restriction to buffered bytes, or a limited reach.
///
/// @param handle  the buffer, as for sb_reader_new().
/// @param options [in] the options, which are copied; NULL for the defaults. Initialize them with
///                sb_reader_options_init().
/// @param out     [out] the reader, NULL on error; not NULL.
/// @return SB_OK.
///         SB_ERR_INVALID: the handle or an option is invalid, `out` is NULL, or the handle is that of
///         a cache's entry without a lease.
///         SB_ERR_UNSUPPORTED: an option of a later version is not 0.
///         SB_ERR_NO_MEMORY: memory runs out.
///
/// Threads: any thread, concurrently; any number of readers on one buffer.
///
/// Ownership: the caller frees the reader with sb_reader_free().
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_new_with(
    handle: *mut sb_buffer,
    options: *const sb_reader_options,
    out: *mut *mut sb_reader,
) -> c_int {
    catch(PANIC as c_int, || {
        // SAFETY: C guarantees that `out` is NULL or points to space for a handle.
        let Some(out) = (unsafe { out.as_mut() }) else {
            return status::<()>(Err(Error::Invalid));
        };
        *out = std::ptr::null_mut();
        // SAFETY: C guarantees that `options` is NULL or points to an sb_reader_options.
        let options = unsafe { chosen(options) };
        let made = options.and_then(|options| make(handle, options));
        status(made.map(|reader| *out = reader as *mut sb_reader))
    })
}

/// # Safety
/// `options` is NULL or points to an sb_reader_options of the size that its `struct_size` states.
pub(super) unsafe fn chosen(options: *const sb_reader_options) -> Result<CursorOptions> {
    // SAFETY: the caller guarantees that `options` is NULL or has `struct_size` bytes.
    let Some(given) = (unsafe { sized::options(options)? }) else {
        return Ok(CursorOptions::new());
    };
    let is_reserved = given.reserved != 0 || !given.reserved_pointer.is_null();
    if given.flags & !BUFFERED != 0 || is_reserved {
        return Err(Error::Invalid);
    }
    let timeout = u64::try_from(given.timeout_ms).ok();
    Ok(CursorOptions::new()
        .timeout(timeout.map(Duration::from_millis))
        .buffered(given.flags & BUFFERED != 0)
        .reach(given.reach))
}
