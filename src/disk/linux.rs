//! Files on Linux and Android.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::unix::{self, Directory, Name};
pub(super) use super::unix::{
    borrow, check_limit, copy_of, read_at, standing, sync_directory, wait_writable, write, write_at,
};

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

/// By whole blocks only, which the caller's remainder is too short for.
pub(super) fn clone_range(
    from: &File,
    offset: u64,
    to: &File,
    to_offset: u64,
    length: u64,
) -> io::Result<u64> {
    // The largest block of a file system that can.
    const BLOCK: u64 = 64 * 1024;
    let range = libc::file_clone_range {
        src_fd: from.as_raw_fd().into(),
        src_offset: offset,
        src_length: length - length % BLOCK,
        dest_offset: to_offset,
    };
    // A length of 0 would be everything.
    if range.src_length > 0 {
        // SAFETY: an open descriptor and the struct that this request reads.
        let done =
            unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONERANGE as _, &raw const range) };
        if done == 0 {
            return Ok(range.src_length);
        }
    }
    // Whatever it was, from another file system to a sandbox: reading and writing tells the truth.
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn create_unnamed(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_TMPFILE);
    match options.open(directory) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
            unix::create_unlinked(directory)
        }
        result => result,
    }
}

pub(super) fn default_directory() -> io::Result<PathBuf> {
    let (usual, disk) = (c"/tmp", c"/var/tmp");
    // SAFETY: the pointer is used at once; a host that changes its environment meanwhile has a race
    // with every library that looks at it.
    let chosen = unsafe {
        let chosen = libc::getenv(c"TMPDIR".as_ptr());
        if chosen.is_null() {
            c""
        } else {
            CStr::from_ptr(chosen)
        }
    };
    let directory = if !chosen.is_empty() {
        chosen
    } else if is_memory(|about| {
        // SAFETY: a NUL-terminated path and room for one statfs64.
        unsafe { libc::statfs64(usual.as_ptr(), about) }
    }) && Path::new("/var/tmp").is_dir()
    {
        disk
    } else {
        usual
    };
    unix::path_of(directory.to_bytes())
}

pub(super) fn is_memory_backed(file: &File) -> bool {
    // SAFETY: an open descriptor and room for one statfs64.
    is_memory(|about| unsafe { libc::fstatfs64(file.as_raw_fd(), about) })
}

fn is_memory(ask: impl FnOnce(*mut libc::statfs64) -> i32) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    // SAFETY: an all-zero statfs64 is a valid value to be written over.
    let mut about: libc::statfs64 = unsafe { std::mem::zeroed() };
    let known = ask(&raw mut about) == 0;
    // The field's type differs between architectures; the magic numbers are 32 bits.
    #[allow(clippy::unnecessary_cast)]
    let kind = about.f_type as i64 & 0xffff_ffff;
    known && matches!(kind, TMPFS | RAMFS)
}

/// A file beside the target of a save. It has no name until it is published, so that a process
/// that is killed leaves nothing; where the file system lacks that, it has one of a few names.
pub(crate) struct Draft {
    pub(crate) file: File,
    directory: Directory,
    name: Option<Name>,
}

impl Draft {
    pub(super) fn beside(path: &Path) -> io::Result<Draft> {
        let directory = Directory::open(path)?;
        directory.sweep();
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .mode(0o666)
            .custom_flags(libc::O_TMPFILE);
        let (file, name) = match options.open(path) {
            // Without /proc it could not be given its name later.
            Ok(file) if Path::new("/proc/self/fd").is_dir() => (file, None),
            _ => {
                let (name, file) = directory.create_named(0o666)?;
                (file, Some(name))
            }
        };
        Ok(Draft {
            file,
            directory,
            name,
        })
    }

    pub(super) fn publish(mut self, path: &Path, keep: bool) -> io::Result<()> {
        match self.name.take() {
            Some(name) => self.directory.move_name(&name, path, keep),
            None => give_name(&self.file, &self.directory, path, keep),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            self.directory.remove(name);
        }
    }
}

pub(super) fn link(
    unnamed: &File,
    directory: &Path,
    path: &Path,
    keep: bool,
    size: u64,
) -> io::Result<()> {
    // What is reserved past the end must not stay with the file.
    unnamed.set_len(size)?;
    // The mode that a new file gets here.
    let draft = Draft::beside(directory)?;
    let mode = draft.file.metadata()?.permissions().mode();
    unnamed.set_permissions(PermissionsExt::from_mode(mode & 0o777))?;
    match give_name(unnamed, &draft.directory, path, keep) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EXDEV | libc::ENOENT)) => {
            Err(io::ErrorKind::Unsupported.into())
        }
        result => result,
    }
}

/// Gives a file without a name that of the target, in one step.
fn give_name(file: &File, directory: &Directory, path: &Path, keep: bool) -> io::Result<()> {
    let mut unnamed = [0; 32];
    write!(&mut unnamed[..], "/proc/self/fd/{}\0", file.as_raw_fd())?;
    let unnamed = CStr::from_bytes_until_nul(&unnamed).map_err(io::Error::other)?;
    let (to, here, follow) = (unix::c_path(path)?, libc::AT_FDCWD, libc::AT_SYMLINK_FOLLOW);
    // SAFETY: two NUL-terminated paths.
    let linked = unsafe { libc::linkat(here, unnamed.as_ptr(), here, to.as_ptr(), follow) };
    match unix::succeeded(linked) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !keep => {}
        result => return result,
    }
    // A link can't replace, a rename can: by way of a name that a later save would sweep, but not
    // while the file is marked as being worked on.
    unix::mark(file);
    let named = directory.take_name(|name| directory.link_here(unnamed, name));
    let moved = named.and_then(|(name, ())| {
        let moved = directory.move_name(&name, path, false);
        // If the target is this very file already, a rename does nothing.
        if directory.is_named(file, &name) {
            directory.remove(&name);
        }
        moved
    });
    unix::unmark(file);
    moved
}
