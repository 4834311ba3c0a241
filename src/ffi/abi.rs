//! The C ABI's types and constants, with no dependency on the rest.
//!
//! Everything here is what a C compiler sees: `include/spoolbuf.h` is generated from this file and
//! from `ffi`, and `tests/abi` compares both with what a C compiler makes of the header. The texts
//! are the header's texts, hence their style.

#![allow(unsafe_code)]
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_int, c_void};

/// A size that is not known.
pub const SB_SIZE_UNKNOWN: u64 = u64::MAX;

/// The memory limit for callers without an opinion: 5 MiB, in bytes.
pub const SB_MAX_DEFAULT: u64 = 5242880;

/// As the distance of sb_prefetch(): everything, to the end.
pub const SB_ALL: u64 = u64::MAX;

/// Status codes. Functions that return a count return one of these, negative, on failure. Codes are
/// never reused.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_status {
    /// Done.
    SB_OK = 0,
    /// A NULL, freed or made-up handle, a NULL where bytes were asked for, a range past 2^64.
    SB_ERR_INVALID = -1,
    /// The source failed; its own code is in sb_stats. Stays until sb_retry() or sb_resume(), except
    /// for a failed seek, which the next read tries again.
    SB_ERR_SOURCE = -2,
    /// A file operation failed; the system's code is in sb_stats.
    SB_ERR_IO = -3,
    /// The disk, a quota or a file size limit is full. Nothing is lost; the next call tries again.
    SB_ERR_DISK_FULL = -4,
    /// No memory, or no thread to be had. Nothing is lost; the next call tries again.
    SB_ERR_NO_MEMORY = -5,
    /// sb_cancel(), sb_reader_cancel() or sb_free() stopped the call.
    SB_ERR_CANCELED = -6,
    /// Nothing came within the time allowed. Never the end of the resource.
    SB_ERR_TIMEOUT = -7,
    /// A source's callback asked its own handle for bytes that only the source could deliver.
    SB_ERR_REENTRANT = -8,
    /// The size is not known yet.
    SB_ERR_UNKNOWN = -9,
    /// The source, the system or the target cannot do this.
    SB_ERR_UNSUPPORTED = -10,
    /// The target exists and was not to be replaced.
    SB_ERR_EXISTS = -11,
    /// The resource does not have the size that was demanded, or is not wholly buffered.
    SB_ERR_SIZE = -12,
    /// The library, or a source written in Rust, panicked; the panic was caught.
    SB_ERR_PANIC = -13,
    /// The source ended below the declared size, which SB_SHORT_ERROR makes an error. Stays until
    /// sb_retry() or sb_resume().
    SB_ERR_SHORT = -14,
}

/// Codes of a source's callback that mean something to the library. Every other negative code is the
/// source's own and a failure.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_source_code {
    /// The call was given up without bytes, and the source is as it was: it obeyed `cancel`, or it
    /// has nothing yet and does not wait. While a cancel is in force that is no failure. After it, the
    /// request may be a stale one: the source is asked again, at most as often as `cancel` was called
    /// and not yet obeyed. If no cancel explains it, the call returns SB_ERR_SOURCE; an end after that
    /// is still believed.
    SB_SOURCE_CANCELED = -2147483647,
    /// From `seek`, or from `pull` for another offset than the one after the last call: the source
    /// cannot go there, nor anywhere. It only goes forwards from then on.
    SB_SOURCE_UNSUPPORTED = -2147483646,
}

/// What a source can do, in sb_callback: any of these, added up.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_source_flag {
    /// `pull` can be asked for any offset.
    SB_SOURCE_SEEKS = 1,
}

/// What a source that ends below the declared size means, in sb_options.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_on_short {
    /// The end. The source's word wins over the declared size. Where a source that was sought to an
    /// offset had nothing, and the bytes before that come later, it is asked there once more.
    SB_SHORT_END = 0,
    /// SB_ERR_SHORT: the connection was cut, and more may come when the source is asked again. Where the
    /// source says that nothing is at an offset that it was sought to, reads there return 0 until
    /// sb_retry() or sb_resume(), which ask again.
    SB_SHORT_ERROR = 1,
}

/// Where sb_reader_seek() counts from. The values are those of lseek(2).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_whence {
    /// From the start of the resource.
    SB_SEEK_SET = 0,
    /// From the reader's place.
    SB_SEEK_CUR = 1,
    /// From the final size, else the declared one.
    SB_SEEK_END = 2,
}

/// What a buffer's source is doing, in sb_stats.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_state {
    /// More may come.
    SB_STATE_OPEN = 0,
    /// The source has ended; the final size is known.
    SB_STATE_ENDED = 1,
    /// The source failed; sb_retry() or sb_resume() asks it again.
    SB_STATE_FAILED = 2,
    /// sb_cancel() was called; sb_resume() goes on.
    SB_STATE_CANCELED = 3,
}

/// Where a buffer's spool file is, in sb_stats.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_spool {
    /// There is none: nothing was spilled so far.
    SB_SPOOL_NONE = 0,
    /// On a file system that frees memory.
    SB_SPOOL_DISK = 1,
    /// On a file system that keeps its files in memory (tmpfs, ramfs).
    SB_SPOOL_MEMORY = 2,
}

/// What a disk that is full, or fails, does, in sb_options.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_on_full {
    /// Reads that need more return SB_ERR_DISK_FULL or SB_ERR_IO; memory stays within its limit.
    SB_FULL_FAIL = 0,
    /// Goes on in memory past `max`, until the disk has room again.
    SB_FULL_MEMORY = 1,
}

/// How sb_save_with() saves: any of these, added up.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum sb_save_flag {
    /// The file, and for a path its directory, are on the disk (fsync) before the call returns.
    SB_SAVE_SYNC = 1,
    /// An existing target is left alone: SB_ERR_EXISTS.
    SB_SAVE_KEEP = 2,
    /// Nothing is saved unless the final size is the declared one: SB_ERR_SIZE.
    SB_SAVE_EXACT = 4,
    /// Saves what is buffered now, from the start, without calling the source; SB_ERR_SIZE if
    /// that has holes.
    SB_SAVE_BUFFERED = 8,
    /// May let the file share its blocks with the spool file, or be it, where both are on one file
    /// system: done in no time. What is in memory is spilled for that; where no link can be, nothing
    /// is. The caller promises not to edit the saved file
    /// in place while the buffer lives.
    SB_SAVE_LINK = 16,
}

/// A buffer: an opaque handle, checked at each call, never a pointer to look through.
pub struct sb_buffer {
    _private: [u8; 0],
}

/// A place in a buffer with a stop of its own: an opaque handle, checked at each call.
pub struct sb_reader {
    _private: [u8; 0],
}

/// A source of bytes: the caller's callbacks. Copied by sb_new(); the struct may be gone after it.
///
/// `{ my_read, my_state }` is a whole source. `pull` replaces `read` and `seek`: it is the form for
/// languages in which a callback that fails returns 0, or anything. Setting both forms is
/// SB_ERR_INVALID.
///
/// The library calls `read`, `seek` and `pull` on one thread at a time, never with a lock held, never
/// after `close`. After the end they are called again only for bytes at another place that the source
/// can reach, after a failure not until sb_retry() or sb_resume(). They run on the thread of the
/// reader that needs bytes; only after sb_prefetch() or a finite time limit also on a helper thread of
/// the library's own. A callback may call any function of this library, also on its own handle:
/// buffered bytes are served; what would need the source is SB_ERR_REENTRANT.
///
/// An error is never the end: after one that is not SB_SOURCE_CANCELED an end is believed only once
/// the source has delivered a byte, a `seek` has succeeded, or the end is at the declared size. Until
/// then it is the same error again; where `pull` was asked for another offset than the one after the
/// last call, that of this read alone. After sb_retry() or sb_resume() a source that can seek is first
/// asked for up to 64 KiB of buffered bytes again, those before that place, and an end that follows
/// them is believed. Without such bytes, and for a source that only goes forwards, the error comes
/// again however often it is retried, unless the declared size is that of the resource: to go on, free
/// the buffer and make another. What is buffered stays readable, and SB_SAVE_BUFFERED saves it.
///
/// A callback returns: no C++ exception may leave it (the process would be aborted, with a message),
/// and no longjmp(), pthread_exit() or pthread_cancel() (nobody else would get to the source).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_callback {
    /// Required unless `pull` is set. Writes the resource's next bytes to `out`, at most `capacity`
    /// (never 0), and returns how many: > 0 bytes written, 0 the end, < 0 an error (kept for
    /// sb_stats). May block. After `cancel` it returns soon: with bytes, or with SB_SOURCE_CANCELED,
    /// never with a 0 that is not the end. Any other error is a failure, whatever was canceled
    /// meanwhile. More than `capacity` is SB_ERR_SOURCE.
    pub read: Option<
        unsafe extern "C-unwind" fn(opaque: *mut c_void, out: *mut c_void, capacity: usize) -> i64,
    >,
    /// Handed to every callback, never looked at. Must be usable from any thread.
    pub opaque: *mut c_void,
    /// Optional, NULL for a source that only goes forwards. Makes the next `read` deliver the bytes
    /// at `offset`, counted from the start of the resource, below 2^63: >= 0 done, < 0 an error, after
    /// which the source stands where it stood. SB_SOURCE_UNSUPPORTED means that it only goes forwards
    /// from then on; any other error is SB_ERR_SOURCE for the read that needed the bytes, and the next
    /// read tries again. After that the bytes must be those of `offset`, which the library can't
    /// verify. An offset past the end is no error: the next `read` returns 0.
    pub seek: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void, offset: u64) -> i64>,
    /// Optional. Makes a `read`, `seek` or `pull` that blocks return soon. Called while one runs or is
    /// about to, from any other thread, possibly more than once; must not block. It may come when
    /// that call is returning already; if it leaves a mark that a later call finds and returns
    /// SB_SOURCE_CANCELED for, the source is asked again.
    pub cancel: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void)>,
    /// Optional. Called exactly once, after the last other call, on any thread: as soon as every
    /// byte is held, else at sb_free(). sb_free() may call it, or wait while another thread is inside
    /// it, so it must not take a lock that a caller of sb_free() holds.
    pub close: Option<unsafe extern "C-unwind" fn(opaque: *mut c_void)>,
    /// Instead of `read` and `seek`. Writes the resource's bytes from `offset` on to `out`, at most
    /// `capacity` (never 0), sets `*count` to how many (0: the end is at or before `offset`), and
    /// returns SB_OK. `*count` counts only with SB_OK; it is SIZE_MAX at the call, so a count that was
    /// never set is SB_ERR_SOURCE, and so are more than `capacity` and a positive result. A negative
    /// result is an error, as for `read`.
    ///
    /// Without SB_SOURCE_SEEKS in `flags`, `offset` is always where the last call ended, 0 at first.
    /// With it, any offset below 2^63 may be asked for. An error for another offset than the one
    /// after the last call is a failed seek, as for `seek`.
    pub pull: Option<
        unsafe extern "C-unwind" fn(
            opaque: *mut c_void,
            offset: u64,
            out: *mut c_void,
            capacity: usize,
            count: *mut usize,
        ) -> c_int,
    >,
    /// sb_source_flag values, added up; 0 with `read`.
    pub flags: u32,
    /// Must be 0.
    pub reserved_flags: u32,
    /// Must be NULL.
    pub reserved: [*mut c_void; 8],
}

/// What sb_new_with() may be told. sb_options_init() fills it with the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_options {
    /// sizeof(sb_options) of the caller's header; set by sb_options_init().
    pub struct_size: usize,
    /// The declared size in bytes, a hint; SB_SIZE_UNKNOWN, the default.
    pub size: u64,
    /// The memory part's limit in bytes; SB_MAX_DEFAULT.
    pub max: u64,
    /// The directory of the spool file, copied; NULL, the default, means TMPDIR, else the
    /// system's own, else /var/tmp where that one is kept in memory. Looked at at the first spill.
    /// Bytes whose offsets are past what a file there can hold (4 GiB on FAT) can't be spilled.
    pub spool_dir: *const c_char,
    /// Bytes to keep ready, as by sb_prefetch(); 0, the default: none.
    pub prefetch: u64,
    /// A source that can seek is read on through a gap of up to this many bytes, instead of being
    /// made to seek over it; 262144.
    pub seek_gap: u64,
    /// The source is asked for what is needed rounded up to a multiple of this many bytes, 0 to
    /// 16384; 0 asks for exactly what is needed. Where a call waits for the first byte only, what its
    /// `len` has room for is needed, up to 256 KiB with 0, else as far as the sum with this stays within
    /// 16384. 16384 is the default.
    pub round_up: u32,
    /// What a full disk does: an sb_on_full; SB_FULL_FAIL.
    pub on_full: u32,
    /// What an end below the declared size means: an sb_on_short; SB_SHORT_END.
    pub on_short: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// Bytes of the resource that are buffered: from `start` up to, without, `end`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sb_range {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the last byte.
    pub end: u64,
}

/// One consistent snapshot of a buffer, by sb_stat(). Grows at its end only.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_stats {
    /// The declared size in bytes, or SB_SIZE_UNKNOWN.
    pub declared: u64,
    /// The final size in bytes, or SB_SIZE_UNKNOWN until the source has ended.
    pub final_size: u64,
    /// The lowest offset at which the source had nothing, an upper limit of the size, or
    /// SB_SIZE_UNKNOWN.
    pub bound: u64,
    /// How far the resource is buffered without a gap, in bytes from its start.
    pub frontier: u64,
    /// Buffered bytes in memory.
    pub memory: u64,
    /// Buffered bytes in the spool file.
    pub disk: u64,
    /// Memory that the buffer takes besides the bytes in `memory`: what it knows them by, room that is
    /// not filled yet, and memory kept for bytes to come.
    pub overhead: u64,
    /// How often the source's `read` or `pull` was called.
    pub pulls: u64,
    /// How often the source was sought to another offset; with `pull` that needs no call of its own.
    pub seeks: u64,
    /// How often a call went to sleep for bytes that another one was to bring.
    pub waits: u64,
    /// The source's own code at its last error (what its callback returned), else 0. An obeyed `cancel`
    /// is no error.
    pub source_error: i64,
    /// The system's code (errno, GetLastError) at the last file operation that failed, else 0.
    pub system_error: i32,
    /// An sb_state. With every byte held it is SB_STATE_ENDED, whatever is canceled.
    pub state: i32,
    /// Why the source is not asked any more: an sb_status, SB_OK if it is or has ended.
    pub status: i32,
    /// 1 if the source can seek, 0 if it can't or said SB_SOURCE_UNSUPPORTED.
    pub seekable: i32,
    /// Where the spool file is: an sb_spool.
    pub spool: i32,
    /// 1 while a helper thread of the library's own exists, else 0.
    pub helper: i32,
    /// 1 if the source ended below the declared size, or had nothing at an offset below it, whatever
    /// `on_short` makes of that, else 0.
    pub ended_short: i32,
    /// 0.
    pub reserved: i32,
    /// The directory of the spool file, or the one where it could not be made; NUL-terminated, cut to
    /// fit; empty before the first attempt to make it.
    pub spool_dir: [c_char; 256],
}

/// Told how a save goes: `done` of `total` bytes are saved; `total` is SB_SIZE_UNKNOWN until known, and
/// the declared size until the final one is. The last report of a save that succeeds has the final size
/// as both, which may be 0.
/// Called on the saving thread, without a lock; returns 0 to go on, anything else to stop with
/// SB_ERR_CANCELED.
pub type sb_progress =
    Option<unsafe extern "C-unwind" fn(opaque: *mut c_void, done: u64, total: u64) -> c_int>;
