//! Buffers without a source: the caller pushes the bytes.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use super::argument::{in_slice, known, wait};
use super::options::chosen;
use super::status::{PANIC, count, status};
use crate::buffer::Buffer;
use crate::error::Error;
use crate::ffi::abi::{SB_SIZE_UNKNOWN, sb_buffer, sb_options, sb_range};
use crate::ffi::handle::Raw;
use crate::ffi::handles::{BUFFERS, insert_buffer};
use crate::panic::catch;
use crate::sync::rcu::DomainRef;

/// Creates a buffer without a source, whose bytes the caller pushes with sb_push().
///
/// For callers that receive the bytes through events: a write callback, a signal, a message. Readers
/// wait for the pusher as they would wait for a source. Starts no thread and opens no file.
///
/// `seek_gap` and `read_granularity` have no effect. The option `prefetch` and sb_prefetch() only
/// determine what sb_wanted() returns. The library's helper thread exists only once memory is full,
/// and then writes the spool file.
///
/// @param options [in] the options, which are copied; NULL for the defaults. Initialize them with
///                sb_options_init().
/// @param out     [out] the handle, NULL on error; not NULL.
/// @return SB_OK.
///         SB_ERR_INVALID: an option is invalid, or `out` is NULL.
///         SB_ERR_UNSUPPORTED: an option of a later version is not 0.
///         SB_ERR_NO_MEMORY: memory runs out.
///
/// Threads: any thread, concurrently.
///
/// Ownership: the caller frees the handle with sb_free().
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_new_push(
    options: *const sb_options,
    out: *mut *mut sb_buffer,
) -> c_int {
    catch(PANIC as c_int, || {
        // SAFETY: C guarantees that `out` is NULL or points to space for a handle.
        let Some(out) = (unsafe { out.as_mut() }) else {
            return status::<()>(Err(Error::Invalid));
        };
        *out = std::ptr::null_mut();
        // SAFETY: C guarantees that `options` is NULL or points to an sb_options.
        let made = unsafe { chosen(options) }.and_then(|options| {
            let ahead = options.prefetch;
            let handle = insert_buffer(|domain| {
                let buffer = Buffer::new(None, options, DomainRef::OfHandle(domain))?;
                Buffer::prefetch(&buffer, ahead)?;
                Ok(buffer)
            })?;
            *out = handle as *mut sb_buffer;
            Ok(())
        });
        status(made)
    })
}

/// Pushes bytes of the resource: copies the bytes for `[off, off + len)`.
///
/// Accepted bytes are buffered: every thread can read them before this call returns. Pieces may
/// come in any order and may overlap. Bytes that are buffered already count as accepted, and stay
/// as they are: they are not compared.
///
/// Blocks only while there is no space, and at most until the timeout: while memory is over its
/// limit, until the helper thread has spilled; and while the bytes are more than `ahead` (see
/// sb_options) past the furthest read, until a reader comes closer. Never writes a file on this
/// thread. Of the caller's functions it calls only those of watches for the bytes that it accepts (see
/// sb_when()), and the log function. The first push that finds memory full starts the helper thread.
/// From then on that thread spills before memory is full, and keeps up to a quarter of it free, at most
/// 1 MiB.
///
/// @param handle     the buffer, created by sb_new_push().
/// @param off        the offset of the first byte, from the start of the resource.
/// @param len        the number of bytes; 0 pushes nothing.
/// @param bytes      [in] the bytes; may be NULL if `len` is 0. They are not used after the call.
/// @param timeout_ms the timeout in milliseconds on a monotonic clock; 0 is non-blocking, a
///                   negative value means no timeout.
/// @return the number of bytes accepted, counted from the first; at least 1 unless `len` is 0. If
///         it is less than `len`, push the rest again: an error that ended the call is returned
///         then.
///         SB_ERR_TIMEOUT: no byte was accepted in time.
///         SB_ERR_DISK_FULL, SB_ERR_IO: memory is full, and the helper thread could not spill. The
///         next push tries again.
///         SB_ERR_CANCELED: sb_cancel() was called, and sb_resume() was not; or the buffer was
///         freed.
///         SB_ERR_SOURCE, SB_ERR_SHORT: sb_push_end() has reported a failure, or an end below the
///         declared size; until sb_retry() or sb_resume().
///         SB_ERR_SIZE: the bytes would extend past the end, or past 2^63 - 1.
///         SB_ERR_UNSUPPORTED: the buffer has a source; or it has a `window`, and `off` is past the end
///         of the buffered bytes.
///         SB_ERR_NO_MEMORY: memory runs out, or the helper thread cannot be created.
///         SB_ERR_REENTRANT: called inside a log function, an sb_ready_fn, `thread_begin` or
///         `thread_end`, and it would block.
///         SB_ERR_INVALID: the handle is invalid, `bytes` is NULL, `off + len` is greater than 2^64,
///         or `len` is greater than half of SIZE_MAX.
///
/// Threads: any thread, concurrently. Concurrent pushes take turns, a segment at a time.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_push(
    handle: *mut sb_buffer,
    off: u64,
    len: usize,
    bytes: *const c_void,
    timeout_ms: i64,
) -> i64 {
    catch(PANIC, || {
        // SAFETY: C guarantees that `bytes` is NULL or readable for `len` bytes.
        let bytes = unsafe { in_slice(bytes, len) };
        let pushed = bytes.and_then(|bytes| {
            let buffer = BUFFERS.get_shared(handle as Raw)?;
            Buffer::push(&buffer, off, bytes, wait(timeout_ms))
        });
        count(pushed.map(|count| count as u64))
    })
}

/// Ends a pushed stream, or reports that it failed.
///
/// After an end, the final size is known, and missing bytes below it can still be pushed. After a
/// failure, readers get the buffered bytes first and then SB_ERR_SOURCE, until sb_retry() or
/// sb_resume(), after which pushes are accepted again. Until then an end is refused, since the bytes
/// before a failure may be a part, and a later failure replaces the one before. A pusher that goes
/// away without this call leaves readers waiting until they are canceled: there is no silent end.
///
/// If `size` is below the declared size and `on_short` is SB_SHORT_ERROR, readers get SB_ERR_SHORT
/// instead of the end, as from a source.
///
/// @param handle the buffer, created by sb_new_push().
/// @param size   the final size in bytes; SB_SIZE_UNKNOWN: the end is after the highest byte. Not
///               used for a failure.
/// @param code   0 for an end. A negative value is a failure: it is kept as `source_error` for
///               sb_stats.
/// @return SB_OK; also if the same end was reported before, or for a failure once every byte is
///         buffered, which has no effect.
///         SB_ERR_SOURCE, SB_ERR_SHORT: an end after a failure, or after an end below the declared
///         size; until sb_retry() or sb_resume().
///         SB_ERR_SIZE: `size` is below the highest byte, above 2^63 - 1, or not the end that was
///         reported before.
///         SB_ERR_UNSUPPORTED: the buffer has a source.
///         SB_ERR_INVALID: the handle is invalid, or `code` is positive.
///
/// Threads: any thread, concurrently; never blocks.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_push_end(handle: *mut sb_buffer, size: u64, code: i64) -> c_int {
    catch(PANIC as c_int, || {
        status(BUFFERS.get_shared(handle as Raw).and_then(|buffer| {
            let failure = match code {
                1.. => return Err(Error::Invalid),
                0 => None,
                code => Some(Error::Source { code, cause: None }),
            };
            Buffer::end_push(&buffer, known(size), failure)
        }))
    })
}

/// Returns what to push next: a hint. Bytes elsewhere are accepted too.
///
/// It is the gap for which a call has waited longest; else what the prefetch keeps buffered; else
/// what follows the frontier, at most `ahead` bytes past the furthest read.
///
/// @param handle the buffer, created by sb_new_push().
/// @param out    [out] the range; not NULL. `end` is SB_SIZE_UNKNOWN if nothing limits it. Empty
///               (`start` equals `end`): nothing is wanted, since every byte is buffered, enough
///               bytes are ahead, or the buffer is canceled or has failed.
/// @return SB_OK.
///         SB_ERR_UNSUPPORTED: the buffer has a source.
///         SB_ERR_INVALID: the handle is invalid, or `out` is NULL.
///
/// Threads: any thread, concurrently; never blocks.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_wanted(handle: *const sb_buffer, out: *mut sb_range) -> c_int {
    catch(PANIC as c_int, || {
        // SAFETY: C guarantees that `out` is NULL or points to space for a range.
        let Some(out) = (unsafe { out.as_mut() }) else {
            return status::<()>(Err(Error::Invalid));
        };
        let wanted = BUFFERS.get_shared(handle as Raw).and_then(|it| it.wanted());
        status(wanted.map(|range| {
            *out = sb_range {
                start: range.start,
                end: range.end,
            };
        }))
    })
}

// An open end reads as SB_SIZE_UNKNOWN.
const _: () = assert!(SB_SIZE_UNKNOWN == u64::MAX);
