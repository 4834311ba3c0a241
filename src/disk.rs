//! The seam: every operation on a file passes here, and nothing else does.
//!
//! Each function is one thing that a system does with a file, and can be made to fail: tests plan
//! faults for the calling thread (see `faults`). What differs between systems is in one file each,
//! with the same functions in all of them.

use std::fs::File;
use std::io;
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

#[cfg(test)]
pub(crate) mod faults;

/// The kinds of operation that a test can make fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Reserve,
    Write,
    Read,
}

/// Asks the test, if there is one, whether this operation is to fail, or how short it is to fall.
#[inline]
fn fault(_operation: Operation, length: usize) -> io::Result<usize> {
    #[cfg(test)]
    return faults::strike(_operation, length);
    #[cfg(not(test))]
    Ok(length)
}

/// A file without a name (or, where the system lacks that, one that goes when it is closed), for
/// its owner only, not inherited by child processes.
pub(crate) fn create_unnamed(directory: &Path) -> io::Result<File> {
    fault(Operation::Create, 0)?;
    tempfile::tempfile_in(directory)
}

/// Takes blocks for `[offset, offset + length)` without changing the file's size. Optional: a
/// system or file system that can't is no error; a disk that has no room is.
pub(crate) fn reserve(file: &File, offset: u64, length: u64) -> io::Result<()> {
    fault(Operation::Reserve, 0)?;
    system::check_limit(offset, length)?;
    system::reserve(file, offset, length)
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let most = fault(Operation::Write, bytes.len())?;
        system::check_limit(offset, most as u64)?;
        match system::write_at(file, &bytes[..most], offset) {
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

/// Fills `out` from `offset`; a file that ends too early is an error.
pub(crate) fn read_exact_at(file: &File, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !out.is_empty() {
        let most = fault(Operation::Read, out.len())?;
        match system::read_at(file, &mut out[..most], offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                out = &mut out[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether files in this directory take memory instead of disk.
pub(crate) fn is_memory_backed(directory: &Path) -> bool {
    system::is_memory_backed(directory)
}

/// Where a spool file goes when the caller does not say: `TMPDIR` if it is set, else the system's
/// temporary directory, unless that one takes memory: a spill must free memory.
pub(crate) fn default_directory() -> PathBuf {
    let usual = std::env::temp_dir();
    let chosen = std::env::var_os("TMPDIR").is_some_and(|value| !value.is_empty());
    let disk = Path::new("/var/tmp");
    if cfg!(unix) && !chosen && is_memory_backed(&usual) && disk.is_dir() {
        return disk.to_path_buf();
    }
    usual
}

/// Refuses a target that a save can't or must not replace. A link is replaced, not followed.
pub(crate) fn check_target(path: &Path, keep: bool) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) if keep => Err(io::ErrorKind::AlreadyExists.into()),
        Ok(about) if about.is_file() || about.is_symlink() => Ok(()),
        Ok(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// A file beside the target of a save that becomes the target in one step, or goes.
pub(crate) struct Temporary(tempfile::NamedTempFile);

impl Temporary {
    pub(crate) fn beside(path: &Path) -> io::Result<Temporary> {
        fault(Operation::Create, 0)?;
        let directory = directory_of(path);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".spoolbuf-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.tempfile_in(directory).map(Temporary)
    }

    pub(crate) fn file(&self) -> &File {
        self.0.as_file()
    }

    pub(crate) fn publish(self, path: &Path, keep: bool) -> io::Result<()> {
        let done = if keep {
            self.0.persist_noclobber(path)
        } else {
            self.0.persist(path)
        };
        done.map(drop).map_err(|failed| failed.error)
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Has a file's bytes on the disk before it returns.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Has a new name on the disk before it returns.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    system::sync_directory(directory_of(path))
}

/// A caller's descriptor, to write to; it stays the caller's.
pub(crate) fn borrow(descriptor: i32) -> io::Result<std::mem::ManuallyDrop<File>> {
    system::borrow(descriptor)
}
