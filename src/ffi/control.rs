//! Controls a buffer: prefetch, cancel, retry, resume, reopen, spill, the memory limit.

#![allow(unsafe_code)]

use std::ffi::c_int;

use super::argument::known;
use super::buffer::source;
use super::status::{PANIC, status};
use crate::buffer::Buffer;
use crate::ffi::abi::{sb_buffer, sb_callback};
use crate::ffi::handle::Raw;
use crate::ffi::handles::{BUFFERS, get_own};
use crate::panic::catch;

/// Makes a helper thread keep bytes buffered ahead of the readers.
///
/// The source is then called on that thread only, for the prefetch and for readers, once a reader
/// that is inside it has returned. For a cache's entry, see `threads` in sb_cache_options. An error of
/// the source is reported to the read that reaches it, not before.
///
/// This call starts the thread if it does not exist, unless `ahead` is 0 or the buffer was created
/// by sb_new_push(). The thread works in bursts. It sleeps until fewer than `prefetch_low` bytes
/// (see sb_options) are buffered ahead, by default half of `ahead`. Then it calls the source until
/// `ahead` bytes are, rounded up to the end of a segment if a burst has 1 MiB or more.
///
/// The thread blocks all signals except synchronous ones (SIGSEGV and the like). It exits before
/// sb_free() returns or, if it is inside a call of the source, an operation on the spool file or an
/// sb_ready_fn at that moment, when that returns. Never blocks.
///
/// @param handle the buffer.
/// @param ahead  the number of bytes to keep buffered past the furthest read in the buffered range
///               that was read last. SB_PREFETCH_ALL means everything, gaps included. 0 stops the
///               prefetch; readers then call the source on their own threads again.
/// @return SB_OK.
///         SB_ERR_INVALID: the handle is invalid.
///         SB_ERR_NO_MEMORY: the thread cannot be created.
///         SB_ERR_CANCELED: the buffer is being freed.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_prefetch(handle: *mut sb_buffer, ahead: u64) -> c_int {
    catch(PANIC as c_int, || {
        status(
            BUFFERS
                .get_shared(handle as Raw)
                .and_then(|buffer| Buffer::prefetch(&buffer, ahead)),
        )
    })
}

/// Cancels every blocked call: it returns SB_ERR_CANCELED at once.
///
/// A call that is inside the source returns when the source does; the source's `cancel` is called
/// to make it return. Later calls that would need the source return SB_ERR_CANCELED too, until
/// sb_resume(). Buffered bytes stay readable. The functions of pending watches are called on this
/// thread (see sb_when()). Never blocks. May be called any number of times, even from inside a
/// callback.
///
/// @param handle the buffer.
/// @return SB_OK.
///         SB_ERR_INVALID: the handle is invalid.
///         SB_ERR_UNSUPPORTED: the buffer is that of a cache's entry: cancel readers, or remove the key.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_cancel(handle: *mut sb_buffer) -> c_int {
    catch(PANIC as c_int, || {
        status(get_own(handle as Raw).map(|buffer| buffer.cancel()))
    })
}

/// Clears a source error, but not a cancellation.
///
/// The source is called again at its current position, and the prefetch continues unless it is
/// canceled. Clears SB_ERR_SHORT and SB_ERR_PANIC too, but not SB_SOURCE_MISMATCH. Nothing is fetched
/// twice, except after an end that was not believed (see sb_callback). Never blocks.
///
/// @param handle the buffer.
/// @return SB_OK, even if there was nothing to clear.
///         SB_ERR_INVALID: the handle is invalid.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_retry(handle: *mut sb_buffer) -> c_int {
    catch(PANIC as c_int, || {
        status(
            BUFFERS
                .get_shared(handle as Raw)
                .map(|buffer| buffer.retry()),
        )
    })
}

/// Clears a cancellation and a source error.
///
/// The source is called again at its current position, as after sb_retry(). Never blocks.
///
/// @param handle the buffer.
/// @return SB_OK, even if there was nothing to clear.
///         SB_ERR_INVALID: the handle is invalid.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_resume(handle: *mut sb_buffer) -> c_int {
    catch(PANIC as c_int, || {
        status(
            BUFFERS
                .get_shared(handle as Raw)
                .map(|buffer| buffer.resume()),
        )
    })
}

/// Replaces the source by another one of the same resource: a signed URL expired, a connection died,
/// a token was renewed.
///
/// Buffered bytes stay. The new source starts at offset 0 and is asked for what is missing: by a seek
/// if it can seek, else by reading it from its start. Blocked calls and the prefetch go on with it at
/// once. Clears a source error, but not a cancellation. If this is called several times, the last
/// call wins.
///
/// The old source is not called again, and is closed exactly once. If another thread is inside it,
/// its `cancel` is called, the bytes that it still delivers are discarded, and it is closed when it
/// returns. The other calls do not wait for that: the new source may be called while a thread is
/// still inside the old one. If it has a `close`, neither does this call; if
/// not, this call blocks until the old source has returned, which is the only sign that its `opaque`
/// is no longer in use. A cancellation does not end that wait. If the thread inside the old source is
/// the library's helper thread, another one is started.
///
/// The two resources must have the same bytes, and the library checks some. Bytes that the new
/// source delivers again are compared with the buffered ones. A source that can seek delivers up to
/// 4 KiB before each gap that it fills again, or after it if no byte before it is buffered. If they
/// differ, if the source ends below buffered bytes, or if it returns SB_SOURCE_MISMATCH, the calls that
/// need the source return SB_ERR_SOURCE until another sb_reopen(), and the buffered bytes are untouched.
/// An end that `on_short` makes an error is SB_ERR_SHORT instead. This is a check, not a proof: compare
/// validators (ETag, Last-Modified, the size) where there are some.
///
/// @param handle   the buffer, created with a source.
/// @param callback [in] the new source, as for sb_new(). A valid one belongs to the library from the
///                 call on: if the call fails, its `close` is called before the call returns.
/// @param size     the size of the resource in bytes, or SB_SIZE_UNKNOWN. It becomes the declared
///                 size if none is known.
/// @return SB_OK; also if every byte is buffered already: the new source is then closed at once.
///         After any error, nothing has changed.
///         SB_ERR_INVALID: the handle or the callback is invalid.
///         SB_ERR_SIZE: `size` is not the final size, if that is known, or is below the end of the
///         buffered bytes.
///         SB_ERR_REENTRANT: the old source has no `close`, and the call came from one of its
///         callbacks, or it came from a log function or a `ready` and would block.
///         SB_ERR_UNSUPPORTED: the buffer was created by sb_new_push(), or with the option `window`, or is
///         that of a cache's entry.
///         SB_ERR_NO_MEMORY: memory runs out, or the helper thread cannot be created.
///         SB_ERR_CANCELED: the buffer is being freed.
///
/// Threads: any thread, concurrently.
///
/// Ownership: as for sb_new(). The object that the old `opaque` points to is used until its `close`
/// is called or, without a `close`, until this call returns.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reopen(
    handle: *mut sb_buffer,
    callback: *const sb_callback,
    size: u64,
) -> c_int {
    catch(PANIC as c_int, || {
        // SAFETY: C guarantees that `callback` is NULL or points to an sb_callback.
        let source = unsafe { source(callback) };
        // A source that is not used is closed.
        let reopened = source.and_then(|source| {
            let buffer = get_own(handle as Raw)?;
            Buffer::reopen(&buffer, source, known(size))
        });
        status(reopened)
    })
}

/// Spills all buffered bytes now, except the segment that the source is filling.
///
/// Blocks on the disk, never on the source. Readers are not blocked.
///
/// @param handle the buffer.
/// @return SB_OK.
///         SB_ERR_INVALID: the handle is invalid.
///         SB_ERR_DISK_FULL, SB_ERR_IO: the bytes that could not be spilled are still in memory.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_spill(handle: *mut sb_buffer) -> c_int {
    catch(PANIC as c_int, || {
        status(
            BUFFERS
                .get_shared(handle as Raw)
                .and_then(|buffer| buffer.spill()),
        )
    })
}

/// Changes the memory limit, `max_memory` in sb_options, and spills the oldest bytes until memory is
/// within it.
///
/// Also releases memory that the buffer keeps for future bytes. Blocks on the disk, never on the
/// source. Readers are not blocked. The segment that the source is filling, of at most 256 KiB, stays
/// in memory.
///
/// @param handle the buffer.
/// @param max    the new limit in bytes. If it is higher than before, spilled bytes stay in the spool
///               file. UINT64_MAX never spills.
/// @return SB_OK.
///         SB_ERR_INVALID: the handle is invalid.
///         SB_ERR_DISK_FULL, SB_ERR_IO: the bytes that could not be spilled are still in memory, even
///         if `on_full` is SB_ON_FULL_MEMORY. The new limit applies all the same: the next read that
///         needs memory tries again to spill down to it.
///         SB_ERR_NO_MEMORY: memory ran out during the spill. The bytes that could not be spilled are
///         still in memory, and the new limit applies.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_set_max_memory(handle: *mut sb_buffer, max: u64) -> c_int {
    catch(PANIC as c_int, || {
        status(
            BUFFERS
                .get_shared(handle as Raw)
                .and_then(|buffer| Buffer::set_max_memory(&buffer, max)),
        )
    })
}
