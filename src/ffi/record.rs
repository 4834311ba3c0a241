//! What is known about a failed call, as plain data: it is kept after the call, and written to the
//! caller's sb_error.

#![allow(unsafe_code)]

use std::path::Path;

use super::sized;
use crate::buffer::failure::Failure;
use crate::error::{Error, Operation, Result};
use crate::ffi::abi::{SB_SIZE_UNKNOWN, sb_error};

#[derive(Clone, Copy)]
pub(crate) struct Record {
    status: i32,
    operation: Option<Operation>,
    source: i64,
    system: i32,
    offset: u64,
}

impl Record {
    /// No call has failed.
    pub(crate) const NONE: Record = Record {
        status: 0,
        operation: None,
        source: 0,
        system: 0,
        offset: SB_SIZE_UNKNOWN,
    };

    /// The path that the operation concerns: the spool file's directory, or a save's target.
    pub(super) fn path<'p>(&self, spool: Option<&'p Path>, target: Option<&'p Path>) -> &'p [u8] {
        let path = match self.operation {
            Some(operation) if operation.is_of_spool() => spool,
            Some(operation) if !operation.is_of_source() => target,
            _ => None,
        };
        path.map_or(&[], |path| path.as_os_str().as_encoded_bytes())
    }
}

impl From<&Failure> for Record {
    fn from(failure: &Failure) -> Record {
        let (source, system) = match failure.error {
            Error::Source { code, .. } => (code, 0),
            Error::Io { code, .. } | Error::DiskFull { code, .. } => (0, code),
            _ => (0, 0),
        };
        Record {
            status: failure.error.code(),
            operation: failure.operation,
            source,
            system,
            offset: failure.offset.unwrap_or(SB_SIZE_UNKNOWN),
        }
    }
}

/// The caller's sb_error, checked.
pub(super) struct Output {
    error: *mut sb_error,
    given: sb_error,
}

impl Output {
    /// # Safety
    /// Until the result is dropped, `error` is NULL or points to an sb_error of the size that its
    /// `struct_size` states, and its `path` is NULL or has space for `path_cap` bytes.
    pub(super) unsafe fn new(error: *mut sb_error) -> Result<Output> {
        // SAFETY: the caller guarantees that `error` is NULL or has `struct_size` bytes.
        let given = unsafe { sized::known(error)? };
        let has_space = !given.path.is_null() || given.path_cap == 0;
        match has_space {
            true => Ok(Output { error, given }),
            false => Err(Error::Invalid),
        }
    }

    /// The same for an sb_error that the caller need not give. NULL: None.
    ///
    /// # Safety
    /// As for `new`.
    pub(super) unsafe fn optional(error: *mut sb_error) -> Result<Option<Output>> {
        // SAFETY: the caller guarantees what `new` requires.
        let given = (!error.is_null()).then(|| unsafe { Output::new(error) });
        given.transpose()
    }

    /// Writes the record, and the path as far as there is space.
    pub(super) fn write(&mut self, record: &Record, path: &[u8]) {
        let error = sb_error {
            path_len: path.len(),
            source: record.source,
            offset: record.offset,
            status: record.status,
            operation: record.operation.map_or(0, |operation| operation as i32),
            system: record.system,
            reserved: 0,
            ..self.given
        };
        // SAFETY: the caller of `new` guarantees that the sb_error is there, and that its `path`
        // has space for `path_cap` bytes. The copy ends before the last of them, and may overlap
        // with a path that is the caller's.
        unsafe {
            let to = error.path.cast::<u8>();
            if let Some(room) = error.path_cap.checked_sub(1) {
                let count = path.len().min(room);
                to.copy_from(path.as_ptr(), count);
                to.add(count).write(0);
            }
            sized::write(self.error, error.struct_size, &error);
        }
    }
}
