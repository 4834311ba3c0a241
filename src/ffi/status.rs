//! The return values for C: a count or a status.

use std::ffi::c_int;

use crate::error::{Operation, Result, SOURCE_CANCELED, SOURCE_MISMATCH, SOURCE_UNSUPPORTED, code};
use crate::ffi::abi::{SB_MAX_DEFAULT, sb_operation, sb_source_code, sb_status};
use crate::options::DEFAULT_MAX;

pub(super) const PANIC: i64 = sb_status::SB_ERR_PANIC as i64;

pub(super) fn status<T>(result: Result<T>) -> c_int {
    result.map_or_else(|error| error.code(), |_| 0)
}

#[inline]
pub(super) fn count(result: Result<u64>) -> i64 {
    match result {
        Ok(count) => i64::try_from(count).unwrap_or(i64::MAX),
        Err(error) => error.code().into(),
    }
}

// The constants of the C ABI equal those that the rest of the library uses.
const _: () = {
    assert!(code::INVALID == sb_status::SB_ERR_INVALID as i32);
    assert!(code::SOURCE == sb_status::SB_ERR_SOURCE as i32);
    assert!(code::IO == sb_status::SB_ERR_IO as i32);
    assert!(code::DISK_FULL == sb_status::SB_ERR_DISK_FULL as i32);
    assert!(code::NO_MEMORY == sb_status::SB_ERR_NO_MEMORY as i32);
    assert!(code::CANCELED == sb_status::SB_ERR_CANCELED as i32);
    assert!(code::TIMEOUT == sb_status::SB_ERR_TIMEOUT as i32);
    assert!(code::REENTRANT == sb_status::SB_ERR_REENTRANT as i32);
    assert!(code::UNKNOWN_SIZE == sb_status::SB_ERR_UNKNOWN_SIZE as i32);
    assert!(code::UNSUPPORTED == sb_status::SB_ERR_UNSUPPORTED as i32);
    assert!(code::EXISTS == sb_status::SB_ERR_EXISTS as i32);
    assert!(code::SIZE == sb_status::SB_ERR_SIZE as i32);
    assert!(code::PANIC == sb_status::SB_ERR_PANIC as i32);
    assert!(code::SHORT == sb_status::SB_ERR_SHORT as i32);
    assert!(code::LAPPED == sb_status::SB_ERR_LAPPED as i32);
    assert!(Operation::SourceRead as i32 == sb_operation::SB_OP_SOURCE_READ as i32);
    assert!(Operation::SourceSeek as i32 == sb_operation::SB_OP_SOURCE_SEEK as i32);
    assert!(Operation::SpoolCreate as i32 == sb_operation::SB_OP_SPOOL_CREATE as i32);
    assert!(Operation::SpoolWrite as i32 == sb_operation::SB_OP_SPOOL_WRITE as i32);
    assert!(Operation::SpoolRead as i32 == sb_operation::SB_OP_SPOOL_READ as i32);
    assert!(Operation::TargetOpen as i32 == sb_operation::SB_OP_TARGET_OPEN as i32);
    assert!(Operation::TargetWrite as i32 == sb_operation::SB_OP_TARGET_WRITE as i32);
    assert!(Operation::TargetMode as i32 == sb_operation::SB_OP_TARGET_MODE as i32);
    assert!(Operation::TargetClose as i32 == sb_operation::SB_OP_TARGET_CLOSE as i32);
    assert!(Operation::TargetSync as i32 == sb_operation::SB_OP_TARGET_SYNC as i32);
    assert!(Operation::TargetRename as i32 == sb_operation::SB_OP_TARGET_RENAME as i32);
    assert!(Operation::TargetLink as i32 == sb_operation::SB_OP_TARGET_LINK as i32);
    assert!(Operation::SourceOpen as i32 == sb_operation::SB_OP_SOURCE_OPEN as i32);
    assert!(SOURCE_CANCELED == sb_source_code::SB_SOURCE_CANCELED as i64);
    assert!(SOURCE_UNSUPPORTED == sb_source_code::SB_SOURCE_UNSUPPORTED as i64);
    assert!(SOURCE_MISMATCH == sb_source_code::SB_SOURCE_MISMATCH as i64);
    assert!(DEFAULT_MAX == SB_MAX_DEFAULT);
};
