//! Saves with options.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::path::Path;
use std::time::Duration;

use super::argument::path;
use super::record::{Output, Record};
use super::sized;
use super::status::{PANIC, count, status};
use crate::buffer::failure::Attempt;
use crate::buffer::save::{self, SaveOptions};
use crate::error::{Error, Result};
use crate::ffi::abi::{SB_SIZE_UNKNOWN, sb_buffer, sb_save_flag, sb_save_options};
use crate::ffi::callback::Progress;
use crate::ffi::handle::Raw;
use crate::ffi::handles::BUFFERS;
use crate::panic::catch;

const ALL_FLAGS: u32 = sb_save_flag::SB_SAVE_SYNC as u32
    | sb_save_flag::SB_SAVE_NO_REPLACE as u32
    | sb_save_flag::SB_SAVE_REQUIRE_SIZE as u32
    | sb_save_flag::SB_SAVE_BUFFERED as u32
    | sb_save_flag::SB_SAVE_LINK as u32;

/// Sets options of a save to the defaults.
///
/// @param options     [out] the options; not NULL.
/// @param struct_size sizeof(sb_save_options) in the caller's header.
/// @return SB_OK.
///         SB_ERR_INVALID: `options` is NULL, or no version has this size: it is less than in the
///         first version, or more than 4,096 bytes.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_save_options_init(
    options: *mut sb_save_options,
    struct_size: usize,
) -> c_int {
    catch(PANIC as c_int, || {
        let defaults = sb_save_options {
            struct_size,
            path: std::ptr::null(),
            progress: None,
            opaque: std::ptr::null_mut(),
            error: std::ptr::null_mut(),
            reserved_pointer: std::ptr::null_mut(),
            timeout_ms: 0,
            fd: -1,
            flags: 0,
            mode: 0,
            reserved: 0,
        };
        // SAFETY: C guarantees that `options` is NULL or has `struct_size` bytes.
        status(unsafe { sized::init(options, struct_size, defaults) })
    })
}

/// Saves with options, to a path or to a descriptor.
///
/// A path is written as by sb_save(). A descriptor is written from its current position and not
/// atomically: if the save fails, the bytes written so far remain. An error that a file system
/// reports only at close is returned by the caller's own close().
///
/// If a pipe, socket or terminal is full, the call blocks until it can be written, even if the
/// descriptor is non-blocking. sb_cancel() and sb_free() interrupt that wait, except on Windows.
/// The flags of a descriptor are not changed, except those of a terminal that cannot be opened a
/// second time, and those only during a write.
///
/// @param handle  the buffer.
/// @param options [in] the options; not NULL. Initialize them with sb_save_options_init(), and set
///                `path` or `fd`.
/// @return the number of bytes saved, otherwise as sb_save(), or
///         SB_ERR_INVALID: `options` is NULL or has an invalid size; a flag is unknown, or `mode`
///         has other bits than 0777; there is neither a path nor a descriptor; SB_SAVE_NO_REPLACE
///         or `mode` is used with a descriptor, whose target exists; or `error` is invalid, as for
///         sb_reader_error().
///         SB_ERR_UNSUPPORTED: SB_SAVE_SYNC, and the descriptor is not that of a file; nothing is
///         written. SB_SAVE_NO_REPLACE, and the file system can neither rename nor link without
///         replacing. An option of a later version is not 0.
///         SB_ERR_CANCELED: `progress` or sb_cancel() stopped the save; `path` is unchanged.
///         SB_ERR_TIMEOUT: `timeout_ms` is over; `path` is unchanged. The bytes that arrived stay
///         buffered.
///         SB_ERR_EXISTS: SB_SAVE_NO_REPLACE, and the target exists.
///         SB_ERR_UNKNOWN_SIZE: SB_SAVE_REQUIRE_SIZE, and no size was declared.
///         SB_ERR_SIZE: SB_SAVE_REQUIRE_SIZE, and the final size is not the declared one; or
///         SB_SAVE_BUFFERED, and the buffered bytes have gaps.
///
/// Threads: any thread, concurrently, any number of saves.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_save_with(
    handle: *mut sb_buffer,
    options: *const sb_save_options,
) -> i64 {
    catch(PANIC, || {
        // SAFETY: C guarantees that `options` is NULL or points to an sb_save_options, and that its
        // `error` is NULL or points to an initialized sb_error.
        match unsafe { checked(options) } {
            Ok((given, output)) => {
                let progress = Progress {
                    call: given.progress,
                    opaque: given.opaque,
                };
                // SAFETY: C guarantees that `path` is NULL or NUL-terminated.
                let to = unsafe { target(given.path, given.fd) };
                // SAFETY: C guarantees that the struct has `struct_size` bytes.
                let rest = unsafe { sized::check_rest(options) };
                let chosen = rest.and_then(|()| chosen(&given));
                save(handle, to, chosen, &progress, output)
            }
            Err(error) => count(Err(error)),
        }
    })
}

/// The options, and where to write the error.
///
/// # Safety
/// `options` is NULL or points to an sb_save_options of the size that its `struct_size` states, and
/// its `error` is NULL or as `Output::new` requires. Both are there as long as the result.
unsafe fn checked(options: *const sb_save_options) -> Result<(sb_save_options, Option<Output>)> {
    // SAFETY: the caller guarantees that `options` is NULL or has `struct_size` bytes.
    let given = unsafe { sized::known(options)? };
    // SAFETY: the caller guarantees what `Output::new` requires.
    Ok((given, unsafe { Output::optional(given.error)? }))
}

/// The options of the save.
fn chosen(given: &sb_save_options) -> Result<SaveOptions> {
    let is_reserved = given.reserved != 0 || !given.reserved_pointer.is_null();
    if given.flags & !ALL_FLAGS != 0 || is_reserved {
        return Err(Error::Invalid);
    }
    let has = |flag: sb_save_flag| given.flags & flag as u32 != 0;
    let timeout = u64::try_from(given.timeout_ms).ok();
    Ok(SaveOptions {
        sync: has(sb_save_flag::SB_SAVE_SYNC),
        no_replace: has(sb_save_flag::SB_SAVE_NO_REPLACE),
        require_size: has(sb_save_flag::SB_SAVE_REQUIRE_SIZE),
        buffered: has(sb_save_flag::SB_SAVE_BUFFERED),
        link: has(sb_save_flag::SB_SAVE_LINK),
        timeout: timeout.filter(|time| *time > 0).map(Duration::from_millis),
        mode: (given.mode != 0).then_some(given.mode),
    })
}

/// Where a save goes.
#[derive(Clone, Copy)]
pub(super) enum Destination<'p> {
    Path(&'p Path),
    Descriptor(c_int),
}

/// The target of a save: `to` or, if that is NULL, `fd`.
///
/// # Safety
/// `to` is NULL or NUL-terminated, for as long as the result is used.
pub(super) unsafe fn target<'p>(to: *const c_char, fd: c_int) -> Result<Destination<'p>> {
    // SAFETY: the caller guarantees that `to` is NULL or NUL-terminated.
    match unsafe { path(to)? } {
        Some(path) => Ok(Destination::Path(path)),
        None if fd < 0 => Err(Error::Invalid),
        None => Ok(Destination::Descriptor(fd)),
    }
}

/// Saves, and writes the outcome to `output`.
pub(super) fn save(
    handle: *mut sb_buffer,
    to: Result<Destination<'_>>,
    options: Result<SaveOptions>,
    progress: &Progress,
    output: Option<Output>,
) -> i64 {
    let buffer = BUFFERS.get_shared(handle as Raw);
    let mut report =
        |done, total: Option<u64>| progress.report(done, total.unwrap_or(SB_SIZE_UNKNOWN));
    let attempt = || -> Attempt<u64> {
        let (buffer, to, options) = (
            buffer.as_ref().map_err(Error::clone)?,
            to.clone()?,
            options?,
        );
        match to {
            Destination::Path(path) => save::to_path(buffer, path, options, &mut report),
            Destination::Descriptor(fd) => save::to_descriptor(buffer, fd, options, &mut report),
        }
    };
    let saved = attempt();
    if let Some(mut output) = output {
        let record = saved.as_ref().err().map_or(Record::NONE, Record::from);
        let spool = buffer.as_ref().ok();
        let spool = spool.and_then(|buffer| buffer.store.spool_directory());
        let target = match to {
            Ok(Destination::Path(path)) => Some(path),
            _ => None,
        };
        output.write(&record, record.path(spool, target));
    }
    count(saved.map_err(Error::from))
}
