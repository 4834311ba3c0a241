//! Files on Linux and Android.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::unix::{self, Directory};
pub(crate) use super::unix::{Stream, Target, TempFile};
pub(super) use super::unix::{
    borrow, can_sync, check_limit, copy_of, discard, free_space, message, position, read_at,
    set_mode, write_at,
};

/// Allows files longer than a signed 32-bit offset.
pub(super) const LARGE: i32 = libc::O_LARGEFILE;

/// Opens a directory only to look up names in it, which needs no read permission.
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

/// Clones whole blocks only. The caller copies the remainder.
pub(super) fn clone_range(
    from: &File,
    offset: u64,
    to: &File,
    to_offset: u64,
    length: u64,
) -> io::Result<u64> {
    // The largest block size of a file system that can clone.
    const BLOCK: u64 = 64 * 1024;
    let range = libc::file_clone_range {
        src_fd: from.as_raw_fd().into(),
        src_offset: offset,
        src_length: length - length % BLOCK,
        dest_offset: to_offset,
    };
    // A length of 0 would mean everything up to the end.
    if range.src_length > 0 {
        // SAFETY: an open descriptor and the struct that this request reads.
        let done =
            unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONERANGE as _, &raw const range) };
        if done == 0 {
            return Ok(range.src_length);
        }
    }
    // Whatever the reason, such as another file system or a sandbox: a real error shows when the
    // bytes are copied.
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn create_unnamed(directory: &Path) -> io::Result<File> {
    let path = unix::c_string(directory.as_os_str().as_bytes())?;
    let flags = libc::O_RDWR | libc::O_TMPFILE;
    // File systems without unnamed files report that in various ways; any other problem shows again
    // below.
    unix::open_at(libc::AT_FDCWD, &path, flags, 0o600).or_else(|_| unix::create_unlinked(directory))
}

pub(super) fn default_directories() -> io::Result<[Option<PathBuf>; 3]> {
    let in_memory = is_memory(|about| {
        // SAFETY: a NUL-terminated path and room for one statfs64.
        unsafe { libc::statfs64(c"/tmp".as_ptr(), about) }
    });
    let (usual, other) = (unix::path_of(b"/tmp")?, unix::path_of(b"/var/tmp")?);
    let chosen = unix::chosen_directory()?;
    Ok(match in_memory {
        true => [chosen, Some(other), Some(usual)],
        false => [chosen, Some(usual), Some(other)],
    })
}

pub(super) fn is_fallback(directory: &Path) -> bool {
    directory == Path::new("/var/tmp") && matches!(unix::chosen_directory(), Ok(None))
}

pub(super) fn is_memory_backed(file: &File) -> bool {
    is_memory(|about| about_system(file, about))
}

fn about_system(file: &File, about: *mut libc::statfs64) -> i32 {
    // SAFETY: an open descriptor and room for one statfs64.
    unsafe { libc::fstatfs64(file.as_raw_fd(), about) }
}

fn is_memory(ask: impl FnOnce(*mut libc::statfs64) -> i32) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    matches!(kind_of_system(ask), Some(TMPFS | RAMFS))
}

/// The magic number of a file system.
fn kind_of_system(ask: impl FnOnce(*mut libc::statfs64) -> i32) -> Option<u64> {
    // SAFETY: an all-zero statfs64 is a valid value to be written over.
    let mut about: libc::statfs64 = unsafe { std::mem::zeroed() };
    let known = ask(&raw mut about) == 0;
    // The field's type differs between architectures; the magic numbers are 32 bits.
    #[allow(clippy::unnecessary_cast)]
    let kind = about.f_type as u64 & 0xffff_ffff;
    known.then_some(kind)
}

/// Whether the names in a directory stand for descriptors, as in /proc/self/fd.
pub(super) fn holds_descriptors(directory: &File) -> bool {
    const PROC: u64 = 0x9fa0;
    kind_of_system(|about| about_system(directory, about)) == Some(PROC)
}

/// Reports errors of earlier writes to a file of ours that the system has not reported yet. Closing
/// alone may not do that: if the bytes were written back early, the system reports the error only
/// to the first caller that asks, in any process. A descriptor that waits for the write-back always
/// learns of it.
pub(super) fn settle(file: &File) -> io::Result<()> {
    settle_borrowed(file)?;
    unix::close_copy(file)
}

/// The same for a caller's file. On a network file system, the bytes that this machine still holds
/// are sent, since the server refuses them only then.
pub(super) fn settle_borrowed(file: &File) -> io::Result<()> {
    const NFS: u64 = 0x6969;
    const SMB: u64 = 0x517b;
    const CIFS: u64 = 0xff53_4d42;
    const SMB2: u64 = 0xfe53_4d42;
    const FUSE: u64 = 0x6573_5546;
    const NINE_P: u64 = 0x0102_1997;
    const CEPH: u64 = 0x00c3_6400;
    const AFS: u64 = 0x5346_414f;
    let kind = kind_of_system(|about| about_system(file, about));
    if !matches!(
        kind,
        Some(NFS | SMB | CIFS | SMB2 | FUSE | NINE_P | CEPH | AFS)
    ) {
        return Ok(());
    }
    loop {
        match send_on(file) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Says nothing about the bytes written.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::ESPIPE)) => {
                return Ok(());
            }
            result => return result,
        }
    }
}

/// Writes back the bytes that are cached on this machine, and waits for that.
#[cfg(target_os = "linux")]
fn send_on(file: &File) -> io::Result<()> {
    let how = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: a call on an open descriptor with plain numbers.
    unix::succeeded(unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, how) })
}

/// The same, by a call that Android has.
#[cfg(target_os = "android")]
fn send_on(file: &File) -> io::Result<()> {
    if unix::can_sync(file) {
        file.sync_data()
    } else {
        Ok(())
    }
}

pub(super) type Stat = libc::stat64;

/// The metadata of a name in a directory.
pub(super) fn stat_at(directory: &File, name: &CStr, flags: i32) -> io::Result<Stat> {
    // SAFETY: an all-zero stat64 is a valid value to be written over.
    let mut about: Stat = unsafe { std::mem::zeroed() };
    // SAFETY: an open directory, a NUL-terminated name and room for one stat64.
    let done =
        unsafe { libc::fstatat64(directory.as_raw_fd(), name.as_ptr(), &raw mut about, flags) };
    unix::succeeded(done).map(|()| about)
}

/// Two random numbers, 128 bits that nobody else has.
pub(super) fn random() -> io::Result<[u64; 2]> {
    let mut random = [0u64; 2];
    let size = size_of_val(&random);
    // SAFETY: `random` has room for `size` bytes. A raw system call, since not every C library has
    // a function for it.
    let count = unsafe { libc::syscall(libc::SYS_getrandom, &raw mut random, size, 0) };
    if count != size as libc::c_long {
        let mut bytes = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        random = halves(bytes);
    }
    Ok(random)
}

fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let both = u128::from_ne_bytes(bytes);
    [(both >> 64) as u64, both as u64]
}

/// Identifies the scope in which process numbers are unique: this host since it was booted, and on
/// it this container. `None` if that is unknown.
pub(super) fn session() -> Option<u64> {
    let mut boot = [0; 36];
    let mut file = File::open("/proc/sys/kernel/random/boot_id").ok()?;
    file.read_exact(&mut boot).ok()?;
    // Read anew each time, since a fork can enter another container.
    let numbers = Path::new("/proc/self/ns/pid").metadata().ok()?;
    // SAFETY: an all-zero utsname is a valid value to be written over.
    let mut about: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: room for one utsname.
    unix::succeeded(unsafe { libc::uname(&raw mut about) }).ok()?;
    let host = about.nodename.map(|unit| unit as u8);
    let parts: [&[u8]; 4] = [
        &boot,
        &numbers.dev().to_le_bytes(),
        &numbers.ino().to_le_bytes(),
        &host,
    ];
    // FNV-1a: the hash only has to differ.
    let bytes = parts.into_iter().flatten();
    Some(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

/// Opens the same pipe or terminal again, as a non-blocking descriptor.
pub(super) fn open_again(file: &File) -> Option<File> {
    #[cfg(target_os = "linux")]
    use libc::TIOCGPTN;
    #[cfg(target_os = "android")]
    const TIOCGPTN: u32 = 0x8004_5430;
    let mut number: libc::c_uint = 0;
    // SAFETY: an open descriptor, and room for one number.
    let is_master = unsafe { libc::ioctl(file.as_raw_fd(), TIOCGPTN as _, &raw mut number) } == 0;
    // Opening the master again would create another terminal.
    if is_master {
        return None;
    }
    let path = path_of_descriptor(file).ok()?;
    let path = CStr::from_bytes_until_nul(&path).ok()?;
    let flags = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: a NUL-terminated path.
    let again = unsafe { libc::open(path.as_ptr(), flags) };
    // SAFETY: open, and nobody else's.
    (again >= 0).then(|| unsafe { File::from_raw_fd(again) })
}

fn path_of_descriptor(file: &File) -> io::Result<[u8; 32]> {
    let mut path = [0; 32];
    write!(&mut path[..], "/proc/self/fd/{}\0", file.as_raw_fd())?;
    Ok(path)
}

/// On Linux a broken pipe's SIGPIPE goes to the writing thread, which discards it itself.
pub(super) struct Quiet;

impl Quiet {
    pub(super) fn new(_file: &File) -> Quiet {
        Quiet
    }
}

/// Renames within a directory. Fails if the new name exists.
pub(super) fn rename_new(directory: RawFd, from: &CStr, to: &CStr) -> io::Result<()> {
    let (from, to) = (from.as_ptr(), to.as_ptr());
    let flags = libc::RENAME_NOREPLACE;
    // SAFETY: an open directory and NUL-terminated names. A raw system call, since not every C
    // library has a function for it.
    let done = unsafe { libc::syscall(libc::SYS_renameat2, directory, from, directory, to, flags) };
    unix::succeeded(done as i32)
}

/// Creates an unnamed file in the directory. It is deleted with its last descriptor unless it is
/// given a name. `None` if the file system has no unnamed files.
pub(super) fn create_nameless(directory: &Directory, mode: u32) -> Option<File> {
    let file = directory.open_file(c".", libc::O_RDWR | libc::O_TMPFILE, mode);
    // Without /proc it could not be given a name later.
    file.ok().filter(|_| Path::new("/proc/self/fd").is_dir())
}

/// Whether an unnamed file, or one that would be created in `spool_dir`, could become the target:
/// it must be on the same file system, and that must be able to name such files.
pub(super) fn can_link(unnamed: Option<&File>, spool_dir: &Path, target: &Target) -> bool {
    let about = match unnamed {
        Some(unnamed) => unnamed.metadata().ok().filter(|about| about.nlink() == 0),
        None => Directory::open(spool_dir, LOOK_UP)
            .and_then(|directory| directory.0.metadata())
            .ok(),
    };
    let there = target.directory.0.metadata();
    let together = about
        .zip(there.ok())
        .is_some_and(|(a, b)| a.dev() == b.dev());
    together && create_nameless(&target.directory, 0o600).is_some()
}

pub(super) fn make_linkable(unnamed: &File, target: &Target, size: u64) -> io::Result<()> {
    if !can_link(Some(unnamed), Path::new(""), target) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // Blocks reserved past the end must not stay in the file.
    unnamed.set_len(size)?;
    let mode = match target.mode {
        Some(mode) => mode,
        None => {
            // The mode that a new file gets in this directory.
            let new = create_nameless(&target.directory, 0o666);
            let about = new.ok_or(io::ErrorKind::Unsupported)?.metadata()?;
            about.permissions().mode() & 0o777
        }
    };
    set_mode(unnamed, mode)
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

/// Gives an unnamed file the target's name, in one step.
pub(super) fn give_name(file: &File, target: &Target, keep: bool) -> io::Result<()> {
    let unnamed = path_of_descriptor(file)?;
    let unnamed = CStr::from_bytes_until_nul(&unnamed).map_err(|_| io::ErrorKind::InvalidInput)?;
    match target.directory.link_here(unnamed, &target.name) {
        // A link cannot replace a file, a rename can.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !keep => {
            unix::persist_by_name(file, target, |name| {
                target.directory.link_here(unnamed, name)
            })
        }
        result => result,
    }
}
