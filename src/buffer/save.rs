//! Saves the whole resource to a file, atomically.
//!
//! A save is a reader like any other: it copies buffered bytes, pulls missing ones, and writes them
//! as they arrive. Bytes in the spool file are shared block by block (reflink) if the file system
//! supports that. Otherwise they are read and written, which is faster than letting the kernel copy
//! from file to file (`bench/`, row `save-256`: 64 against 76 ms on ext4).
//!
//! A save to a path writes a temporary file next to the target, which replaces the target in one
//! step at the end. A save to a descriptor only writes.

mod saving;
mod sink;

use std::io;
use std::path::Path;
use std::time::Duration;

use self::saving::Saving;
use self::sink::Sink;
use crate::buffer::Buffer;
use crate::buffer::failure::{Attempt, Failure};
use crate::disk::preallocate::Preallocation;
use crate::disk::{self, Stream};
use crate::error::{Error, Operation};
use crate::sync::shared::Shared;

/// How a resource is saved. Later versions may add options, so end with `..Default::default()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SaveOptions {
    /// Flushes the file to disk before returning, and for a path also its directory entry.
    pub sync: bool,
    /// If the target exists, leaves it alone and returns [`Error::Exists`]. Returns
    /// [`Error::Unsupported`] on a file system that can neither rename nor link without replacing.
    pub no_replace: bool,
    /// If the final size is not the declared size, saves nothing and returns [`Error::Size`].
    /// Returns [`Error::UnknownSize`] if no size was declared.
    pub require_size: bool,
    /// Saves the bytes that are buffered now, without calling the source. Returns [`Error::Size`]
    /// if they have gaps.
    pub buffered: bool,
    /// Allows the file to be the spool file itself, if both are on the same file system. The save
    /// then takes almost no time, but modifying the saved file in place modifies the buffer. The
    /// bytes in memory are spilled for that; if linking is impossible, nothing is spilled.
    pub link: bool,
    /// The time limit for the whole save; after it, the save returns [`Error::Timeout`], and the
    /// target is unchanged. With a limit, the source is called on a helper thread. A running file
    /// operation is not interrupted.
    pub timeout: Option<Duration>,
    /// The permission bits of the file, `0o600`, say, whatever the umask; None is the default mode
    /// of new files. Ignored on Windows. [`Error::Invalid`] if there are other bits than `0o777`.
    pub mode: Option<u32>,
}

/// Called with `(done, total)`, in bytes, after each step; returns false to stop the save.
pub(crate) type Report<'r> = &'r mut dyn FnMut(u64, Option<u64>) -> bool;

/// Saves to a path. Returns the number of bytes saved.
pub(crate) fn to_path(
    buffer: &Shared<Buffer>,
    path: &Path,
    options: SaveOptions,
    report: Report<'_>,
) -> Attempt<u64> {
    if options.mode.is_some_and(|mode| mode & !0o777 != 0) {
        return Err(Error::Invalid.into());
    }
    if path.as_os_str().is_empty() || disk::is_reserved(path) {
        return Err(Failure::during(Operation::TargetOpen, Error::Invalid));
    }
    if !names_a_file(path) {
        return Err(Failure::during(Operation::TargetOpen, Error::Unsupported));
    }
    let mut saving = Saving::begin(buffer, options, report)?;
    let target = disk::target(path, options.no_replace, options.sync, options.mode)
        .map_err(failed(Operation::TargetOpen))?;
    let size = match saving.link(&target)? {
        Some(size) => size,
        None => {
            let temp_file = disk::temp_file(&target).map_err(failed(Operation::TargetOpen))?;
            let size = saving.copy(&Sink::TempFile(&temp_file.file, Preallocation::new()))?;
            disk::set_mode(&temp_file.file, &target).map_err(failed(Operation::TargetMode))?;
            // Everything that can fail happens before the old file is replaced.
            disk::settle(&temp_file.file).map_err(failed(Operation::TargetClose))?;
            if options.sync {
                disk::sync(&temp_file.file).map_err(failed(Operation::TargetSync))?;
            }
            saving.check_time()?;
            disk::persist(temp_file, &target, options.no_replace)
                .map_err(failed(Operation::TargetRename))?;
            size
        }
    };
    if options.sync {
        disk::sync_name(&target).map_err(failed(Operation::TargetSync))?;
    }
    Ok(size)
}

/// Saves to an open descriptor, from its current position, and leaves the position after the last
/// byte.
pub(crate) fn to_descriptor(
    buffer: &Shared<Buffer>,
    descriptor: i32,
    options: SaveOptions,
    report: Report<'_>,
) -> Attempt<u64> {
    let file = disk::borrow(descriptor)
        .map_err(|_| Failure::during(Operation::TargetOpen, Error::Invalid))?;
    // An open descriptor's target exists.
    if options.no_replace || options.mode.is_some() {
        return Err(Error::Invalid.into());
    }
    // Checked before the first byte is written, which could not be synced.
    if options.sync && !disk::can_sync(&file) {
        return Err(Failure::during(Operation::TargetSync, Error::Unsupported));
    }
    let mut saving = Saving::begin(buffer, options, report)?;
    let position = disk::position(&file);
    let sink = match position {
        Some(at) => Sink::At(&file, at),
        None => Sink::Stream(Stream::new(&file)),
    };
    let size = saving.copy(&sink)?;
    if let Some(at) = position {
        io::Seek::seek(&mut &*file, io::SeekFrom::Start(at + size))
            .map_err(failed(Operation::TargetWrite))?;
    }
    disk::settle_borrowed(&file).map_err(failed(Operation::TargetClose))?;
    if options.sync {
        disk::sync(&file).map_err(failed(Operation::TargetSync))?;
    }
    Ok(size)
}

fn failed(operation: Operation) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::of_target(operation, &error)
}

/// Returns whether a path can be that of a file, judging by its text. A path that ends in a
/// separator or in `.` is a directory, even if `Path` sees the name before that.
fn names_a_file(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    let name = path.file_name().map(|name| name.as_encoded_bytes());
    name.is_some_and(|name| text.ends_with(name))
}
