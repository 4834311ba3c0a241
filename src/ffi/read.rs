//! Reading at an offset.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::time::Duration;

use super::argument::room;
use super::status::{PANIC, count};
use crate::buffer::Buffer;
use crate::buffer::read::{Found, Limit, Wish};
use crate::error::{Error, Result};
use crate::ffi::abi::sb_buffer;
use crate::ffi::handle::{Held, Raw};
use crate::ffi::handles::BUFFERS;
use crate::panic::catch;
use crate::pull::ranges::is_range;

/// Waits only until the first byte at `off` is there, then copies what is there.
///
/// With `timeout_ms` 0 it takes buffered bytes only: it never waits and never calls the source. With
/// a finite limit it never calls the source on this thread: a helper thread of the library's own,
/// started at the first such call that finds nothing, does, so the limit holds whatever the source
/// does. Without a limit it may call the source on this thread.
///
/// @param handle     the buffer.
/// @param off        offset of the first byte, from the start of the resource.
/// @param len        most bytes to copy.
/// @param out        [out] room for `len` bytes; may be NULL if `len` is 0.
/// @param timeout_ms milliseconds on a monotonic clock; 0 doesn't wait, negative is no limit.
/// @return bytes copied, at least 1 unless `len` is 0 or `off` is at or past the end.
///         SB_ERR_TIMEOUT: not a byte in time; never the end.
///         SB_ERR_NO_MEMORY: also if no thread can be had.
///         Else as sb_read().
///
/// Threads: any thread, concurrently. With `timeout_ms` 0 fit for an audio thread, as far as the
/// bytes are in memory: those in the spool file are read from it.
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
        let limit = match u64::try_from(timeout_ms) {
            Err(_) => Limit::None,
            Ok(0) => Limit::Now,
            Ok(time) => Limit::Within(Duration::from_millis(time)),
        };
        let wish = Wish {
            all: false,
            limit,
            cancel_token: None,
        };
        // SAFETY: the caller's.
        count(unsafe { read(handle, off, len, out, wish) })
    })
}

/// # Safety
/// As for `room`.
#[inline]
pub(super) unsafe fn read(
    handle: *mut sb_buffer,
    off: u64,
    len: usize,
    out: *mut c_void,
    wish: Wish<'_>,
) -> Result<u64> {
    // SAFETY: the caller's.
    let out = unsafe { room(out, len)? };
    if !is_range(off, len) {
        return Err(Error::Invalid);
    }
    let held = BUFFERS.hold(handle as Raw)?;
    let mut done = 0;
    // Bytes in memory by the one pin that holds the buffer: no lock, no count that readers share.
    match held.read_memory(off, out, wish.all, &mut done, held.pin()) {
        Found::All => Ok(done as u64),
        found => read_on(held, off, out, done, found, wish),
    }
}

#[cold]
fn read_on(
    held: Held<'_, Buffer>,
    off: u64,
    out: &mut [u8],
    done: usize,
    found: Found,
    wish: Wish<'_>,
) -> Result<u64> {
    // What follows takes its time: the buffer is kept, not held.
    let buffer = held.keep();
    Buffer::read_on(&buffer, off, out, done, found, wish).map(|count| count as u64)
}
