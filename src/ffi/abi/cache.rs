//! A cache: its opener, its options and its statistics.

use core::ffi::{c_char, c_int, c_void};

use super::sb_callback;

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
    /// records alone exceed it, and 256 KiB, entries are evicted. An opener that waits for a thread of
    /// the library counts, too, with its key. No open is refused for that: many may exceed the limit.
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
    /// The memory that all entries use now, in bytes, with the openers that wait for a thread of the
    /// library.
    pub memory: u64,
    /// The most memory that all of these have used at any time, in bytes.
    pub memory_peak: u64,
    /// The disk space that all entries use now, in bytes.
    pub disk: u64,
    /// The most disk space that they have used at any time, in bytes.
    pub disk_peak: u64,
}
