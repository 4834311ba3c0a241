//! Files on macOS, iOS and the BSDs.

use std::ffi::CStr;
use std::fs::File;
use std::io;
#[cfg(target_vendor = "apple")]
use std::os::fd::AsRawFd;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use super::unix::{self, Directory};
pub(crate) use super::unix::{Draft, Target};
pub(super) use super::unix::{
    borrow, check_limit, copy_of, read_at, standing, takes_at_once, wait_writable, write, write_at,
};

/// Files may be long without saying so.
pub(super) const LARGE: i32 = 0;

/// Directories are opened for reading.
pub(super) const LOOK_UP: i32 = 0;

/// Nothing to gain: APFS allocates late by itself.
pub(super) fn reserve(_file: &File, _offset: u64, _length: u64) -> io::Result<()> {
    Ok(())
}

/// Whole files can be cloned here, ranges can't.
pub(super) fn clone_range(
    _from: &File,
    _offset: u64,
    _to: &File,
    _to_offset: u64,
    _length: u64,
) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// On macOS temporary directories are on disk. Some BSDs mount theirs in memory, which is not looked
/// for: there the host chooses.
pub(super) fn is_memory_backed(_file: &File) -> bool {
    false
}

pub(super) fn default_directory() -> io::Result<PathBuf> {
    let usual = std::env::temp_dir();
    // TMPDIR may be set to nothing.
    Ok(if usual.as_os_str().is_empty() {
        PathBuf::from("/tmp")
    } else {
        usual
    })
}

pub(super) fn create_unnamed(directory: &Path) -> io::Result<File> {
    unix::create_unlinked(directory)
}

/// Keeps a broken pipe from raising SIGPIPE while a descriptor is written to: macOS sends that signal
/// to the process, where any thread may get it.
pub(super) struct Quiet {
    #[cfg(target_vendor = "apple")]
    loud: Option<RawFd>,
}

#[cfg(target_vendor = "apple")]
impl Quiet {
    pub(super) fn new(file: &File) -> Quiet {
        let file = file.as_raw_fd();
        // SAFETY: asks about and sets a flag of an open descriptor. One that has no such flag
        // answers an error, and raises no signal either.
        let loud = unsafe {
            libc::fcntl(file, libc::F_GETNOSIGPIPE) == 0
                && libc::fcntl(file, libc::F_SETNOSIGPIPE, 1) == 0
        };
        Quiet {
            loud: loud.then_some(file),
        }
    }
}

#[cfg(target_vendor = "apple")]
impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(file) = self.loud {
            // SAFETY: as above; as it was.
            unsafe { libc::fcntl(file, libc::F_SETNOSIGPIPE, 0) };
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
impl Quiet {
    pub(super) fn new(_file: &File) -> Quiet {
        Quiet {}
    }
}

/// Renames within a directory, to a name that nothing has.
#[cfg(target_vendor = "apple")]
pub(super) fn rename_new(directory: RawFd, from: &CStr, to: &CStr) -> io::Result<()> {
    let (from, to) = (from.as_ptr(), to.as_ptr());
    // SAFETY: an open directory and NUL-terminated names.
    unix::succeeded(unsafe {
        libc::renameatx_np(directory, from, directory, to, libc::RENAME_EXCL)
    })
}

/// No such call here.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn rename_new(_directory: RawFd, _from: &CStr, _to: &CStr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There are none here.
pub(super) fn create_nameless(_directory: &Directory) -> Option<File> {
    None
}

/// None without such files.
pub(super) fn give_name(_file: &File, _target: &Target, _keep: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file that was unlinked can't be given a name again here.
pub(super) fn make_linkable(_unnamed: &File, _target: &Target, _size: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn make_private(_unnamed: &File) {}

pub(super) fn link(_unnamed: &File, _target: &Target, _keep: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
