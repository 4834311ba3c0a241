//! Creates a buffer with options.

#![allow(unsafe_code)]

use std::ffi::c_int;

use super::argument::{known, path};
use super::buffer::{free, make};
use super::callback::thread_hook;
use super::sized;
use super::status::{PANIC, status};
use crate::buffer::Buffer;
use crate::disk;
use crate::error::{Error, Result};
use crate::ffi::abi::{
    SB_SIZE_UNKNOWN, sb_buffer, sb_callback, sb_on_full, sb_on_short, sb_option_flag, sb_options,
};
use crate::ffi::handle::Raw;
use crate::ffi::handles::BUFFERS;
use crate::options::{MAX_READ_GRANULARITY, OnFull, OnShort, Options, ThreadHooks};
use crate::panic::catch;

const FULL_FAIL: u32 = sb_on_full::SB_ON_FULL_FAIL as u32;
const FULL_MEMORY: u32 = sb_on_full::SB_ON_FULL_MEMORY as u32;
const SHORT_END: u32 = sb_on_short::SB_SHORT_END as u32;
const SHORT_ERROR: u32 = sb_on_short::SB_SHORT_ERROR as u32;
const SIZE_TRUSTED: u32 = sb_option_flag::SB_SIZE_TRUSTED as u32;

/// Sets options to the defaults.
///
/// @param options     [out] the options; not NULL.
/// @param struct_size sizeof(sb_options) in the caller's header.
/// @return SB_OK.
///         SB_ERR_INVALID: `options` is NULL, or no version has this size: it is less than in the
///         first version, or more than 4,096 bytes.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_options_init(options: *mut sb_options, struct_size: usize) -> c_int {
    catch(PANIC as c_int, || {
        let defaults = Options::default();
        let defaults = sb_options {
            struct_size,
            size: SB_SIZE_UNKNOWN,
            max_memory: defaults.max_memory,
            spool_dir: std::ptr::null(),
            prefetch: defaults.prefetch,
            seek_gap: defaults.seek_gap,
            read_granularity: defaults.read_granularity,
            on_full: FULL_FAIL,
            on_short: SHORT_END,
            flags: 0,
            prefetch_low: defaults.prefetch_low,
            thread_opaque: std::ptr::null_mut(),
            thread_begin: None,
            thread_end: None,
            reserved_pointer: std::ptr::null_mut(),
            ahead: defaults.ahead,
            window: defaults.window,
        };
        // SAFETY: C guarantees that `options` is NULL or has `struct_size` bytes.
        status(unsafe { sized::init(options, struct_size, defaults) })
    })
}

/// Creates a buffer over a source, with options.
///
/// Like sb_new(). With the option `prefetch` it also starts the helper thread, which calls the
/// source; `*out` is written before that.
///
/// @param callback [in] the source, as for sb_new().
/// @param options  [in] the options, which are copied; NULL for the defaults. Initialize them with
///                 sb_options_init().
/// @param out      [out] the handle, NULL on error; not NULL.
/// @return SB_OK.
///         SB_ERR_INVALID: the callback or an option is invalid, or `out` is NULL.
///         SB_ERR_UNSUPPORTED: an option of a later version is not 0, or `ahead` is not 0.
///         SB_ERR_NO_MEMORY: memory runs out, or the helper thread cannot be created.
///         A valid callback belongs to the library from the call on: if the call fails, its `close`
///         is called.
///
/// Threads: any thread, concurrently.
///
/// Ownership: as for sb_new().
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_new_with(
    callback: *const sb_callback,
    options: *const sb_options,
    out: *mut *mut sb_buffer,
) -> c_int {
    catch(PANIC as c_int, || {
        // SAFETY: C guarantees that `out` is NULL or points to space for a handle.
        let mut out = unsafe { out.as_mut() };
        if let Some(out) = &mut out {
            **out = std::ptr::null_mut();
        }
        let mut ahead = 0;
        let chosen = || match &out {
            // SAFETY: C guarantees that `options` is NULL or points to an sb_options.
            Some(_) => unsafe { chosen(options) }.and_then(|options| {
                ahead = options.prefetch;
                if options.ahead == 0 {
                    Ok(options)
                } else {
                    Err(Error::Unsupported)
                }
            }),
            // Reported only now: the library owns the source, so this failure closes it.
            None => Err(Error::Invalid),
        };
        // SAFETY: C guarantees that `callback` is NULL or points to an sb_callback.
        let made = unsafe { make(callback, chosen) };
        status(made.and_then(|handle| {
            let out = out.ok_or(Error::Invalid)?;
            // Before the prefetch starts: the source's callback may look for the handle there.
            *out = handle as *mut sb_buffer;
            begin(handle, ahead).inspect_err(|_| {
                *out = std::ptr::null_mut();
                free(handle);
            })
        }))
    })
}

/// Starts the prefetch that the options of a new buffer ask for.
fn begin(handle: Raw, ahead: u64) -> Result<()> {
    if ahead == 0 {
        return Ok(());
    }
    BUFFERS
        .get_shared(handle)
        .and_then(|buffer| Buffer::prefetch(&buffer, ahead))
}

/// # Safety
/// `options` is NULL or points to an sb_options of the size that its `struct_size` states.
pub(super) unsafe fn chosen(options: *const sb_options) -> Result<Options> {
    // SAFETY: the caller guarantees that `options` is NULL or has `struct_size` bytes.
    let Some(given) = (unsafe { sized::options(options)? }) else {
        return Ok(Options::default());
    };
    if given.read_granularity > MAX_READ_GRANULARITY
        || given.flags & !SIZE_TRUSTED != 0
        || !given.reserved_pointer.is_null()
    {
        return Err(Error::Invalid);
    }
    Ok(Options {
        size: known(given.size),
        trusts_size: given.flags & SIZE_TRUSTED != 0,
        max_memory: given.max_memory,
        // SAFETY: the caller guarantees that `spool_dir` is NULL or NUL-terminated.
        spool_dir: match unsafe { path(given.spool_dir)? } {
            Some(path) => Some(disk::copy_of(path).map_err(|_| Error::NoMemory)?),
            None => None,
        },
        on_full: match given.on_full {
            FULL_FAIL => OnFull::Fail,
            FULL_MEMORY => OnFull::Memory,
            _ => return Err(Error::Invalid),
        },
        on_short: on_short(given.on_short)?,
        prefetch: given.prefetch,
        seek_gap: given.seek_gap,
        read_granularity: given.read_granularity,
        prefetch_low: given.prefetch_low,
        ahead: given.ahead,
        window: given.window,
        thread: ThreadHooks {
            begin: thread_hook(given.thread_begin, given.thread_opaque)?,
            end: thread_hook(given.thread_end, given.thread_opaque)?,
        },
    })
}

pub(super) fn on_short(given: u32) -> Result<OnShort> {
    match given {
        SHORT_END => Ok(OnShort::End),
        SHORT_ERROR => Ok(OnShort::Error),
        _ => Err(Error::Invalid),
    }
}
