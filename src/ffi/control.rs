//! What a buffer is told to do: to run ahead, stop, go on, spill.

#![allow(unsafe_code)]

use std::ffi::c_int;

use super::status::{PANIC, status};
use crate::buffer::Buffer;
use crate::ffi::abi::sb_buffer;
use crate::ffi::handle::Raw;
use crate::ffi::handles::BUFFERS;
use crate::panic::catch;

/// Has a helper thread keep bytes ready.
///
/// The source is then called on that thread alone, for prefetch and readers alike, once a reader
/// that is inside it has come out. Its errors surface at the read that reaches them, not before. The
/// thread is started here, sleeps while the distance is kept, and blocks all signals except those that
/// a fault raises. It has ended when sb_free() returns, except while it is inside the source or the
/// spool file: then it ends when that call returns. Never blocks.
///
/// @param handle the buffer.
/// @param ahead  bytes to keep past the furthest read in the buffered range that was read last;
///               SB_ALL everything, holes included; 0 stops, and readers call the source on their own
///               threads again.
/// @return SB_OK; SB_ERR_INVALID: a bad handle; SB_ERR_NO_MEMORY: no thread to be had;
///         SB_ERR_CANCELED: it is being freed.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_prefetch(handle: *mut sb_buffer, ahead: u64) -> c_int {
    catch(PANIC as c_int, || {
        status(
            BUFFERS
                .get(handle as Raw)
                .and_then(|buffer| Buffer::prefetch(&buffer, ahead)),
        )
    })
}

/// Stops every call that waits: it returns SB_ERR_CANCELED now.
///
/// The one that is inside the source returns as soon as that does, for which the source's `cancel`
/// is called. Later calls that would need the source return SB_ERR_CANCELED too, until
/// sb_resume(). Buffered bytes stay readable. Never waits; any number of times, also from inside a
/// callback.
///
/// @param handle the buffer.
/// @return SB_OK; SB_ERR_INVALID: a bad handle.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_cancel(handle: *mut sb_buffer) -> c_int {
    catch(PANIC as c_int, || {
        status(BUFFERS.get(handle as Raw).map(|buffer| buffer.cancel()))
    })
}

/// Clears a source's failure. A cancel stays in force.
///
/// The source is asked again, where it stands, and the prefetch goes on unless it is canceled. Clears
/// SB_ERR_SHORT and SB_ERR_PANIC too. Nothing is fetched twice, except after an end that was not believed
/// (see sb_callback). Never waits.
///
/// @param handle the buffer.
/// @return SB_OK, also if there was nothing to clear; SB_ERR_INVALID: a bad handle.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_retry(handle: *mut sb_buffer) -> c_int {
    catch(PANIC as c_int, || {
        status(BUFFERS.get(handle as Raw).map(|buffer| buffer.retry()))
    })
}

/// Clears a cancel and a source's failure.
///
/// The source is asked again, where it stands, as after sb_retry(). Never waits.
///
/// @param handle the buffer.
/// @return SB_OK, also if there was nothing to clear; SB_ERR_INVALID: a bad handle.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_resume(handle: *mut sb_buffer) -> c_int {
    catch(PANIC as c_int, || {
        status(BUFFERS.get(handle as Raw).map(|buffer| buffer.resume()))
    })
}

/// Spills all buffered bytes now, except the piece that the source is filling.
///
/// Waits for the disk, never
/// for the source; readers are not held up.
///
/// @param handle the buffer.
/// @return SB_OK; SB_ERR_INVALID: a bad handle; SB_ERR_DISK_FULL, SB_ERR_IO: what could not be moved
///         is still in memory.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_spill(handle: *mut sb_buffer) -> c_int {
    catch(PANIC as c_int, || {
        status(BUFFERS.get(handle as Raw).and_then(|buffer| buffer.spill()))
    })
}
