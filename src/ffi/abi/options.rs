//! The options of a buffer, a reader and a save.

use core::ffi::{c_char, c_int, c_void};

use super::sb_error;
use super::sb_progress_fn;

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
