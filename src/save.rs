//! Saving: the whole resource into a file, which is there completely or not at all.
//!
//! A save is a reader like any other: it takes what is buffered, pulls what is missing, and writes
//! as the bytes come. It writes to a temporary beside the target, which becomes the target in one
//! step at the end.

#![forbid(unsafe_code)]

use std::fs::File;
use std::path::Path;

use crate::buffer::{Buffer, Limit, Wish};
use crate::disk;
use crate::error::{Error, Result};
use crate::shared::Shared;

/// How a resource is saved.
#[derive(Clone, Copy, Debug, Default)]
pub struct SaveOptions {
    /// Returns when the file is on the disk.
    pub sync: bool,
    /// Leaves an existing target alone: [`Error::Exists`].
    pub keep: bool,
    /// Saves nothing unless the final size is the declared one: [`Error::Size`].
    pub exact: bool,
    /// Saves what is buffered now; [`Error::Size`] if that has holes.
    pub buffered: bool,
    /// May let the file share its blocks with the spool file.
    pub link: bool,
}

/// Bytes copied at a time from what is buffered.
const LARGE: u64 = 1024 * 1024;
/// Bytes asked for at a time where the source has to bring them.
const SMALL: u64 = 64 * 1024;

/// Told `(done, total)` in bytes after each step; false stops the save.
pub(crate) type Report<'r> = &'r mut dyn FnMut(u64, Option<u64>) -> bool;

/// Saves to a path; returns how many bytes that were.
pub(crate) fn to_path(
    buffer: &Shared<Buffer>,
    path: &Path,
    options: SaveOptions,
    report: Report<'_>,
) -> Result<u64> {
    let failed = |error: std::io::Error| buffer.file_failed(&error);
    disk::check_target(path, options.keep).map_err(failed)?;
    let temporary = disk::Temporary::beside(path).map_err(failed)?;
    let count = copy(buffer, temporary.file(), 0, options, report)?;
    if options.sync {
        disk::sync(temporary.file()).map_err(failed)?;
    }
    temporary.publish(path, options.keep).map_err(failed)?;
    if options.sync {
        disk::sync_directory_of(path).map_err(failed)?;
    }
    Ok(count)
}

fn copy(
    buffer: &Shared<Buffer>,
    file: &File,
    start: u64,
    options: SaveOptions,
    report: Report<'_>,
) -> Result<u64> {
    let cancels = buffer.gate.lock().cancels;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(LARGE as usize)
        .map_err(|_| Error::NoMemory)?;
    let limit = if options.buffered {
        Limit::Now
    } else {
        Limit::None
    };
    let wish = Wish {
        all: true,
        limit,
        stop: None,
    };
    let mut done = 0;
    loop {
        let (ready, total) = {
            let state = buffer.gate.lock();
            if state.freed || state.cancels != cancels {
                return Err(Error::Canceled);
            }
            (state.buffered(done), state.size())
        };
        bytes.resize(
            if ready > SMALL {
                ready.min(LARGE)
            } else {
                SMALL
            } as usize,
            0,
        );
        let count = match Buffer::read(buffer, done, &mut bytes, wish) {
            Err(Error::Timeout) if options.buffered => 0,
            result => result?,
        };
        if count == 0 {
            break;
        }
        disk::write_all_at(file, &bytes[..count], start + done)
            .map_err(|error| buffer.file_failed(&error))?;
        done += count as u64;
        if !report(done, total) {
            return Err(Error::Canceled);
        }
    }
    let state = buffer.gate.lock();
    if options.exact && state.declared != Some(done)
        || options.buffered && state.ranges.total() != done
    {
        return Err(Error::Size);
    }
    Ok(done)
}

/// Saves to an open descriptor, from where it stands.
pub(crate) fn to_descriptor(
    buffer: &Shared<Buffer>,
    descriptor: i32,
    options: SaveOptions,
    report: Report<'_>,
) -> Result<u64> {
    let file = disk::borrow(descriptor).map_err(|error| buffer.file_failed(&error))?;
    let _ = (file, options, report);
    Err(Error::Unsupported)
}
