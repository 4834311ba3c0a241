//! Files on macOS, iOS and the BSDs.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::path::{Path, PathBuf};

use super::unix::{self, Directory};
pub(crate) use super::unix::{Stream, Target, TempFile};
pub(super) use super::unix::{
    borrow, can_sync, check_limit, copy_of, discard, free_space, message, position, read_at,
    set_mode, write_at,
};

/// Files can be long without a flag.
pub(super) const LARGE: i32 = 0;

/// There is no flag for look-ups only: directories are opened for reading.
pub(super) const LOOK_UP: i32 = 0;

/// Would gain nothing: APFS itself delays allocation.
pub(super) fn reserve(_file: &File, _offset: u64, _length: u64) -> io::Result<()> {
    Ok(())
}

/// macOS clones whole files, but no ranges.
pub(super) fn clone_range(
    _from: &File,
    _offset: u64,
    _to: &File,
    _to_offset: u64,
    _length: u64,
) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// On macOS temporary directories are on disk. Some BSDs keep theirs in memory, which is not
/// checked: there the host chooses a directory.
pub(super) fn is_memory_backed(_file: &File) -> bool {
    false
}

pub(super) fn is_fallback(_directory: &Path) -> bool {
    false
}

pub(super) fn default_directories() -> io::Result<[Option<PathBuf>; 3]> {
    let chosen = unix::chosen_directory()?;
    Ok([
        chosen,
        Some(own_directory()?),
        Some(unix::path_of(b"/tmp")?),
    ])
}

/// The user's directory for temporary files.
#[cfg(target_vendor = "apple")]
fn own_directory() -> io::Result<PathBuf> {
    let mut path = [0u8; libc::PATH_MAX as usize];
    let start = path.as_mut_ptr().cast();
    // SAFETY: `path` has room for `path.len()` bytes.
    let size = unsafe { libc::confstr(libc::_CS_DARWIN_USER_TEMP_DIR, start, path.len()) };
    // The size includes the NUL. It is 0 if there is no such directory, and larger than `path` if
    // the directory's path did not fit.
    match path.get(..size.saturating_sub(1)) {
        Some(own) if !own.is_empty() => unix::path_of(own),
        _ => unix::path_of(b"/tmp"),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn own_directory() -> io::Result<PathBuf> {
    unix::path_of(b"/tmp")
}

pub(super) fn create_unnamed(directory: &Path) -> io::Result<File> {
    unix::create_unlinked(directory)
}

/// Keeps a broken pipe from raising SIGPIPE while a descriptor is written to: macOS sends that
/// signal to the process, where any thread may receive it.
pub(super) struct Quiet {
    #[cfg(target_vendor = "apple")]
    loud: Option<RawFd>,
}

#[cfg(target_vendor = "apple")]
impl Quiet {
    pub(super) fn new(file: &File) -> Quiet {
        let file = file.as_raw_fd();
        // SAFETY: reads and sets a flag of an open descriptor. For a descriptor without that flag
        // the call fails, and such a descriptor raises no signal either.
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
            // SAFETY: restores a flag of an open descriptor.
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

/// Renames within a directory. Fails if the new name exists.
#[cfg(target_vendor = "apple")]
pub(super) fn rename_new(directory: RawFd, from: &CStr, to: &CStr) -> io::Result<()> {
    let (from, to) = (from.as_ptr(), to.as_ptr());
    // SAFETY: an open directory and NUL-terminated names.
    unix::succeeded(unsafe {
        libc::renameatx_np(directory, from, directory, to, libc::RENAME_EXCL)
    })
}

/// There is no such call on these systems.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn rename_new(_directory: RawFd, _from: &CStr, _to: &CStr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// These systems have no unnamed files.
pub(super) fn create_nameless(_directory: &Directory, _mode: u32) -> Option<File> {
    None
}

/// Never called, since these systems have no unnamed files.
pub(super) fn give_name(_file: &File, _target: &Target, _keep: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Reports errors of earlier writes that the system has not reported yet. Closing a duplicate of a
/// descriptor reports nothing on these systems.
pub(super) fn settle(file: &File) -> io::Result<()> {
    settle_borrowed(file)
}

pub(super) fn settle_borrowed(file: &File) -> io::Result<()> {
    if !file.metadata()?.is_file() || is_local(file) {
        return Ok(());
    }
    loop {
        // SAFETY: a call on an open descriptor. Unlike `sync_all`, it need not reach the disk.
        match unix::succeeded(unsafe { libc::fsync(file.as_raw_fd()) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Whether a file is known to be on this machine.
#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
fn is_local(file: &File) -> bool {
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    about_system(file).is_some_and(|about| about.f_flags as u64 & libc::MNT_LOCAL as u64 != 0)
}

#[cfg(not(any(target_vendor = "apple", target_os = "freebsd")))]
fn is_local(_file: &File) -> bool {
    false
}

#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
fn about_system(file: &File) -> Option<libc::statfs> {
    // SAFETY: an all-zero statfs is a valid value, which the call overwrites.
    unsafe {
        let mut about: libc::statfs = std::mem::zeroed();
        let known = libc::fstatfs(file.as_raw_fd(), &raw mut about) == 0;
        known.then_some(about)
    }
}

/// Whether the names in a directory stand for descriptors, as in /dev/fd.
#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
pub(super) fn holds_descriptors(directory: &File) -> bool {
    about_system(directory).is_some_and(|about| {
        let kind = about.f_fstypename.map(|unit| unit as u8);
        let kind = CStr::from_bytes_until_nul(&kind).unwrap_or_default();
        [c"devfs", c"fdesc", c"fdescfs", c"procfs", c"linprocfs"].contains(&kind)
    })
}

#[cfg(not(any(target_vendor = "apple", target_os = "freebsd")))]
pub(super) fn holds_descriptors(_directory: &File) -> bool {
    false
}

pub(super) type Stat = libc::stat;

/// The metadata of a name in a directory.
pub(super) fn stat_at(directory: &File, name: &CStr, flags: i32) -> io::Result<Stat> {
    // SAFETY: an open directory, a NUL-terminated name, and an all-zero stat to be overwritten.
    unsafe {
        let mut about: Stat = std::mem::zeroed();
        let (here, name) = (directory.as_raw_fd(), name.as_ptr());
        unix::succeeded(libc::fstatat(here, name, &raw mut about, flags)).map(|()| about)
    }
}

/// Two random numbers, 128 bits that nobody else has.
pub(super) fn random() -> io::Result<[u64; 2]> {
    let mut random = [0u64; 2];
    let size = size_of_val(&random);
    // SAFETY: `random` has room for `size` bytes.
    unix::succeeded(unsafe { libc::getentropy((&raw mut random).cast(), size) }).map(|()| random)
}

/// Identifies the scope in which process numbers are unique: this host since it was booted.
#[cfg(target_vendor = "apple")]
pub(super) fn session() -> Option<u64> {
    let (mut boot, mut size) = ([0u8; 40], 40);
    // SAFETY: a NUL-terminated name, and `boot` has room for `size` bytes.
    let known = unsafe {
        let name = c"kern.bootsessionuuid".as_ptr();
        let out = (&raw mut boot).cast();
        libc::sysctlbyname(name, out, &raw mut size, std::ptr::null_mut(), 0) == 0
    };
    // FNV-1a: the hash only has to differ.
    let hash = boot.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    known.then_some(hash)
}

/// Unknown, so temporary files of other processes become stale only by age.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn session() -> Option<u64> {
    None
}

/// Opens the same terminal again, as a non-blocking descriptor. A pipe has no name to open it by.
pub(super) fn open_again(file: &File) -> Option<File> {
    let mut name = [0u8; 128];
    let flags = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: an open descriptor, and room for its name. Nothing else owns the descriptor that was
    // just opened.
    unsafe {
        let start = name.as_mut_ptr().cast::<libc::c_char>();
        if libc::ttyname_r(file.as_raw_fd(), start, name.len()) != 0 {
            return None;
        }
        let again = libc::open(start, flags);
        (again >= 0).then(|| File::from_raw_fd(again))
    }
}

/// These systems cannot give an unlinked file a name again.
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
