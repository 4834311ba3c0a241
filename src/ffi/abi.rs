//! The C ABI's types and constants, with no dependency on the rest.
//!
//! Everything here is what a C compiler sees. `include/spoolbuf.h` is generated from this file and
//! from `ffi`, and `tests/abi` compares both with what a C compiler makes of the header. The doc
//! comments are the header's text, hence their style.

#![allow(unsafe_code)]
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_int, c_void};

/// The major version of this header.
pub const SB_VERSION_MAJOR: u32 = 0;

/// The minor version of this header.
pub const SB_VERSION_MINOR: u32 = 1;

/// The patch version of this header.
pub const SB_VERSION_PATCH: u32 = 0;

/// The version of this header as one number, which sb_version() returns for the library.
pub const SB_VERSION_NUMBER: u32 =
    SB_VERSION_MAJOR * 65536 + SB_VERSION_MINOR * 256 + SB_VERSION_PATCH;

/// An unknown size.
pub const SB_SIZE_UNKNOWN: u64 = u64::MAX;

/// The default memory limit: 5 MiB, in bytes.
pub const SB_MAX_DEFAULT: u64 = 5242880;

/// For sb_prefetch(): keep everything buffered, up to the end of the resource.
pub const SB_PREFETCH_ALL: u64 = u64::MAX;

/// A `reach` without a limit: a read fetches everything before its offset, however far it is.
pub const SB_REACH_WHOLE: u64 = u64::MAX;

/// The `reach` that the adapters for media libraries use unless told otherwise, in bytes. A source
/// that cannot seek is read through a short gap, and a look at the end of the resource fails at once.
pub const SB_REACH_AUTO: u64 = 65536;

/// For sb_when(), instead of an offset: bytes to push, and space for them.
pub const SB_WHEN_WANTED: u64 = u64::MAX - 1;

/// Status codes. Functions that return a count return one of these, negative, on failure. Codes are
/// never reused.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_status {
    /// Success.
    SB_OK = 0,
    /// A NULL, freed or forged handle; a required pointer that is NULL; a range that extends past
    /// 2^64.
    SB_ERR_INVALID = -1,
    /// The source failed. Its own error code is in sb_error and sb_stats. The error persists until
    /// sb_retry() or sb_resume(), except after a failed seek, which the next read tries again.
    SB_ERR_SOURCE = -2,
    /// A file operation failed. sb_error says which one, and has the system's error code.
    SB_ERR_IO = -3,
    /// The disk is full, or a quota, a file size limit or the `max_disk` of a cache is reached.
    /// Nothing is lost; the next call tries again.
    SB_ERR_DISK_FULL = -4,
    /// Out of memory, or no thread could be created. Nothing is lost; the next call tries again.
    SB_ERR_NO_MEMORY = -5,
    /// The call was canceled by sb_cancel(), sb_reader_cancel(), sb_free(), sb_reader_free(),
    /// sb_cache_free(), or by the progress callback of a save. Or a cache's entry has no source now.
    SB_ERR_CANCELED = -6,
    /// Before the timeout no byte arrived or, in a push, was accepted; or the size did not become
    /// known, or a save was not complete. Never means the end of the resource (EOF).
    SB_ERR_TIMEOUT = -7,
    /// The call would wait for the callback that made it. A source's callback, a log function, an
    /// sb_ready_fn, `thread_begin` or `thread_end` called for bytes that are not buffered; or one of the
    /// last four made a push that would block, or an sb_cache_open() that would. Or an opener opened its
    /// own key.
    SB_ERR_REENTRANT = -8,
    /// The size is not known yet.
    SB_ERR_UNKNOWN_SIZE = -9,
    /// The source, the system or the target cannot do this.
    SB_ERR_UNSUPPORTED = -10,
    /// The target exists and must not be replaced.
    SB_ERR_EXISTS = -11,
    /// The resource does not have the required size, or is not completely buffered. In a push:
    /// bytes past the end, or an end that contradicts what was pushed before.
    SB_ERR_SIZE = -12,
    /// The library, or a source written in Rust, panicked; the panic was caught.
    SB_ERR_PANIC = -13,
    /// The source ended below the declared size, and `on_short` is SB_SHORT_ERROR. The error
    /// persists until sb_retry() or sb_resume().
    SB_ERR_SHORT = -14,
    /// The bytes have left the `window` of the buffer (see sb_options). They do not come back: continue
    /// at `tail` in sb_stats, or with SB_SEEK_LIVE.
    SB_ERR_LAPPED = -15,
}

/// Return codes of a source's callbacks that have a meaning to the library. Every other negative
/// code is the source's own error code and a failure.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_source_code {
    /// The call gave up without bytes, and the source's state is unchanged. Either the source
    /// obeyed `cancel`, or it has no bytes yet and does not block.
    ///
    /// While a cancel is in force, this is not a failure. Afterwards the cancel request may be
    /// stale: the source is then called again, at most as often as `cancel` was called and not yet
    /// obeyed. If no cancel explains the code, the call returns SB_ERR_SOURCE. An end after that
    /// error is still believed (see sb_callback).
    SB_SOURCE_CANCELED = -2147483647,
    /// From `seek`, or from `pull` at an offset other than where the last call ended: the source
    /// cannot seek there, nor anywhere else. From then on it is only read forward.
    SB_SOURCE_UNSUPPORTED = -2147483646,
    /// The source delivers another resource than the one that is buffered. The library sets this
    /// code after sb_reopen() if bytes that the source delivers again differ from the buffered ones,
    /// or if it ends below them. A source may return it as well, if a validator differs, say. The failure
    /// persists until sb_reopen(), even after sb_retry() or sb_resume().
    SB_SOURCE_MISMATCH = -2147483645,
}

/// Capabilities of a source, in sb_callback: any of these, ORed together.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_source_flag {
    /// `pull` accepts any offset. Only with `pull`.
    SB_SOURCE_SEEKS = 1,
    /// `cancel` ends only the call that is running, and does no harm: the source goes on as if there
    /// had been none. A `cancel` that closes a connection is not of this kind.
    ///
    /// The library may then call `cancel` by itself, in two cases. A reader was canceled or freed
    /// whose own thread is inside the source: its call returns at once. Or the source can seek and
    /// has stalled while another call needs bytes elsewhere: that call interrupts it after 20 ms, or
    /// after four times the longest of the recent calls of the source, at most a second. The source
    /// is then sought for that call, and the interrupted one gets its bytes afterwards. If a source
    /// delivers nothing between two such interrupts, the time doubles.
    ///
    /// If several places are read in turn, the source may be read again although nobody needs more
    /// bytes yet: see `read_granularity` in sb_options.
    ///
    /// A read with a timeout of 0 and an sb_when() never interrupt the source, since they do not wait.
    ///
    /// Without this flag, or without a `cancel`, both wait until the source returns.
    SB_SOURCE_INTERRUPTIBLE = 2,
}

/// What an end below the declared size means, in sb_options.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_on_short {
    /// The end of the resource: the source takes precedence over the declared size. If the source
    /// was sought to an offset and had no bytes there, and the bytes before that offset arrive
    /// later, the source is asked at that offset once more.
    SB_SHORT_END = 0,
    /// SB_ERR_SHORT: the connection was cut, and more bytes may arrive when the source is called
    /// again. If the source was sought to an offset and had no bytes there, reads there return 0
    /// until sb_retry() or sb_resume(), after which the source is asked again.
    SB_SHORT_ERROR = 1,
}

/// The origin of a seek with sb_reader_seek(). The values are those of lseek(2).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_whence {
    /// From the start of the resource.
    SB_SEEK_SET = 0,
    /// From the reader's position.
    SB_SEEK_CUR = 1,
    /// From the final size or, until it is known, from the declared size.
    SB_SEEK_END = 2,
    /// From the end of the newest buffered byte, which is the furthest: with an offset of 0, the next
    /// read waits for the next byte to arrive.
    SB_SEEK_LIVE = 16,
}

/// The state of a buffer's source, in sb_stats.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_state {
    /// More bytes may arrive.
    SB_STATE_OPEN = 0,
    /// The source has ended; the final size is known.
    SB_STATE_ENDED = 1,
    /// The source failed. It is called again after sb_retry() or sb_resume().
    SB_STATE_FAILED = 2,
    /// sb_cancel() is in force, until sb_resume(). Or the buffer is an entry of a cache, and has no
    /// source until the opener brings one.
    SB_STATE_CANCELED = 3,
}

/// Where a buffer's spool file is, in sb_stats.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_spool {
    /// There is no spool file: nothing has been spilled yet.
    SB_SPOOL_NONE = 0,
    /// On a file system that does not use memory, so that spilling frees memory.
    SB_SPOOL_DISK = 1,
    /// On a file system that keeps its files in memory (tmpfs, ramfs).
    SB_SPOOL_MEMORY = 2,
}

/// What happens when the disk is full or fails, in sb_options.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_on_full {
    /// Reads that need more space return SB_ERR_DISK_FULL or SB_ERR_IO. Memory stays within its
    /// limit.
    SB_ON_FULL_FAIL = 0,
    /// The buffer grows in memory past `max_memory` until the disk has space again.
    SB_ON_FULL_MEMORY = 1,
}

/// Properties of a buffer, in sb_options: any of these, ORed together.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_option_flag {
    /// The declared size, or the one that the source's `size` returns, is a fact: sb_known_size()
    /// returns it before the end is known, and the adapters for media libraries pass it on. Set it
    /// only for a size that cannot be wrong, and not for that of a file that still grows. Reads do
    /// not depend on it.
    SB_SIZE_TRUSTED = 1,
}

/// How important a message is, for sb_set_log().
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_log_level {
    /// No messages.
    SB_LOG_OFF = 0,
    /// Calls fail because of it: the source failed, the spool file cannot be written.
    SB_LOG_ERROR = 1,
    /// It works, but worse than expected: the source cannot seek, or ended too early; the spool file
    /// is in memory.
    SB_LOG_WARN = 2,
    /// What happens once or twice in the life of a buffer and may explain its behavior: where the
    /// spool file is, where the source ended, why a save had to copy.
    SB_LOG_INFO = 3,
    /// The life of each buffer, step by step: opened, prefetch, canceled, freed.
    SB_LOG_DEBUG = 4,
}

/// Properties of a reader, in sb_reader_options: any of these, ORed together.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_reader_flag {
    /// Reads only bytes that are buffered, or that arrive for other calls before the timeout. The
    /// source is never called for this reader, and the prefetch does not follow it. Without a
    /// timeout (a negative `timeout_ms`) it never blocks. If there are no bytes it returns
    /// SB_ERR_TIMEOUT, 0 at the end, or the failure that stops the source.
    SB_READER_BUFFERED = 1,
}

/// Flags of sb_save_with(), in sb_save_options: any of these, ORed together.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_save_flag {
    /// Flushes the file to disk (fsync) before the call returns, and for a path also its directory.
    SB_SAVE_SYNC = 1,
    /// If the target exists, leaves it alone and returns SB_ERR_EXISTS.
    SB_SAVE_NO_REPLACE = 2,
    /// If the final size is not the declared size, saves nothing and returns SB_ERR_SIZE.
    SB_SAVE_REQUIRE_SIZE = 4,
    /// Saves the bytes that are buffered now, from the start, without calling the source. If they
    /// have gaps, returns SB_ERR_SIZE. With the option `window`, saves them from `tail` in sb_stats on,
    /// and returns SB_ERR_LAPPED if some are dropped before they have been written.
    SB_SAVE_BUFFERED = 8,
    /// Allows the file to share its blocks with the spool file, or to be the spool file, if both
    /// are on the same file system. The save then takes almost no time. The bytes in memory are
    /// spilled for that; if linking is impossible, nothing is spilled. The caller promises not to
    /// modify the saved file in place while the buffer exists.
    SB_SAVE_LINK = 16,
}

/// What a call was doing when it failed, in sb_error.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_operation {
    /// None of these: the call was canceled or timed out, say.
    SB_OP_NONE = 0,
    /// Reading the source.
    SB_OP_SOURCE_READ = 1,
    /// Seeking the source. With `pull`: reading it at an offset other than where the last call
    /// ended.
    SB_OP_SOURCE_SEEK = 2,
    /// Creating the spool file.
    SB_OP_SPOOL_CREATE = 3,
    /// Writing the spool file.
    SB_OP_SPOOL_WRITE = 4,
    /// Reading the spool file.
    SB_OP_SPOOL_READ = 5,
    /// Opening the directory of a save's target, or creating the new file there.
    SB_OP_TARGET_OPEN = 6,
    /// Writing the target.
    SB_OP_TARGET_WRITE = 7,
    /// Setting the target's permission bits (`mode` in sb_save_options).
    SB_OP_TARGET_MODE = 8,
    /// Asking the system whether it has accepted what was written to the target. Some file systems
    /// report that only when a file is closed.
    SB_OP_TARGET_CLOSE = 9,
    /// Flushing the target or its directory to disk, for SB_SAVE_SYNC.
    SB_OP_TARGET_SYNC = 10,
    /// Giving the complete new file the target's name.
    SB_OP_TARGET_RENAME = 11,
    /// Making the spool file the target, for SB_SAVE_LINK.
    SB_OP_TARGET_LINK = 12,
    /// Opening the source of an entry of a cache (see sb_opener_fn).
    SB_OP_SOURCE_OPEN = 13,
}

/// A buffer: an opaque handle, validated by each call, and not a pointer to dereference.
pub struct sb_buffer {
    _private: [u8; 0],
}

/// A read position in a buffer, with its own cancellation: an opaque handle, validated by each
/// call.
pub struct sb_reader {
    _private: [u8; 0],
}

/// A pending call of an sb_ready_fn, made by sb_when(): an opaque handle, validated by
/// sb_watch_free().
pub struct sb_watch {
    _private: [u8; 0],
}

/// Many buffers under one budget, each known by a key: an opaque handle, validated by each call.
pub struct sb_cache {
    _private: [u8; 0],
}

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

/// Options of sb_new_with(). sb_options_init() sets them to the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_options {
    /// sizeof(sb_options) in the caller's header; set by sb_options_init().
    pub struct_size: usize,
    /// The declared size in bytes, a hint. Default: SB_SIZE_UNKNOWN.
    pub size: u64,
    /// The memory limit in bytes. Default: SB_MAX_DEFAULT.
    pub max_memory: u64,
    /// The directory of the spool file. The path is copied. Default: NULL, which means the
    /// first of these in which a file can be created: TMPDIR, if it is set; the system's temporary
    /// directory; /var/tmp, which comes before a temporary directory that is kept in memory. The log
    /// names each that cannot be used. No directory is accessed before the first spill. Bytes at offsets
    /// past the largest file that it can hold (4 GiB on FAT) cannot be spilled.
    pub spool_dir: *const c_char,
    /// The number of bytes to keep buffered ahead, as with sb_prefetch(). Default: 0, none.
    pub prefetch: u64,
    /// If the source can seek, a gap of at most this many bytes is read through, and a larger one
    /// is sought over. Default: 262144. Lower it for a slow line on which a seek is fast: at 400 KB/s
    /// such a gap takes 0.6 s.
    pub seek_gap: u64,
    /// The source is asked for the bytes that are needed, rounded up to a multiple of
    /// `read_granularity` bytes, which is at most 16384. 0 requests exactly what is needed. A call
    /// that waits only for the first byte needs what its `len` has room for: at most 256 KiB if
    /// `read_granularity` is 0, otherwise at most 16384 - `read_granularity` bytes. Default: 16384.
    ///
    /// Unless it is 0, more is requested where several places of a source that can seek are read in
    /// turn, so that the source need not seek for every few bytes. Where the source returns to the
    /// end of one of the last 8 ranges that it delivered without a seek, it is asked for up to 64 KiB
    /// the first time, and then for twice as much each time, up to 256 KiB. That is never more than
    /// twice the bytes of that range, except at a multiple of 256 KiB.
    ///
    /// If a source that is SB_SOURCE_INTERRUPTIBLE delivers fewer bytes than that, it is read again
    /// until it has delivered them, for at most about as long as the seek took. A call without a
    /// timeout returns after that; one with a timeout, or on another thread, returns as soon as its own
    /// bytes are there. If the source stalls meanwhile, a call that needs bytes elsewhere interrupts
    /// it, and so do sb_cancel() and sb_reader_cancel(). After a stall, the next 16 seeks read nothing
    /// more, and twice as many after each further stall, up to 1024. Any other source is not read
    /// again: a call returns as soon as its own bytes are there.
    pub read_granularity: u32,
    /// What happens when the disk is full: an sb_on_full. Default: SB_ON_FULL_FAIL.
    pub on_full: u32,
    /// What an end below the declared size means: an sb_on_short. Default: SB_SHORT_END.
    pub on_short: u32,
    /// sb_option_flag values, ORed together. Default: 0.
    pub flags: u32,
    /// The low mark of a prefetch, in bytes: the helper thread sleeps until fewer than this many
    /// bytes are buffered past the furthest read, and then calls the source until as many as the
    /// prefetch keeps are buffered. A larger value counts as the number that the prefetch keeps:
    /// UINT64_MAX refills after each read. Default: 0, half of what the prefetch keeps.
    pub prefetch_low: u64,
    /// Passed to `thread_begin` and `thread_end`, and never dereferenced. Default: NULL.
    pub thread_opaque: *mut c_void,
    /// Called once on each helper thread, before that thread calls the source: to attach it to a
    /// runtime, say, or to set its priority. A read of any buffer there that would need a source, a
    /// push that would block, and an sb_cache_open() that would, return SB_ERR_REENTRANT. sb_free() may
    /// wait for it. Default: NULL, none.
    pub thread_begin: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void)>,
    /// Called once on each helper thread as its last act, after its last call of the source, including
    /// `close` if that is called there. Called if and only if the thread was created. sb_free() waits
    /// for it, unless the thread is inside the source or an operation on the spool file at that
    /// moment, or sb_reopen() has started another one in its place. What returns SB_ERR_REENTRANT in
    /// `thread_begin` does here. As for a source's callbacks, no C++ exception may leave it. Default:
    /// NULL, none.
    pub thread_end: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void)>,
    /// Must be NULL.
    pub reserved_pointer: *mut c_void,
    /// For sb_new_push(): the most bytes to accept past the furthest read, which slows the pusher
    /// down to the speed of the readers. Bytes that a call waits for are accepted anyway.
    /// Default: 0, no limit. Must be 0 for a buffer with a source.
    pub ahead: u64,
    /// For streams without an end: the number of bytes to keep behind the newest. At least that many
    /// stay readable, and at most 512 KiB more. Older ones are dropped, in memory and in the spool
    /// file, and reading there returns SB_ERR_LAPPED. Default: 0, which keeps all bytes.
    ///
    /// The buffer is then forward only. The source is never sought. Pushes are accepted only where the
    /// buffered bytes end; bytes that had been buffered count as accepted. A prefetch keeps at most
    /// `window` bytes ahead, so that it drops no byte that the furthest reader still has to read. Other
    /// readers may be lapped: on a push buffer, `ahead` holds the pusher back. Saves return
    /// SB_ERR_UNSUPPORTED, except with SB_SAVE_BUFFERED and without SB_SAVE_LINK, and so does
    /// sb_reopen().
    ///
    /// If `window` is at most `max_memory`, there is no spool file. Memory for bytes is then bounded by
    /// `window` plus 256 KiB, or plus 512 KiB unless `window` is a multiple of 256 KiB. Otherwise the
    /// spool file takes at most `window` plus 512 KiB.
    pub window: u64,
}

/// Options of sb_reader_new_with(). sb_reader_options_init() sets them to the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_reader_options {
    /// sizeof(sb_reader_options) in the caller's header; set by sb_reader_options_init().
    pub struct_size: usize,
    /// The timeout of each call of the reader in milliseconds, as for sb_read_some(): 0 is
    /// non-blocking (not the default), and a negative value means no timeout. Default: -1.
    pub timeout_ms: i64,
    /// sb_reader_flag values, ORed together. Default: 0.
    pub flags: u32,
    /// Must be 0.
    pub reserved: u32,
    /// The most bytes by which the position may pass the buffered bytes, if the source cannot seek
    /// or the bytes are pushed. A seek further ahead returns SB_ERR_UNSUPPORTED at once and leaves
    /// the position where it is, instead of the next read fetching all bytes up to there. Within the
    /// buffered bytes every seek works. A source may show only after a seek that it cannot seek: the
    /// read then fetches all bytes up to there. For players and parsers, which look at the end of a
    /// resource if they can. Default: SB_REACH_WHOLE, no limit.
    pub reach: u64,
    /// For sb_cache_open(): filled with the reason if that fails, and with SB_OK if it does not;
    /// initialized with sb_error_init(). The reader does not keep it. sb_reader_new_with() ignores
    /// it. Default: NULL.
    pub error: *mut sb_error,
    /// Must be NULL.
    pub reserved_pointer: *mut c_void,
}

/// A range of buffered bytes: from `start` up to, but not including, `end`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sb_range {
    /// The offset of the first byte.
    pub start: u64,
    /// The offset after the last byte.
    pub end: u64,
}

/// A consistent snapshot of a buffer, taken by sb_stat(). New members are only added at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_stats {
    /// The declared size in bytes, or the one that the source's `size` returned, or
    /// SB_SIZE_UNKNOWN.
    pub declared: u64,
    /// The final size in bytes, or SB_SIZE_UNKNOWN until the source has ended.
    pub final_size: u64,
    /// The lowest offset at which the source had no bytes, which is an upper bound of the size, or
    /// SB_SIZE_UNKNOWN.
    pub bound: u64,
    /// How far the resource is buffered without a gap, in bytes from its start, or from `tail` on.
    pub frontier: u64,
    /// Buffered bytes in memory.
    pub memory: u64,
    /// Buffered bytes in the spool file.
    pub disk: u64,
    /// Memory that the buffer uses besides the bytes in `memory`: bookkeeping, space that is not
    /// filled yet, and memory kept for future bytes.
    pub overhead: u64,
    /// The number of calls of the source's `read` or `pull`.
    pub pulls: u64,
    /// The number of seeks of the source to another offset. With `pull`, a seek is not a call of
    /// its own.
    pub seeks: u64,
    /// How often a call blocked to wait for bytes that another call was fetching.
    pub waits: u64,
    /// The source's own code at its last error (the return value of its callback), or 0. An obeyed
    /// `cancel` is not recorded.
    pub source_error: i64,
    /// The system's code (errno, GetLastError) at the last failed operation on the spool file, or
    /// 0. A failed save of its target is not recorded: see sb_error.
    pub system_error: i32,
    /// An sb_state. Once every byte is buffered it is SB_STATE_ENDED, even after sb_cancel().
    pub state: i32,
    /// Why the source is no longer called: an sb_status. SB_OK if it is still called or has ended.
    pub status: i32,
    /// 1 if the source can seek; 0 if it cannot, or returned SB_SOURCE_UNSUPPORTED.
    pub seekable: i32,
    /// Where the spool file is: an sb_spool.
    pub spool: i32,
    /// 1 while a helper thread of the library exists, else 0.
    pub helper: i32,
    /// 1 if the source ended below the declared size, or had no bytes at an offset below it,
    /// regardless of `on_short`; else 0.
    pub ended_short: i32,
    /// The operation that failed with `system_error`: an sb_operation.
    pub system_operation: i32,
    /// The number of bytes received from the source. Bytes that it delivered twice count twice.
    pub pulled: u64,
    /// The time spent inside the source's `read`, `seek`, `pull` and `size`, in microseconds,
    /// without a call that has not returned.
    pub pull_us: u64,
    /// The time for which calls blocked (see `waits`), in microseconds, summed over all threads,
    /// without calls that still do.
    pub wait_us: u64,
    /// How often a read, while a prefetch was running, found no byte where the buffered bytes before
    /// it end. Repeated reads at one offset count once.
    pub underruns: u64,
    /// The offset of the oldest byte that is kept. Not 0 only with the option `window`, if bytes have
    /// been dropped: reading below it returns SB_ERR_LAPPED.
    pub tail: u64,
}

/// Why a call failed. sb_reader_error() fills it for a reader, sb_save_with() for a save, and
/// sb_cache_open() for an open.
///
/// The caller sets `path` and `path_cap`, if it wants the path. The other members are written by
/// the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_error {
    /// sizeof(sb_error) in the caller's header; set by sb_error_init().
    pub struct_size: usize,
    /// [in] Space for the path, which is written here: NUL-terminated, and truncated to fit. NULL
    /// if the path is not needed.
    pub path: *mut c_char,
    /// [in] The size of `path` in bytes, including the NUL; 0 if `path` is NULL.
    pub path_cap: usize,
    /// The length of the whole path in bytes, without the NUL, even if it was truncated. The path
    /// is that of a save's target, or the directory of the spool file, whichever `operation`
    /// concerns. 0 if there is none: for the source, say, or for a descriptor.
    pub path_len: usize,
    /// The source's own code (the return value of its callback), or 0. Only for SB_ERR_SOURCE.
    pub source: i64,
    /// The offset in the resource of the first byte that the call could not read or write, or
    /// SB_SIZE_UNKNOWN if the operation has no offset.
    pub offset: u64,
    /// The result of the call: an sb_status. SB_OK if no call has failed.
    pub status: i32,
    /// What failed: an sb_operation.
    pub operation: i32,
    /// The system's code (errno, GetLastError) of a failed file operation, or 0. With
    /// SB_ERR_DISK_FULL, 0 means that a cache has reached its `max_disk` or `min_free`.
    pub system: i32,
    /// Always 0.
    pub reserved: i32,
}

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

/// Options of sb_save_with(). sb_save_options_init() sets them to the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_save_options {
    /// sizeof(sb_save_options) in the caller's header; set by sb_save_options_init().
    pub struct_size: usize,
    /// The file to save to, as for sb_save(). Default: NULL, which saves to `fd`.
    pub path: *const c_char,
    /// Called after each step to report progress. Default: NULL.
    pub progress: sb_progress_fn,
    /// Passed to `progress`.
    pub opaque: *mut c_void,
    /// Filled with the reason if the save fails, and with SB_OK if it does not; initialized with
    /// sb_error_init(). Default: NULL.
    pub error: *mut sb_error,
    /// Must be NULL.
    pub reserved_pointer: *mut c_void,
    /// The time limit for the whole save, in milliseconds. After it the save returns
    /// SB_ERR_TIMEOUT. 0 or a negative value means no limit. Default: 0.
    ///
    /// With a limit, the source is not called on the saving thread but on a helper thread of the
    /// library, so that the limit holds whatever the source does. A running file operation or
    /// `progress` is not interrupted. On Windows, neither is a write to a full pipe.
    pub timeout_ms: i64,
    /// An open descriptor to write to if `path` is NULL, else ignored. It stays the caller's. On
    /// Windows it is a descriptor of the C runtime that the library was built for. It is written as
    /// binary, at the position of its handle, even if it was opened in text or append mode.
    /// Default: -1, none.
    pub fd: c_int,
    /// sb_save_flag values, ORed together. Default: 0, which saves as sb_save() does.
    pub flags: u32,
    /// The permission bits of the file at `path` (0600, say), whatever the umask. Ignored on
    /// Windows. Default: 0, the default mode of new files.
    pub mode: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// What an opener returns: the resource of a key, now. See sb_opener_fn.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_opened {
    /// sizeof(sb_opened) in the library, set before the opener is called.
    pub struct_size: usize,
    /// The size of the resource in bytes, a hint; or SB_SIZE_UNKNOWN, which it is set to before.
    pub size: u64,
    /// A tag of the resource's bytes: a hash of its ETag, say. Equal tags, except 0, mean equal bytes.
    /// 0, which it is set to before, means that nothing is known about them.
    pub tag: u64,
    /// The source, as for sb_new(). It must have a `close`. It is set to zeros before, and may be
    /// left so if `tag` is `old_tag` and not 0: see sb_opener_fn.
    pub source: sb_callback,
}

/// Opens the resource of a key, for sb_cache_open().
///
/// `key` is the key, valid until the function returns. The function fills `out` and returns 0. Any
/// other value is a failure, and `out` is ignored: the source in it stays the function's.
/// SB_SOURCE_CANCELED is returned by sb_cache_open() as SB_ERR_CANCELED, SB_SOURCE_UNSUPPORTED as
/// SB_ERR_UNSUPPORTED, and every other value as SB_ERR_SOURCE, with the value as `source` in sb_error.
///
/// If the cache has bytes of the key, and `tag` is the tag that they were opened with and not 0, it
/// keeps them. It continues with the source if some are missing and the entry has no other source, as
/// by sb_reopen(); otherwise it closes the source. Any other tag is a new entry. `old_tag` is the tag
/// of the bytes if no source is needed: the source may then be left empty (zeros) with that tag, after
/// a conditional request, say. `old_tag` is 0 if a source is needed.
///
/// A valid source belongs to the library once the function has returned 0, and is closed exactly once.
/// An invalid one is SB_ERR_INVALID, and nothing of it is called: it is one that is invalid for
/// sb_new(), that has no `close`, or that is empty although one is needed.
///
/// Called without a lock held, and for several keys concurrently. For one key it is called once at a
/// time, unless the key is removed meanwhile. It runs on the thread of an sb_cache_open(), or on a
/// thread of the library if that has a timeout. It may block as long as it likes: opens of other keys do
/// not wait for it, unless they have a timeout and all `threads` are blocked. It may call any function of
/// this library. To open its own key is SB_ERR_REENTRANT, and so is a key whose opener waits for it. As
/// for a source's callbacks, no C++ exception may leave it.
pub type sb_opener_fn = Option<
    unsafe extern "C-unwind" fn(
        opaque: *mut c_void,
        key: *const c_void,
        key_size: usize,
        old_tag: u64,
        out: *mut sb_opened,
    ) -> c_int,
>;

/// Options of sb_cache_new(). sb_cache_options_init() sets them to the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_cache_options {
    /// sizeof(sb_cache_options) in the caller's header; set by sb_cache_options_init().
    pub struct_size: usize,
    /// Opens the resource of a key. Must be set.
    pub open: sb_opener_fn,
    /// Passed to `open`, and never dereferenced. Default: NULL.
    pub opaque: *mut c_void,
    /// The most memory that all entries use together, in bytes: their segments, indexes, keys, handles
    /// and records. Each entry that is being opened or filled may exceed it by 256 KiB, so that any value
    /// works, even 0. While more is needed, the oldest segment of any entry is spilled; if keys and
    /// records alone exceed it, and 256 KiB, entries are evicted.
    ///
    /// Not counted: readers, sources, the stacks of helper threads, up to 32 bytes for each gap in the
    /// buffered bytes of an entry, and, when entries have gone, the places of their records and handles:
    /// up to 400 bytes times the largest number of entries at once until the cache is freed, and about
    /// 700 bytes times that number as long as the process lives. Later entries and buffers use them again.
    /// Default: 67108864 (64 MiB).
    pub max_memory: u64,
    /// The most disk space that the spool files of all entries use together, in bytes. While more is
    /// needed, the entry whose last lease ended longest ago is evicted. The same happens if the disk
    /// itself is full, or cannot be written. If every entry has a lease, reads return SB_ERR_DISK_FULL
    /// or SB_ERR_IO. While a thread is still inside an entry that was removed or has expired, that entry's
    /// room stays in use. 0 spills nothing: entries are then evicted for memory. Default: 536870912
    /// (512 MiB).
    pub max_disk: u64,
    /// The least number of bytes to leave free in the file system of the spool files. It is sampled,
    /// so that it may be missed by some. Default: 0, none.
    pub min_free: u64,
    /// An entry of more than this many bytes is evicted before all others, once it has no lease. What
    /// counts is the number of bytes that it has then.
    ///
    /// While an entry has a lease, it takes room from all that have none, whatever its size. A read
    /// through a resource larger than `max_memory` and `max_disk` together evicts all of them, and
    /// then returns SB_ERR_DISK_FULL. An opener that knows such a size can refuse it with a code of
    /// its own, before anything is evicted. Default: 0, an eighth of `max_memory` and `max_disk`
    /// together.
    pub max_entry: u64,
    /// For how long an entry is handed out without asking the opener, in milliseconds since that
    /// opened it or confirmed it. 0 asks it at each open. Default: -1; a negative value means no limit.
    pub fresh_ms: i64,
    /// For how long an entry is kept after its last lease has ended, in milliseconds, even if there is
    /// room. There is no thread for that: it is applied by every call of a cache, and whenever an
    /// entry needs memory. 0 keeps none. Default: -1; a negative value means no limit.
    pub idle_ms: i64,
    /// The most helper threads that all entries share. 0 means the default, which is 4, and more than
    /// 256 count as 256. They call the sources for prefetches, and sources and openers for calls with a
    /// timeout. While all of them are blocked there, entries with a prefetch get no bytes from their
    /// sources, and calls that need a helper thread return SB_ERR_TIMEOUT in time. Only an opener, and
    /// a callback on one of these threads, then call the source of such an entry themselves, if they
    /// read it without a timeout.
    pub threads: u32,
    /// What an end below the declared size means: an sb_on_short. Default: SB_SHORT_END.
    pub on_short: u32,
    /// The number of bytes to keep buffered ahead in each entry, as with sb_prefetch(). Default: 0,
    /// none.
    pub prefetch: u64,
    /// The low mark of the prefetch, as in sb_options. Default: 0, half of `prefetch`.
    pub prefetch_low: u64,
    /// The directory of the spool files, as in sb_options. Default: NULL.
    pub spool_dir: *const c_char,
    /// Passed to `thread_begin` and `thread_end`, and never dereferenced. Default: NULL.
    pub thread_opaque: *mut c_void,
    /// Called once on each thread of the library, before that calls an opener or a source, as in
    /// sb_options. Default: NULL, none.
    pub thread_begin: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void)>,
    /// Called once on each thread of the library as its last act, as in sb_options. sb_cache_free()
    /// waits for it as sb_free() does, and on a thread that called an opener in any case.
    /// Default: NULL, none.
    pub thread_end: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void)>,
}

/// A snapshot of a cache, taken by sb_cache_stat(). Counters count from the cache's creation. New
/// members are only added at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_cache_stats {
    /// The number of opens for which an entry was there that could be handed out at once.
    pub hits: u64,
    /// The number of opens for which it was not: they called the opener, waited for one that was
    /// running, got the error of one that had returned, or had SB_READER_BUFFERED.
    pub misses: u64,
    /// The number of openers that are running now, or wait for a thread of the library.
    pub opening: u64,
    /// The number of entries now, with those that were removed or replaced and still have a lease.
    pub entries: u64,
    /// The number of leases now: readers, and opens about to return one.
    pub leases: u64,
    /// The number of bytes received from the sources of all entries, with those that are gone. What a
    /// source still returns after its entry has ended is discarded and does not count.
    pub pulled: u64,
    /// The number of entries that ended because their `idle_ms` had passed.
    pub expired: u64,
    /// The number of entries that were evicted because `max_disk` was reached.
    pub evicted_disk: u64,
    /// The number of entries that were evicted because of `min_free`, or because the disk was full or
    /// failed.
    pub evicted_free: u64,
    /// The number of entries that were evicted because `max_memory` was reached by bookkeeping alone.
    pub evicted_memory: u64,
    /// The number of entries that were evicted, for any of these reasons, before all others because
    /// they were larger than `max_entry`. They are not counted above.
    pub evicted_large: u64,
    /// The memory that all entries use now, in bytes.
    pub memory: u64,
    /// The most memory that they have used at any time, in bytes.
    pub memory_peak: u64,
    /// The disk space that all entries use now, in bytes.
    pub disk: u64,
    /// The most disk space that they have used at any time, in bytes.
    pub disk_peak: u64,
}

/// Receives a message, for sb_set_log(). `level` is an sb_log_level, `message` is one line of UTF-8
/// without a newline, of less than 1,024 bytes. It is valid until the function returns.
pub type sb_log_fn =
    Option<unsafe extern "C-unwind" fn(opaque: *mut c_void, level: u32, message: *const c_char)>;
