//! Readers: a read position in a buffer, with its own cancellation.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io::SeekFrom;

use super::argument::out_slice;
use super::status::{PANIC, count, status};
use crate::buffer::failure::{Attempt, Failure};
use crate::buffer::reader::Position;
use crate::cache::{EntryHome, Lease};
use crate::error::{Error, Result};
use crate::ffi::abi::{sb_buffer, sb_reader, sb_whence};
use crate::ffi::handle::Raw;
use crate::ffi::handles::{BUFFERS, READERS, Reader, insert_reader};
use crate::ffi::record::Record;
use crate::options::CursorOptions;
use crate::panic::catch;
use crate::sync::{Mutex, lock};

const SEEK_SET: c_int = sb_whence::SB_SEEK_SET as c_int;
const SEEK_CUR: c_int = sb_whence::SB_SEEK_CUR as c_int;
const SEEK_END: c_int = sb_whence::SB_SEEK_END as c_int;
const SEEK_LIVE: c_int = sb_whence::SB_SEEK_LIVE as c_int;

/// Creates a reader: a read position in a buffer, with its own cancellation. It is initially 0 or, with
/// the option `window`, the offset of the oldest byte that is kept.
///
/// @param handle the buffer. The reader does not keep it alive: after sb_free() of the buffer, the
///               reader's calls return SB_ERR_INVALID. If it is that of a cache's entry, the reader is
///               a further lease, which keeps the entry.
/// @return the reader; NULL if the handle is invalid, if it is that of an entry without a lease, or if
///         memory runs out.
///
/// Threads: any thread, concurrently; any number of readers on one buffer.
///
/// Ownership: the caller frees it with sb_reader_free().
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_new(handle: *mut sb_buffer) -> *mut sb_reader {
    catch(std::ptr::null_mut(), || {
        let made = make(handle, CursorOptions::new());
        made.map_or(std::ptr::null_mut(), |reader| reader as *mut sb_reader)
    })
}

/// Returns the buffer of a reader.
///
/// @param reader the reader.
/// @return the buffer; NULL if the reader is invalid or its buffer was freed. It stays valid until
///         sb_free(), which may come at any time. That of a cache's entry stays valid as long as the
///         entry has a lease: until sb_reader_free() of its last reader, or sb_cache_free().
///
/// Threads: any thread, concurrently; never blocks.
///
/// Ownership: the buffer stays its owner's.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_buffer(reader: *const sb_reader) -> *mut sb_buffer {
    catch(std::ptr::null_mut(), || {
        let reader = READERS.get_shared(reader as Raw);
        let found = reader.and_then(|reader| {
            BUFFERS.get_shared(reader.buffer)?;
            Ok(reader.buffer)
        });
        found.map_or(std::ptr::null_mut(), |buffer| buffer as *mut sb_buffer)
    })
}

/// Reads at the reader's position, and advances it by the number of bytes read.
///
/// Blocks until the first byte is buffered, then copies the bytes that are buffered there. May call
/// the source on this thread, except while a prefetch runs. A timeout, or a restriction to buffered
/// bytes, is an option of sb_reader_new_with().
///
/// @param reader the reader.
/// @param len    the most bytes to copy.
/// @param out    [out] space for `len` bytes; may be NULL if `len` is 0.
/// @return the number of bytes copied, 0 at the end (EOF), otherwise as sb_read_some().
///         SB_ERR_CANCELED: also if sb_reader_cancel() or sb_reader_free() was called.
///         SB_ERR_TIMEOUT: only with options; never means the end.
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
    catch(PANIC, || {
        // SAFETY: C guarantees that `out` is NULL or writable for `len` bytes.
        let out = unsafe { out_slice(out, len) }.map_err(Failure::from);
        let read = out.and_then(|out| read(reader as Raw, out));
        let read = read.map_err(|failure| keep(reader as Raw, failure));
        count(read.map(|count| count as u64))
    })
}

/// Sets the reader's position. Reads nothing, never blocks and costs next to nothing.
///
/// @param reader the reader.
/// @param off    the offset in bytes, relative to `whence`. The new position may lie past the end.
/// @param whence SB_SEEK_SET, SB_SEEK_CUR, SB_SEEK_END or SB_SEEK_LIVE. The end is the final size
///               or, until that is known, the declared size. SB_SEEK_LIVE is where the furthest
///               buffered byte ends.
/// @return the new position, from the start of the resource. On error the position is unchanged.
///         SB_ERR_INVALID: the reader or `whence` is invalid, or the position would lie before the
///         start.
///         SB_ERR_UNKNOWN_SIZE: SB_SEEK_END, and neither size is known.
///         SB_ERR_UNSUPPORTED: the position would lie beyond the reader's `reach`.
///
/// Threads: one at a time for one reader.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_seek(reader: *mut sb_reader, off: i64, whence: c_int) -> i64 {
    catch(PANIC, || {
        let to = match whence {
            SEEK_SET => match u64::try_from(off) {
                Ok(offset) => SeekFrom::Start(offset),
                Err(_) => return count(refuse_seek(reader as Raw)),
            },
            SEEK_CUR => SeekFrom::Current(off),
            SEEK_END => SeekFrom::End(off),
            _ => return seek_otherwise(reader as Raw, off, whence),
        };
        match seek_alone(reader as Raw, to) {
            Some(offset) => offset as i64,
            None => count(seek(reader as Raw, to)),
        }
    })
}

/// Seeks if that needs nothing of the buffer but that it was not freed.
#[inline]
fn seek_alone(reader: Raw, to: SeekFrom) -> Option<u64> {
    let reader = READERS.get(reader).ok()?;
    let _buffer = BUFFERS.get(reader.buffer).ok()?;
    reader.position.seek_alone(to)
}

#[cold]
fn seek(reader: Raw, to: SeekFrom) -> Result<u64> {
    let result = READERS.get_shared(reader).and_then(|reader| {
        let buffer = BUFFERS.get_shared(reader.buffer)?;
        reader.position.seek(&buffer, to)
    });
    result.map_err(|error| keep(reader, error.into()))
}

/// The error of a seek whose arguments are invalid.
#[cold]
fn refuse_seek(reader: Raw) -> Result<u64> {
    let found = READERS.get_shared(reader);
    let buffer = found.and_then(|reader| BUFFERS.get_shared(reader.buffer));
    let error = buffer.err().unwrap_or(Error::Invalid);
    Err(keep(reader, error.into()))
}

/// Seeks from what is neither the start nor the position nor the end.
#[cold]
fn seek_otherwise(reader: Raw, off: i64, whence: c_int) -> i64 {
    count(match whence {
        SEEK_LIVE => seek_live(reader, off),
        _ => refuse_seek(reader),
    })
}

fn seek_live(reader: Raw, off: i64) -> Result<u64> {
    let result = READERS.get_shared(reader).and_then(|reader| {
        let buffer = BUFFERS.get_shared(reader.buffer)?;
        reader.position.seek_live(&buffer, off)
    });
    result.map_err(|error| keep(reader, error.into()))
}

/// Finds the final size like sb_find_size(), but with the reader's timeout and cancellation, and
/// leaves its position as it is.
///
/// @param reader the reader.
/// @return the final size in bytes, otherwise as sb_find_size().
///         SB_ERR_UNSUPPORTED: the end is not known, the source cannot seek, and the reader's `reach`
///         is limited.
///         SB_ERR_CANCELED: also if sb_reader_cancel() or sb_reader_free() was called.
///
/// Threads: one at a time for one reader.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_find_size(reader: *mut sb_reader) -> i64 {
    catch(PANIC, || {
        let found = READERS.get_shared(reader as Raw).map_err(Failure::from);
        let found = found.and_then(|reader| {
            let buffer = BUFFERS.get_shared(reader.buffer)?;
            reader.position.find_size(&buffer)
        });
        count(found.map_err(|failure| keep(reader as Raw, failure)))
    })
}

/// Cancels one reader: its blocked call, and later calls that would block, return SB_ERR_CANCELED.
///
/// Other readers are not affected. If the reader's own thread is inside the source at that moment, the
/// source's `cancel` is called to make it return, if the source is SB_SOURCE_INTERRUPTIBLE. It then goes
/// on for others. If it is not, the call returns when the source does. While a prefetch runs, no reader's
/// thread is ever inside the source, and cancellation is immediate; for the exception in a cache, see
/// `threads` in sb_cache_options. Never blocks. May be called any number of times.
///
/// @param reader the reader.
/// @return SB_OK.
///         SB_ERR_INVALID: the reader is invalid, or its buffer was freed.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_cancel(reader: *mut sb_reader) -> c_int {
    catch(PANIC as c_int, || {
        status(READERS.get_shared(reader as Raw).and_then(|reader| {
            let buffer = BUFFERS.get_shared(reader.buffer)?;
            reader.position.cancel(&buffer.gate);
            Ok(())
        }))
    })
}

/// Lets a canceled reader block again.
///
/// @param reader the reader.
/// @return SB_OK.
///         SB_ERR_INVALID: the reader is invalid, or its buffer was freed.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_resume(reader: *mut sb_reader) -> c_int {
    catch(PANIC as c_int, || {
        status(READERS.get_shared(reader as Raw).and_then(|reader| {
            BUFFERS.get_shared(reader.buffer)?;
            reader.position.resume();
            Ok(())
        }))
    })
}

/// Frees a reader. If a call of the reader is blocked on another thread, that call returns
/// SB_ERR_CANCELED. If the reader is a lease of a cache's entry, the lease ends, once that call has
/// returned: see sb_cache_open().
///
/// @param reader the reader; a NULL, freed or forged one is ignored. The buffer may already be
///               freed.
///
/// Threads: any thread.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_free(reader: *mut sb_reader) {
    catch((), || {
        if let Ok(reader) = READERS.remove(reader as Raw) {
            if let Ok(buffer) = BUFFERS.get_shared(reader.buffer) {
                reader.position.cancel(&buffer.gate);
            }
        }
    });
}

pub(super) fn make(handle: *mut sb_buffer, options: CursorOptions) -> Result<Raw> {
    let buffer = handle as Raw;
    let found = BUFFERS.get_shared(buffer)?;
    let home = found.home::<EntryHome>();
    let lease = home.map(|home| home.lease(&found)).transpose()?;
    insert(buffer, lease, Position::new(options, found.first_offset()))
}

/// Makes a reader of the buffer with this handle, which has no window.
pub(super) fn make_leased(
    buffer: Raw,
    lease: Option<Lease>,
    options: CursorOptions,
) -> Result<Raw> {
    insert(buffer, lease, Position::new(options, 0))
}

fn insert(buffer: Raw, lease: Option<Lease>, position: Position) -> Result<Raw> {
    let failure = Mutex::new(Record::NONE);
    insert_reader(Reader {
        buffer,
        position,
        failure,
        lease,
    })
}

#[inline]
fn read(reader: Raw, out: &mut [u8]) -> Attempt<usize> {
    let reader = READERS.get(reader)?;
    let buffer = BUFFERS.get(reader.buffer)?;
    if let Some(count) = reader.position.read_memory(&buffer, out, buffer.guard()) {
        return Ok(count);
    }
    let (reader, buffer) = (reader.upgrade(), buffer.upgrade());
    reader.position.read(&buffer, out)
}

/// Keeps a failure for sb_reader_error(). The reader is looked up once more, so that a call that
/// succeeds costs nothing for this.
#[cold]
fn keep(reader: Raw, failure: Failure) -> Error {
    if let Ok(reader) = READERS.get_shared(reader) {
        *lock(&reader.failure) = Record::from(&failure);
    }
    failure.error
}
