//! The file beside the target of a save, and those that others left behind.
//!
//! A temporary file has no name until it is persisted, so that a process that is killed leaves nothing. Where
//! the system lacks that, it has a name that nobody else can have (see `name`). A temporary file that is left
//! behind is swept by a later save that needs a name there itself: once its owner cannot be at work any
//! more, which is known of a process of this host, and taken for granted after a week.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::name::{self, Name, Owner};
use super::{Directory, Target, system};

/// Names that are looked at in one sweep.
const SWEPT_AT_ONCE: usize = 1000;

/// After this many seconds without a change a temporary file of another host is left behind.
const LEFT_BEHIND: i64 = 7 * 24 * 3600;

/// A file beside the target of a save; it goes when this is dropped, unless it was persisted.
pub(crate) struct TempFile<'t> {
    pub(crate) file: File,
    target: &'t Target,
    name: Option<Name>,
}

impl<'t> TempFile<'t> {
    pub(in crate::disk) fn beside(target: &'t Target) -> io::Result<TempFile<'t>> {
        match system::create_nameless(&target.directory) {
            Some(file) => Ok(TempFile {
                file,
                target,
                name: None,
            }),
            None => TempFile::with_name(target),
        }
    }

    pub(super) fn with_name(target: &'t Target) -> io::Result<TempFile<'t>> {
        let (name, file) = create_named(&target.directory, 0o666)?;
        remove_stale(&target.directory, &file);
        Ok(TempFile {
            file,
            target,
            name: Some(name),
        })
    }

    pub(in crate::disk) fn persist(mut self, keep: bool) -> io::Result<()> {
        let Some(name) = &self.name else {
            return system::give_name(&self.file, self.target, keep);
        };
        persist_name(&self.file, self.target, name, keep)?;
        // With `keep` it may have two names now.
        if !keep {
            self.name = None;
        }
        Ok(())
    }
}

impl Drop for TempFile<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            remove(&self.target.directory, name, &self.file);
        }
    }
}

/// Gives a file that has no name the target's, by way of one of its own: that can replace.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(in crate::disk) fn persist_by_name(
    file: &File,
    target: &Target,
    link: impl Fn(&CStr) -> io::Result<()>,
) -> io::Result<()> {
    let directory = &target.directory;
    lock(file);
    let named = take_name(|name| link(name.as_c_str()));
    let persisted = named.and_then(|(name, ())| {
        remove_stale(directory, file);
        persist_name(file, target, &name, false).inspect_err(|_| remove(directory, &name, file))
    });
    // It would last as long as the file is open, which can be long.
    unlock(file);
    persisted
}

/// Makes a file the target under which it has `name` now. With `keep` it has both names or the new
/// one afterwards.
fn persist_name(file: &File, target: &Target, name: &Name, keep: bool) -> io::Result<()> {
    let Target {
        directory,
        name: to,
    } = target;
    // Nobody else has such a name, but anybody can give one away.
    if !directory.has(name.as_c_str(), file)? {
        return Err(io::Error::from_raw_os_error(libc::ESTALE));
    }
    if !keep {
        return directory.rename(name.as_c_str(), to);
    }
    match system::rename_new(directory.0.as_raw_fd(), name.as_c_str(), to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {}
        result => return result,
    }
    // Not every system or file system can; not every one has links either.
    match directory.link(name.as_c_str(), to, 0) {
        // An answer that was lost on the way: asked again, it says that the name exists.
        Err(_) if directory.has(to, file).unwrap_or(false) => Ok(()),
        Err(error) if cannot_link(&error) => Err(io::ErrorKind::Unsupported.into()),
        result => result,
    }
}

fn cannot_link(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [libc::EPERM, libc::ENOSYS, libc::EOPNOTSUPP, libc::EMLINK].contains(&code.unwrap_or(0))
}

/// A file whose name is gone before anyone can use it, where there are none without a name.
pub(in crate::disk) fn create_unlinked(directory: &Path) -> io::Result<File> {
    let directory = Directory::open(directory, system::LOOK_UP)?;
    let (name, file) = create_named(&directory, 0o600)?;
    remove(&directory, &name, &file);
    Ok(file)
}

/// A new file that has a name, marked as being worked on.
fn create_named(directory: &Directory, mode: u32) -> io::Result<(Name, File)> {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let (name, file) = take_name(|name| directory.open_file(name.as_c_str(), flags, mode))?;
    lock(&file);
    Ok((name, file))
}

/// Takes a name that nobody else can have.
fn take_name<T>(mut take: impl FnMut(&Name) -> io::Result<T>) -> io::Result<(Name, T)> {
    const TRIES: usize = 100;
    let owner = Owner {
        session: system::session().unwrap_or(0),
        process: std::process::id(),
    };
    for _ in 0..TRIES {
        let name = Name::new(owner, system::random()?);
        match take(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|taken| (name, taken)),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EBUSY))
}

/// Removes a name as long as it is the file's.
fn remove(directory: &Directory, name: &Name, file: &File) {
    if directory.has(name.as_c_str(), file).unwrap_or(false) {
        directory.remove(name.as_c_str());
    }
}

/// Removes temporary files that nobody works on any more. `new` is a file there that has just been written:
/// it shows what the time is for the file system.
fn remove_stale(directory: &Directory, new: &File) {
    let (Ok(about), session) = (new.metadata(), system::session()) else {
        return;
    };
    directory.some_names(SWEPT_AT_ONCE, |name| {
        if let Some(owner) = name::owner(name.to_bytes()) {
            remove_if_stale(directory, name, owner, session, about.mtime());
        }
    });
}

fn remove_if_stale(
    directory: &Directory,
    name: &CStr,
    owner: Owner,
    session: Option<u64>,
    now: i64,
) {
    let Ok(about) = directory.about(name) else {
        return;
    };
    // SAFETY: asks for a number.
    let me = unsafe { libc::geteuid() };
    if about.st_mode & libc::S_IFMT != libc::S_IFREG || about.st_uid != me || about.st_nlink != 1 {
        return;
    }
    let is_left = if session == Some(owner.session) {
        is_gone(owner.process)
    } else {
        #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
        let changed = about.st_mtime as i64;
        now.saturating_sub(changed) > LEFT_BEHIND
    };
    if !is_left {
        return;
    }
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    // NFS marks only what is open for writing.
    let file = directory.open_file(name, flags | libc::O_RDWR, 0);
    let file = file.or_else(|_| directory.open_file(name, flags | libc::O_RDONLY, 0));
    if file.is_ok_and(|file| lock(&file)) {
        directory.remove(name);
    }
}

/// Whether no process of this session has that number.
fn is_gone(process: u32) -> bool {
    let Ok(process @ 1..) = i32::try_from(process) else {
        return false;
    };
    // SAFETY: asks whether there is one.
    let asked = unsafe { libc::kill(process, 0) };
    asked < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

/// Marks a file as being worked on, for as long as it is open. False if somebody else has done so.
fn lock(file: &File) -> bool {
    // SAFETY: a call on an open descriptor.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// Takes a mark back that would last longer than the work.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn unlock(file: &File) {
    // SAFETY: a call on an open descriptor.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}
