//! The temporary file next to the target of a save, and the removal of stale ones.
//!
//! A temporary file has no name until it is persisted, so that a process that is killed leaves
//! nothing behind. Where the system has no unnamed files, it has a unique name (see `name`). A
//! later save that needs such a name itself removes stale ones: those whose owner cannot be running
//! any more. For a process of this host the system is asked; for any other, a week without a change
//! is taken as proof.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::name::{self, Name, Owner};
use super::{Directory, Target, system};

/// How many names one removal of stale files examines.
const EXAMINED_AT_ONCE: usize = 1000;

/// A temporary file of another host is stale after this many seconds without a change.
const STALE_AFTER: i64 = 7 * 24 * 3600;

/// A file next to the target of a save. Deleted on drop unless it was persisted.
pub(crate) struct TempFile<'t> {
    pub(crate) file: File,
    target: &'t Target,
    name: Option<Name>,
}

impl<'t> TempFile<'t> {
    pub(in crate::disk) fn beside(target: &'t Target) -> io::Result<TempFile<'t>> {
        match system::create_nameless(&target.directory, target.draft_mode()) {
            Some(file) => Ok(TempFile {
                file,
                target,
                name: None,
            }),
            None => TempFile::with_name(target),
        }
    }

    pub(super) fn with_name(target: &'t Target) -> io::Result<TempFile<'t>> {
        let (name, file) = create_named(&target.directory, target.draft_mode())?;
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

/// Gives an unnamed file the target's name, by way of a temporary name: a rename can replace a
/// file.
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
    // The lock would last as long as the file is open, which can be long.
    unlock(file);
    persisted
}

/// Makes a file the target. `name` is its current name. With `keep`, it has both names or only the
/// new one afterwards.
fn persist_name(file: &File, target: &Target, name: &Name, keep: bool) -> io::Result<()> {
    let Target {
        directory,
        name: to,
        ..
    } = target;
    // Names are unique, but anybody can give this one to another file.
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
    // Not every system or file system can do that; not every one has links either.
    match directory.link(name.as_c_str(), to, 0) {
        // If the reply of a server was lost and the system asked again, the server reports that the
        // name exists.
        Err(_) if directory.has(to, file).unwrap_or(false) => Ok(()),
        Err(error) if cannot_link(&error) => Err(io::ErrorKind::Unsupported.into()),
        result => result,
    }
}

fn cannot_link(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [libc::EPERM, libc::ENOSYS, libc::EOPNOTSUPP, libc::EMLINK].contains(&code.unwrap_or(0))
}

/// Creates a file and removes its name before it is used, where there are no unnamed files.
pub(in crate::disk) fn create_unlinked(directory: &Path) -> io::Result<File> {
    let directory = Directory::open(directory, system::LOOK_UP)?;
    let (name, file) = create_named(&directory, 0o600)?;
    remove(&directory, &name, &file);
    Ok(file)
}

/// Creates a file with a temporary name and locks it.
fn create_named(directory: &Directory, mode: u32) -> io::Result<(Name, File)> {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let (name, file) = take_name(|name| directory.open_file(name.as_c_str(), flags, mode))?;
    lock(&file);
    Ok((name, file))
}

/// Tries `take` with unique names until one does not exist yet.
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

/// Removes a name if it still refers to the file.
fn remove(directory: &Directory, name: &Name, file: &File) {
    if directory.has(name.as_c_str(), file).unwrap_or(false) {
        directory.remove(name.as_c_str());
    }
}

/// Removes stale temporary files. `new` is a file there that has just been written: its time is the
/// file system's present.
fn remove_stale(directory: &Directory, new: &File) {
    let (Ok(about), session) = (new.metadata(), system::session()) else {
        return;
    };
    directory.some_names(EXAMINED_AT_ONCE, |name| {
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
    // SAFETY: a query without arguments.
    let me = unsafe { libc::geteuid() };
    if about.st_mode & libc::S_IFMT != libc::S_IFREG || about.st_uid != me || about.st_nlink != 1 {
        return;
    }
    let is_stale = if session == Some(owner.session) {
        is_gone(owner.process)
    } else {
        #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
        let changed = about.st_mtime as i64;
        now.saturating_sub(changed) > STALE_AFTER
    };
    if !is_stale {
        return;
    }
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    // NFS locks only files that are open for writing.
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
    // SAFETY: signal 0 only checks whether the process exists.
    let asked = unsafe { libc::kill(process, 0) };
    asked < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

/// Locks a file for as long as it is open. False if another descriptor has the lock.
fn lock(file: &File) -> bool {
    // SAFETY: a call on an open descriptor.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// Releases the lock of a file that stays open.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn unlock(file: &File) {
    // SAFETY: a call on an open descriptor.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}
