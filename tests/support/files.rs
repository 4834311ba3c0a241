//! The contents of a directory, and the unnamed file that this process has open there.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::support::assert_bytes;

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<OsString> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    names
}

/// The names of temporary files in a directory.
pub fn temp_files(directory: &Path) -> Vec<OsString> {
    let mut names = names(directory);
    names.retain(|name| name.as_encoded_bytes().starts_with(b".spoolbuf-"));
    names
}

/// The unnamed file that this process has open in `directory`: its path under /proc.
pub fn unnamed(directory: &Path) -> Option<PathBuf> {
    let directory = directory.canonicalize().expect("a directory");
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("/proc");
    descriptors
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            std::fs::read_link(path).is_ok_and(|target| {
                target.parent() == Some(&*directory)
                    && target.to_string_lossy().ends_with("(deleted)")
            })
        })
}

/// The metadata of that file.
pub fn about_unnamed(directory: &Path) -> Option<Metadata> {
    std::fs::metadata(unnamed(directory)?).ok()
}

/// Checks that the file at `path` is the first `size` bytes of the resource.
#[track_caller]
pub fn assert_saved(path: &Path, size: u64) {
    let mut file = File::open(path).expect("a saved file");
    assert_eq!(file.metadata().expect("its size").len(), size);
    let (mut piece, mut at) = (vec![0; 64 * 1024], 0);
    loop {
        let count = file.read(&mut piece).expect("a readable file");
        if count == 0 {
            break;
        }
        assert_bytes(at, &piece[..count]);
        at += count as u64;
    }
    assert_eq!(at, size);
}
