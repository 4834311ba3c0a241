//! Saving with options.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

use super::argument::path;
use super::status::{PANIC, count};
use crate::buffer::save::{self, SaveOptions};
use crate::error::Error;
use crate::ffi::abi::{SB_SIZE_UNKNOWN, sb_buffer, sb_progress, sb_save_flag};
use crate::ffi::callback::Progress;
use crate::ffi::handle::Raw;
use crate::ffi::handles::BUFFERS;
use crate::panic::catch;

const ALL_FLAGS: u32 = sb_save_flag::SB_SAVE_SYNC as u32
    | sb_save_flag::SB_SAVE_KEEP as u32
    | sb_save_flag::SB_SAVE_EXACT as u32
    | sb_save_flag::SB_SAVE_BUFFERED as u32
    | sb_save_flag::SB_SAVE_LINK as u32;

/// Saves, as sb_save() does, with options.
///
/// To a path: as sb_save(). To a descriptor: writes at its place, without a rename, so what was
/// written when a save fails stays there. A pipe, a socket or a terminal that takes nothing more for
/// now is waited for, whether or not its writes wait; sb_cancel() and sb_free() end that, except on
/// Windows. A descriptor's flags are changed for none but a terminal that can't be opened a second
/// time, and for that one only while it is written to. What a file system reports no earlier than at
/// close, the caller's own close() returns.
///
/// @param handle   the buffer.
/// @param path     [in] the file, as for sb_save(); NULL saves to `fd`.
/// @param fd       an open descriptor to write to if `path` is NULL, which stays the caller's (on
///                 Windows one of the C runtime that the library was built for; written to as bytes,
///                 where its handle stands, even if it was opened as text or to append); else
///                 ignored.
/// @param flags    sb_save_flag values, added up; 0 saves as sb_save() does.
/// @param progress told how far the save is, after each step; may be NULL.
/// @param opaque   handed to `progress`.
/// @return bytes saved, else as sb_save(), or
///         SB_ERR_INVALID: unknown flags, neither a path nor a descriptor, or SB_SAVE_KEEP and a
///         descriptor: it exists.
///         SB_ERR_UNSUPPORTED: SB_SAVE_SYNC, and the descriptor is no file's: nothing is written.
///         SB_SAVE_KEEP, and the file system can neither rename nor link without replacing.
///         SB_ERR_CANCELED: `progress` or sb_cancel() stopped the save; a path is what it was.
///         SB_ERR_EXISTS: SB_SAVE_KEEP, and the target exists.
///         SB_ERR_UNKNOWN: SB_SAVE_EXACT, and no size was declared.
///         SB_ERR_SIZE: SB_SAVE_EXACT, and the size is another; SB_SAVE_BUFFERED, and what is buffered
///         has holes.
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
    progress: sb_progress,
    opaque: *mut c_void,
) -> i64 {
    catch(PANIC, || {
        let has = |flag: sb_save_flag| flags & flag as u32 != 0;
        if flags & !ALL_FLAGS != 0 {
            return count(Err(Error::Invalid));
        }
        let options = SaveOptions {
            sync: has(sb_save_flag::SB_SAVE_SYNC),
            keep: has(sb_save_flag::SB_SAVE_KEEP),
            exact: has(sb_save_flag::SB_SAVE_EXACT),
            buffered: has(sb_save_flag::SB_SAVE_BUFFERED),
            link: has(sb_save_flag::SB_SAVE_LINK),
        };
        // SAFETY: the caller's.
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
/// `to` is NULL or NUL-terminated.
pub(super) unsafe fn save(
    handle: *mut sb_buffer,
    to: *const c_char,
    fd: c_int,
    options: SaveOptions,
    progress: &Progress,
) -> i64 {
    let mut report =
        |done, total: Option<u64>| progress.report(done, total.unwrap_or(SB_SIZE_UNKNOWN));
    let result = BUFFERS.get(handle as Raw).and_then(|buffer| {
        // SAFETY: the caller's.
        match unsafe { path(to)? } {
            Some(path) => save::to_path(&buffer, path, options, &mut report),
            None if fd < 0 => Err(Error::Invalid),
            None => save::to_descriptor(&buffer, fd, options, &mut report),
        }
    });
    count(result)
}
