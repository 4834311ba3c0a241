//! The status codes, the modes and the flags.

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
