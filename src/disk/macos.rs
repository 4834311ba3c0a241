//! Files on macOS, iOS and the BSDs.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::unix::{self, Directory, Name};
pub(super) use super::unix::{
    borrow, check_limit, copy_of, read_at, standing, sync_directory, wait_writable, write, write_at,
};

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

/// A file beside the target of a save, with one of a few names that a later save would sweep.
pub(crate) struct Draft {
    pub(crate) file: File,
    directory: Directory,
    name: Option<Name>,
}

impl Draft {
    pub(super) fn beside(path: &Path) -> io::Result<Draft> {
        let directory = Directory::open(path)?;
        directory.sweep();
        let (name, file) = directory.create_named(0o666)?;
        Ok(Draft {
            file,
            directory,
            name: Some(name),
        })
    }

    pub(super) fn publish(mut self, path: &Path, keep: bool) -> io::Result<()> {
        let name = self.name.take();
        name.map_or(Ok(()), |name| self.directory.move_name(&name, path, keep))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            self.directory.remove(name);
        }
    }
}

/// A file that was unlinked can't be given a name again here.
pub(super) fn link(
    _unnamed: &File,
    _directory: &Path,
    _path: &Path,
    _keep: bool,
    _size: u64,
) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
