//! Files on Linux and Android.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(super) fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    FileExt::read_at(file, out, offset)
}

pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    FileExt::write_at(file, bytes, offset)
}

pub(super) fn reserve(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let keep = libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: a call on an open descriptor with plain numbers.
    let done = unsafe { libc::fallocate64(file.as_raw_fd(), keep, offset as i64, length as i64) };
    if done == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINTR) => Ok(()),
        _ => Err(error),
    }
}

/// Fails as the write would that starts past RLIMIT_FSIZE, without the SIGXFSZ that would end the
/// host's process.
pub(super) fn check_limit(offset: u64, length: u64) -> io::Result<()> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: writes one rlimit64.
    let known = unsafe { libc::getrlimit64(libc::RLIMIT_FSIZE, &mut limit) } == 0;
    if known && offset.saturating_add(length) > limit.rlim_cur {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(())
}

pub(super) fn is_memory_backed(directory: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    let Ok(path) = CString::new(directory.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: an all-zero statfs64 is a valid value to be written over.
    let mut about: libc::statfs64 = unsafe { std::mem::zeroed() };
    // SAFETY: a NUL-terminated path and room for one statfs64.
    let known = unsafe { libc::statfs64(path.as_ptr(), &mut about) } == 0;
    // The field's type differs between architectures; the magic numbers are 32 bits.
    known && matches!(about.f_type as i64 & 0xffff_ffff, TMPFS | RAMFS)
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
