//! What the library says about itself: its status texts and version.

#![allow(unsafe_code)]

use std::ffi::c_char;

use crate::error::text;
use crate::ffi::abi::SB_VERSION_NUMBER;

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
