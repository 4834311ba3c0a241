//! Files on macOS, iOS and the BSDs.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

pub(crate) use super::unix::Target;
use super::unix::{self, Name};
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

/// The temporary directories of these systems are on disk unless someone mounted them otherwise.
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

/// A file beside the target of a save, with one of a few names that a later save would sweep.
pub(crate) struct Draft<'t> {
    pub(crate) file: File,
    target: &'t Target,
    name: Option<Name>,
}

impl<'t> Draft<'t> {
    pub(super) fn beside(target: &'t Target) -> io::Result<Draft<'t>> {
        target.directory.sweep();
        let (name, file) = target.directory.create_named(0o666)?;
        Ok(Draft {
            file,
            target,
            name: Some(name),
        })
    }

    pub(super) fn publish(mut self, keep: bool) -> io::Result<()> {
        let Target { directory, name } = self.target;
        let own = self.name.take();
        own.map_or(Ok(()), |own| directory.move_name(&own, name, keep))
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            self.target.directory.remove(name);
        }
    }
}

/// A file that was unlinked can't be given a name again here.
pub(super) fn make_linkable(_unnamed: &File, _target: &Target, _size: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn link(_unnamed: &File, _target: &Target, _keep: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
