//! What C gets back: a count, or a status.

#![forbid(unsafe_code)]

use std::ffi::c_int;

use crate::abi::sb_status;
use crate::error::Result;

pub(super) const PANIC: i64 = sb_status::SB_ERR_PANIC as i64;

pub(super) fn status<T>(result: Result<T>) -> c_int {
    result.map_or_else(|error| error.status() as c_int, |_| 0)
}

#[inline]
pub(super) fn count(result: Result<u64>) -> i64 {
    match result {
        Ok(count) => i64::try_from(count).unwrap_or(i64::MAX),
        Err(error) => error.status() as i64,
    }
}
