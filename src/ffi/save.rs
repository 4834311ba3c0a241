//! Saves with options.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

use super::argument::path;
use super::status::{PANIC, count};
use crate::buffer::save::{self, SaveOptions};
use crate::error::Error;
use crate::ffi::abi::{SB_SIZE_UNKNOWN, sb_buffer, sb_progress_fn, sb_save_flag};
use crate::ffi::callback::Progress;
use crate::ffi::handle::Raw;
use crate::ffi::handles::BUFFERS;
use crate::panic::catch;

const ALL_FLAGS: u32 = sb_save_flag::SB_SAVE_SYNC as u32
    | sb_save_flag::SB_SAVE_NO_REPLACE as u32
    | sb_save_flag::SB_SAVE_REQUIRE_SIZE as u32
    | sb_save_flag::SB_SAVE_BUFFERED as u32
    | sb_save_flag::SB_SAVE_LINK as u32;

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
/// @param handle   the buffer.
/// @param path     [in] the file, as for sb_save(); NULL saves to `fd`.
/// @param fd       an open descriptor to write to if `path` is NULL, else ignored. It stays the
///                 caller's. On Windows it is a descriptor of the C runtime that the library was
///                 built for. It is written as binary, at the position of its handle, even if it
///                 was opened in text or append mode.
/// @param flags    sb_save_flag values, ORed together; 0 saves as sb_save() does.
/// @param progress called after each step to report progress; may be NULL.
/// @param opaque   passed to `progress`.
/// @return the number of bytes saved, otherwise as sb_save(), or
///         SB_ERR_INVALID: a flag is unknown, there is neither a path nor a descriptor, or
///         SB_SAVE_NO_REPLACE is used with a descriptor, whose target exists.
///         SB_ERR_UNSUPPORTED: SB_SAVE_SYNC, and the descriptor is not that of a file; nothing is
///         written. SB_SAVE_NO_REPLACE, and the file system can neither rename nor link without
///         replacing.
///         SB_ERR_CANCELED: `progress` or sb_cancel() stopped the save; `path` is unchanged.
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
    path: *const c_char,
    fd: c_int,
    flags: u32,
    progress: sb_progress_fn,
    opaque: *mut c_void,
) -> i64 {
    catch(PANIC, || {
        let has = |flag: sb_save_flag| flags & flag as u32 != 0;
        if flags & !ALL_FLAGS != 0 {
            return count(Err(Error::Invalid));
        }
        let options = SaveOptions {
            sync: has(sb_save_flag::SB_SAVE_SYNC),
            no_replace: has(sb_save_flag::SB_SAVE_NO_REPLACE),
            require_size: has(sb_save_flag::SB_SAVE_REQUIRE_SIZE),
            buffered: has(sb_save_flag::SB_SAVE_BUFFERED),
            link: has(sb_save_flag::SB_SAVE_LINK),
        };
        // SAFETY: C guarantees that `path` is NULL or NUL-terminated.
        unsafe {
            save(
                handle,
                path,
                fd,
                options,
                &Progress {
                    call: progress,
                    opaque,
                },
            )
        }
    })
}

/// # Safety
/// `to` is NULL or NUL-terminated. `progress` may be called until this returns.
pub(super) unsafe fn save(
    handle: *mut sb_buffer,
    to: *const c_char,
    fd: c_int,
    options: SaveOptions,
    progress: &Progress,
) -> i64 {
    let mut report =
        |done, total: Option<u64>| progress.report(done, total.unwrap_or(SB_SIZE_UNKNOWN));
    let result = BUFFERS.get_shared(handle as Raw).and_then(|buffer| {
        // SAFETY: the caller guarantees that `to` is NULL or NUL-terminated.
        match unsafe { path(to)? } {
            Some(path) => save::to_path(&buffer, path, options, &mut report),
            None if fd < 0 => Err(Error::Invalid),
            None => save::to_descriptor(&buffer, fd, options, &mut report),
        }
    });
    count(result)
}
