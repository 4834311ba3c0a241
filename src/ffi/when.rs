//! Readiness: functions that are called instead of a wait.

#![allow(unsafe_code)]

use std::ffi::c_void;

use super::callback::ready_call;
use super::status::{PANIC, count};
use crate::buffer::Buffer;
use crate::buffer::when::{Subject, Watch};
use crate::error::{Error, Result};
use crate::ffi::abi::{SB_WHEN_WANTED, sb_buffer, sb_ready_fn, sb_watch};
use crate::ffi::handle::Raw;
use crate::ffi::handles::{BUFFERS, WATCHES, insert_watch};
use crate::panic::catch;
use crate::pull::watches::Ready;

/// Calls a function once bytes are available, instead of blocking a thread.
///
/// Returns what sb_read_some() with a timeout of 0 would, without copying: then `ready` is not called,
/// and `*out` is NULL. Otherwise returns SB_ERR_TIMEOUT, and `ready` is called exactly once, when
/// there is a result: bytes, the end, an error or a cancellation. Until then the source is led to
/// `off` on a helper thread, which this call starts, or the pusher by sb_wanted(). The prefetch
/// follows as after a read.
///
/// With SB_WHEN_WANTED instead of an offset, for a buffer that was created by sb_new_push(): the same
/// for bytes to push. Returns the number of bytes that sb_wanted() returns if an sb_push() with a
/// timeout of 0 would accept at least one of them, and 0 once every byte is buffered. Otherwise
/// `ready` is called when a reader has made the bytes wanted, or when the helper thread has made
/// space in memory, which this call makes it do. If it cannot spill, `ready` is called with
/// SB_ERR_DISK_FULL or SB_ERR_IO; the next call makes it try again.
///
/// `ready` may be called before this call returns, on another thread; `*out` is set by then.
///
/// A watch is no lease of a cache's entry: if the entry's last lease ends, `ready` is called with
/// SB_ERR_CANCELED, on the thread that ends it.
///
/// @param handle the buffer.
/// @param off    the offset in bytes; may be past the end. Or SB_WHEN_WANTED.
/// @param ready  called once if the result is SB_ERR_TIMEOUT; not NULL. See sb_ready_fn.
/// @param opaque passed to `ready` and never dereferenced.
/// @param out    [out] the watch if the result is SB_ERR_TIMEOUT, otherwise NULL; not NULL.
/// @return the number of bytes that are buffered at `off` without a gap, or that can be pushed; at
///         least 1. 0 at the end (EOF).
///         SB_ERR_TIMEOUT: `ready` will be called.
///         SB_ERR_SOURCE, SB_ERR_SHORT, SB_ERR_PANIC: the source, or the pusher, has failed.
///         SB_ERR_CANCELED: sb_cancel() was called, and sb_resume() was not; or the buffer was freed.
///         SB_ERR_NO_MEMORY: memory runs out, or the helper thread cannot be created.
///         SB_ERR_UNSUPPORTED: SB_WHEN_WANTED, and the buffer has a source.
///         SB_ERR_INVALID: the handle is invalid, or `ready` or `out` is NULL.
///
/// Threads: any thread, concurrently; never blocks. May be called inside an sb_ready_fn.
///
/// Ownership: the caller frees the watch with sb_watch_free(), after `ready` was called too.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_when(
    handle: *mut sb_buffer,
    off: u64,
    ready: sb_ready_fn,
    opaque: *mut c_void,
    out: *mut *mut sb_watch,
) -> i64 {
    catch(PANIC, || {
        if out.is_null() {
            return count(Err(Error::Invalid));
        }
        // SAFETY: `out` is not NULL, so C guarantees that it points to space for a handle.
        let set = |watch: Raw| unsafe { out.write(watch as *mut sb_watch) };
        set(0);
        let Some(ready) = ready else {
            return count(Err(Error::Invalid));
        };
        count(when(handle as Raw, off, || ready_call(ready, opaque), set))
    })
}

/// Frees a watch: `ready` is not running, and will not run, once this returns.
///
/// If `ready` is running on another thread, waits until it has returned, except inside any
/// sb_ready_fn. There, `ready` of another watch may still be running on another thread. A watch may be
/// freed inside its own `ready`.
///
/// @param watch the watch; a NULL, freed or forged one is ignored. The buffer may already be freed.
///
/// Threads: any thread. The caller must not hold a lock that `ready` takes, except inside an
/// sb_ready_fn.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_watch_free(watch: *mut sb_watch) {
    catch((), || drop(WATCHES.remove(watch as Raw)));
}

fn when(
    handle: Raw,
    off: u64,
    ready: impl FnOnce() -> Result<Ready>,
    set: impl Fn(Raw),
) -> Result<u64> {
    let buffer = BUFFERS.get_shared(handle)?;
    let subject = match off {
        SB_WHEN_WANTED => Subject::Wanted,
        offset => Subject::bytes(offset),
    };
    let mut made = 0;
    let prepare = |watch: Watch| {
        let ready = ready()?;
        made = insert_watch(watch)?;
        // Before `ready` can be called.
        set(made);
        Ok(ready)
    };
    let result = Buffer::when(&buffer, subject, prepare);
    if let Ok(None) = result {
        return Err(Error::Timeout);
    }
    set(0);
    drop(WATCHES.remove(made));
    result.map(Option::unwrap_or_default)
}
