//! What a buffer reports: sizes, buffered ranges, a snapshot.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::time::Duration;

use super::argument::{out_slice, wait};
use super::sized;
use super::status::{PANIC, count, status};
use crate::buffer::Buffer;
use crate::buffer::stats::{SourceState, SpoolState, Stats};
use crate::error::Error;
use crate::ffi::abi::{SB_SIZE_UNKNOWN, sb_buffer, sb_range, sb_spool, sb_state, sb_stats};
use crate::ffi::handle::Raw;
use crate::ffi::handles::BUFFERS;
use crate::panic::catch;

/// Returns the size of the resource.
///
/// @param handle the buffer.
/// @return the size in bytes: the final size once the source has ended, else the declared size
///         unless it has been disproved. A buffered byte past it disproves it, and so does a source
///         that had no bytes at a lower offset (`bound` in sb_stats).
///         SB_ERR_UNKNOWN_SIZE: no size is known.
///         SB_ERR_INVALID: the handle is invalid.
///
/// Threads: any thread, concurrently; never blocks.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_size(handle: *const sb_buffer) -> i64 {
    catch(PANIC, || {
        let buffer = BUFFERS.get_shared(handle as Raw);
        count(
            buffer.and_then(|buffer| buffer.gate.lock().extent().size().ok_or(Error::UnknownSize)),
        )
    })
}

/// Returns the size of the resource if it is a fact.
///
/// For callers that believe what they are told: a demuxer that is given a wrong size loses sound or
/// fails. Where this returns SB_ERR_UNKNOWN_SIZE, sb_find_size() makes the size known.
///
/// @param handle the buffer.
/// @return the size in bytes: the final size once the source has ended, else what sb_size() returns
///         if the option SB_SIZE_TRUSTED is set.
///         SB_ERR_UNKNOWN_SIZE: no size is known, or it is only declared.
///         SB_ERR_INVALID: the handle is invalid.
///
/// Threads: any thread, concurrently; never blocks.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_known_size(handle: *const sb_buffer) -> i64 {
    catch(PANIC, || {
        let known = BUFFERS
            .get_shared(handle as Raw)
            .map(|buffer| buffer.gate.lock().extent().known_size());
        count(known.and_then(|size| size.ok_or(Error::UnknownSize)))
    })
}

/// Finds the final size: reads the source to its end (EOF) if that is necessary.
///
/// The prefetch does not move. A source that can seek is sent to the last byte of the size that
/// sb_size() returns, which proves it, and is read on from there or, if that size is wrong or
/// unknown, from the furthest buffered byte. Other sources deliver everything.
///
/// @param handle     the buffer.
/// @param timeout_ms the timeout in milliseconds for the whole call, as for sb_read_some(): 0 never
///                   calls the source, with a positive one the helper thread calls it, and a
///                   negative value means no timeout.
/// @return the final size in bytes.
///         SB_ERR_TIMEOUT: the size did not become known in time.
///         SB_ERR_SHORT: the source ended below the declared size, and `on_short` is
///         SB_SHORT_ERROR.
///         Otherwise the errors of sb_read_some().
///
/// Threads: any thread, concurrently. sb_cancel() and sb_free() cancel it; for a call that
/// sb_reader_cancel() cancels use sb_reader_find_size().
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_find_size(handle: *mut sb_buffer, timeout_ms: i64) -> i64 {
    catch(PANIC, || {
        let buffer = BUFFERS.get_shared(handle as Raw);
        count(buffer.and_then(|buffer| Ok(Buffer::find_size(&buffer, wait(timeout_ms), None)?)))
    })
}

/// Returns the number of bytes that can be read at `off` without blocking.
///
/// @param handle the buffer.
/// @param off    the offset, from the start of the resource.
/// @return the number of bytes that are buffered from `off` on without a gap.
///         SB_ERR_INVALID: the handle is invalid.
///
/// Threads: any thread, concurrently; never blocks; cheap enough to call for every frame.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_buffered(handle: *const sb_buffer, off: u64) -> i64 {
    catch(PANIC, || {
        count(
            BUFFERS
                .get_shared(handle as Raw)
                .map(|buffer| buffer.gate.lock().extent().buffered(off)),
        )
    })
}

/// Lists the buffered ranges, for a seek bar. They are sorted, and no two of them touch.
///
/// @param handle the buffer.
/// @param out    [out] space for `cap` ranges; may be NULL if `cap` is 0.
/// @param cap    the most ranges to write.
/// @return the number of buffered ranges, which may be greater than `cap`.
///         SB_ERR_INVALID: the handle is invalid, or `out` is NULL and `cap` is not 0.
///
/// Threads: any thread, concurrently; never blocks; cheap enough to call for every frame.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_ranges(
    handle: *const sb_buffer,
    out: *mut sb_range,
    cap: usize,
) -> i64 {
    catch(PANIC, || {
        if out.is_null() && cap > 0 {
            return count(Err(Error::Invalid));
        }
        count(BUFFERS.get_shared(handle as Raw).map(|buffer| {
            let state = buffer.gate.lock();
            let ranges = state.extent().ranges().iter();
            let known = ranges.len() as u64;
            for (index, range) in ranges.take(cap).enumerate() {
                let range = sb_range {
                    start: range.start,
                    end: range.end,
                };
                // SAFETY: C guarantees space for `cap` ranges, and `take` stops after `cap` of
                // them.
                unsafe { out.add(index).write(range) };
            }
            known
        }))
    })
}

/// Takes a consistent snapshot of a buffer.
///
/// @param handle   the buffer.
/// @param out      [out] the snapshot; not NULL.
/// @param out_size sizeof(sb_stats) in the caller's header. That many bytes are written, whatever
///                 the version of the library. Members that the library does not know are set to 0.
/// @return SB_OK.
///         SB_ERR_INVALID: the handle is invalid, or `out` is NULL.
///
/// Threads: any thread, concurrently; never blocks.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_stat(
    handle: *const sb_buffer,
    out: *mut sb_stats,
    out_size: usize,
) -> c_int {
    catch(PANIC as c_int, || {
        if out.is_null() {
            return status::<()>(Err(Error::Invalid));
        }
        status(BUFFERS.get_shared(handle as Raw).map(|buffer| {
            let stats = stats(&buffer.stats());
            // SAFETY: C guarantees that `out` is writable for `out_size` bytes. sb_stats has no
            // padding.
            unsafe { sized::write(out, out_size, &stats) }
        }))
    })
}

/// Copies the path of the directory of a buffer's spool file.
///
/// @param handle the buffer.
/// @param out    [out] space for `cap` bytes; may be NULL if `cap` is 0. The path is terminated by
///               a NUL, and truncated if it does not fit.
/// @param cap    the size of `out` in bytes.
/// @return the length of the path in bytes without the NUL: the path fits if this is less than
///         `cap`. 0 before the first attempt to create the file. After a failed attempt it is the
///         directory in which the file could not be created.
///         SB_ERR_INVALID: the handle is invalid, or `out` is NULL and `cap` is not 0.
///
/// Threads: any thread, concurrently; never blocks.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_spool_dir(
    handle: *const sb_buffer,
    out: *mut c_char,
    cap: usize,
) -> i64 {
    catch(PANIC, || {
        // SAFETY: C guarantees that `out` is writable for `cap` bytes.
        let copied = unsafe { out_slice(out.cast(), cap) }.and_then(|out| {
            let buffer = BUFFERS.get_shared(handle as Raw)?;
            Ok(copy_text(spool_directory(&buffer), out))
        });
        count(copied)
    })
}

fn spool_directory(buffer: &Buffer) -> &[u8] {
    let directory = buffer.store.spool_directory();
    directory.map_or(&[], |path| path.as_os_str().as_encoded_bytes())
}

/// Copies as much of `text` as fits, with a NUL after it. Returns the length of all of it.
fn copy_text(text: &[u8], out: &mut [u8]) -> u64 {
    if let Some(most) = out.len().checked_sub(1) {
        let count = text.len().min(most);
        out[..count].copy_from_slice(&text[..count]);
        out[count] = 0;
    }
    text.len() as u64
}

fn stats(stats: &Stats) -> sb_stats {
    sb_stats {
        declared: stats.declared.unwrap_or(SB_SIZE_UNKNOWN),
        final_size: stats.final_size.unwrap_or(SB_SIZE_UNKNOWN),
        bound: stats.bound.unwrap_or(SB_SIZE_UNKNOWN),
        frontier: stats.frontier,
        memory: stats.memory,
        disk: stats.disk,
        overhead: stats.overhead,
        pulls: stats.pulls,
        seeks: stats.seeks,
        waits: stats.waits,
        source_error: stats.source_error,
        system_error: stats.system_error,
        state: state(stats.state) as i32,
        status: stats.failure.as_ref().map_or(0, |failure| failure.code()),
        seekable: stats.seekable.into(),
        spool: spool(stats.spool) as i32,
        helper: stats.helper.into(),
        ended_short: stats.ended_short.into(),
        system_operation: stats
            .system_operation
            .map_or(0, |operation| operation as i32),
        pulled: stats.pulled,
        pull_us: micros(stats.pull_time),
        wait_us: micros(stats.wait_time),
        underruns: stats.underruns,
        tail: stats.tail,
    }
}

fn micros(time: Duration) -> u64 {
    // It fits, since the time was counted in nanoseconds of 64 bits.
    time.as_nanos() as u64 / 1000
}

fn state(state: SourceState) -> sb_state {
    match state {
        SourceState::Open => sb_state::SB_STATE_OPEN,
        SourceState::Ended => sb_state::SB_STATE_ENDED,
        SourceState::Failed => sb_state::SB_STATE_FAILED,
        SourceState::Canceled => sb_state::SB_STATE_CANCELED,
    }
}

fn spool(spool: SpoolState) -> sb_spool {
    match spool {
        SpoolState::None => sb_spool::SB_SPOOL_NONE,
        SpoolState::Disk => sb_spool::SB_SPOOL_DISK,
        SpoolState::Memory => sb_spool::SB_SPOOL_MEMORY,
    }
}
