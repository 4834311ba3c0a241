//! Files on every Unix: the code that Linux, macOS and the BSDs share.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::system;

#[path = "unix/directory.rs"]
mod directory;
#[path = "unix/stream.rs"]
mod stream;
#[path = "unix/temp_file.rs"]
mod temp_file;

pub(super) use directory::Directory;
pub(crate) use directory::Target;
pub(crate) use stream::Stream;
pub(crate) use temp_file::TempFile;
pub(super) use temp_file::create_unlinked;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use temp_file::persist_by_name;

pub(super) fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    FileExt::read_at(file, out, offset)
}

pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    FileExt::write_at(file, bytes, offset)
}

/// Fails like a write past RLIMIT_FSIZE, but without the SIGXFSZ that would end the host's process.
pub(super) fn check_limit(offset: u64, length: u64) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: writes one rlimit.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0;
    #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
    let most = limit.rlim_cur as u64;
    let unlimited = limit.rlim_cur == libc::RLIM_INFINITY;
    if known && !unlimited && offset.saturating_add(length) > most {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(())
}

pub(super) fn free_space(file: &File, _directory: &Path) -> io::Result<u64> {
    // SAFETY: an all-zero statvfs is a valid value, which the call overwrites.
    let (known, about) = unsafe {
        let mut about: libc::statvfs = std::mem::zeroed();
        let known = libc::fstatvfs(file.as_raw_fd(), &raw mut about) == 0;
        (known, about)
    };
    if !known {
        return Err(io::Error::last_os_error());
    }
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    let (blocks, size) = (about.f_bavail as u64, about.f_frsize as u64);
    Ok(blocks.saturating_mul(size))
}

/// Writes the system's message for an error code to `out`, and returns its length.
pub(super) fn message(code: i32, out: &mut [u8]) -> usize {
    // SAFETY: `out` has room for `out.len()` bytes. The text is NUL-terminated, even for an unknown
    // code.
    unsafe { libc::strerror_r(code, out.as_mut_ptr().cast(), out.len()) };
    CStr::from_bytes_until_nul(out).map_or(0, CStr::count_bytes)
}

/// A path of these bytes. Running out of memory is an error.
pub(super) fn path_of(bytes: &[u8]) -> io::Result<PathBuf> {
    let mut path = Vec::new();
    path.try_reserve_exact(bytes.len())
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    path.extend_from_slice(bytes);
    Ok(PathBuf::from(OsString::from_vec(path)))
}

pub(super) fn copy_of(path: &Path) -> io::Result<PathBuf> {
    path_of(path.as_os_str().as_bytes())
}

/// The directory that TMPDIR names, if it is set and not empty.
pub(super) fn chosen_directory() -> io::Result<Option<PathBuf>> {
    // SAFETY: the string is copied before this function returns. A host that changes its
    // environment at the same time races with every library that reads it.
    let chosen = unsafe {
        let chosen = libc::getenv(c"TMPDIR".as_ptr());
        if chosen.is_null() {
            return Ok(None);
        }
        CStr::from_ptr(chosen)
    };
    if chosen.is_empty() {
        return Ok(None);
    }
    path_of(chosen.to_bytes()).map(Some)
}

pub(super) fn borrow(descriptor: i32) -> io::Result<std::mem::ManuallyDrop<File>> {
    // SAFETY: a query about a number, which the system validates.
    if descriptor < 0 || unsafe { libc::fcntl(descriptor, libc::F_GETFL) } < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the descriptor is open, and ManuallyDrop does not close it.
    Ok(std::mem::ManuallyDrop::new(unsafe {
        File::from_raw_fd(descriptor)
    }))
}

pub(super) fn position(file: &File) -> Option<u64> {
    // SAFETY: queries about an open descriptor.
    let (flags, at) = unsafe {
        let descriptor = file.as_raw_fd();
        (
            libc::fcntl(descriptor, libc::F_GETFL),
            libc::lseek(descriptor, 0, libc::SEEK_CUR),
        )
    };
    if flags & libc::O_APPEND != 0 {
        None
    } else {
        u64::try_from(at).ok()
    }
}

/// Whether a descriptor can be synced: a file or a disk can, a pipe, a socket or a terminal cannot.
pub(super) fn can_sync(file: &File) -> bool {
    file.metadata().is_ok_and(|about| {
        let kind = about.file_type();
        kind.is_file() || kind.is_block_device()
    })
}

/// Sets the permission bits, regardless of the umask.
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(PermissionsExt::from_mode(mode))
}

/// Frees a file's blocks at once if no name is left to open it by: a child of fork() may keep its
/// descriptor open for long.
pub(super) fn discard(file: &File) {
    if file.metadata().is_ok_and(|about| about.nlink() == 0) {
        let _ = file.set_len(0);
    }
}

/// Duplicates a file's descriptor and closes the duplicate. File systems that report some errors
/// only at close (NFS, CIFS, FUSE) report them here. Not for a caller's file, which would lose its
/// fcntl() locks.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn close_copy(file: &File) -> io::Result<()> {
    loop {
        // SAFETY: duplicates an open descriptor, and closes only the duplicate, which nothing else
        // uses.
        let closed = unsafe {
            let copy = libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 0);
            succeeded(copy)?;
            succeeded(libc::close(copy))
        };
        match closed {
            // It is closed, but perhaps before every error was reported.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Opens a path as std does, but without allocating: std allocates for a long path, and aborts the
/// process if that fails.
pub(super) fn open_at(directory: RawFd, path: &CStr, flags: i32, mode: u32) -> io::Result<File> {
    let flags = flags | libc::O_CLOEXEC | system::LARGE;
    loop {
        // SAFETY: AT_FDCWD or an open directory, and a NUL-terminated path.
        let file = unsafe { libc::openat(directory, path.as_ptr(), flags, mode) };
        match succeeded(file) {
            // SAFETY: the descriptor was just opened, and nothing else owns it.
            Ok(()) => return Ok(unsafe { File::from_raw_fd(file) }),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A path or name as the system takes it. Running out of memory is an error.
pub(super) fn c_string(name: &[u8]) -> io::Result<CString> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(name.len() + 1)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.extend_from_slice(name);
    bytes.push(0);
    CString::from_vec_with_nul(bytes).map_err(|_| io::ErrorKind::InvalidInput.into())
}

pub(super) fn succeeded(result: i32) -> io::Result<()> {
    if result >= 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where offsets have 32 bits by default, only a file that was opened as a large one can be
    /// this long.
    #[test]
    fn files_of_every_kind_can_be_longer_than_two_gib() {
        let directory = crate::tempfile::tempdir().expect("a directory");
        let target = Target::new(directory.path(), Path::new("saved"), false, None);
        let target = target.expect("a target");
        let temp_file = TempFile::beside(&target).expect("a temporary file");
        let named = TempFile::with_name(&target).expect("a temporary file");
        let unnamed = system::create_unnamed(directory.path()).expect("a spool file");
        let unlinked = create_unlinked(directory.path()).expect("a spool file");
        for file in [&temp_file.file, &named.file, &unnamed, &unlinked] {
            let (far, mut out) = (3 << 30, [0; 3]);
            assert_eq!(write_at(file, b"far", far).expect("a hole before it"), 3);
            assert_eq!(read_at(file, &mut out, far).expect("a file"), 3);
            assert_eq!(&out, b"far");
        }
    }
}
