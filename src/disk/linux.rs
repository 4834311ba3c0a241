//! Files on Linux and Android.

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::unix;
pub(super) use super::unix::{
    borrow, check_limit, copy_of, read_at, standing, sync_directory, write, write_at,
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

/// Shares the blocks where the file system can, which takes whole blocks at the same place in both
/// files; else has the kernel copy.
pub(super) fn copy_range(
    from: &File,
    offset: u64,
    to: &File,
    to_offset: u64,
    length: u64,
) -> io::Result<u64> {
    let (mut offset, mut to_offset) = (offset as i64, to_offset as i64);
    // By syscall: older C libraries don't have it. It shares blocks by itself where it can.
    // SAFETY: open descriptors, and two places to be read and written.
    let count = unsafe {
        libc::syscall(
            libc::SYS_copy_file_range,
            from.as_raw_fd(),
            &raw mut offset,
            to.as_raw_fd(),
            &raw mut to_offset,
            usize::try_from(length).unwrap_or(usize::MAX).min(1 << 30),
            0,
        )
    };
    if let Ok(count) = u64::try_from(count) {
        return Ok(count);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EXDEV | libc::EINVAL | libc::EOPNOTSUPP | libc::EBADF) => {
            Err(io::ErrorKind::Unsupported.into())
        }
        _ => Err(error),
    }
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
    directory: PathBuf,
    name: Option<PathBuf>,
}

impl Draft {
    pub(super) fn beside(directory: &Path) -> io::Result<Draft> {
        unix::sweep(directory);
        let unnamed = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o666)
            .custom_flags(libc::O_TMPFILE)
            .open(directory);
        let (file, name) = match unnamed {
            // Without /proc it could not be given its name later.
            Ok(file) if proc_path(&file).exists() => {
                unix::mark(&file);
                (file, None)
            }
            _ => {
                let (name, file) = unix::create_named(directory)?;
                (file, Some(name))
            }
        };
        Ok(Draft {
            file,
            directory: directory.to_path_buf(),
            name,
        })
    }

    pub(super) fn publish(mut self, path: &Path, keep: bool) -> io::Result<()> {
        match self.name.take() {
            Some(name) => unix::move_name(&name, path, keep),
            None => give_name(&self.file, &self.directory, path, keep),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = std::fs::remove_file(name);
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
    unix::sweep(directory);
    unix::mark(unnamed);
    // The mode that a new file gets here.
    let mode = Draft::beside(directory)?
        .file
        .metadata()?
        .permissions()
        .mode();
    unnamed.set_permissions(PermissionsExt::from_mode(mode & 0o777))?;
    let named = give_name(unnamed, directory, path, keep);
    unix::unmark(unnamed);
    match named {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EXDEV | libc::ENOENT)) => {
            Err(io::ErrorKind::Unsupported.into())
        }
        result => result,
    }
}

/// Gives a file without a name that of the target, in one step.
fn give_name(file: &File, directory: &Path, path: &Path, keep: bool) -> io::Result<()> {
    if keep {
        return link_to(file, path);
    }
    // A link can't replace, a rename can: by way of a name that a later save would sweep.
    let (name, ()) = unix::take_name(directory, |name| link_to(file, name))?;
    unix::move_name(&name, path, false)
}

fn link_to(file: &File, path: &Path) -> io::Result<()> {
    let from = CString::new(proc_path(file).into_os_string().as_encoded_bytes())?;
    let to = CString::new(path.as_os_str().as_bytes())?;
    let (here, follow) = (libc::AT_FDCWD, libc::AT_SYMLINK_FOLLOW);
    // SAFETY: two NUL-terminated paths.
    if unsafe { libc::linkat(here, from.as_ptr(), here, to.as_ptr(), follow) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

fn proc_path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
