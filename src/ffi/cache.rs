//! A cache: many buffers under one budget, each known by a key.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::time::Duration;

use super::argument::{in_slice, path};
use super::callback::thread_hook;
use super::opener::CallbackOpener;
use super::options::on_short;
use super::reader::make_leased;
use super::record::{Output, Record};
use super::status::{PANIC, status};
use super::{reader_options, sized};
use crate::buffer::failure::Attempt;
use crate::cache::{BufferCache, CacheOptions, CacheStats, OpenWait};
use crate::disk;
use crate::error::{Error, Result};
use crate::ffi::abi::{
    sb_cache, sb_cache_options, sb_cache_stats, sb_on_short, sb_reader, sb_reader_options,
};
use crate::ffi::handle::Raw;
use crate::ffi::handles::{CACHES, EntryHandles, insert_cache};
use crate::options::{CursorOptions, ThreadHooks};
use crate::panic::catch;
use crate::sync::shared::try_box;

/// Sets the options of a cache to the defaults. `open` remains to be set.
///
/// @param options     [out] the options; not NULL.
/// @param struct_size sizeof(sb_cache_options) in the caller's header.
/// @return SB_OK.
///         SB_ERR_INVALID: `options` is NULL, or no version has this size: it is less than in the
///         first version, or more than 4,096 bytes.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_cache_options_init(
    options: *mut sb_cache_options,
    struct_size: usize,
) -> c_int {
    catch(PANIC as c_int, || {
        let defaults = CacheOptions::default();
        let defaults = sb_cache_options {
            struct_size,
            open: None,
            opaque: std::ptr::null_mut(),
            max_memory: defaults.max_memory,
            max_disk: defaults.max_disk,
            min_free: defaults.min_free,
            max_entry: defaults.max_entry,
            fresh_ms: defaults.fresh_ms,
            idle_ms: defaults.idle_ms,
            threads: defaults.threads,
            on_short: sb_on_short::SB_SHORT_END as u32,
            prefetch: defaults.prefetch,
            prefetch_low: defaults.prefetch_low,
            spool_dir: std::ptr::null(),
            thread_opaque: std::ptr::null_mut(),
            thread_begin: None,
            thread_end: None,
        };
        // SAFETY: C guarantees that `options` is NULL or has `struct_size` bytes.
        status(unsafe { sized::init(options, struct_size, defaults) })
    })
}

/// Creates a cache: many buffers under one budget, each known by a key.
///
/// Starts no thread, opens no file and calls no callback.
///
/// @param options [in] the options, which are copied. Initialize them with sb_cache_options_init()
///                and set `open`.
/// @param out     [out] the cache, NULL on error; not NULL.
/// @return SB_OK.
///         SB_ERR_INVALID: `options`, its `open` or `out` is NULL, or an option is invalid.
///         SB_ERR_UNSUPPORTED: an option of a later version is not 0.
///         SB_ERR_NO_MEMORY: memory runs out.
///
/// Threads: any thread, concurrently.
///
/// Ownership: the caller frees the cache with sb_cache_free(). The object that `opaque` points to is
/// used until that has returned.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_cache_new(
    options: *const sb_cache_options,
    out: *mut *mut sb_cache,
) -> c_int {
    catch(PANIC as c_int, || {
        // SAFETY: C guarantees that `out` is NULL or points to space for a handle.
        let Some(out) = (unsafe { out.as_mut() }) else {
            return status::<()>(Err(Error::Invalid));
        };
        *out = std::ptr::null_mut();
        // SAFETY: C guarantees that `options` is NULL or points to an sb_cache_options.
        let made = unsafe { make(options) };
        status(made.map(|cache| *out = cache as *mut sb_cache))
    })
}

/// Opens the resource of a key: returns a reader at its start, which is a lease of the key's entry.
///
/// If the cache has no entry for the key, or one that is stale (`fresh_ms`), incomplete and without
/// a lease, failed or came short, the opener is called: see sb_opener_fn. Any number of concurrent
/// opens of one key call it once, and all of them get its entry or its error. An error that one of them
/// got is not remembered: the next open calls the opener again. If the key was removed meanwhile, those who
/// waited get the entry all the same, and whoever comes later another one.
///
/// As long as an entry has a lease, it is never evicted, and its bytes stay as they are. Every reader
/// of the same buffer is a lease too: see sb_reader_buffer() and sb_reader_new(). A lease ends with
/// sb_reader_free(), which waits for no source. When the last lease of an incomplete entry ends, its
/// source is closed: if no thread is inside it, sb_reader_free() calls its `close`. Calls on its buffer
/// that need a source, and watches, then return SB_ERR_CANCELED. The buffer's handle may become
/// invalid at any time after that.
///
/// The buffer of an entry is the cache's. sb_free() ignores it. sb_cancel() and sb_reopen() return
/// SB_ERR_UNSUPPORTED. All other calls work.
///
/// @param cache    the cache.
/// @param key      [in] the key: any bytes, which are copied and compared exactly.
/// @param key_size the size of the key in bytes: 1 to 4,096.
/// @param options  [in] the options of the reader, which are copied; NULL for the defaults.
///                 Its `timeout_ms` limits the open as well. With any timeout, a thread of the
///                 library calls the opener, which runs on after the timeout. 0 starts it without
///                 waiting for it. If nobody waits when it returns, what it brought is for the next open
///                 of the key, so that an event loop can poll with 0: the source of the entry stays open,
///                 and an open with a timeout gets the opener's error, or an entry that is stale by then.
///                 That ends after 5 seconds, as `idle_ms` is applied, and for the oldest of more than 16
///                 keys. Until then the entry is one without a lease: it is evicted, removed and dropped
///                 like others. With an `idle_ms` of 0, each poll would call the opener again.
///                 With SB_READER_BUFFERED, the opener is not called: the entry is returned as it is,
///                 even if it is stale or incomplete. If it has no source then, the reader returns
///                 SB_ERR_TIMEOUT for missing bytes, and other calls that need them return
///                 SB_ERR_CANCELED, until another open brings one. If there is no entry, the open
///                 waits up to its timeout for another open of the key, if one is under way.
/// @param out      [out] the reader, NULL on error; not NULL.
/// @return SB_OK.
///         SB_ERR_INVALID: the cache or an option is invalid, `key` or `out` is NULL, `key_size` is 0
///         or more than 4,096, or the opener returned an invalid source.
///         SB_ERR_SOURCE, SB_ERR_CANCELED, SB_ERR_UNSUPPORTED: the opener failed. `error` in the
///         options receives its code. SB_ERR_UNSUPPORTED also if an option of a later version is not 0.
///         SB_ERR_TIMEOUT: the opener did not return in time, or SB_READER_BUFFERED is set and there
///         is no entry.
///         SB_ERR_REENTRANT: the call came from the opener of the same key, or from one for which the
///         opener of this key waits; or it came from a log function, an sb_ready_fn, `thread_begin` or
///         `thread_end` and would block.
///         SB_ERR_CANCELED: the cache was freed meanwhile.
///         SB_ERR_SIZE: the opener returned the same tag and a size that the bytes contradict. The
///         next open gets a new entry.
///         SB_ERR_NO_MEMORY: memory runs out, or a thread cannot be created.
///
/// Threads: any thread, concurrently.
///
/// Ownership: the caller frees the reader with sb_reader_free(). A valid source that the opener
/// returned belongs to the library.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_cache_open(
    cache: *mut sb_cache,
    key: *const c_void,
    key_size: usize,
    options: *const sb_reader_options,
    out: *mut *mut sb_reader,
) -> c_int {
    catch(PANIC as c_int, || {
        // SAFETY: C guarantees that `out` is NULL or points to space for a handle.
        let mut out = unsafe { out.as_mut() };
        if let Some(out) = &mut out {
            **out = std::ptr::null_mut();
        }
        // SAFETY: C guarantees that `options` is NULL or points to an sb_reader_options, whose
        // `error` is NULL or points to an initialized sb_error.
        let mut report = match unsafe { report(options) } {
            Ok(report) => report,
            Err(error) => return status::<()>(Err(error)),
        };
        let attempt = || -> Attempt<()> {
            let out = out.ok_or(Error::Invalid)?;
            // SAFETY: as above.
            let options = unsafe { reader_options::chosen(options)? };
            // SAFETY: C guarantees that `key` is NULL or readable for `key_size` bytes.
            let key = unsafe { in_slice(key, key_size)? };
            *out = open(cache as Raw, key, options)? as *mut sb_reader;
            Ok(())
        };
        let opened = attempt();
        if let Some(report) = &mut report {
            let record = opened.as_ref().map_or_else(Record::from, |()| Record::NONE);
            report.write(&record, &[]);
        }
        status(opened.map_err(Error::from))
    })
}

/// Removes the entry of a key: whoever opens the key later gets a new one.
///
/// An entry without a lease ends at once. One with leases is kept for them and ends with the last. If
/// an opener is running for the key, the entry that it brings is only for those who wait for it.
///
/// @param cache    the cache.
/// @param key      [in] the key; NULL removes every entry without a lease.
/// @param key_size the size of the key in bytes: 1 to 4,096; 0 if `key` is NULL.
/// @return SB_OK, even if there was nothing to remove.
///         SB_ERR_INVALID: the cache is invalid, or `key_size` is not as above.
///
/// Threads: any thread, concurrently. Calls the `close` of sources, and waits for no source.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_cache_remove(
    cache: *mut sb_cache,
    key: *const c_void,
    key_size: usize,
) -> c_int {
    catch(PANIC as c_int, || {
        let key = match key.is_null() {
            true if key_size == 0 => Ok(None),
            // SAFETY: C guarantees that `key` is NULL or readable for `key_size` bytes.
            _ => unsafe { in_slice(key, key_size) }.map(Some),
        };
        let cache = CACHES.get_shared(cache as Raw);
        status(cache.and_then(|cache| cache.remove(key?)))
    })
}

/// Drops expired entries, evicts entries without a lease, and spills, until no more than this much
/// memory and disk space is used. Once, now: the limits of the cache stay as they are.
///
/// @param cache      the cache.
/// @param max_memory the most memory, in bytes. UINT64_MAX leaves it alone.
/// @param max_disk   the most disk space, in bytes. UINT64_MAX leaves it alone.
/// @return SB_OK, even if entries with leases, the segments that are being filled, bytes that arrive
///         during the call, and up to 256 KiB for the bookkeeping of entries use more: with a
///         `max_memory` of 0 entries are spilled, not evicted.
///         SB_ERR_INVALID: the cache is invalid.
///         SB_ERR_DISK_FULL, SB_ERR_IO: the bytes that could not be spilled are still in memory.
///
/// Threads: any thread, concurrently. Blocks on the disk, never on a source.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_cache_trim(
    cache: *mut sb_cache,
    max_memory: u64,
    max_disk: u64,
) -> c_int {
    catch(PANIC as c_int, || {
        let cache = CACHES.get_shared(cache as Raw);
        status(cache.and_then(|cache| cache.trim(max_memory, max_disk)))
    })
}

/// Takes a snapshot of a cache.
///
/// @param cache    the cache.
/// @param out      [out] the snapshot; not NULL.
/// @param out_size sizeof(sb_cache_stats) in the caller's header. That many bytes are written,
///                 whatever the version of the library. Members that the library does not know are
///                 set to 0.
/// @return SB_OK.
///         SB_ERR_INVALID: the cache is invalid, or `out` is NULL.
///
/// Threads: any thread, concurrently. Drops expired entries first, and takes longer the more entries
/// there are.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_cache_stat(
    cache: *mut sb_cache,
    out: *mut sb_cache_stats,
    out_size: usize,
) -> c_int {
    catch(PANIC as c_int, || {
        if out.is_null() {
            return status::<()>(Err(Error::Invalid));
        }
        status(CACHES.get_shared(cache as Raw).map(|cache| {
            let stats = stats(&cache.stats());
            // SAFETY: C guarantees that `out` is writable for `out_size` bytes. sb_cache_stats has
            // no padding.
            unsafe { sized::write(out, out_size, &stats) }
        }))
    })
}

/// Frees a cache and all of its entries, as sb_free() frees a buffer.
///
/// May be called at any time. Calls that wait for an opener return SB_ERR_CANCELED. Those that are
/// blocked in a reader of an entry do too, and later calls of these readers return SB_ERR_INVALID. The
/// readers are still the caller's to free.
///
/// Blocks until no other thread is inside the opener: then `opaque` is no longer in use. An opener on
/// this thread is not waited for, as if this were called inside the opener. A source is closed
/// when it has returned, as by sb_free().
///
/// @param cache the cache; a NULL, freed or forged one is ignored.
///
/// Threads: any thread, concurrently. If several threads free a cache at once, one of them waits.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_cache_free(cache: *mut sb_cache) {
    catch((), || {
        if let Ok(cache) = CACHES.remove(cache as Raw) {
            cache.close();
        }
    });
}

/// Lets time pass for a cache, in tests.
#[doc(hidden)]
pub fn advance_cache_clock(cache: *mut sb_cache, by: Duration) {
    if let Ok(cache) = CACHES.get_shared(cache as Raw) {
        cache.advance_clock(by);
    }
}

fn open(cache: Raw, key: &[u8], options: CursorOptions) -> Attempt<Raw> {
    let cache = CACHES.get_shared(cache)?;
    let wait = OpenWait {
        timeout: options.timeout,
        buffered: options.buffered,
    };
    let lease = BufferCache::open(&cache, key, wait)?;
    Ok(make_leased(lease.handle(), Some(lease), options)?)
}

/// Where to write the error, if the options name a place.
///
/// # Safety
/// `options` is NULL or points to an sb_reader_options of the size that its `struct_size` states, whose
/// `error` is NULL or as `Output::new` requires. Both are there as long as the result.
unsafe fn report(options: *const sb_reader_options) -> Result<Option<Output>> {
    if options.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller guarantees that `options` has `struct_size` bytes.
    let given = unsafe { sized::known(options)? };
    // SAFETY: the caller guarantees that `error` is NULL or as `Output::new` requires.
    unsafe { Output::optional(given.error) }
}

/// # Safety
/// `options` is NULL or points to an sb_cache_options of the size that its `struct_size` states.
unsafe fn make(options: *const sb_cache_options) -> Result<Raw> {
    // SAFETY: the caller guarantees that `options` is NULL or has `struct_size` bytes.
    let given = unsafe { sized::options(options)? }.ok_or(Error::Invalid)?;
    let opener = CallbackOpener::new(given.open, given.opaque)?;
    // SAFETY: the caller guarantees that `spool_dir` is NULL or NUL-terminated.
    let spool_dir = unsafe { path(given.spool_dir)? };
    let options = CacheOptions {
        max_memory: given.max_memory,
        max_disk: given.max_disk,
        min_free: given.min_free,
        max_entry: given.max_entry,
        fresh_ms: given.fresh_ms,
        idle_ms: given.idle_ms,
        on_short: on_short(given.on_short)?,
        prefetch: given.prefetch,
        prefetch_low: given.prefetch_low,
        spool_dir: match spool_dir {
            Some(path) => Some(disk::copy_of(path).map_err(|_| Error::NoMemory)?),
            None => None,
        },
        threads: match given.threads {
            0 => CacheOptions::default().threads,
            threads => threads,
        },
        thread: ThreadHooks {
            begin: thread_hook(given.thread_begin, given.thread_opaque)?,
            end: thread_hook(given.thread_end, given.thread_opaque)?,
        },
    };
    insert_cache(BufferCache::new(
        try_box(opener)?,
        try_box(EntryHandles)?,
        options,
    )?)
}

fn stats(stats: &CacheStats) -> sb_cache_stats {
    sb_cache_stats {
        hits: stats.hits,
        misses: stats.misses,
        opening: stats.opening,
        entries: stats.entries,
        leases: stats.leases,
        pulled: stats.pulled,
        expired: stats.expired,
        evicted_disk: stats.evicted_disk,
        evicted_free: stats.evicted_free,
        evicted_memory: stats.evicted_memory,
        evicted_large: stats.evicted_large,
        memory: stats.memory,
        memory_peak: stats.memory_peak,
        disk: stats.disk,
        disk_peak: stats.disk_peak,
    }
}
