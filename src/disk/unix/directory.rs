//! A directory that is held open, and what exists under a name in it.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::Existing;
use super::{c_string, open_at, succeeded, system};
use crate::sync::{StaticMutex, try_lock};

/// The file that a save will create: its directory, and its name there.
pub(crate) struct Target {
    pub(in crate::disk) directory: Directory,
    pub(in crate::disk) name: CString,
    /// Its permission bits, if not the default ones.
    pub(in crate::disk) mode: Option<u32>,
}

impl Target {
    pub(in crate::disk) fn new(
        directory: &Path,
        path: &Path,
        synced: bool,
        mode: Option<u32>,
    ) -> io::Result<Target> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Target {
            // A directory that files can be created in is not always readable.
            directory: Directory::open(directory, if synced { 0 } else { system::LOOK_UP })?,
            name: c_string(name.as_bytes())?,
            mode,
        })
    }

    /// The mode of a file that is to become this one. A mode of its own is set when all is written: who
    /// may not read the target must not read that either, and a read-only file may be refused bytes.
    pub(in crate::disk) fn draft_mode(&self) -> u32 {
        self.mode.map_or(0o666, |_| 0o600)
    }

    pub(in crate::disk) fn sync_name(&self) -> io::Result<()> {
        self.directory.0.sync_all()
    }

    pub(in crate::disk) fn existing(&self) -> io::Result<Existing> {
        let about = match self.directory.about(&self.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Existing::Nothing),
            about => about?,
        };
        let is_odd = match about.st_mode & libc::S_IFMT {
            libc::S_IFREG => system::holds_descriptors(&self.directory.0),
            libc::S_IFLNK => self.directory.leads_beyond_files(&self.name)?,
            _ => true,
        };
        Ok(if is_odd {
            Existing::Odd
        } else {
            Existing::Replaceable
        })
    }
}

/// A directory in which files are created. It is held open, since its path may change meanwhile.
pub(in crate::disk) struct Directory(pub(in crate::disk) File);

impl Directory {
    pub(in crate::disk) fn open(path: &Path, flags: i32) -> io::Result<Directory> {
        let path = c_string(path.as_os_str().as_bytes())?;
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | flags;
        open_at(libc::AT_FDCWD, &path, flags, 0).map(Directory)
    }

    pub(in crate::disk) fn open_file(
        &self,
        name: &CStr,
        flags: i32,
        mode: u32,
    ) -> io::Result<File> {
        open_at(self.0.as_raw_fd(), name, flags, mode)
    }

    /// The metadata of a name here. Does not follow a symbolic link.
    pub(super) fn about(&self, name: &CStr) -> io::Result<system::Stat> {
        system::stat_at(&self.0, name, libc::AT_SYMLINK_NOFOLLOW)
    }

    /// Whether a name here refers to the file.
    pub(super) fn has(&self, name: &CStr, file: &File) -> io::Result<bool> {
        let (named, about) = (self.about(name)?, file.metadata()?);
        #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
        let identity = (named.st_dev as u64, named.st_ino as u64);
        Ok(identity == (about.dev(), about.ino()))
    }

    pub(super) fn remove(&self, name: &CStr) {
        // SAFETY: an open directory and a NUL-terminated name.
        unsafe { libc::unlinkat(self.0.as_raw_fd(), name.as_ptr(), 0) };
    }

    /// Makes `name` another name of the file at `from`: a name in this directory, or any path.
    pub(super) fn link(&self, from: &CStr, name: &CStr, flags: i32) -> io::Result<()> {
        let here = self.0.as_raw_fd();
        // SAFETY: an open directory and NUL-terminated names.
        succeeded(unsafe { libc::linkat(here, from.as_ptr(), here, name.as_ptr(), flags) })
    }

    /// Gives the file at a path under /proc a name here.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(in crate::disk) fn link_here(&self, from: &CStr, name: &CStr) -> io::Result<()> {
        self.link(from, name, libc::AT_SYMLINK_FOLLOW)
    }

    pub(super) fn rename(&self, from: &CStr, to: &CStr) -> io::Result<()> {
        let here = self.0.as_raw_fd();
        // SAFETY: an open directory and NUL-terminated names.
        succeeded(unsafe { libc::renameat(here, from.as_ptr(), here, to.as_ptr()) })
    }

    /// Whether a symbolic link here leads to something other than a file, or to a descriptor,
    /// whatever that refers to. A dangling link does neither.
    fn leads_beyond_files(&self, name: &CStr) -> io::Result<bool> {
        let is_file = |about: system::Stat| about.st_mode & libc::S_IFMT == libc::S_IFREG;
        if !system::stat_at(&self.0, name, 0).map_or(true, is_file) {
            return Ok(true);
        }
        // As many as the system follows.
        const MOST_LINKS: usize = 40;
        let mut directory = Directory(self.0.try_clone()?);
        let mut name = c_string(name.to_bytes())?;
        for _ in 0..MOST_LINKS {
            if system::holds_descriptors(&directory.0) {
                return Ok(true);
            }
            let Some(text) = directory.link_text(&name)? else {
                return Ok(false);
            };
            let path = Path::new(std::ffi::OsStr::from_bytes(&text));
            let Some(last) = path.file_name() else {
                return Ok(false);
            };
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            name = c_string(last.as_bytes())?;
            let parent = c_string(parent.as_os_str().as_bytes())?;
            match directory.open_file(
                &parent,
                libc::O_RDONLY | libc::O_DIRECTORY | system::LOOK_UP,
                0,
            ) {
                Ok(next) => directory = Directory(next),
                // A dangling link.
                Err(_) => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The text of a symbolic link; `None` if the name is no link or does not exist.
    fn link_text(&self, name: &CStr) -> io::Result<Option<Vec<u8>>> {
        const LONGEST: usize = 4096;
        let mut text = Vec::new();
        text.try_reserve_exact(LONGEST)
            .map_err(|_| io::ErrorKind::OutOfMemory)?;
        text.resize(LONGEST, 0);
        let (here, start) = (self.0.as_raw_fd(), text.as_mut_ptr().cast());
        // SAFETY: an open directory, a NUL-terminated name, and room for `text.len()` bytes.
        let length = unsafe { libc::readlinkat(here, name.as_ptr(), start, text.len()) };
        Ok(usize::try_from(length).ok().map(|length| {
            text.truncate(length);
            text
        }))
    }

    /// Calls `act` for up to `most` names here. Continues where the previous call for this
    /// directory stopped, if that was before its end.
    pub(super) fn some_names(&self, most: usize, mut act: impl FnMut(&CStr)) {
        /// The device and inode number of the directory whose listing stopped midway, and the
        /// offset there.
        static LEFT_AT: StaticMutex<Option<((u64, u64), libc::c_long)>> = StaticMutex::new(None);
        let Ok(listed) = self.open_file(c".", libc::O_RDONLY | libc::O_DIRECTORY, 0) else {
            return;
        };
        let Ok(about) = listed.metadata() else { return };
        let here = (about.dev(), about.ino());
        // `try_lock`, since in a child of fork() the lock may be held forever.
        let left_at = || try_lock(&LEFT_AT);
        let begin = left_at().and_then(|left| left.filter(|(directory, _)| *directory == here));
        // SAFETY: the stream takes ownership of the open directory. Each entry is used before the
        // next one is read. If `seekdir` gets an offset that is no longer valid, the system chooses
        // where to continue.
        unsafe {
            let stream = libc::fdopendir(listed.as_raw_fd());
            if stream.is_null() {
                return;
            }
            std::mem::forget(listed);
            if let Some((_, offset)) = begin {
                libc::seekdir(stream, offset);
            }
            let mut seen = 0;
            let end = loop {
                if seen == most {
                    break Some((here, libc::telldir(stream)));
                }
                let entry = libc::readdir(stream);
                if entry.is_null() {
                    break None;
                }
                seen += 1;
                // A raw pointer, since an entry is only as long as its name.
                act(CStr::from_ptr((&raw const (*entry).d_name).cast()));
            };
            libc::closedir(stream);
            if begin.is_some() || end.is_some() {
                if let Some(mut left) = left_at() {
                    *left = end;
                }
            }
        }
    }
}
