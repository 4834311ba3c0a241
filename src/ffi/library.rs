//! What the library says about itself: its log, its status texts and version.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

use super::callback::log_call;
use super::status::{PANIC, status};
use crate::error::{Error, text};
use crate::ffi::abi::{SB_VERSION_NUMBER, sb_log_fn};
use crate::log::{self, LogLevel};
use crate::panic::catch;

/// Sets the function that receives messages about the buffers of this process: why a spool file is
/// where it is, why seeking was given up, why a save had to copy, when the disk is full, and so on.
///
/// A message is one line of English, such as "buffer 3: the source failed with code -5". Buffers are
/// numbered in the order of creation. Wording and levels may change between versions.
///
/// `fn` is called on any thread, by several threads at a time, from inside calls of this library and
/// on helper threads, without a lock of the library held. It must return. Inside it, a call that
/// would need the source, a push that would block, and an sb_cache_open() that would, return
/// SB_ERR_REENTRANT. What happens there is not logged. No C++ exception may leave it, as for a
/// source's callbacks.
///
/// sb_free() calls `fn` too, and may wait for a call of it on the buffer's helper thread. So the
/// caller of sb_free() must not hold a lock that `fn` takes, not even a recursive one.
///
/// Once this function returns, the function that was set before is not running and is not called any
/// more, except if the call comes from inside such a function. So the caller must not hold a lock
/// that the function before takes. A child of fork() starts without a log function.
///
/// @param fn     the function; NULL, the default, for none.
/// @param opaque passed to `fn` and never dereferenced.
/// @param level  the least important messages that are wanted: an sb_log_level. SB_LOG_OFF for none.
/// @return SB_OK.
///         SB_ERR_INVALID: `level` is not an sb_log_level.
///         SB_ERR_NO_MEMORY: out of memory; the function before stays.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_set_log(r#fn: sb_log_fn, opaque: *mut c_void, level: u32) -> c_int {
    catch(PANIC as c_int, || {
        let level = match level {
            0 => None,
            1 => Some(LogLevel::Error),
            2 => Some(LogLevel::Warn),
            3 => Some(LogLevel::Info),
            4 => Some(LogLevel::Debug),
            _ => return status::<()>(Err(Error::Invalid)),
        };
        status(match (r#fn, level) {
            (Some(call), Some(level)) => {
                log_call(call, opaque).and_then(|call| log::set(level, Some(call)))
            }
            _ => log::set(LogLevel::Error, None),
        })
    })
}

/// Describes a status code.
///
/// @param status any value, such as the result of a function that returns a count.
/// @return one line of English without a period at its end; static, never NULL. A value of 0 or
///         more is a success.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn sb_strerror(status: i64) -> *const c_char {
    // Nothing has a code beyond 32 bits.
    text(i32::try_from(status.min(0)).unwrap_or(i32::MIN)).as_ptr()
}

/// Returns the version of the library. It differs from SB_VERSION_NUMBER if the program runs with
/// another library than the one whose header it was compiled with.
///
/// @return major * 65536 + minor * 256 + patch.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn sb_version() -> u32 {
    SB_VERSION_NUMBER
}
