//! Why a call failed, in detail.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::fmt::{self, Write};

use super::record::Output;
use super::sized;
use super::status::{PANIC, count, status};
use crate::disk::SystemMessage;
use crate::error::{Error, Operation, code, meaning, reason};
use crate::ffi::abi::{SB_SIZE_UNKNOWN, sb_error, sb_reader};
use crate::ffi::handle::Raw;
use crate::ffi::handles::{BUFFERS, READERS};
use crate::panic::catch;
use crate::sync::lock;

/// Sets an sb_error to "no error", without space for a path.
///
/// @param error       [out] the error; not NULL.
/// @param struct_size sizeof(sb_error) in the caller's header.
/// @return SB_OK.
///         SB_ERR_INVALID: `error` is NULL, or no version has this size: it is less than in the
///         first version, or more than 4,096 bytes.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_error_init(error: *mut sb_error, struct_size: usize) -> c_int {
    catch(PANIC as c_int, || {
        let none = sb_error {
            struct_size,
            path: std::ptr::null_mut(),
            path_cap: 0,
            path_len: 0,
            source: 0,
            offset: SB_SIZE_UNKNOWN,
            status: 0,
            operation: 0,
            system: 0,
            reserved: 0,
        };
        // SAFETY: C guarantees that `error` is NULL or has `struct_size` bytes.
        status(unsafe { sized::init(error, struct_size, none) })
    })
}

/// Tells why the last failed call of a reader failed.
///
/// That is its last sb_reader_read(), sb_reader_seek() or sb_reader_find_size() that returned a
/// negative value. A call that succeeds does not clear it. Never blocks.
///
/// @param reader the reader. Its buffer may already be freed; then `path_len` is 0.
/// @param out    [in,out] the error, initialized with sb_error_init(); not NULL. If no call has
///               failed, its `status` is SB_OK.
/// @return SB_OK.
///         SB_ERR_INVALID: the reader is invalid, `out` is NULL, its `struct_size` is that of no
///         version, or its `path` is NULL and its `path_cap` is not 0. Nothing is written.
///
/// Threads: any thread, concurrently; `out` is used by one thread at a time.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_reader_error(reader: *const sb_reader, out: *mut sb_error) -> c_int {
    catch(PANIC as c_int, || {
        let told = READERS.get_shared(reader as Raw).and_then(|reader| {
            // SAFETY: C guarantees that `out` is NULL or points to an initialized sb_error.
            let mut out = unsafe { Output::new(out)? };
            let record = *lock(&reader.failure);
            let buffer = BUFFERS.get_shared(reader.buffer).ok();
            let spool = buffer
                .as_ref()
                .and_then(|buffer| buffer.store.spool_directory());
            out.write(&record, record.path(spool, None));
            Ok(())
        });
        status(told)
    })
}

/// Describes an error in one line of English: the operation, the path, and the reason in the
/// system's words, for example "cannot open the target /missing/film.mp4: No such file or
/// directory".
///
/// @param error [in] the error, filled by the library; not NULL. Its path is used as far as it fits
///              into `path_cap`.
/// @param out   [out] the line, NUL-terminated, and truncated to fit; may be NULL if `cap` is 0. It
///              has no ASCII control character.
/// @param cap   the space in `out`, in bytes, including the NUL.
/// @return the length of the whole line in bytes, without the NUL, even if it was truncated.
///         SB_ERR_INVALID: `error` is NULL, or its `struct_size` is that of no version; `out` is
///         NULL and `cap` is not 0.
///
/// Threads: any thread, concurrently.
///
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sb_error_text(
    error: *const sb_error,
    out: *mut c_char,
    cap: usize,
) -> i64 {
    catch(PANIC, || {
        // SAFETY: C guarantees that `error` is NULL or points to an initialized sb_error.
        let error = unsafe { sized::known(error) }.ok();
        let Some(error) = error.filter(|_| !out.is_null() || cap == 0) else {
            return count(Err(Error::Invalid));
        };
        let mut line = CappedLine {
            out: out.cast(),
            cap,
            length: 0,
        };
        // SAFETY: C guarantees that `path` is NULL or has `path_cap` bytes, which the library has
        // written as far as `path_len`.
        let path = unsafe { known_path(&error) };
        // Writing to a line never fails.
        let _ = describe(&mut line, &error, path);
        line.end();
        count(Ok(line.length as u64))
    })
}

/// The path in an error, as far as it fitted.
///
/// # Safety
/// `path` is NULL, or as many bytes as `path_len` states are in it, at most `path_cap` - 1.
unsafe fn known_path(error: &sb_error) -> &[u8] {
    let count = error.path_len.min(error.path_cap.saturating_sub(1));
    if error.path.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: the caller guarantees that `path` has `count` bytes.
    unsafe { std::slice::from_raw_parts(error.path.cast(), count) }
}

fn describe(line: &mut CappedLine, error: &sb_error, path: &[u8]) -> fmt::Result {
    let operation = Operation::from_number(error.operation);
    if let Some(operation) = operation {
        write!(line, "cannot {operation}")?;
        if !path.is_empty() {
            line.write_str(if operation.is_of_spool() { " in " } else { " " })?;
            line.push(path);
            line.write_str(if path.len() < error.path_len {
                "..."
            } else {
                ""
            })?;
        }
        if error.offset != SB_SIZE_UNKNOWN {
            write!(line, " at offset {}", error.offset)?;
        }
        line.write_str(": ")?;
    }
    if error.system != 0 {
        line.push(SystemMessage::new(error.system).as_bytes());
        return Ok(());
    }
    line.write_str(reason(error.status, operation))?;
    if error.status == code::SOURCE {
        write!(line, "{} (code {})", meaning(error.source), error.source)?;
    }
    Ok(())
}

/// The line that is being written, as far as there is space.
struct CappedLine {
    out: *mut u8,
    cap: usize,
    /// The length of the whole line so far.
    length: usize,
}

impl CappedLine {
    /// Adds bytes. Control characters would break the line.
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let byte = if byte.is_ascii_control() { b'?' } else { *byte };
            // The last byte is for the NUL.
            if self.length + 1 < self.cap {
                // SAFETY: C guarantees that `out` has `cap` bytes.
                unsafe { self.out.add(self.length).write(byte) };
            }
            self.length += 1;
        }
    }

    fn end(&mut self) {
        if let Some(last) = self.cap.checked_sub(1) {
            // SAFETY: C guarantees that `out` has `cap` bytes.
            unsafe { self.out.add(self.length.min(last)).write(0) };
        }
    }
}

impl Write for CappedLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}
