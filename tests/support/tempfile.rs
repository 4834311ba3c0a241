//! Temporary directories, by the names that the crate `tempfile` gives them: the library's own tests
//! need no crate but libc.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that is removed with its contents when this is dropped.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Creates a directory that no other test has.
pub fn tempdir() -> io::Result<TempDir> {
    tempdir_in(system()?)
}

/// The system's directory for temporary files, by its name if it is none. Absolute, since tests and their
/// children run in other directories.
fn system() -> io::Result<PathBuf> {
    let path = std::path::absolute(std::env::temp_dir())?;
    match fs::metadata(&path) {
        Ok(_) => Ok(path),
        Err(error) => {
            let line = format!("no directory for temporary files (TMPDIR): {path:?}: {error}");
            Err(io::Error::new(error.kind(), line))
        }
    }
}

/// Creates one in a directory.
pub fn tempdir_in(directory: impl AsRef<Path>) -> io::Result<TempDir> {
    loop {
        let path = new_path(directory.as_ref());
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| TempDir(path)),
        }
    }
}

/// Creates an unnamed file.
pub fn tempfile() -> io::Result<File> {
    let path = new_path(&system()?);
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn new_path(directory: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("spoolbuf-test-{}-{count}", std::process::id());
    directory.join(name)
}
