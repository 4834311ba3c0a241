//! Files on every Unix: what Linux, macOS and the BSDs have in common.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub(super) fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    FileExt::read_at(file, out, offset)
}

pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    FileExt::write_at(file, bytes, offset)
}

/// Fails as the write would that starts past RLIMIT_FSIZE, without the SIGXFSZ that would end the
/// host's process.
pub(super) fn check_limit(offset: u64, length: u64) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: writes one rlimit.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0;
    #[allow(clippy::useless_conversion, reason = "32 bits on some systems")]
    let most = u64::from(limit.rlim_cur);
    let unlimited = limit.rlim_cur == libc::RLIM_INFINITY;
    if known && !unlimited && offset.saturating_add(length) > most {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(())
}

/// Writes where the file stands. The SIGPIPE of a pipe without a reader is kept from the host: it
/// did not write.
pub(super) fn write(file: &File, bytes: &[u8]) -> io::Result<usize> {
    use std::io::Write;
    let mut file = file;
    // SAFETY: sets are written before they are read; a SIGPIPE that is pending for this thread
    // can only be that of the write, unless one was pending before.
    unsafe {
        let (mut pipe, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        let mut pending = std::mem::zeroed();
        libc::sigemptyset(&mut pipe);
        libc::sigaddset(&mut pipe, libc::SIGPIPE);
        libc::sigpending(&mut pending);
        libc::pthread_sigmask(libc::SIG_BLOCK, &pipe, &mut before);
        let result = file.write(bytes);
        let broken = matches!(&result, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
        if broken && libc::sigismember(&pending, libc::SIGPIPE) == 0 {
            let mut signal = 0;
            libc::sigpending(&mut pending);
            if libc::sigismember(&pending, libc::SIGPIPE) == 1 {
                libc::sigwait(&pipe, &mut signal);
            }
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}

/// A file whose name is gone before anyone can use it, where there are none without a name.
pub(super) fn create_unlinked(directory: &Path) -> io::Result<File> {
    let file = tempfile::tempfile_in(directory)?;
    file.set_permissions(PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// A path of these bytes; an error without memory for it.
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

pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

pub(super) fn borrow(descriptor: i32) -> io::Result<std::mem::ManuallyDrop<File>> {
    // SAFETY: asks about a number.
    if descriptor < 0 || unsafe { libc::fcntl(descriptor, libc::F_GETFL) } < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: an open descriptor, which ManuallyDrop leaves open.
    Ok(std::mem::ManuallyDrop::new(unsafe {
        File::from_raw_fd(descriptor)
    }))
}

pub(super) fn standing(file: &File) -> Option<u64> {
    // SAFETY: asks about an open descriptor.
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

/// Names that a draft can have beside its target. There are few, so that a save finds those that a
/// killed process left behind without looking through the directory.
const NAMES: u32 = 16;

fn name(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!(".spoolbuf-{number}.part"))
}

/// Marks a file as being worked on, for as long as it is open. False if another process has it.
pub(super) fn mark(file: &File) -> bool {
    // SAFETY: a call on an open descriptor.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

pub(super) fn unmark(file: &File) {
    // SAFETY: a call on an open descriptor.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}

/// Removes drafts that nobody works on any more.
pub(super) fn sweep(directory: &Path) {
    for number in 0..NAMES {
        let path = name(directory, number);
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let Ok(file) = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path)
        else {
            continue;
        };
        // The lock may have been waited for while the name went to another file.
        if mark(&file) && is_named(&file, &path) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn is_named(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(file), Ok(named)) => (file.dev(), file.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Finds a free name by trying to take it.
pub(super) fn take_name<T>(
    directory: &Path,
    mut take: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    let mut last = io::ErrorKind::AlreadyExists.into();
    for round in 0..100 {
        for number in 0..NAMES {
            let path = name(directory, number);
            match take(&path) {
                Ok(taken) => return Ok((path, taken)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        // All in use at this moment.
        std::thread::sleep(std::time::Duration::from_millis(round / 10));
    }
    // Not "the target exists".
    Err(io::Error::from_raw_os_error(
        last.raw_os_error().map_or(libc::EBUSY, |_| libc::EBUSY),
    ))
}

/// A draft that has a name: made where there are no files without one.
pub(super) fn create_named(directory: &Path) -> io::Result<(PathBuf, File)> {
    take_name(directory, |path| {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        // A sweep may have come between the two.
        if mark(&file) && is_named(&file, path) {
            Ok(file)
        } else {
            Err(io::ErrorKind::AlreadyExists.into())
        }
    })
}

/// Moves a name to the target: over what is there, or with `keep` only where nothing is.
pub(super) fn move_name(from: &Path, to: &Path, keep: bool) -> io::Result<()> {
    if keep {
        let linked = std::fs::hard_link(from, to);
        let _ = std::fs::remove_file(from);
        return linked;
    }
    std::fs::rename(from, to).inspect_err(|_| {
        let _ = std::fs::remove_file(from);
    })
}
