//! The seam: every file operation goes through this module, and nothing else does.
//!
//! Each function is one file operation, and tests can make it fail: they plan faults for the
//! calling thread (see `faults`). Each system has its implementation in a file of its own, with the
//! same functions.

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

mod message;
#[path = "disk/name.rs"]
mod name;

#[cfg(test)]
pub(crate) mod faults;

#[cfg(not(loom))]
pub(crate) use message::SystemMessage;
pub(crate) use system::{Stream, Target, TempFile};

/// The kinds of operation that a test can make fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileOperation {
    Create,
    Reserve,
    Write,
    Read,
    Clone,
    Space,
    Mode,
    Close,
    Sync,
    Persist,
}

/// What exists at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existing {
    Nothing,
    /// A regular file, or a symbolic link to one or to nothing.
    Replaceable,
    Odd,
}

/// In a test: fails if this operation is planned to fail, or returns how many bytes it may
/// transfer.
#[inline]
fn fault(_operation: FileOperation, length: usize) -> io::Result<usize> {
    #[cfg(test)]
    return faults::inject(_operation, length);
    #[cfg(not(test))]
    Ok(length)
}

/// Creates an unnamed file (or, on systems without them, one that is deleted when it is closed).
/// Only its owner can open it, and programs that this process executes do not inherit it.
pub(crate) fn create_unnamed(directory: &Path) -> io::Result<File> {
    fault(FileOperation::Create, 0)?;
    system::create_unnamed(directory)
}

/// Allocates blocks for `[offset, offset + length)` without changing the file's size. Not an error
/// if the system or the file system cannot do that.
pub(crate) fn reserve(file: &File, offset: u64, length: u64) -> io::Result<()> {
    fault(FileOperation::Reserve, 0)?;
    system::check_limit(offset, length)?;
    system::reserve(file, offset, length)
}

/// Releases blocks reserved past `size`, which is the file's size.
pub(crate) fn trim(file: &File, size: u64) -> io::Result<()> {
    fault(FileOperation::Reserve, 0)?;
    file.set_len(size)
}

/// Writes all of `bytes` at `offset`. Sets `done` to the number of bytes written, even if it fails.
pub(crate) fn write_all_at(
    file: &File,
    bytes: &[u8],
    offset: u64,
    done: &mut usize,
) -> io::Result<()> {
    *done = 0;
    while let rest @ [_, ..] = &bytes[*done..] {
        let at = offset + *done as u64;
        let written = fault(FileOperation::Write, rest.len()).and_then(|most| {
            system::check_limit(at, most as u64)?;
            system::write_at(file, &rest[..most], at)
        });
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `bytes` at the current position of a pipe, a socket or a file opened for
/// appending. If the reading end is closed, that is an error and not a signal. Calls `go_on`
/// between writes, and from time to time while nothing can be written. Returns false if `go_on`
/// did. Unless it may wait, it fails with `WouldBlock` once nothing can be written.
pub(crate) fn write_all(
    stream: &Stream<'_>,
    mut bytes: &[u8],
    may_wait: bool,
    go_on: &dyn Fn() -> bool,
) -> io::Result<bool> {
    while !bytes.is_empty() {
        let written =
            fault(FileOperation::Write, bytes.len()).and_then(|most| stream.write(&bytes[..most]));
        match written {
            Ok(Some(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(Some(count)) => bytes = &bytes[count..],
            Ok(None) if may_wait => stream.wait()?,
            Ok(None) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if !bytes.is_empty() && !go_on() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Fills `out` from `offset`. Adds the number of bytes read to `done`, also before an error. A file
/// that ends too early is an error.
pub(crate) fn read_exact_at(
    file: &File,
    out: &mut [u8],
    offset: u64,
    done: &mut usize,
) -> io::Result<()> {
    let mut filled = 0;
    while filled < out.len() {
        let rest = &mut out[filled..];
        let read = fault(FileOperation::Read, rest.len())
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

/// Makes another file share the blocks of up to `length` bytes. Returns the number of bytes shared.
/// Fails with `Unsupported` where that is not possible: the caller then copies the bytes.
pub(crate) fn clone_range(
    from: &File,
    offset: u64,
    to: &File,
    to_offset: u64,
    length: u64,
) -> io::Result<u64> {
    let length = fault(
        FileOperation::Clone,
        usize::try_from(length).unwrap_or(usize::MAX),
    )? as u64;
    system::check_limit(to_offset, length)?;
    system::clone_range(from, offset, to, to_offset, length)
}

/// Reports errors of earlier writes to a file of ours that the system has not reported yet: some
/// file systems report a full disk only at close.
pub(crate) fn settle(file: &File) -> io::Result<()> {
    fault(FileOperation::Close, 0)?;
    system::settle(file)
}

/// The same for a caller's file, as far as possible without closing it.
pub(crate) fn settle_borrowed(file: &File) -> io::Result<()> {
    fault(FileOperation::Close, 0)?;
    system::settle_borrowed(file)
}

/// Writes a file's bytes to the disk before it returns.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    fault(FileOperation::Sync, 0)?;
    file.sync_all()
}

/// Whether a descriptor refers to something that can be synced to a disk.
pub(crate) fn can_sync(file: &File) -> bool {
    system::can_sync(file)
}

/// Writes the target's new name to the disk before it returns.
pub(crate) fn sync_name(target: &Target) -> io::Result<()> {
    fault(FileOperation::Sync, 0)?;
    target.sync_name()
}

/// Whether a path ends in a name that only temporary files have.
pub(crate) fn is_reserved(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.as_encoded_bytes());
    name.is_some_and(name::is_reserved)
}

/// Opens the directory of a save's target, so that the target stays the same if the working
/// directory changes or a directory is renamed. Refuses a target that a save cannot or must not
/// replace. A symbolic link to a file is replaced, not followed. `synced` says that `sync_name`
/// will be called. `mode` has the permission bits of the target, if they are not the default ones.
pub(crate) fn target(
    path: &Path,
    keep: bool,
    synced: bool,
    mode: Option<u32>,
) -> io::Result<Target> {
    let target = Target::new(directory_of(path), path, synced, mode)?;
    check(&target, keep)?;
    Ok(target)
}

/// Refuses a target that must not be replaced. Called when a save begins, and again when it ends,
/// which may be hours later.
fn check(target: &Target, keep: bool) -> io::Result<()> {
    match target.existing()? {
        Existing::Nothing => Ok(()),
        _ if keep => Err(io::ErrorKind::AlreadyExists.into()),
        Existing::Replaceable => Ok(()),
        // /dev/stdout and the like name a descriptor, whatever it refers to.
        Existing::Odd => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Turns the system's error for a target that must not be replaced into the one that `check`
/// returns.
fn as_checked(error: io::Error, keep: bool) -> io::Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists if keep => io::ErrorKind::AlreadyExists.into(),
        // It has become a directory since `check`.
        io::ErrorKind::IsADirectory => io::ErrorKind::Unsupported.into(),
        _ => error,
    }
}

/// Creates a file next to the target. It becomes the target in one step, or is deleted.
pub(crate) fn temp_file(target: &Target) -> io::Result<TempFile<'_>> {
    fault(FileOperation::Create, 0)?;
    TempFile::beside(target)
}

/// Sets the target's permission bits, if they are not the default ones. Until then only the owner
/// can access the file.
pub(crate) fn set_mode(file: &File, target: &Target) -> io::Result<()> {
    let Some(mode) = target.mode else {
        return Ok(());
    };
    fault(FileOperation::Mode, 0)?;
    system::set_mode(file, mode)
}

/// Makes the temporary file the target in one step. With `keep`, an existing target is an error.
pub(crate) fn persist(temp_file: TempFile<'_>, target: &Target, keep: bool) -> io::Result<()> {
    fault(FileOperation::Persist, 0)?;
    check(target, keep)?;
    temp_file
        .persist(keep)
        .map_err(|error| as_checked(error, keep))
}

/// Whether the unnamed file, or one that would be created in `spool_dir`, could become the target.
/// Changes nothing.
pub(crate) fn can_link(unnamed: Option<&File>, spool_dir: &Path, target: &Target) -> bool {
    system::can_link(unnamed, spool_dir, target)
}

/// Makes an unnamed file the target in one step, with the mode of a new file and a size of `size`
/// bytes. With `on_disk`, the bytes are synced first. Fails with `Unsupported` where that is not
/// possible: on another file system, for example, or a second time.
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
        .and_then(|()| fault(FileOperation::Persist, 0))
        .and_then(|_| check(target, keep))
        .and_then(|()| system::link(unnamed, target, keep))
        .map_err(|error| as_checked(error, keep));
    if linked.is_err() {
        // It stays a spool file, which only its owner may open.
        system::make_private(unnamed);
    }
    linked
}

/// The number of bytes that may still be written on the file system of a file, which was created in
/// `directory`.
pub(crate) fn free_space(file: &File, directory: &Path) -> io::Result<u64> {
    fault(FileOperation::Space, 0)?;
    system::free_space(file, directory)
}

/// The disk space that a file takes, in bytes.
#[cfg(all(test, unix))]
pub(crate) fn taken(file: &File) -> u64 {
    use std::os::unix::fs::MetadataExt;

    file.metadata().expect("an open file").blocks() * 512
}

/// Frees the blocks of an unnamed file at once, even if other processes have it open.
pub(crate) fn discard(file: &File) {
    system::discard(file);
}

/// Borrows a caller's descriptor for writing. The caller keeps its ownership.
pub(crate) fn borrow(descriptor: i32) -> io::Result<ManuallyDrop<File>> {
    system::borrow(descriptor)
}

/// The position of a descriptor that can be written at any offset; `None` for any other.
pub(crate) fn position(file: &File) -> Option<u64> {
    system::position(file)
}

/// Whether a file is on a file system that is kept in memory.
pub(crate) fn is_memory_backed(file: &File) -> bool {
    system::is_memory_backed(file)
}

/// Copies a path. Running out of memory is an error.
pub(crate) fn copy_of(path: &Path) -> io::Result<PathBuf> {
    system::copy_of(path)
}

/// The directories for spool files if the caller names none, the best first: `TMPDIR` if it is set,
/// then the system's temporary directories. One that is kept in memory is the last, since a spill
/// must free memory.
pub(crate) fn default_directories() -> io::Result<[Option<PathBuf>; 3]> {
    system::default_directories()
}

/// Whether an error shows that no file can be created in a directory, now or later. Otherwise it
/// is the error of this attempt alone.
pub(crate) fn is_unusable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Whether `default_directories` prefers this one because the usual one is kept in memory.
pub(crate) fn is_fallback(directory: &Path) -> bool {
    system::is_fallback(directory)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
