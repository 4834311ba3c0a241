//! The calls that every program needs: create a buffer, read it, save it, free it.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};

use super::argument::known;
use super::read::read;
use super::save::{save, target};
use super::status::{PANIC, count};
use crate::buffer::Buffer;
use crate::buffer::read::{ReadRequest, Wait};
use crate::buffer::save::SaveOptions;
use crate::error::{Error, Result};
use crate::ffi::abi::{sb_buffer, sb_callback};
use crate::ffi::callback::{CallbackSource, Progress};
use crate::ffi::handle::Raw;
use crate::ffi::handles::{BUFFERS, insert_buffer};
use crate::options::Options;
use crate::panic::catch;
use crate::source::Source;
use crate::sync::rcu::DomainRef;

/// Creates a buffer over a source.
///
/// Copies `*callback`. Starts no thread, opens no file and calls no callback.
///
/// @param callback [in] the source. It is invalid if it is NULL, has neither `read` nor `pull`, has
///                 both forms, has an unknown flag, or has a reserved member that is not 0.
/// @param size     the declared size of the resource in bytes, a hint; or SB_SIZE_UNKNOWN.
/// @param max_memory the most bytes to keep in memory. SB_MAX_DEFAULT is 5 MiB. 0 keeps no more
///                 than the segment in flight (at most 256 KiB). UINT64_MAX never spills.
/// @return the handle; NULL if the callback is invalid or memory runs out. A valid callback belongs
///         to the library from the call on: if memory runs out, its `close` is called before
///         sb_new() returns.
///
/// Threads: any thread, concurrently.
///
/// Ownership: the caller frees the handle with sb_free(). `callback` is not used after the call.
/// The object that `opaque` points to is used until `close` is called or, without a `close`, until
/// sb_free() returns.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_new(
    callback: *const sb_callback,
    size: u64,
    max_memory: u64,
) -> *mut sb_buffer {
    catch(std::ptr::null_mut(), || {
        let options = || {
            Ok(Options {
                size: known(size),
                max_memory,
                ..Options::default()
            })
        };
        // SAFETY: C guarantees that `callback` is NULL or points to an sb_callback.
        let made = unsafe { make(callback, options) };
        made.map_or(std::ptr::null_mut(), |handle| handle as *mut sb_buffer)
    })
}

/// Copies the bytes at `[off, off + len)` to `out`.
///
/// Blocks until they are buffered, and may call the source on this thread. Reading buffered bytes
/// never blocks.
///
/// @param handle the buffer.
/// @param off    the offset of the first byte, from the start of the resource.
/// @param len    the number of bytes to read; 0 reads nothing.
/// @param out    [out] space for `len` bytes; may be NULL if `len` is 0. Its content past the
///               returned number of bytes is undefined.
/// @return the number of bytes copied: `len`, or fewer if the resource ends or fails first (the
///         next call at that offset returns 0 or the error); 0 at or past the end (EOF).
///         SB_ERR_INVALID: the handle is invalid, `out` is NULL, `off + len` is greater than 2^64,
///         or `len` is greater than half of SIZE_MAX.
///         SB_ERR_SOURCE: the source failed at this offset, or could not seek to it this time.
///         SB_ERR_SHORT: the source ended at this offset, below the declared size, and `on_short`
///         is SB_SHORT_ERROR.
///         SB_ERR_CANCELED: sb_cancel() or sb_free() was called while the call was blocked. This is
///         returned even if some bytes had been read, or if the source returned them: they are
///         buffered.
///         SB_ERR_REENTRANT: a callback of the source, a log function, an sb_ready_fn, `thread_begin`
///         or `thread_end` called this function for bytes that are not buffered.
///         SB_ERR_DISK_FULL, SB_ERR_NO_MEMORY: there is no space or memory for more bytes; later
///         calls try again.
///         SB_ERR_IO: the spool file cannot be created, written or read.
///         SB_ERR_UNSUPPORTED: the bytes lie before the current position of a source that can no
///         longer seek (it returned SB_SOURCE_UNSUPPORTED).
///         SB_ERR_LAPPED: the bytes have left the `window` (see sb_options).
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
        let request = ReadRequest {
            all: true,
            wait: Wait::Forever,
            terms: None,
        };
        // SAFETY: C guarantees that `out` is NULL or writable for `len` bytes.
        count(unsafe { read(handle, off, len, out, request) })
    })
}

/// Reads the source to its end (EOF) and saves the whole resource to the file `path`.
///
/// The file is written atomically: either it is complete or `path` is unchanged. An existing file
/// is replaced in one step or left as it is, even if the system reports a failed write only at
/// close. Blocks until the source has ended, and may call it on this thread. Other readers are not
/// blocked. The save uses at most 256 KiB of memory while it runs, regardless of `max_memory`. The
/// new file has the default mode of new files.
///
/// A symbolic link to a file, or to nothing, is replaced, not followed. A symbolic link to anything
/// else is refused with SB_ERR_UNSUPPORTED, as its target is. So is a path that leads to a
/// descriptor (/dev/stdout or /dev/fd/3, for example); to write to a descriptor use sb_save_with().
/// The path is checked when the save begins, and again before the file is replaced.
///
/// Until it is complete, the file has no name. Where a file must have a name, it has one of its own
/// next to the target: `.spoolbuf-*.part`. If the process is killed, that file may remain. A later
/// save into the directory removes it if its process has ended on this host, or after a week.
///
/// @param handle the buffer.
/// @param path   [in] the file, NUL-terminated: the platform's bytes on Unix, UTF-8 on Windows.
/// @return the number of bytes saved, which is the final size; an error of sb_read() if a byte
///         cannot be read; or
///         SB_ERR_INVALID: `path` is NULL, empty or, on Windows, not UTF-8; or its file name
///         matches `.spoolbuf-*.part`.
///         SB_ERR_UNSUPPORTED: `path` is a directory, a device or a pipe, or has become one; or the
///         buffer has a `window`.
///         SB_ERR_DISK_FULL, SB_ERR_IO: the file cannot be written.
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
        // SAFETY: C guarantees that `path` is NULL or NUL-terminated.
        let to = unsafe { target(path, -1) };
        save(handle, to, Ok(SaveOptions::default()), &report, None)
    })
}

/// Frees a buffer, its memory and its spool file, without a trace.
///
/// May be called at any time: while other threads are inside calls on the handle (they return
/// SB_ERR_CANCELED), from inside the source's callbacks, twice, or on NULL. Never blocks on a write
/// to the spool file.
///
/// If the source is inside a callback on another thread, its `cancel` is called. With a `close`,
/// sb_free() then returns at once, and `close` is called when the source has returned. Without a
/// `close`, sb_free() blocks until the source has returned, which is the only sign that `opaque` is
/// no longer in use.
///
/// sb_free() may also wait for `thread_begin`, `thread_end` and the log function on the helper
/// thread: see sb_options and sb_set_log(). The end of that thread is logged by sb_free() itself.
///
/// @param handle the buffer; a NULL, freed or forged handle is ignored, and so is the buffer of a
///               cache's entry.
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
    // SAFETY: the caller guarantees that `callback` is NULL or points to an sb_callback.
    let source = unsafe { source(callback) }?;
    // From here on, any failure closes the source.
    let options = options()?;
    insert_buffer(|domain| Buffer::new(Some(source), options, DomainRef::OfHandle(domain)))
}

/// A source that takes possession of the host's callbacks.
///
/// # Safety
/// `callback` is NULL or points to an sb_callback.
#[inline(always)]
pub(super) unsafe fn source(callback: *const sb_callback) -> Result<Box<dyn Source>> {
    // SAFETY: the caller guarantees that `callback` is NULL or points to an sb_callback.
    let callback = unsafe { callback.as_ref() }.ok_or(Error::Invalid)?;
    CallbackSource::boxed(callback)
}

pub(super) fn free(handle: Raw) {
    // The table keeps an entry of a cache.
    if let Ok(buffer) = BUFFERS.remove(handle) {
        buffer.free();
    }
}
