//! What the library says about itself: its status texts and version.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

use crate::error::text;

/// Describes a status code.
///
/// @param status any value.
/// @return one line of English without a period at its end; static, never NULL.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn sb_strerror(status: c_int) -> *const c_char {
    text(status).as_ptr()
}

/// Returns the version of the library.
///
/// @return major * 65536 + minor * 256 + patch.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn sb_version() -> u32 {
    const fn number(digits: &str) -> u32 {
        let (mut value, mut at) = (0, 0);
        while at < digits.len() {
            value = value * 10 + (digits.as_bytes()[at] - b'0') as u32;
            at += 1;
        }
        value
    }
    const MAJOR: u32 = number(env!("CARGO_PKG_VERSION_MAJOR"));
    const MINOR: u32 = number(env!("CARGO_PKG_VERSION_MINOR"));
    const PATCH: u32 = number(env!("CARGO_PKG_VERSION_PATCH"));
    MAJOR << 16 | MINOR << 8 | PATCH
}
