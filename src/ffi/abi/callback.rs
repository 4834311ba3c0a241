//! The source: the caller's callbacks.

use core::ffi::{c_int, c_void};

/// A source of bytes: the caller's callbacks. sb_new() copies the struct, so it need not outlive
/// that call.
///
/// `{ my_read, my_state }` is a complete source. `pull` replaces `read` and `seek`: it is the form
/// for languages in which a callback that fails returns 0 or an arbitrary value. Setting both forms
/// is SB_ERR_INVALID.
///
/// The library calls `read`, `seek`, `pull` and `size` from one thread at a time, never with a lock
/// held, and never after `close`. After the end it calls them only for bytes elsewhere that the source
/// can reach. After an error it calls at most `size`, once, and then none of them until sb_retry()
/// or sb_resume(), except after a failed seek or a stale `cancel` (see `seek` and `cancel`). They
/// run on the thread of the reader that needs bytes. They also run on a helper thread of the library
/// after sb_prefetch() and sb_when(), with the option `prefetch`, and for a call or a reader with a
/// positive timeout.
///
/// A callback may call any function of this library, even on its own handle. Buffered bytes are
/// returned. A call that would need the source returns SB_ERR_REENTRANT.
///
/// An error is never the end of the stream (EOF). After an error other than SB_SOURCE_CANCELED, an
/// end is believed only in three cases: the source has delivered a byte since, a `seek` has
/// succeeded since, or the end is at the declared size. Any other end is reported as the same error
/// again. If `pull` was called for an offset other than where its last call ended, only the read
/// that needed those bytes gets that error.
///
/// After sb_retry() or sb_resume(), a source that can seek is first asked again for up to 64 KiB of
/// buffered bytes before the end that was not believed. An end that follows those bytes is
/// believed. Without such bytes, and for a source that is only read forward, the error returns
/// however often it is retried, unless the end is at the declared size. To continue, call
/// sb_reopen() with another source. Buffered bytes stay readable, and SB_SAVE_BUFFERED saves them.
///
/// A callback must return. No C++ exception may leave it: the process would be aborted, with a
/// message. Nor may longjmp(), pthread_exit() or pthread_cancel() leave it: no other thread could
/// reach the source again.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_callback {
    /// Required unless `pull` is set. Writes the next bytes of the resource to `out`, at most
    /// `capacity` (never 0). Returns the number of bytes written, 0 at the end (EOF), or a negative
    /// code on error, which is kept for sb_stats. More than `capacity` is SB_ERR_SOURCE.
    ///
    /// May block. After `cancel` it must return soon, with bytes or with SB_SOURCE_CANCELED, and
    /// with 0 only at the real end. Any other error is a failure, even if a cancel came in the
    /// meantime.
    pub read: Option<
        unsafe extern "C-unwind" fn(opaque: *mut c_void, out: *mut c_void, capacity: usize) -> i64,
    >,
    /// Passed to every callback and never dereferenced. Must be usable from any thread.
    pub opaque: *mut c_void,
    /// Optional; NULL for a source that is only read forward. Makes the next `read` deliver the
    /// bytes at `offset`, which is below 2^63 and counted from the start of the resource. Returns 0
    /// or more on success, and a negative code on error. After an error the source must still be
    /// where it was.
    ///
    /// SB_SOURCE_UNSUPPORTED means that the source is only read forward from then on. Any other
    /// error is SB_ERR_SOURCE for the read that needed the bytes, and the next read tries again.
    /// After success the bytes must be those at `offset`, which the library cannot verify. An
    /// offset past the end is not an error: the next `read` returns 0.
    pub seek: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void, offset: u64) -> i64>,
    /// Optional. Makes a blocked `read`, `seek` or `pull` return soon. Called while one runs or is
    /// about to run, from any other thread, possibly more than once, but by one thread at a time.
    /// Must not block. Called by sb_cancel(), sb_free() and sb_reopen(), and if the source is
    /// SB_SOURCE_INTERRUPTIBLE in a few cases more.
    ///
    /// `cancel` can race with a call that is already returning. The source may record the request,
    /// in a flag, say, and a later call may return SB_SOURCE_CANCELED because of the stale flag.
    /// The library then calls the source again instead of reporting an error.
    pub cancel: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void)>,
    /// Optional. Called exactly once, after the last other callback has returned, on any thread: as
    /// soon as every byte is buffered, or else at sb_reopen() or sb_free(). That of a cache's entry is
    /// called when the last lease ends, by any function of the cache, or by a call for which the source
    /// of another entry delivers bytes. Each of these calls may call it, and sb_free() may block while
    /// another thread is inside it: it must not take a lock that a caller of them holds. It should not
    /// block, since they return after it.
    pub close: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void)>,
    /// Replaces `read` and `seek`. Writes the bytes of the resource from `offset` on to `out`, at
    /// most `capacity` (never 0), sets `*count` to the number of bytes written, and returns SB_OK.
    /// A `*count` of 0 means that the end (EOF) is at or before `offset`. A negative result is an
    /// error, as for `read`.
    ///
    /// `*count` is used only if the result is SB_OK. It is SIZE_MAX when `pull` is called, so a
    /// `*count` that was never set is SB_ERR_SOURCE. So are a `*count` greater than `capacity` and
    /// a positive result.
    ///
    /// Without SB_SOURCE_SEEKS in `flags`, `offset` is always where the last call ended, and 0 at
    /// first. With it, `offset` can be any offset below 2^63. An error at an offset other than
    /// where the last call ended is a failed seek, as for `seek`.
    pub pull: Option<
        unsafe extern "C-unwind" fn(
            opaque: *mut c_void,
            offset: u64,
            out: *mut c_void,
            capacity: usize,
            count: *mut usize,
        ) -> c_int,
    >,
    /// sb_source_flag values, ORed together.
    pub flags: u32,
    /// Must be 0.
    pub reserved_flags: u32,
    /// Optional. Returns the size of the resource in bytes, or a negative value as long as it is
    /// not known: for sources that learn it only from their first response.
    ///
    /// Called after each `read`, `seek` or `pull` has returned, on the same thread, until it
    /// returns 0 or more or the final size is known. The result becomes the declared size: a hint,
    /// to which `on_short` applies. If the caller declared a size, that one counts, and `size` is
    /// never called. Must not block.
    pub size: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void) -> i64>,
    /// Must be NULL.
    pub reserved: [*mut c_void; 7],
}
