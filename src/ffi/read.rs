//! Reading at an offset.

#![allow(unsafe_code)]

use std::ffi::c_void;

use super::argument::{out_slice, wait};
use super::status::{PANIC, count};
use crate::buffer::Buffer;
use crate::buffer::read::{ReadRequest, Unfinished};
use crate::error::{Error, Result};
use crate::ffi::abi::sb_buffer;
use crate::ffi::handle::{Entry, Raw};
use crate::ffi::handles::BUFFERS;
use crate::panic::catch;
use crate::pull::ranges::is_range;

/// Blocks only until the first byte at `off` is buffered, then copies the bytes that are buffered
/// there.
///
/// If `timeout_ms` is 0, the call is non-blocking: it copies buffered bytes only, and never calls
/// the source. If `timeout_ms` is positive, the call never calls the source on this thread. A
/// helper thread of the library calls it instead, so the timeout holds whatever the source does.
/// The first such call that finds no buffered bytes starts that thread. If `timeout_ms` is
/// negative, there is no timeout, and the call may call the source on this thread.
///
/// @param handle     the buffer.
/// @param off        the offset of the first byte, from the start of the resource.
/// @param len        the most bytes to copy.
/// @param out        [out] space for `len` bytes; may be NULL if `len` is 0.
/// @param timeout_ms the timeout in milliseconds on a monotonic clock; 0 is non-blocking, a
///                   negative value means no timeout.
/// @return the number of bytes copied, at least 1 unless `len` is 0 or `off` is at or past the end
///         (EOF).
///         SB_ERR_TIMEOUT: no byte arrived in time; never means the end.
///         SB_ERR_NO_MEMORY: also if the helper thread cannot be created.
///         Otherwise as sb_read().
///
/// Threads: any thread, concurrently. With `timeout_ms` 0 it suits a real-time audio thread, as
/// long as the bytes are in memory: bytes in the spool file are read from that file.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_read_some(
    handle: *mut sb_buffer,
    off: u64,
    len: usize,
    out: *mut c_void,
    timeout_ms: i64,
) -> i64 {
    catch(PANIC, || {
        let request = ReadRequest {
            all: false,
            wait: wait(timeout_ms),
            terms: None,
        };
        // SAFETY: C guarantees that `out` is NULL or writable for `len` bytes.
        count(unsafe { read(handle, off, len, out, request) })
    })
}

/// # Safety
/// `out` is NULL or writable for `len` bytes.
#[inline]
pub(super) unsafe fn read(
    handle: *mut sb_buffer,
    off: u64,
    len: usize,
    out: *mut c_void,
    request: ReadRequest<'_>,
) -> Result<u64> {
    // SAFETY: the caller guarantees that `out` is NULL or writable for `len` bytes.
    let out = unsafe { out_slice(out, len)? };
    if !is_range(off, len) {
        return Err(Error::Invalid);
    }
    let entry = BUFFERS.get(handle as Raw)?;
    // One read guard protects both the buffer and its bytes.
    match entry.read_memory(off, out, request.all, entry.guard()) {
        Ok(count) => Ok(count as u64),
        Err(unfinished) => read_slow(entry, off, out, unfinished, &request),
    }
}

#[cold]
fn read_slow(
    entry: Entry<'_, Buffer>,
    off: u64,
    out: &mut [u8],
    unfinished: Unfinished,
    request: &ReadRequest<'_>,
) -> Result<u64> {
    Ok(Buffer::read_slow(&entry.upgrade(), off, out, unfinished, request)? as u64)
}
