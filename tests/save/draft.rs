//! Drafts that need a name, and those that others left behind.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::files::{assert_saved, names};
use crate::without::{Lack, without};
use crate::{LIMITS, SIZE, buffer};

#[test]
fn a_draft_with_a_name_is_gone_with_the_save() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    without(&[Lack::Unnamed], || {
        for max in LIMITS {
            let (buffer, _) = buffer(directory.path(), max);
            let mut drafts: Vec<OsString> = Vec::new();
            let saved = buffer.save_with(&target, Default::default(), |_, _| {
                drafts.extend(
                    names(directory.path())
                        .into_iter()
                        .filter(|name| name != "saved"),
                );
                true
            });
            assert_eq!(saved.expect("a save"), SIZE);
            drafts.dedup();
            assert_eq!(drafts, [".spoolbuf-0.part"]);
            assert_saved(&target, SIZE);
            assert_eq!(names(directory.path()), ["saved"]);
        }
    });
}

fn leave(directory: &Path, number: u32) -> std::path::PathBuf {
    let path = directory.join(format!(".spoolbuf-{number}.part"));
    std::fs::write(&path, b"left behind").expect("written");
    path
}

#[test]
fn a_save_sweeps_what_nobody_works_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for lacks in [&[][..], &[Lack::Unnamed]] {
        without(lacks, || {
            for number in [0, 3, 15] {
                leave(directory.path(), number);
            }
            // Where more than sixteen saves were killed at once.
            let further = directory.path().join(".spoolbuf-4711-0-1234567.part");
            std::fs::write(&further, b"left behind").expect("written");
            let in_use = File::open(leave(directory.path(), 7)).expect("a file");
            // SAFETY: an open descriptor.
            assert_eq!(unsafe { libc::flock(in_use.as_raw_fd(), libc::LOCK_EX) }, 0);
            let (buffer, _) = buffer(directory.path(), 0);
            assert_eq!(buffer.save(&target).expect("a save"), SIZE);
            assert_eq!(names(directory.path()), [".spoolbuf-7.part", "saved"]);
            // Not by its close: a process that another test is just starting may have it.
            // SAFETY: an open descriptor.
            assert_eq!(unsafe { libc::flock(in_use.as_raw_fd(), libc::LOCK_UN) }, 0);
            assert_eq!(buffer.save(&target).expect("a save"), SIZE);
            assert_eq!(names(directory.path()), ["saved"]);
            assert_saved(&target, SIZE);
        });
    }
}

#[test]
fn a_name_that_is_taken_is_not_followed() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    let precious = directory.path().join("precious");
    std::fs::write(&precious, b"mine").expect("written");
    symlink(&precious, directory.path().join(".spoolbuf-0.part")).expect("a link");
    std::fs::create_dir(directory.path().join(".spoolbuf-1.part")).expect("a directory");
    for lacks in [&[][..], &[Lack::Unnamed]] {
        without(lacks, || {
            let (buffer, _) = buffer(directory.path(), 0);
            assert_eq!(buffer.save(&target).expect("a save"), SIZE);
            assert_saved(&target, SIZE);
            assert_eq!(std::fs::read(&precious).expect("a file"), b"mine");
        });
    }
}

#[test]
fn names_that_others_took_do_not_keep_a_save_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    std::fs::write(&target, b"old").expect("written");
    for number in 0..16 {
        let path = directory.path().join(format!(".spoolbuf-{number}.part"));
        std::fs::create_dir(path).expect("a directory");
    }
    let before = names(directory.path());
    for lacks in [&[][..], &[Lack::Unnamed]] {
        without(lacks, || {
            let (buffer, _) = buffer(directory.path(), 0);
            assert_eq!(buffer.save(&target).expect("a save"), SIZE);
            assert_saved(&target, SIZE);
            assert_eq!(names(directory.path()), before);
        });
    }
}
