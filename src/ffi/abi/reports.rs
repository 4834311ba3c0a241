//! The callbacks that report: progress, readiness and messages.

use core::ffi::{c_char, c_int, c_void};

/// Reports the progress of a save: `done` of `total` bytes are saved. `total` is SB_SIZE_UNKNOWN
/// until a size is known, and the declared size until the final size is known. The last report of a
/// successful save has the final size as both, which may be 0.
///
/// Called on the saving thread, without a lock held. Returns 0 to continue; any other value stops
/// the save with SB_ERR_CANCELED.
pub type sb_progress_fn =
    Option<unsafe extern "C-unwind" fn(opaque: *mut c_void, done: u64, total: u64) -> c_int>;

/// Reports that what sb_when() was called for is ready. `buffered` is what sb_when() would have
/// returned at that moment: the number of bytes, which is positive; 0 at the end (EOF); or an
/// sb_status. It is SB_ERR_CANCELED after sb_cancel() and sb_free().
///
/// Called exactly once for a watch, unless that is freed first, with no lock of the library held. It
/// runs on the thread that makes the bytes readable, or that cancels: inside any function of this
/// library that was called for the same buffer, or on the helper thread. So nobody may hold a lock that
/// this function takes while calling such a function, except sb_when() for an offset. It must not
/// block, since readers and the source may be waiting for its thread.
///
/// Any function may be called inside. What would wait returns SB_ERR_REENTRANT: a read of bytes that
/// are not buffered, a push that would block, a save to a pipe that is full (that waits on Windows), an
/// sb_cache_open() that would call an opener or wait for one. sb_watch_free() does not wait there.
/// sb_free() may wait there for a source that has no `close`. No C++ exception may leave the function.
pub type sb_ready_fn = Option<unsafe extern "C-unwind" fn(opaque: *mut c_void, buffered: i64)>;

/// Receives a message, for sb_set_log(). `level` is an sb_log_level, `message` is one line of UTF-8
/// without a newline, of less than 1,024 bytes. It is valid until the function returns.
pub type sb_log_fn =
    Option<unsafe extern "C-unwind" fn(opaque: *mut c_void, level: u32, message: *const c_char)>;
