//! Files on every Unix: what Linux, macOS and the BSDs have in common.

use std::ffi::{CStr, CString, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::system;

pub(super) fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    FileExt::read_at(file, out, offset)
}

pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    FileExt::write_at(file, bytes, offset)
}

/// Fails as the write would that starts past RLIMIT_FSIZE, without the SIGXFSZ that would end the
/// host's process.
pub(super) fn check_limit(offset: u64, length: u64) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: writes one rlimit.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0;
    #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
    let most = limit.rlim_cur as u64;
    let unlimited = limit.rlim_cur == libc::RLIM_INFINITY;
    if known && !unlimited && offset.saturating_add(length) > most {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(())
}

/// Writes where the file stands. The signals of a pipe without a reader and of a file that may not
/// grow are kept from the host: it did not write.
pub(super) fn write(file: &File, bytes: &[u8]) -> io::Result<usize> {
    use std::io::Write;
    let mut file = file;
    let _quiet = system::Quiet::new(file);
    // SAFETY: sets are written before they are read. What is pending after the write and was not
    // before is the write's own: both signals go to the thread that wrote, but where `Quiet` knows
    // better.
    unsafe {
        let (mut ours, mut mask) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigemptyset(&mut ours);
        libc::sigaddset(&mut ours, libc::SIGPIPE);
        libc::sigaddset(&mut ours, libc::SIGXFSZ);
        libc::pthread_sigmask(libc::SIG_BLOCK, &ours, &mut mask);
        let before = pending();
        let result = file.write(bytes);
        if result.is_err() {
            let after = pending();
            for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
                let is_in = |set| libc::sigismember(set, signal) == 1;
                if is_in(&after) && !is_in(&before) {
                    let (mut one, mut taken) = (std::mem::zeroed(), 0);
                    libc::sigemptyset(&mut one);
                    libc::sigaddset(&mut one, signal);
                    libc::sigwait(&one, &mut taken);
                }
            }
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &mask, std::ptr::null_mut());
        result
    }
}

/// How much a descriptor that says that it is writable takes without blocking: a pipe as much as it
/// takes in one piece, and nothing that has to be waited for less.
pub(super) fn takes_at_once(file: &File) -> usize {
    let waits =
        |kind: std::fs::FileType| kind.is_fifo() || kind.is_socket() || kind.is_char_device();
    if file.metadata().is_ok_and(|about| waits(about.file_type())) {
        libc::PIPE_BUF
    } else {
        usize::MAX
    }
}

/// Waits for a moment at most until a descriptor takes something, and says whether it does.
pub(super) fn wait_writable(file: &File) -> io::Result<bool> {
    const MOMENT_MS: i32 = 50;
    let mut ask = libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one pollfd.
    match unsafe { libc::poll(&mut ask, 1, MOMENT_MS) } {
        0 => Ok(false),
        1.. => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
    }
}

fn pending() -> libc::sigset_t {
    // SAFETY: the set is written before it is read.
    unsafe {
        let mut pending = std::mem::zeroed();
        libc::sigpending(&mut pending);
        pending
    }
}

/// A file whose name is gone before anyone can use it, where there are none without a name.
pub(super) fn create_unlinked(directory: &Path) -> io::Result<File> {
    let directory = Directory::open(directory, system::LOOK_UP)?;
    let (name, file) = directory.create_named(0o600)?;
    directory.remove(&name);
    Ok(file)
}

/// A path of these bytes; an error without memory for it.
pub(super) fn path_of(bytes: &[u8]) -> io::Result<PathBuf> {
    let mut path = Vec::new();
    path.try_reserve_exact(bytes.len())
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    path.extend_from_slice(bytes);
    Ok(PathBuf::from(OsString::from_vec(path)))
}

pub(super) fn copy_of(path: &Path) -> io::Result<PathBuf> {
    path_of(path.as_os_str().as_bytes())
}

pub(super) fn borrow(descriptor: i32) -> io::Result<std::mem::ManuallyDrop<File>> {
    // SAFETY: asks about a number.
    if descriptor < 0 || unsafe { libc::fcntl(descriptor, libc::F_GETFL) } < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: an open descriptor, which ManuallyDrop leaves open.
    Ok(std::mem::ManuallyDrop::new(unsafe {
        File::from_raw_fd(descriptor)
    }))
}

pub(super) fn standing(file: &File) -> Option<u64> {
    // SAFETY: asks about an open descriptor.
    let (flags, at) = unsafe {
        let descriptor = file.as_raw_fd();
        (
            libc::fcntl(descriptor, libc::F_GETFL),
            libc::lseek(descriptor, 0, libc::SEEK_CUR),
        )
    };
    if flags & libc::O_APPEND != 0 {
        None
    } else {
        u64::try_from(at).ok()
    }
}

/// Names that a draft usually has beside its target. There are few, so that a save finds those that
/// a killed process left behind without looking through the directory.
const NAMES: u32 = 16;

/// The name of a draft.
pub(super) struct Name([u8; 64]);

impl Name {
    fn usual(number: u32) -> Name {
        Name::of(format_args!(".spoolbuf-{number}.part\0"))
    }

    /// One that nobody else takes, where all the usual ones are in use.
    fn own() -> Name {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_nanos());
        Name::of(format_args!(
            ".spoolbuf-{}-{count}-{now}.part\0",
            std::process::id()
        ))
    }

    fn of(text: std::fmt::Arguments<'_>) -> Name {
        let mut name = Name([0; 64]);
        // Both forms fit.
        let _ = io::Write::write_fmt(&mut &mut name.0[..63], text);
        name
    }
}

impl Deref for Name {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

/// A file that is to be: the directory, and the name there.
pub(crate) struct Target {
    pub(super) directory: Directory,
    pub(super) name: CString,
}

impl Target {
    pub(super) fn new(directory: &Path, path: &Path, synced: bool) -> io::Result<Target> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Target {
            // One that files can be put into need not be one that can be read.
            directory: Directory::open(directory, if synced { 0 } else { system::LOOK_UP })?,
            name: c_string(name.as_bytes())?,
        })
    }

    pub(super) fn sync_name(&self) -> io::Result<()> {
        self.directory.0.sync_all()
    }

    /// Whether it is a link whose text begins with a directory that holds no files of users.
    pub(super) fn leads_into_the_system(&self) -> bool {
        let (directory, name) = (self.directory.0.as_raw_fd(), self.name.as_ptr());
        let mut text = [0; 6];
        // SAFETY: an open directory, a NUL-terminated name, and room for so many bytes.
        let length =
            unsafe { libc::readlinkat(directory, name, text.as_mut_ptr().cast(), text.len()) };
        length >= 5 && (text == *b"/proc/" || text.starts_with(b"/dev/"))
    }
}

/// A file beside the target of a save. It has no name until it is published, so that a process
/// that is killed leaves nothing; where the system lacks that, it has one of a few names.
pub(crate) struct Draft<'t> {
    pub(crate) file: File,
    target: &'t Target,
    name: Option<Name>,
}

impl<'t> Draft<'t> {
    pub(super) fn beside(target: &'t Target) -> io::Result<Draft<'t>> {
        let directory = &target.directory;
        directory.sweep();
        let (file, name) = match system::create_nameless(directory) {
            Some(file) => (file, None),
            None => {
                let (name, file) = directory.create_named(0o666)?;
                (file, Some(name))
            }
        };
        Ok(Draft { file, target, name })
    }

    pub(super) fn publish(mut self, keep: bool) -> io::Result<()> {
        let Target { directory, name } = self.target;
        match self.name.take() {
            Some(own) => directory.move_name(&own, name, keep),
            None => system::give_name(&self.file, self.target, keep),
        }
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            self.target.directory.remove(name);
        }
    }
}

/// A directory that files are made in, held open: its own path may change meanwhile.
pub(super) struct Directory(pub(super) File);

impl Directory {
    fn open(path: &Path, flags: i32) -> io::Result<Directory> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_DIRECTORY | flags);
        options.open(path).map(Directory)
    }

    pub(super) fn open_file(&self, name: &CStr, flags: i32, mode: u32) -> io::Result<File> {
        let flags = flags | libc::O_CLOEXEC | system::LARGE;
        // SAFETY: an open directory and a NUL-terminated name.
        let file = unsafe { libc::openat(self.0.as_raw_fd(), name.as_ptr(), flags, mode) };
        succeeded(file)?;
        // SAFETY: open, and nobody else's.
        Ok(unsafe { File::from_raw_fd(file) })
    }

    pub(super) fn remove(&self, name: &CStr) {
        // SAFETY: an open directory and a NUL-terminated name.
        unsafe { libc::unlinkat(self.0.as_raw_fd(), name.as_ptr(), 0) };
    }

    /// Makes `name` another name of the file at `from`.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn link_here(&self, from: &CStr, name: &CStr) -> io::Result<()> {
        let (cwd, follow) = (libc::AT_FDCWD, libc::AT_SYMLINK_FOLLOW);
        let directory = self.0.as_raw_fd();
        // SAFETY: an open directory and NUL-terminated names.
        succeeded(unsafe { libc::linkat(cwd, from.as_ptr(), directory, name.as_ptr(), follow) })
    }

    /// Moves a name to another: over what is there, or with `keep` only where nothing is.
    pub(super) fn move_name(&self, name: &Name, to: &CStr, keep: bool) -> io::Result<()> {
        let here = self.0.as_raw_fd();
        let moved = if keep {
            match system::rename_new(here, name, to) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    // Not every system or file system can; not every one has links either.
                    // SAFETY: an open directory and NUL-terminated names.
                    let linked = unsafe { libc::linkat(here, name.as_ptr(), here, to.as_ptr(), 0) };
                    succeeded(linked).inspect(|()| self.remove(name))
                }
                result => result,
            }
        } else {
            // SAFETY: as above.
            succeeded(unsafe { libc::renameat(here, name.as_ptr(), here, to.as_ptr()) })
        };
        moved.inspect_err(|_| self.remove(name))
    }

    /// Removes drafts that nobody works on any more. Only where there is one is the directory looked
    /// through for those with a name of their own.
    pub(super) fn sweep(&self) {
        let mut found = false;
        for number in 0..NAMES {
            found |= self.sweep_one(&Name::usual(number));
        }
        if found {
            self.each_name(|name| {
                let text = name.to_bytes();
                if text.starts_with(b".spoolbuf-") && text.ends_with(b".part") {
                    self.sweep_one(name);
                }
            });
        }
    }

    /// Removes a draft if nobody works on it any more; whether it did.
    fn sweep_one(&self, name: &CStr) -> bool {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        // NFS marks only what is open for writing.
        let file = self.open_file(name, flags | libc::O_RDWR, 0);
        let Ok(file) = file.or_else(|_| self.open_file(name, flags | libc::O_RDONLY, 0)) else {
            return false;
        };
        // The name may have gone to another file before this one was marked.
        let is_stray = mark(&file) && !self.is_gone(&file, name);
        if is_stray {
            self.remove(name);
        }
        is_stray
    }

    fn each_name(&self, act: impl Fn(&CStr)) {
        let Ok(listed) = self.open_file(c".", libc::O_RDONLY | libc::O_DIRECTORY, 0) else {
            return;
        };
        // SAFETY: an open directory, which the stream owns from here on; the entries are looked at
        // before the next one is asked for.
        unsafe {
            let stream = libc::fdopendir(listed.as_raw_fd());
            if stream.is_null() {
                return;
            }
            std::mem::forget(listed);
            loop {
                let entry = libc::readdir(stream);
                if entry.is_null() {
                    break;
                }
                // Not by a reference: an entry is only as long as its name.
                act(CStr::from_ptr((&raw const (*entry).d_name).cast()));
            }
            libc::closedir(stream);
        }
    }

    /// Whether a name is not the file's any more, as far as can be told.
    fn is_gone(&self, file: &File, name: &CStr) -> bool {
        let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let identity = |file: &File| file.metadata().map(|about| (about.dev(), about.ino())).ok();
        match self.open_file(name, flags, 0) {
            Ok(named) => identity(&named) != identity(file),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Finds a free name by trying to take it.
    pub(super) fn take_name<T>(
        &self,
        mut take: impl FnMut(&Name) -> io::Result<T>,
    ) -> io::Result<(Name, T)> {
        let names = (0..NAMES).map(Name::usual);
        for name in names.chain(std::iter::repeat_with(Name::own).take(100)) {
            match take(&name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(|taken| (name, taken)),
            }
        }
        Err(io::Error::from_raw_os_error(libc::EBUSY))
    }

    /// A file that has a name, marked as being worked on: made where there are no files without one.
    pub(super) fn create_named(&self, mode: u32) -> io::Result<(Name, File)> {
        self.take_name(|name| {
            let file = self.open_file(name, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, mode)?;
            // A sweep may have come between the two.
            let swept = !mark(&file) && is_contended() || self.is_gone(&file, name);
            if swept {
                Err(io::ErrorKind::AlreadyExists.into())
            } else {
                Ok(file)
            }
        })
    }
}

/// Marks a file as being worked on, for as long as it is open. False if another process has it.
pub(super) fn mark(file: &File) -> bool {
    // SAFETY: a call on an open descriptor.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// Whether a mark that just failed is another process's, and not beyond the file system.
fn is_contended() -> bool {
    io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock
}

/// Takes a mark back that would last longer than the work.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn unmark(file: &File) {
    // SAFETY: a call on an open descriptor.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}

/// A name for the system; an error without memory for it.
fn c_string(name: &[u8]) -> io::Result<CString> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(name.len() + 1)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.extend_from_slice(name);
    bytes.push(0);
    CString::from_vec_with_nul(bytes).map_err(|_| io::ErrorKind::InvalidInput.into())
}

pub(super) fn succeeded(result: i32) -> io::Result<()> {
    if result >= 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where an offset has 32 bits by default, a file is so long only if it was opened for that.
    #[test]
    fn files_of_every_kind_can_be_longer_than_two_gib() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = Target::new(directory.path(), Path::new("saved"), false).expect("a target");
        let draft = Draft::beside(&target).expect("a draft");
        let (name, named) = target.directory.create_named(0o666).expect("a draft");
        let unnamed = system::create_unnamed(directory.path()).expect("a spool file");
        let unlinked = create_unlinked(directory.path()).expect("a spool file");
        for file in [&draft.file, &named, &unnamed, &unlinked] {
            let (far, mut out) = (3 << 30, [0; 3]);
            assert_eq!(write_at(file, b"far", far).expect("a hole before it"), 3);
            assert_eq!(read_at(file, &mut out, far).expect("a file"), 3);
            assert_eq!(&out, b"far");
        }
        target.directory.remove(&name);
    }
}
