//! Files on Windows.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf, Prefix};

#[path = "windows/kernel.rs"]
mod kernel;
#[path = "windows/runtime.rs"]
mod runtime;
#[cfg(test)]
#[path = "windows/tests.rs"]
mod tests;

use super::Existing;
use super::name::{self, Name, Owner};
pub(super) use kernel::{free_space, message, read_at, write_at};
pub(super) use runtime::borrow;

const GENERIC_READ: u32 = 0x8000_0000;
const GENERIC_WRITE: u32 = 0x4000_0000;
const DELETE: u32 = 0x0001_0000;
const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_DELETE: u32 = 4;
const FILE_ATTRIBUTE_TEMPORARY: u32 = 0x100;
const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;

/// A descriptor that is written in order. A write blocks until all of its bytes are taken.
pub(crate) struct Stream<'f>(&'f File);

impl<'f> Stream<'f> {
    pub(crate) fn new(file: &'f File) -> Stream<'f> {
        Stream(file)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        kernel::write(self.0, bytes).map(Some)
    }

    /// Windows does not tell when there is room.
    pub(crate) fn wait(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a descriptor can be synced to a disk.
pub(super) fn can_sync(file: &File) -> bool {
    kernel::is_on_disk(file)
}

/// Reports an error of earlier writes that the system has not reported yet: that they could not be
/// sent to another machine. Closing a file reports nothing on Windows.
pub(super) fn settle(file: &File) -> io::Result<()> {
    if kernel::is_on_disk(file) && kernel::is_remote(file) {
        file.sync_all()
    } else {
        Ok(())
    }
}

pub(super) fn settle_borrowed(file: &File) -> io::Result<()> {
    settle(file)
}

/// There are no permission bits.
pub(super) fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// No other process has the file, which is deleted with its last handle.
pub(super) fn discard(file: &File) {
    let _ = file.set_len(0);
}

/// Windows has no call that reserves blocks and keeps the file's size.
pub(super) fn reserve(_file: &File, _offset: u64, _length: u64) -> io::Result<()> {
    Ok(())
}

/// NTFS files cannot be longer, and systems report a write past that in different ways. At the very
/// last offsets, a write would even append.
pub(super) fn check_limit(offset: u64, length: u64) -> io::Result<()> {
    const LONGEST: u64 = 8 << 50;
    const ERROR_FILE_TOO_LARGE: i32 = 223;
    if offset.saturating_add(length) > LONGEST {
        return Err(io::Error::from_raw_os_error(ERROR_FILE_TOO_LARGE));
    }
    Ok(())
}

/// Only ReFS can clone.
pub(super) fn clone_range(
    _from: &File,
    _offset: u64,
    _to: &File,
    _to_offset: u64,
    _length: u64,
) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Windows has no such file systems.
pub(super) fn is_memory_backed(_file: &File) -> bool {
    false
}

pub(super) fn is_fallback(_directory: &Path) -> bool {
    false
}

pub(super) fn default_directories() -> io::Result<[Option<PathBuf>; 3]> {
    let chosen = std::env::var_os("TMPDIR").filter(|chosen| !chosen.is_empty());
    Ok([chosen.map(PathBuf::from), Some(std::env::temp_dir()), None])
}

/// Creates a file that is deleted when it is closed, also by the end of the process. Nobody else
/// can open it, and its name is removed at once where the system can do that. Reads wait neither
/// for writes nor for each other. It is sparse, so that a byte at a large offset does not fill the
/// file before it.
pub(super) fn create_unnamed(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create_new(true)
        .share_mode(FILE_SHARE_DELETE)
        .attributes(FILE_ATTRIBUTE_TEMPORARY)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE | FILE_FLAG_OVERLAPPED);
    let (name, file) = create(directory, &options)?;
    // A file system without sparse files works too.
    let _ = kernel::make_sparse(&file);
    let _ = std::fs::remove_file(name);
    Ok(file)
}

/// Copies a path. Running out of memory is an error.
pub(super) fn copy_of(path: &Path) -> io::Result<PathBuf> {
    let mut copy = OsString::new();
    copy.try_reserve_exact(path.as_os_str().len())
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    copy.push(path);
    Ok(copy.into())
}

/// The C runtime does not tell whether a descriptor is opened for appending, so each is written in
/// order only.
pub(super) fn position(_file: &File) -> Option<u64> {
    None
}

/// How many names are tried for a file.
const TRIES: usize = 100;

/// The session in the names of all temporary files that are created on Windows, on any host: the
/// system that holds the file knows whether it is in use.
const SESSION: u64 = u64::from_be_bytes(*b"Windows ");

/// A unique name.
fn own_name() -> Name {
    // Hashes of nothing, with keys that the system chooses at random.
    let random = || RandomState::new().build_hasher().finish();
    let owner = Owner {
        session: SESSION,
        process: std::process::id(),
    };
    Name::new(owner, [random(), random()])
}

/// Removes stale temporary files, where the system does not delete them itself.
fn remove_stale(directory: &Path) {
    const EXAMINED_AT_ONCE: usize = 1000;
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    for entry in entries.take(EXAMINED_AT_ONCE).flatten() {
        let name = entry.file_name();
        let owner = name::owner(name.as_encoded_bytes());
        let ours = owner.is_some_and(|owner| owner.session == SESSION);
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            // Fails while the file is in use.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Creates a file with a unique name.
fn create(directory: &Path, options: &OpenOptions) -> io::Result<(PathBuf, File)> {
    let mut refused = io::ErrorKind::AlreadyExists.into();
    for name in std::iter::repeat_with(own_name).take(TRIES) {
        let path = directory.join(name.as_str());
        match options.open(&path) {
            Ok(file) => return Ok((path, file)),
            // The name of a file that is being deleted is refused, not reported as taken.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::PermissionDenied
                ) =>
            {
                refused = error;
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

/// The file that a save will create: its directory and its absolute path.
pub(crate) struct Target {
    directory: PathBuf,
    path: PathBuf,
    synced: bool,
    /// Never set: there are no such bits here.
    pub(super) mode: Option<u32>,
}

impl Target {
    pub(super) fn new(
        _directory: &Path,
        path: &Path,
        synced: bool,
        _mode: Option<u32>,
    ) -> io::Result<Target> {
        let path = whole(path)?;
        // Only a device's name has no directory.
        let directory = path.parent().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Target {
            directory: copy_of(directory)?,
            path,
            synced,
            mode: None,
        })
    }

    pub(super) fn existing(&self) -> io::Result<Existing> {
        Ok(match self.path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Existing::Nothing,
            Err(error) => return Err(error),
            Ok(about) if about.is_file() => Existing::Replaceable,
            // A dangling link does not lead to a directory.
            Ok(about)
                if about.is_symlink() && self.path.metadata().map_or(true, |to| to.is_file()) =>
            {
                Existing::Replaceable
            }
            Ok(_) => Existing::Odd,
        })
    }

    /// A directory cannot be synced on Windows; the file was synced under its new name.
    pub(super) fn sync_name(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The absolute form of a path that may be long.
fn whole(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut parts = path.components();
    let Some(Component::Prefix(prefix)) = parts.next() else {
        return Ok(path);
    };
    let mut whole = OsString::from(r"\\?\");
    match prefix.kind() {
        Prefix::Disk(_) => whole.push(prefix.as_os_str()),
        Prefix::UNC(server, share) => {
            for part in [r"UNC\".as_ref(), server, r"\".as_ref(), share] {
                whole.push(part);
            }
        }
        _ => return Ok(path),
    }
    whole.push(parts.as_path());
    Ok(whole.into())
}

/// A file next to the target of a save. It is deleted when it is closed, also by the end of its
/// process, unless it was persisted. Where the system cannot do that, it stays under a name that a
/// later save removes. While it is open, nobody else can delete it or give its name to another
/// file.
pub(crate) struct TempFile<'t> {
    pub(crate) file: File,
    target: &'t Target,
}

impl<'t> TempFile<'t> {
    pub(super) fn beside(target: &'t Target) -> io::Result<TempFile<'t>> {
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .access_mode(GENERIC_READ | GENERIC_WRITE | DELETE)
            .share_mode(FILE_SHARE_READ);
        let (_, file) = create(&target.directory, &options)?;
        if kernel::set_deleted(&file, true).is_err() {
            remove_stale(&target.directory);
        }
        Ok(TempFile { file, target })
    }

    pub(super) fn persist(self, keep: bool) -> io::Result<()> {
        kernel::set_deleted(&self.file, false)?;
        // Renamed by its handle and not by its name, so that no other file can be renamed.
        if let Err(error) = kernel::rename(&self.file, &self.target.path, !keep) {
            let _ = kernel::set_deleted(&self.file, true);
            return Err(error);
        }
        if self.target.synced {
            self.file.sync_all()?;
        }
        Ok(())
    }
}

/// A file that is deleted when it is closed cannot be kept.
pub(super) fn can_link(_unnamed: Option<&File>, _spool_dir: &Path, _target: &Target) -> bool {
    false
}

pub(super) fn make_linkable(_unnamed: &File, _target: &Target, _size: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn make_private(_unnamed: &File) {}

pub(super) fn link(_unnamed: &File, _target: &Target, _keep: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
