//! The seam: every operation on a file passes here, and nothing else does.
//!
//! Each function is one thing that a system does with a file, and can be made to fail: tests plan
//! faults for the calling thread (see `faults`). What differs between systems is in one file each,
//! with the same functions in all of them.

pub(crate) mod preallocate;

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "disk/linux.rs"]
mod system;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
#[path = "disk/macos.rs"]
mod system;
#[cfg(windows)]
#[path = "disk/windows.rs"]
mod system;
#[cfg(unix)]
#[path = "disk/unix.rs"]
mod unix;

#[path = "disk/name.rs"]
mod name;

#[cfg(test)]
pub(crate) mod faults;

pub(crate) use system::{Stream, Target, TempFile};

/// The kinds of operation that a test can make fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Reserve,
    Write,
    Read,
    Clone,
    Close,
    Sync,
    Persist,
}

/// What stands at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existing {
    Nothing,
    /// A file, or a link to one, or to nothing.
    Replaceable,
    Odd,
}

/// Asks the test, if there is one, whether this operation is to fail, or how short it is to fall.
#[inline]
fn fault(_operation: Operation, length: usize) -> io::Result<usize> {
    #[cfg(test)]
    return faults::inject(_operation, length);
    #[cfg(not(test))]
    Ok(length)
}

/// A file without a name (or, where the system lacks that, one that goes when it is closed), for
/// its owner only, not inherited by programs that are executed.
pub(crate) fn create_unnamed(directory: &Path) -> io::Result<File> {
    fault(Operation::Create, 0)?;
    system::create_unnamed(directory)
}

/// Takes blocks for `[offset, offset + length)` without changing the file's size. A system or file
/// system that can't is no error.
pub(crate) fn reserve(file: &File, offset: u64, length: u64) -> io::Result<()> {
    fault(Operation::Reserve, 0)?;
    system::check_limit(offset, length)?;
    system::reserve(file, offset, length)
}

/// Gives back what is reserved past `size`, which the file has.
pub(crate) fn trim(file: &File, size: u64) -> io::Result<()> {
    fault(Operation::Reserve, 0)?;
    file.set_len(size)
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = fault(Operation::Write, bytes.len()).and_then(|most| {
            system::check_limit(offset, most as u64)?;
            system::write_at(file, &bytes[..most], offset)
        });
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `bytes` where the file stands: to a pipe, a socket, a file that is appended to.
/// A reader that has gone is an error, not a signal. Before the next write `go_on` is asked, and now
/// and then while nothing is taken; false if it said no.
pub(crate) fn write_all(
    stream: &Stream<'_>,
    mut bytes: &[u8],
    go_on: &dyn Fn() -> bool,
) -> io::Result<bool> {
    while !bytes.is_empty() {
        let written =
            fault(Operation::Write, bytes.len()).and_then(|most| stream.write(&bytes[..most]));
        match written {
            Ok(Some(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(Some(count)) => bytes = &bytes[count..],
            Ok(None) => stream.wait()?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if !bytes.is_empty() && !go_on() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Fills `out` from `offset`, adding to `done` how much of it is filled, also before an error. A file
/// that ends too early is one.
pub(crate) fn read_exact_at(
    file: &File,
    out: &mut [u8],
    offset: u64,
    done: &mut usize,
) -> io::Result<()> {
    let mut filled = 0;
    while filled < out.len() {
        let rest = &mut out[filled..];
        let read = fault(Operation::Read, rest.len())
            .and_then(|most| system::read_at(file, &mut rest[..most], offset + filled as u64));
        match read {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                filled += count;
                *done += count;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Has another file share the blocks of up to `length` bytes; returns of how many. `Unsupported` where
/// that is not to be had: the caller then reads and writes.
pub(crate) fn clone_range(
    from: &File,
    offset: u64,
    to: &File,
    to_offset: u64,
    length: u64,
) -> io::Result<u64> {
    let length = fault(
        Operation::Clone,
        usize::try_from(length).unwrap_or(usize::MAX),
    )? as u64;
    system::check_limit(to_offset, length)?;
    system::clone_range(from, offset, to, to_offset, length)
}

/// Has the system say what it has not said yet about what was written to a file of ours: some file
/// systems report at close that there was no room.
pub(crate) fn settle(file: &File) -> io::Result<()> {
    fault(Operation::Close, 0)?;
    system::settle(file)
}

/// The same for a file of the caller's, as far as it can be done without closing it.
pub(crate) fn settle_borrowed(file: &File) -> io::Result<()> {
    fault(Operation::Close, 0)?;
    system::settle_borrowed(file)
}

/// Has a file's bytes on the disk before it returns.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    fault(Operation::Sync, 0)?;
    file.sync_all()
}

/// Whether a descriptor is one of what has a disk to be on.
pub(crate) fn can_sync(file: &File) -> bool {
    system::can_sync(file)
}

/// Has the target's new name on the disk before it returns.
pub(crate) fn sync_name(target: &Target) -> io::Result<()> {
    fault(Operation::Sync, 0)?;
    target.sync_name()
}

/// Whether a path ends in a name of the kind that temporary files have.
pub(crate) fn is_reserved(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.as_encoded_bytes());
    name.is_some_and(name::is_reserved)
}

/// What a save is to become. From here on the way there may change: the working directory, or the
/// name of the target's own. One that a save can't or must not replace is refused; a link to a file
/// is replaced, not followed. `synced` says that `sync_name` will be called.
pub(crate) fn target(path: &Path, keep: bool, synced: bool) -> io::Result<Target> {
    let target = Target::new(directory_of(path), path, synced)?;
    check(&target, keep)?;
    Ok(target)
}

/// Refuses a target that must not be replaced. It is looked at when a save begins, and again when it
/// ends, which may be hours later.
fn check(target: &Target, keep: bool) -> io::Result<()> {
    match target.existing()? {
        Existing::Nothing => Ok(()),
        _ if keep => Err(io::ErrorKind::AlreadyExists.into()),
        Existing::Replaceable => Ok(()),
        // /dev/stdout and its like name a descriptor, whatever that stands for.
        Existing::Odd => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// What the system says of a target that was not to be replaced, as `check` says it.
fn as_checked(error: io::Error, keep: bool) -> io::Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists if keep => io::ErrorKind::AlreadyExists.into(),
        // It has become a directory after the last look.
        io::ErrorKind::IsADirectory => io::ErrorKind::Unsupported.into(),
        _ => error,
    }
}

/// A file beside the target that becomes the target in one step, or goes.
pub(crate) fn temp_file(target: &Target) -> io::Result<TempFile<'_>> {
    fault(Operation::Create, 0)?;
    TempFile::beside(target)
}

/// Makes the temporary file the target, in one step. With `keep` an existing one is an error.
pub(crate) fn persist(temp_file: TempFile<'_>, target: &Target, keep: bool) -> io::Result<()> {
    fault(Operation::Persist, 0)?;
    check(target, keep)?;
    temp_file
        .persist(keep)
        .map_err(|error| as_checked(error, keep))
}

/// Whether the file without a name, or one that would be made in `spool_dir`, could become the target.
/// Changes nothing.
pub(crate) fn can_link(unnamed: Option<&File>, spool_dir: &Path, target: &Target) -> bool {
    system::can_link(unnamed, spool_dir, target)
}

/// Makes a file without a name the target, in one step, with the mode of a new one and `size`
/// bytes; with `on_disk` they are on the disk first. `Unsupported` where that can't be: on another file
/// system, say, or a second time.
pub(crate) fn link(
    unnamed: &File,
    target: &Target,
    keep: bool,
    size: u64,
    on_disk: bool,
) -> io::Result<()> {
    system::make_linkable(unnamed, target, size)?;
    let synced = settle(unnamed).and_then(|()| if on_disk { sync(unnamed) } else { Ok(()) });
    let linked = synced
        .and_then(|()| fault(Operation::Persist, 0))
        .and_then(|_| check(target, keep))
        .and_then(|()| system::link(unnamed, target, keep))
        .map_err(|error| as_checked(error, keep));
    if linked.is_err() {
        // It goes on as what it was: its owner's alone.
        system::make_private(unnamed);
    }
    linked
}

/// Gives the blocks of a file that has no name back at once, whoever else has it open.
pub(crate) fn discard(file: &File) {
    system::discard(file);
}

/// A caller's descriptor, to write to; it stays the caller's.
pub(crate) fn borrow(descriptor: i32) -> io::Result<ManuallyDrop<File>> {
    system::borrow(descriptor)
}

/// Where a descriptor stands, if it can be written to at any place.
pub(crate) fn position(file: &File) -> Option<u64> {
    system::position(file)
}

/// Whether a file takes memory instead of disk.
pub(crate) fn is_memory_backed(file: &File) -> bool {
    system::is_memory_backed(file)
}

/// A copy of a path; an error without memory for it.
pub(crate) fn copy_of(path: &Path) -> io::Result<PathBuf> {
    system::copy_of(path)
}

/// Where a spool file goes when the caller does not say: `TMPDIR` if it is set, else the system's
/// temporary directory, unless that one takes memory: a spill must free memory.
pub(crate) fn default_directory() -> io::Result<PathBuf> {
    system::default_directory()
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
