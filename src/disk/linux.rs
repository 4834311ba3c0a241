//! Files on Linux and Android.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::unix::{self, Directory};
pub(crate) use super::unix::{Draft, Target};
pub(super) use super::unix::{
    borrow, check_limit, copy_of, read_at, standing, takes_at_once, wait_writable, write, write_at,
};

/// A file may be longer than a 32-bit number says.
pub(super) const LARGE: i32 = libc::O_LARGEFILE;

/// Opens a directory for its files, not for itself.
pub(super) const LOOK_UP: i32 = libc::O_PATH;

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
    // Whatever a file system without such files calls that; what else is wrong shows then as well.
    options
        .open(directory)
        .or_else(|_| unix::create_unlinked(directory))
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

/// A broken pipe's signal goes to the thread that writes, which sees to it itself.
pub(super) struct Quiet;

impl Quiet {
    pub(super) fn new(_file: &File) -> Quiet {
        Quiet
    }
}

/// Renames within a directory, to a name that nothing has.
pub(super) fn rename_new(directory: RawFd, from: &CStr, to: &CStr) -> io::Result<()> {
    let (from, to) = (from.as_ptr(), to.as_ptr());
    let flags = libc::RENAME_NOREPLACE;
    // SAFETY: an open directory and NUL-terminated names. Not every C library has a name for it.
    let done = unsafe { libc::syscall(libc::SYS_renameat2, directory, from, directory, to, flags) };
    unix::succeeded(done as i32)
}

/// A file in the directory that goes with its last descriptor, if it never gets a name. None where
/// there are no such files.
pub(super) fn create_nameless(directory: &Directory) -> Option<File> {
    let file = directory.open_file(c".", libc::O_RDWR | libc::O_TMPFILE, 0o666);
    // Without /proc it could not be given its name later.
    file.ok().filter(|_| Path::new("/proc/self/fd").is_dir())
}

pub(super) fn make_linkable(unnamed: &File, target: &Target, size: u64) -> io::Result<()> {
    // Two saves are two files.
    if unnamed.metadata()?.nlink() > 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    if unnamed.metadata()?.dev() != target.directory.0.metadata()?.dev() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // What is reserved past the end must not stay with the file.
    unnamed.set_len(size)?;
    // The mode that a new file gets here.
    let mode = {
        let draft = Draft::beside(target)?;
        draft.file.metadata()?.permissions().mode()
    };
    unnamed.set_permissions(PermissionsExt::from_mode(mode & 0o777))
}

pub(super) fn make_private(unnamed: &File) {
    let _ = unnamed.set_permissions(PermissionsExt::from_mode(0o600));
}

pub(super) fn link(unnamed: &File, target: &Target, keep: bool) -> io::Result<()> {
    match give_name(unnamed, target, keep) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EXDEV | libc::ENOENT)) => {
            Err(io::ErrorKind::Unsupported.into())
        }
        result => result,
    }
}

/// Gives a file without a name that of the target, in one step.
pub(super) fn give_name(file: &File, target: &Target, keep: bool) -> io::Result<()> {
    let Target { directory, name } = target;
    let mut unnamed = [0; 32];
    write!(&mut unnamed[..], "/proc/self/fd/{}\0", file.as_raw_fd())?;
    let unnamed = CStr::from_bytes_until_nul(&unnamed).map_err(io::Error::other)?;
    match directory.link_here(unnamed, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !keep => {}
        result => return result,
    }
    // A link can't replace, a rename can: by way of a name that a later save would sweep, but not
    // while the file is marked as being worked on.
    unix::mark(file);
    let named = directory.take_name(|own| directory.link_here(unnamed, own));
    let moved = named.and_then(|(own, ())| directory.move_name(&own, name, false));
    unix::unmark(file);
    moved
}
