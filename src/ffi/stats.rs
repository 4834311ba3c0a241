//! What a buffer reports: sizes, buffered ranges, a snapshot.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::path::Path;

use super::status::{PANIC, count, status};
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
pub unsafe extern "C" fn sb_size(handle: *mut sb_buffer) -> i64 {
    catch(PANIC, || {
        let buffer = BUFFERS.get_shared(handle as Raw);
        count(buffer.and_then(|buffer| buffer.gate.lock().extent().size().ok_or(Error::Unknown)))
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
pub unsafe extern "C" fn sb_buffered(handle: *mut sb_buffer, off: u64) -> i64 {
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
/// @return the number of buffered ranges, which may be greater than `cap`; 0 also if the handle is
///         invalid.
///
/// Threads: any thread, concurrently; never blocks; cheap enough to call for every frame.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_ranges(
    handle: *mut sb_buffer,
    out: *mut sb_range,
    cap: usize,
) -> usize {
    catch(0, || {
        let Ok(buffer) = BUFFERS.get_shared(handle as Raw) else {
            return 0;
        };
        let state = buffer.gate.lock();
        let ranges = state.extent().ranges().iter();
        let there = ranges.len();
        if !out.is_null() {
            for (place, range) in ranges.take(cap).enumerate() {
                let range = sb_range {
                    start: range.start,
                    end: range.end,
                };
                // SAFETY: C guarantees space for `cap` ranges, and `take` stops after `cap` of
                // them.
                unsafe { out.add(place).write(range) };
            }
        }
        there
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
    handle: *mut sb_buffer,
    out: *mut sb_stats,
    out_size: usize,
) -> c_int {
    catch(PANIC as c_int, || {
        if out.is_null() {
            return status::<()>(Err(Error::Invalid));
        }
        status(BUFFERS.get_shared(handle as Raw).map(|buffer| {
            let found = buffer.stats();
            let stats = stats(&found, buffer.store.spool_directory());
            let known = out_size.min(size_of::<sb_stats>());
            // SAFETY: C guarantees that `out` is writable for `out_size` bytes. `stats` has at
            // least `known` bytes, none of which is uninitialized padding.
            unsafe {
                out.cast::<u8>().write_bytes(0, out_size);
                out.cast::<u8>()
                    .copy_from_nonoverlapping((&raw const stats).cast(), known);
            }
        }))
    })
}

fn stats(stats: &Stats, spool_directory: Option<&Path>) -> sb_stats {
    let mut spool_dir = [0; 256];
    if let Some(directory) = spool_directory {
        let bytes = directory.as_os_str().as_encoded_bytes();
        // The last byte stays NUL.
        for (to, from) in spool_dir[..255].iter_mut().zip(bytes) {
            *to = *from as c_char;
        }
    }
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
        reserved: 0,
        spool_dir,
    }
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
