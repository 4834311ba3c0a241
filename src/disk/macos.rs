//! Files on macOS, iOS and the BSDs.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(super) fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    FileExt::read_at(file, out, offset)
}

pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    FileExt::write_at(file, bytes, offset)
}

/// Nothing to gain: APFS allocates late by itself.
pub(super) fn reserve(_file: &File, _offset: u64, _length: u64) -> io::Result<()> {
    Ok(())
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
    if known && offset.saturating_add(length) > limit.rlim_cur as u64 {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(())
}

/// The temporary directories of these systems are on disk unless someone mounted them otherwise.
pub(super) fn is_memory_backed(_directory: &Path) -> bool {
    false
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
        std::os::fd::FromRawFd::from_raw_fd(descriptor)
    }))
}
