//! The C functions, in the header's order. Each maps to safe code elsewhere and has no other body.
//!
//! The comments are the header's text.

#![allow(
    clippy::missing_safety_doc,
    reason = "the header says what each function asks of its caller"
)]
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "[in] and [out] are Doxygen's"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::SeekFrom;
use std::path::Path;
use std::time::Duration;

use crate::abi::*;
use crate::buffer::{Buffer, Found, Limit, Wish};
use crate::callback::{CallbackSource, Progress};
use crate::cursor::Place;
use crate::disk;
use crate::error::{Error, Result, text};
use crate::guard::guard;
use crate::handle::{BUFFERS, READERS, Raw};
use crate::options::{OnFull, Options, ROUND_UP_MOST};
use crate::reader::Reader;
use crate::save::{self, SaveOptions};
use crate::shared::Shared;
use crate::stats::Stats;

/// Makes a buffer over a source.
///
/// Copies `*callback`; starts no thread, opens no file, calls nothing.
///
/// @param callback [in] the source; NULL, a NULL `read` or a `reserved` that is not NULL is a bad one.
/// @param size     declared size of the resource in bytes, a hint; SB_SIZE_UNKNOWN.
/// @param max      most bytes to keep in memory: SB_MAX_DEFAULT is 5 MiB; 0 keeps no more than the
///                 piece in flight (256 KiB at most); UINT64_MAX never spills.
/// @return the handle; NULL for a bad callback or without memory. A good callback is the library's
///         from the call on: without memory its `close` is called before sb_new() returns.
///
/// Threads: any thread, concurrently.
///
/// Ownership: the caller frees the handle by sb_free(). `callback` may be gone after the call;
/// what `opaque` points to is used until `close`, or without one until sb_free() has returned.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_new(
    callback: *const sb_callback,
    size: u64,
    max: u64,
) -> *mut sb_buffer {
    guard(std::ptr::null_mut(), || {
        let options = || {
            Ok(Options {
                size: known(size),
                max,
                ..Options::default()
            })
        };
        // SAFETY: the caller's.
        let made = unsafe { make(callback, options) };
        made.map_or(std::ptr::null_mut(), |handle| handle as *mut sb_buffer)
    })
}

/// Copies the bytes at `[off, off + len)` to `out`.
///
/// Waits for what is missing and may call the source on this thread. Bytes that are buffered never
/// wait, for whatever it may be.
///
/// @param handle the buffer.
/// @param off    offset of the first byte, from the start of the resource.
/// @param len    bytes wanted; 0 reads nothing.
/// @param out    [out] room for `len` bytes; may be NULL if `len` is 0. Past the bytes returned
///               its content is undefined.
/// @return bytes copied: `len`, or fewer when the resource ends or fails first (the next call at
///         that place returns 0 or the error); 0 at or past the end.
///         SB_ERR_INVALID: a bad handle, `out` NULL, `off + len` past 2^64, `len` past half
///         of what a size_t holds.
///         SB_ERR_SOURCE: the source failed here, or returned more than it had room for.
///         SB_ERR_CANCELED: sb_cancel() or sb_free() came while it waited, also if it had some
///         bytes already, or the source came back with them: they are buffered.
///         SB_ERR_REENTRANT: called by the source's own callback for bytes that are not there.
///         SB_ERR_DISK_FULL, SB_ERR_NO_MEMORY: there is no room for more; later calls try again.
///         SB_ERR_IO: the spool file can't be made, written or read.
///         SB_ERR_UNSUPPORTED: a source that failed to seek has passed these bytes.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_read(
    handle: *mut sb_buffer,
    off: u64,
    len: usize,
    out: *mut c_void,
) -> i64 {
    guard(PANIC, || {
        let wish = Wish {
            all: true,
            limit: Limit::None,
            stop: None,
        };
        // SAFETY: the caller's.
        unsafe { read(handle, off, len, out, wish) }
    })
}

/// Reads the source to its end and puts the whole resource at `path`.
///
/// It is there either completely or not at all: an existing file is replaced in one step or left
/// whole. Waits for the source and may call it on this thread; other readers go on meanwhile. The
/// new file has the mode of any new file. A symbolic link to a file is replaced, not
/// followed; one to anything else is refused like that itself.
///
/// @param handle the buffer.
/// @param path   [in] the file, NUL-terminated: the platform's bytes on Unix, UTF-8 on Windows.
/// @return bytes saved, the final size; or what sb_read() answers for a byte that can't be had, or
///         SB_ERR_INVALID: `path` is NULL, empty or not UTF-8 on Windows.
///         SB_ERR_UNSUPPORTED: `path` is a directory, a device or a pipe.
///         SB_ERR_DISK_FULL, SB_ERR_IO: the file can't be written.
///
/// Threads: any thread, concurrently, any number of saves.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_save(handle: *mut sb_buffer, path: *const c_char) -> i64 {
    guard(PANIC, || {
        let report = Progress {
            call: None,
            opaque: std::ptr::null_mut(),
        };
        // SAFETY: the caller's.
        unsafe { save(handle, path, -1, SaveOptions::default(), &report) }
    })
}

/// Frees a buffer; leaves no trace.
///
/// May be called at any time, also while other threads are inside calls on the handle (they return
/// SB_ERR_CANCELED), from inside the source's callbacks, twice, or on NULL. If the source is inside
/// `read` or `seek` on another thread, its `cancel` is called; then, with a `close`, sb_free()
/// returns at once, and `close` runs when the source has come back; without one it waits for the
/// source, since its return is the only sign that `opaque` is free again.
///
/// @param handle the buffer; NULL, a freed or a made-up handle do nothing.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_free(handle: *mut sb_buffer) {
    guard((), || {
        free(handle as Raw);
    });
}

/// Waits only until the first byte at `off` is there, then copies what is there.
///
/// With `timeout_ms` 0 it takes buffered bytes only: it never waits and never calls the source. With
/// a finite limit it never calls the source on this thread: a helper thread of the library's own,
/// started at the first such call that finds nothing, does, so the limit holds whatever the source
/// does. Without a limit it may call the source on this thread.
///
/// @param handle     the buffer.
/// @param off        offset of the first byte, from the start of the resource.
/// @param len        most bytes to copy.
/// @param out        [out] room for `len` bytes; may be NULL if `len` is 0.
/// @param timeout_ms milliseconds on a monotonic clock; 0 doesn't wait, negative is no limit.
/// @return bytes copied, at least 1 unless `len` is 0 or `off` is at or past the end.
///         SB_ERR_TIMEOUT: not a byte in time; never the end.
///         SB_ERR_NO_MEMORY: also if no thread can be had.
///         Else as sb_read().
///
/// Threads: any thread, concurrently. With `timeout_ms` 0 fit for an audio thread, as far as the
/// bytes are in memory: those in the spool file are read from it.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_read_some(
    handle: *mut sb_buffer,
    off: u64,
    len: usize,
    out: *mut c_void,
    timeout_ms: i64,
) -> i64 {
    guard(PANIC, || {
        let limit = match u64::try_from(timeout_ms) {
            Err(_) => Limit::None,
            Ok(0) => Limit::Now,
            Ok(time) => Limit::Within(Duration::from_millis(time)),
        };
        // SAFETY: the caller's.
        unsafe {
            read(
                handle,
                off,
                len,
                out,
                Wish {
                    all: false,
                    limit,
                    stop: None,
                },
            )
        }
    })
}

/// Makes a reader: a place in a buffer, at 0 at first, with a stop of its own.
///
/// @param handle the buffer. The reader does not keep it alive: after sb_free() of the buffer the
///               reader's calls answer SB_ERR_INVALID.
/// @return the reader; NULL for a bad handle or without memory.
///
/// Threads: any thread, concurrently; any number of readers on one buffer.
///
/// Ownership: the caller frees it by sb_reader_free().
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_new(handle: *mut sb_buffer) -> *mut sb_reader {
    guard(std::ptr::null_mut(), || {
        let buffer = handle as Raw;
        let made = BUFFERS.with(buffer, |_| ()).and_then(|()| {
            READERS.insert(Shared::try_new(Reader {
                buffer,
                place: Place::new(),
            })?)
        });
        made.map_or(std::ptr::null_mut(), |reader| reader as *mut sb_reader)
    })
}

/// Reads at the reader's place, which moves on by what it returns.
///
/// Waits until the first byte is there, then copies what is there; may call the source on this
/// thread, unless a prefetch runs.
///
/// @param reader the reader.
/// @param len    most bytes to copy.
/// @param out    [out] room for `len` bytes; may be NULL if `len` is 0.
/// @return bytes copied, 0 at the end, else as sb_read_some();
///         SB_ERR_CANCELED: also by sb_reader_cancel() or sb_reader_free().
///
/// Threads: one at a time for one reader.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_read(
    reader: *mut sb_reader,
    len: usize,
    out: *mut c_void,
) -> i64 {
    guard(PANIC, || {
        let result = READERS.get(reader as Raw).and_then(|reader| {
            let buffer = BUFFERS.get(reader.buffer)?;
            // SAFETY: the caller's.
            reader.place.read(&buffer, unsafe { room(out, len)? })
        });
        count(result.map(|count| count as u64))
    })
}

/// Moves the reader's place. Reads nothing, waits for nothing, costs nothing.
///
/// @param reader the reader.
/// @param off    bytes, counted from where `whence` says; the place may lie past the end.
/// @param whence SB_SEEK_SET, SB_SEEK_CUR or SB_SEEK_END, which goes by the final size, else the
///               declared one.
/// @return the new place, from the start of the resource; the place is unchanged on an error.
///         SB_ERR_INVALID: a bad reader or `whence`, a place before the start.
///         SB_ERR_UNKNOWN: from an end that is not known.
///
/// Threads: one at a time for one reader.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_seek(reader: *mut sb_reader, off: i64, whence: c_int) -> i64 {
    guard(PANIC, || {
        let to = match whence {
            0 => u64::try_from(off)
                .map(SeekFrom::Start)
                .map_err(|_| Error::Invalid),
            1 => Ok(SeekFrom::Current(off)),
            2 => Ok(SeekFrom::End(off)),
            _ => Err(Error::Invalid),
        };
        let result = READERS.get(reader as Raw).and_then(|reader| {
            BUFFERS.with(reader.buffer, |buffer| reader.place.seek(buffer, to?))?
        });
        count(result)
    })
}

/// Stops one reader: its waiting call, and later ones that would wait, answer SB_ERR_CANCELED.
///
/// Other readers and the source are not disturbed: where the reader's own thread is inside the
/// source at that moment, its call returns when the source does; with a prefetch running no reader's
/// thread ever is, and the stop is immediate. Never waits; any number of times.
///
/// @param reader the reader.
/// @return SB_OK; SB_ERR_INVALID: a bad reader, or its buffer was freed.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_cancel(reader: *mut sb_reader) -> c_int {
    guard(PANIC as c_int, || {
        let reader = READERS.get(reader as Raw);
        status(
            reader.and_then(|reader| BUFFERS.with(reader.buffer, |b| reader.place.cancel(&b.gate))),
        )
    })
}

/// Lets a stopped reader wait again.
///
/// @param reader the reader.
/// @return SB_OK; SB_ERR_INVALID: a bad reader, or its buffer was freed.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_resume(reader: *mut sb_reader) -> c_int {
    guard(PANIC as c_int, || {
        let reader = READERS.get(reader as Raw);
        status(reader.and_then(|reader| BUFFERS.with(reader.buffer, |_| reader.place.resume())))
    })
}

/// Frees a reader. A call of its that waits on another thread answers SB_ERR_CANCELED.
///
/// @param reader the reader; NULL, a freed or a made-up one do nothing. The buffer may be gone.
///
/// Threads: any thread.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_free(reader: *mut sb_reader) {
    guard((), || {
        if let Ok(reader) = READERS.remove(reader as Raw) {
            let _ = BUFFERS.with(reader.buffer, |b| reader.place.cancel(&b.gate));
        }
    });
}

/// Has a helper thread keep bytes ready.
///
/// The source is then called on that thread alone, for prefetch and readers alike, once a reader
/// that is inside it has come out. Its errors
/// surface at the read that reaches them, not before. The thread is started here, sleeps while the
/// distance is kept, blocks all signals but those that a fault raises, and is gone when sb_free()
/// returns, or when a source that was inside `read` then has come back. Waits for nothing.
///
/// @param handle the buffer.
/// @param ahead  bytes to keep past the furthest read (after a jump of a source that can seek: past
///               that place); SB_ALL everything, holes included; 0 stops, and readers call the
///               source on their own threads again.
/// @return SB_OK; SB_ERR_INVALID: a bad handle; SB_ERR_NO_MEMORY: no thread to be had;
///         SB_ERR_CANCELED: it is being freed.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_prefetch(handle: *mut sb_buffer, ahead: u64) -> c_int {
    guard(PANIC as c_int, || {
        status(
            BUFFERS
                .get(handle as Raw)
                .and_then(|buffer| Buffer::prefetch(&buffer, ahead)),
        )
    })
}

/// Stops every call that waits: it answers SB_ERR_CANCELED now.
///
/// The one that is inside the source answers as soon as that returns, for which the source's
/// `cancel` is called. Later calls that would need the source answer SB_ERR_CANCELED too, until
/// sb_resume(). Buffered bytes stay readable. Never waits; any number of times, also from inside a
/// callback.
///
/// @param handle the buffer.
/// @return SB_OK; SB_ERR_INVALID: a bad handle.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_cancel(handle: *mut sb_buffer) -> c_int {
    guard(PANIC as c_int, || {
        status(BUFFERS.get(handle as Raw).map(|buffer| buffer.cancel()))
    })
}

/// Clears a cancel or a source's failure.
///
/// The source is asked again, where it stands; nothing is fetched twice. Never waits.
///
/// @param handle the buffer.
/// @return SB_OK, also if there was nothing to clear; SB_ERR_INVALID: a bad handle.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_resume(handle: *mut sb_buffer) -> c_int {
    guard(PANIC as c_int, || {
        status(BUFFERS.get(handle as Raw).map(|buffer| buffer.resume()))
    })
}

/// Moves the memory part to the spool file now.
///
/// But for the piece that the source is filling at this moment, if it is. Waits for the disk, never
/// for the source; readers are not held up.
///
/// @param handle the buffer.
/// @return SB_OK; SB_ERR_INVALID: a bad handle; SB_ERR_DISK_FULL, SB_ERR_IO: what could not be moved
///         is still in memory.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_spill(handle: *mut sb_buffer) -> c_int {
    guard(PANIC as c_int, || {
        status(BUFFERS.get(handle as Raw).and_then(|buffer| buffer.spill()))
    })
}

/// Tells the size of the resource.
///
/// @param handle the buffer.
/// @return bytes: the final size once the source has ended, else the declared one, but never less
///         than what is buffered; SB_ERR_UNKNOWN if neither is known; SB_ERR_INVALID: a bad handle.
///
/// Threads: any thread, concurrently; never waits.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_size(handle: *mut sb_buffer) -> i64 {
    guard(PANIC, || {
        let buffer = BUFFERS.get(handle as Raw);
        count(buffer.and_then(|buffer| buffer.gate.lock().size().ok_or(Error::Unknown)))
    })
}

/// Tells how many bytes can be read at `off` without waiting.
///
/// @param handle the buffer.
/// @param off    offset, from the start of the resource.
/// @return bytes, without a gap from `off` on; SB_ERR_INVALID: a bad handle.
///
/// Threads: any thread, concurrently; never waits, cheap enough for every frame.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_buffered(handle: *mut sb_buffer, off: u64) -> i64 {
    guard(PANIC, || {
        count(
            BUFFERS
                .get(handle as Raw)
                .map(|buffer| buffer.gate.lock().buffered(off)),
        )
    })
}

/// Lists the buffered ranges, in order, never touching: what a seek bar draws.
///
/// @param handle the buffer.
/// @param out    [out] room for `cap` ranges; may be NULL if `cap` is 0.
/// @param cap    how many ranges to write at most.
/// @return how many ranges there are, which may be more than `cap`; 0 also for a bad handle.
///
/// Threads: any thread, concurrently; never waits, cheap enough for every frame.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_ranges(
    handle: *mut sb_buffer,
    out: *mut sb_range,
    cap: usize,
) -> usize {
    guard(0, || {
        let Ok(buffer) = BUFFERS.get(handle as Raw) else {
            return 0;
        };
        let state = buffer.gate.lock();
        let ranges = state.ranges.iter();
        let there = ranges.len();
        if !out.is_null() {
            for (place, range) in ranges.take(cap).enumerate() {
                let range = sb_range {
                    start: range.start,
                    end: range.end,
                };
                // SAFETY: the caller gave room for `cap` of them.
                unsafe { out.add(place).write(range) };
            }
        }
        there
    })
}

/// Takes one consistent snapshot.
///
/// @param handle   the buffer.
/// @param out      [out] the snapshot; not NULL.
/// @param out_size sizeof(sb_stats) of the caller's header: so many bytes are written, whatever the
///                 library's version; members it does not know are 0.
/// @return SB_OK; SB_ERR_INVALID: a bad handle or NULL.
///
/// Threads: any thread, concurrently; never waits.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_stat(
    handle: *mut sb_buffer,
    out: *mut sb_stats,
    out_size: usize,
) -> c_int {
    guard(PANIC as c_int, || {
        if out.is_null() {
            return status::<()>(Err(Error::Invalid));
        }
        status(BUFFERS.get(handle as Raw).map(|buffer| {
            let found = buffer.stats();
            let spool = buffer.store.spool();
            // One that was made a moment later is none of this snapshot's.
            let spool = spool.filter(|_| found.spool != sb_spool::SB_SPOOL_NONE);
            let stats = stats(&found, spool.map(|spool| spool.directory()));
            let known = out_size.min(size_of::<sb_stats>());
            // SAFETY: the caller gave `out_size` bytes; `stats` has `known` of them, none of which
            // is padding that was not written.
            unsafe {
                out.cast::<u8>().write_bytes(0, out_size);
                out.cast::<u8>()
                    .copy_from_nonoverlapping((&raw const stats).cast(), known);
            }
        }))
    })
}

/// Fills options with the defaults.
///
/// @param options     [out] the options; not NULL.
/// @param struct_size sizeof(sb_options) of the caller's header.
/// @return SB_OK; SB_ERR_INVALID: NULL, or a size that no version had.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_options_init(options: *mut sb_options, struct_size: usize) -> c_int {
    guard(PANIC as c_int, || {
        if options.is_null() || struct_size < size_of::<sb_options>() {
            return status::<()>(Err(Error::Invalid));
        }
        let defaults = Options::default();
        let defaults = sb_options {
            struct_size,
            size: SB_SIZE_UNKNOWN,
            max: defaults.max,
            spool_dir: std::ptr::null(),
            prefetch: defaults.prefetch,
            seek_gap: defaults.seek_gap,
            round_up: defaults.round_up,
            on_full: sb_on_full::SB_FULL_FAIL as u32,
        };
        // SAFETY: the caller gave `struct_size` bytes, at least those of this version.
        unsafe {
            options.cast::<u8>().write_bytes(0, struct_size);
            options.write(defaults);
        }
        status(Ok(()))
    })
}

/// Makes a buffer over a source, with options.
///
/// Like sb_new(); with `prefetch` it also starts the helper thread, which calls the source.
///
/// @param callback [in] the source, as for sb_new().
/// @param options  [in] the options, copied; NULL for the defaults. Begin with sb_options_init().
/// @param out      [out] the handle, NULL on an error; not NULL.
/// @return SB_OK; SB_ERR_INVALID: a bad callback or option, `out` NULL; SB_ERR_UNSUPPORTED: an option
///         of a later version that is not 0; SB_ERR_NO_MEMORY. A good callback is the library's from
///         the call on: if the rest fails its `close` is called.
///
/// Threads: any thread, concurrently.
///
/// Ownership: as for sb_new().
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_new_with(
    callback: *const sb_callback,
    options: *const sb_options,
    out: *mut *mut sb_buffer,
) -> c_int {
    guard(PANIC as c_int, || {
        if out.is_null() {
            return status::<()>(Err(Error::Invalid));
        }
        // SAFETY: the caller's.
        let made = unsafe { make(callback, || chosen(options)) };
        let handle = made
            .as_ref()
            .map_or(std::ptr::null_mut(), |handle| *handle as *mut sb_buffer);
        // SAFETY: not NULL, and the caller's.
        unsafe { out.write(handle) };
        status(made.map(drop))
    })
}

/// Saves, as sb_save() does, with options.
///
/// To a path: as sb_save(). To a descriptor: writes at its place, without a rename, so what was
/// written when a save fails stays there. One that takes nothing more for now, a pipe or a socket, is
/// waited for; sb_cancel() and sb_free() end that as well, but on Windows.
///
/// @param handle   the buffer.
/// @param path     [in] the file, as for sb_save(); NULL saves to `fd`.
/// @param fd       an open descriptor to write to if `path` is NULL, which stays the caller's (on
///                 Windows one of the C runtime that the library was built for; written to as bytes,
///                 where its handle stands, even if it was opened as text or to append); else
///                 ignored.
/// @param flags    sb_save_flag values, added up; 0 saves as sb_save() does.
/// @param progress told how far the save is, after each step and at the end; may be NULL.
/// @param opaque   handed to `progress`.
/// @return bytes saved, else as sb_save(), or
///         SB_ERR_INVALID: unknown flags, or neither a path nor a descriptor.
///         SB_ERR_CANCELED: `progress` or sb_cancel() stopped the save; the target is what it was.
///         SB_ERR_EXISTS: SB_SAVE_KEEP, and the target exists.
///         SB_ERR_UNKNOWN: SB_SAVE_EXACT, and no size was declared.
///         SB_ERR_SIZE: SB_SAVE_EXACT, and the size is another; SB_SAVE_BUFFERED, and what is buffered
///         has holes.
///
/// Threads: any thread, concurrently, any number of saves.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_save_with(
    handle: *mut sb_buffer,
    path: *const c_char,
    fd: c_int,
    flags: u32,
    progress: sb_progress,
    opaque: *mut c_void,
) -> i64 {
    guard(PANIC, || {
        let has = |flag: sb_save_flag| flags & flag as u32 != 0;
        if flags > 31 {
            return count(Err(Error::Invalid));
        }
        let options = SaveOptions {
            sync: has(sb_save_flag::SB_SAVE_SYNC),
            keep: has(sb_save_flag::SB_SAVE_KEEP),
            exact: has(sb_save_flag::SB_SAVE_EXACT),
            buffered: has(sb_save_flag::SB_SAVE_BUFFERED),
            link: has(sb_save_flag::SB_SAVE_LINK),
        };
        // SAFETY: the caller's.
        unsafe {
            save(
                handle,
                path,
                fd,
                options,
                &Progress {
                    call: progress,
                    opaque,
                },
            )
        }
    })
}

/// Describes a status code.
///
/// @param status any value.
/// @return one line of English without a full stop; static, never NULL.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn sb_strerror(status: c_int) -> *const c_char {
    text(status).as_ptr()
}

/// Tells the library's version.
///
/// @return major * 65536 + minor * 256 + patch.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn sb_version() -> u32 {
    const fn number(digits: &str) -> u32 {
        let (mut value, mut at) = (0, 0);
        while at < digits.len() {
            value = value * 10 + (digits.as_bytes()[at] - b'0') as u32;
            at += 1;
        }
        value
    }
    const MAJOR: u32 = number(env!("CARGO_PKG_VERSION_MAJOR"));
    const MINOR: u32 = number(env!("CARGO_PKG_VERSION_MINOR"));
    const PATCH: u32 = number(env!("CARGO_PKG_VERSION_PATCH"));
    MAJOR << 16 | MINOR << 8 | PATCH
}

const PANIC: i64 = sb_status::SB_ERR_PANIC as i64;

fn known(size: u64) -> Option<u64> {
    (size != SB_SIZE_UNKNOWN).then_some(size)
}

fn status<T>(result: Result<T>) -> c_int {
    result.map_or_else(|error| error.status() as c_int, |_| 0)
}

fn count(result: Result<u64>) -> i64 {
    match result {
        Ok(count) => i64::try_from(count).unwrap_or(i64::MAX),
        Err(error) => error.status() as i64,
    }
}

/// # Safety
/// `out` is writable for `len` bytes.
unsafe fn room<'o>(out: *mut c_void, len: usize) -> Result<&'o mut [u8]> {
    if len == 0 {
        return Ok(&mut []);
    }
    if out.is_null() || isize::try_from(len).is_err() {
        return Err(Error::Invalid);
    }
    // SAFETY: the caller's. The bytes may not be initialised: they are written, never read.
    Ok(unsafe { std::slice::from_raw_parts_mut(out.cast(), len) })
}

/// # Safety
/// As for `room`.
#[inline]
unsafe fn read(
    handle: *mut sb_buffer,
    off: u64,
    len: usize,
    out: *mut c_void,
    wish: Wish<'_>,
) -> i64 {
    // SAFETY: the caller's.
    let out = match unsafe { room(out, len) } {
        Ok(out) => out,
        Err(error) => return count(Err(error)),
    };
    if off.checked_add(len as u64).is_none() {
        return count(Err(Error::Invalid));
    }
    let mut done = 0;
    // Bytes in memory without keeping the buffer: one pin, no count that readers share.
    let quick = BUFFERS.with(handle as Raw, |buffer| {
        buffer.read_memory(off, out, wish.all, &mut done)
    });
    match quick {
        Ok(Found::All) => done as i64,
        Ok(found) => read_on(handle, off, out, done, found, wish),
        Err(error) => count(Err(error)),
    }
}

#[cold]
fn read_on(
    handle: *mut sb_buffer,
    off: u64,
    out: &mut [u8],
    done: usize,
    found: Found,
    wish: Wish<'_>,
) -> i64 {
    let buffer = BUFFERS.get(handle as Raw);
    let result = buffer.and_then(|buffer| Buffer::read_on(&buffer, off, out, done, found, wish));
    count(result.map(|count| count as u64))
}

/// # Safety
/// `callback` is NULL or points to an sb_callback.
unsafe fn make(
    callback: *const sb_callback,
    options: impl FnOnce() -> Result<Options>,
) -> Result<Raw> {
    // SAFETY: the caller's.
    let callback = unsafe { callback.as_ref() }.ok_or(Error::Invalid)?;
    // From here on whatever fails closes the source.
    let source = CallbackSource::boxed(callback)?;
    let options = options()?;
    let prefetch = options.prefetch;
    let buffer = Buffer::new(source, options)?;
    let handle = BUFFERS.insert(buffer.clone())?;
    if prefetch > 0 {
        if let Err(error) = Buffer::prefetch(&buffer, prefetch) {
            free(handle);
            return Err(error);
        }
    }
    Ok(handle)
}

/// # Safety
/// `options` is NULL or points to an sb_options.
unsafe fn chosen(options: *const sb_options) -> Result<Options> {
    // SAFETY: the caller's.
    let Some(given) = (unsafe { options.as_ref() }) else {
        return Ok(Options::default());
    };
    let ours = size_of::<sb_options>();
    if given.struct_size < ours || given.round_up > ROUND_UP_MOST {
        return Err(Error::Invalid);
    }
    // SAFETY: the caller's struct has `struct_size` bytes.
    let theirs = unsafe {
        let start = options.cast::<u8>().add(ours);
        std::slice::from_raw_parts(start, given.struct_size - ours)
    };
    if theirs.iter().any(|byte| *byte != 0) {
        return Err(Error::Unsupported);
    }
    Ok(Options {
        size: known(given.size),
        max: given.max,
        // SAFETY: the caller's: NULL or NUL-terminated.
        spool_dir: match unsafe { path(given.spool_dir)? } {
            Some(path) => Some(disk::copy_of(path).map_err(|_| Error::NoMemory)?),
            None => None,
        },
        on_full: match given.on_full {
            0 => OnFull::Fail,
            1 => OnFull::Memory,
            _ => return Err(Error::Invalid),
        },
        prefetch: given.prefetch,
        seek_gap: given.seek_gap,
        round_up: given.round_up,
    })
}

fn free(handle: Raw) {
    if let Ok(buffer) = BUFFERS.remove(handle) {
        buffer.free();
    }
}

/// A path of the caller's; None for NULL.
///
/// # Safety
/// `path` is NULL or NUL-terminated.
unsafe fn path<'p>(path: *const c_char) -> Result<Option<&'p Path>> {
    if path.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    if bytes.is_empty() {
        return Err(Error::Invalid);
    }
    #[cfg(unix)]
    let path = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes);
    #[cfg(not(unix))]
    let path = std::str::from_utf8(bytes).map_err(|_| Error::Invalid)?;
    Ok(Some(Path::new(path)))
}

/// # Safety
/// `to` is NULL or NUL-terminated.
unsafe fn save(
    handle: *mut sb_buffer,
    to: *const c_char,
    fd: c_int,
    options: SaveOptions,
    progress: &Progress,
) -> i64 {
    let mut report =
        |done, total: Option<u64>| progress.report(done, total.unwrap_or(SB_SIZE_UNKNOWN));
    let result = BUFFERS.get(handle as Raw).and_then(|buffer| {
        // SAFETY: the caller's.
        match unsafe { path(to)? } {
            Some(path) => save::to_path(&buffer, path, options, &mut report),
            None if fd < 0 => Err(Error::Invalid),
            None => save::to_descriptor(&buffer, fd, options, &mut report),
        }
    });
    count(result)
}

fn stats(stats: &Stats, spool_directory: Option<&Path>) -> sb_stats {
    let mut spool_dir = [0; 256];
    if let Some(directory) = spool_directory {
        let bytes = directory.as_os_str().as_encoded_bytes();
        // The last one stays NUL.
        for (to, from) in spool_dir[..255].iter_mut().zip(bytes) {
            *to = *from as c_char;
        }
    }
    sb_stats {
        declared: stats.declared.unwrap_or(SB_SIZE_UNKNOWN),
        final_size: stats.final_size.unwrap_or(SB_SIZE_UNKNOWN),
        frontier: stats.frontier,
        memory: stats.memory,
        disk: stats.disk,
        pulls: stats.pulls,
        seeks: stats.seeks,
        waits: stats.waits,
        source_error: stats.source_error,
        system_error: stats.system_error,
        state: stats.state as i32,
        status: stats
            .failure
            .as_ref()
            .map_or(0, |failure| failure.status() as i32),
        seekable: stats.seekable.into(),
        spool: stats.spool as i32,
        helper: stats.helper.into(),
        spool_dir,
    }
}
