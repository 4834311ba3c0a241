//! The whole program: a buffer is made, read, saved and freed.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};

use super::argument::known;
use super::read::read;
use super::save::save;
use super::status::{PANIC, count};
use crate::buffer::Buffer;
use crate::buffer::read::{Limit, Wish};
use crate::buffer::save::SaveOptions;
use crate::error::{Error, Result};
use crate::ffi::abi::{sb_buffer, sb_callback};
use crate::ffi::callback::{CallbackSource, Progress};
use crate::ffi::handle::Raw;
use crate::ffi::handles::{BUFFERS, insert_buffer};
use crate::options::Options;
use crate::panic::catch;
use crate::sync::rcu::Keeper;

/// Makes a buffer over a source.
///
/// Copies `*callback`; starts no thread, opens no file, calls nothing.
///
/// @param callback [in] the source. NULL is a bad one, and one with neither `read` nor `pull`, with
///                 both forms, with an unknown flag, or with a reserved member that is not 0.
/// @param size     declared size of the resource in bytes, a hint; SB_SIZE_UNKNOWN.
/// @param max      most bytes to keep in memory: SB_MAX_DEFAULT is 5 MiB; 0 keeps no more than the
///                 piece in flight (256 KiB at most); UINT64_MAX never spills.
/// @return the handle; NULL for a bad callback or without memory. A good callback is the library's
///         from the call on: without memory its `close` is called before sb_new() returns.
///
/// Threads: any thread, concurrently.
///
/// Ownership: the caller frees the handle by sb_free(). `callback` may be gone after the call;
/// what `opaque` points to is used until `close`, or without one until sb_free() has returned.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_new(
    callback: *const sb_callback,
    size: u64,
    max: u64,
) -> *mut sb_buffer {
    catch(std::ptr::null_mut(), || {
        let options = || {
            Ok(Options {
                size: known(size),
                max,
                ..Options::default()
            })
        };
        // SAFETY: the caller's.
        let made = unsafe { make(callback, options) };
        made.map_or(std::ptr::null_mut(), |handle| handle as *mut sb_buffer)
    })
}

/// Copies the bytes at `[off, off + len)` to `out`.
///
/// Waits for what is missing and may call the source on this thread. Bytes that are buffered never
/// wait, for whatever it may be.
///
/// @param handle the buffer.
/// @param off    offset of the first byte, from the start of the resource.
/// @param len    bytes wanted; 0 reads nothing.
/// @param out    [out] room for `len` bytes; may be NULL if `len` is 0. Past the bytes returned
///               its content is undefined.
/// @return bytes copied: `len`, or fewer when the resource ends or fails first (the next call at
///         that place returns 0 or the error); 0 at or past the end.
///         SB_ERR_INVALID: a bad handle, `out` NULL, `off + len` past 2^64, `len` past half
///         of what a size_t holds.
///         SB_ERR_SOURCE: the source failed here, or could not seek here this time.
///         SB_ERR_SHORT: the source ended here, below the declared size, and `on_short` is
///         SB_SHORT_ERROR.
///         SB_ERR_CANCELED: sb_cancel() or sb_free() came while it waited, also if it had some
///         bytes already, or the source came back with them: they are buffered.
///         SB_ERR_REENTRANT: called by the source's own callback for bytes that are not there.
///         SB_ERR_DISK_FULL, SB_ERR_NO_MEMORY: there is no room for more; later calls try again.
///         SB_ERR_IO: the spool file can't be made, written or read.
///         SB_ERR_UNSUPPORTED: a source that said SB_SOURCE_UNSUPPORTED has passed these bytes.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_read(
    handle: *mut sb_buffer,
    off: u64,
    len: usize,
    out: *mut c_void,
) -> i64 {
    catch(PANIC, || {
        let wish = Wish {
            all: true,
            limit: Limit::None,
            cancel_token: None,
        };
        // SAFETY: the caller's.
        count(unsafe { read(handle, off, len, out, wish) })
    })
}

/// Reads the source to its end and puts the whole resource at `path`.
///
/// It is there either completely or not at all: an existing file is replaced in one step or left
/// whole, also where the system reports a failed write no earlier than at close. Waits for the source
/// and may call it on this thread; other readers go on meanwhile. Takes at most 256 KiB of memory of
/// its own while it runs, whatever `max` is. The new file has the mode of any new file.
///
/// A symbolic link to a file, or to nothing, is replaced, not followed. One to anything else is refused
/// like that itself, and so is what leads to a descriptor, as /dev/stdout and /dev/fd/3 do: a descriptor is for
/// sb_save_with(). The path is judged when the save begins, and again before the file is replaced.
///
/// Until it is whole, the file has no name, or where a file must have one, one of its own beside the
/// target: `.spoolbuf-*.part`. If the process is killed that file may stay; a later save into the
/// directory removes it if its process has ended on this host, or after a week.
///
/// @param handle the buffer.
/// @param path   [in] the file, NUL-terminated: the platform's bytes on Unix, UTF-8 on Windows.
/// @return bytes saved, the final size; or what sb_read() returns for a byte that it can't deliver, or
///         SB_ERR_INVALID: `path` is NULL, empty or not UTF-8 on Windows; its name is like
///         `.spoolbuf-*.part`.
///         SB_ERR_UNSUPPORTED: `path` is a directory, a device or a pipe, or has become one.
///         SB_ERR_DISK_FULL, SB_ERR_IO: the file can't be written.
///
/// Threads: any thread, concurrently, any number of saves.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_save(handle: *mut sb_buffer, path: *const c_char) -> i64 {
    catch(PANIC, || {
        let report = Progress {
            call: None,
            opaque: std::ptr::null_mut(),
        };
        // SAFETY: the caller's.
        unsafe { save(handle, path, -1, SaveOptions::default(), &report) }
    })
}

/// Frees a buffer; leaves no trace.
///
/// May be called at any time, also while other threads are inside calls on the handle (they return
/// SB_ERR_CANCELED), from inside the source's callbacks, twice, or on NULL. If the source is inside
/// a callback on another thread, its `cancel` is called; then, with a `close`, sb_free() returns at
/// once, and `close` runs when the source has come back; without one it waits for the source, since
/// its return is the only sign that `opaque` is free again. Never waits for a write to the spool file.
///
/// @param handle the buffer; NULL, a freed or a made-up handle do nothing.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_free(handle: *mut sb_buffer) {
    catch((), || {
        free(handle as Raw);
    });
}

/// # Safety
/// `callback` is NULL or points to an sb_callback.
pub(super) unsafe fn make(
    callback: *const sb_callback,
    options: impl FnOnce() -> Result<Options>,
) -> Result<Raw> {
    // SAFETY: the caller's.
    let callback = unsafe { callback.as_ref() }.ok_or(Error::Invalid)?;
    // From here on whatever fails closes the source.
    let source = CallbackSource::boxed(callback)?;
    let options = options()?;
    insert_buffer(|pins| Buffer::new(source, options, Keeper::Handle(pins)))
}

pub(super) fn free(handle: Raw) {
    if let Ok(buffer) = BUFFERS.remove(handle) {
        buffer.free();
    }
}
