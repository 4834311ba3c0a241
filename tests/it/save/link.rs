//! Saves that are linked, not copied.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use spoolbuf::{Error, SaveOptions, StreamBuffer};

use super::{LIMITS, SIZE, buffer, full_buffer};
use crate::files::{about_unnamed, assert_saved, names};
use crate::mount::Mount;
use crate::support::assert_bytes;
use crate::without::{Lack, without};

const LINK: SaveOptions = SaveOptions {
    sync: false,
    no_replace: false,
    require_size: false,
    buffered: false,
    link: true,
    timeout: None,
    mode: None,
};

fn link(buffer: &StreamBuffer, target: &Path) -> u64 {
    buffer.save_with(target, LINK, |_, _| true).expect("a save")
}

#[track_caller]
fn assert_readable(buffer: &StreamBuffer) {
    let mut out = vec![0; SIZE as usize + 1];
    assert_eq!(buffer.read_at(0, &mut out).expect("bytes"), SIZE as usize);
    assert_bytes(0, &out[..SIZE as usize]);
}

#[test]
fn a_linked_file_is_the_spool_file() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for max in LIMITS {
        let buffer = full_buffer(directory.path(), max);
        buffer.spill().expect("room");
        let spool = about_unnamed(directory.path()).expect("a spool file").ino();
        assert_eq!(link(&buffer, &target), SIZE);
        let about = std::fs::metadata(&target).expect("a file");
        assert_eq!((about.ino(), about.nlink()), (spool, 1));
        assert_readable(&buffer);
        drop(buffer);
        assert_saved(&target, SIZE);
        assert_eq!(names(directory.path()), ["saved"]);
    }
}

#[test]
fn two_linked_saves_are_two_files() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    for max in LIMITS {
        let (buffer, _) = buffer(directory.path(), max);
        for name in ["first", "second"] {
            assert_eq!(link(&buffer, &path(name)), SIZE);
        }
        drop(buffer);
        let about = ["first", "second"].map(|name| std::fs::metadata(path(name)).expect("a file"));
        assert_ne!(about[0].ino(), about[1].ino());
        assert_eq!(about.map(|about| about.nlink()), [1, 1]);
        for name in ["first", "second"] {
            assert_saved(&path(name), SIZE);
            std::fs::remove_file(path(name)).expect("a file");
        }
    }
}

#[test]
fn the_last_progress_report_of_a_linked_save_is_complete() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for max in LIMITS {
        let (buffer, _) = buffer(directory.path(), max);
        // The first save fetches the bytes; the second finds them buffered, and copies them.
        for round in 0..2 {
            let mut told = Vec::new();
            let saved = buffer.save_with(&target, LINK, |done, total| {
                told.push((done, total));
                true
            });
            assert_eq!(saved.expect("a save"), SIZE);
            assert_eq!(told.last(), Some(&(SIZE, Some(SIZE))));
            assert!(told.is_sorted_by_key(|(done, _)| *done), "{told:?}");
            assert!(round > 0 || told.len() > 10, "as they come: {told:?}");
        }
    }
}

/// Everything is reported once the bytes are buffered; then another save takes the only link, and
/// they are copied.
#[test]
fn progress_of_a_failed_link_does_not_go_back() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    let other = directory.path().join("other");
    for max in LIMITS {
        let (buffer, _) = buffer(directory.path(), max);
        let mut told = Vec::new();
        let saved = buffer.save_with(&target, LINK, |done, total| {
            if done == SIZE && !other.exists() {
                link(&buffer, &other);
            }
            told.push((done, total));
            true
        });
        assert_eq!(saved.expect("a save"), SIZE);
        assert_saved(&target, SIZE);
        assert_saved(&other, SIZE);
        assert_eq!(told.last(), Some(&(SIZE, Some(SIZE))));
        assert!(told.is_sorted_by_key(|(done, _)| *done), "{told:?}");
        std::fs::remove_file(&target).expect("a file");
        std::fs::remove_file(&other).expect("a file");
    }
}

#[test]
fn a_linked_file_includes_the_bytes_that_were_in_memory() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for max in LIMITS {
        let (buffer, _) = buffer(directory.path(), max);
        assert_eq!(link(&buffer, &target), SIZE);
        assert_readable(&buffer);
        assert_saved(&target, SIZE);
        assert_eq!(names(directory.path()), ["saved"]);
    }
}

#[test]
fn a_buffer_can_be_linked_more_than_once() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let (buffer, _) = buffer(directory.path(), 0);
    assert_eq!(link(&buffer, &path("first")), SIZE);
    assert_eq!(link(&buffer, &path("second")), SIZE);
    // To the path that it has already.
    assert_eq!(link(&buffer, &path("first")), SIZE);
    assert_eq!(names(directory.path()), ["first", "second"]);
    // And after it has lost all its names.
    for name in ["first", "second"] {
        assert_saved(&path(name), SIZE);
        std::fs::remove_file(path(name)).expect("a file");
    }
    assert_eq!(link(&buffer, &path("third")), SIZE);
    assert_saved(&path("third"), SIZE);
    assert_eq!(names(directory.path()), ["third"]);
    assert_readable(&buffer);
}

#[test]
fn bytes_that_arrive_after_a_link_do_not_change_the_file() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for max in LIMITS {
        let (buffer, _) = buffer(directory.path(), max);
        buffer.read_at(0, &mut vec![0; 524_288]).expect("bytes");
        let held = buffer.stats().frontier;
        let options = SaveOptions {
            buffered: true,
            ..LINK
        };
        let saved = buffer.save_with(&target, options, |_, _| true);
        assert_eq!(saved.expect("a save"), held);
        assert_saved(&target, held);
        assert_readable(&buffer);
        buffer.spill().expect("room");
        assert_saved(&target, held);
        assert_readable(&buffer);
    }
}

#[test]
fn a_spool_file_on_another_file_system_is_copied() {
    let Some(mount) = Mount::tmpfs("size=8m") else {
        return;
    };
    let elsewhere = crate::tempfile::tempdir().expect("a directory");
    let target = elsewhere.path().join("saved");
    let (buffer, _) = buffer(&mount.path, 0);
    assert_eq!(link(&buffer, &target), SIZE);
    assert_saved(&target, SIZE);
    assert_eq!(names(elsewhere.path()), ["saved"]);
    // And here it is linked again.
    let spool = about_unnamed(&mount.path).expect("a spool file").ino();
    assert_eq!(link(&buffer, &mount.path.join("saved")), SIZE);
    assert_eq!(
        std::fs::metadata(mount.path.join("saved"))
            .expect("a file")
            .ino(),
        spool
    );
}

/// A buffer that should stay in memory does.
#[test]
fn without_a_possible_link_nothing_is_spilled() {
    let Some(mount) = Mount::tmpfs("size=8m") else {
        return;
    };
    let elsewhere = crate::tempfile::tempdir().expect("a directory");
    let check = |spool: &Path, elsewhere: &Path| {
        for fetched in [0, SIZE as usize + 1] {
            let (buffer, _) = buffer(spool, u64::MAX);
            buffer.read_at(0, &mut vec![0; fetched]).expect("bytes");
            assert_eq!(link(&buffer, &elsewhere.join("saved")), SIZE);
            assert_saved(&elsewhere.join("saved"), SIZE);
            let stats = buffer.stats();
            assert_eq!((stats.memory, stats.disk), (SIZE, 0));
            assert!(about_unnamed(spool).is_none());
        }
    };
    check(&mount.path, elsewhere.path());
    let spool = crate::tempfile::tempdir().expect("a directory");
    without(&[Lack::Unnamed], || check(spool.path(), spool.path()));
}

/// A player of the saved file continues when it is deleted, whatever happens to the buffer.
#[test]
fn a_deleted_linked_file_stays_complete_while_it_is_open() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    let (buffer, _) = buffer(directory.path(), 0);
    assert_eq!(link(&buffer, &target), SIZE);
    let open = std::fs::File::open(&target).expect("a file");
    std::fs::remove_file(&target).expect("a file");
    drop(buffer);
    let mut found = vec![0; SIZE as usize];
    std::os::unix::fs::FileExt::read_exact_at(&open, &mut found, 0).expect("a whole file");
    assert_bytes(0, &found);
}

#[test]
fn a_spool_file_that_had_a_name_is_copied() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    without(&[Lack::Unnamed], || {
        let (buffer, _) = buffer(directory.path(), 0);
        assert_eq!(link(&buffer, &target), SIZE);
        assert_saved(&target, SIZE);
        assert_eq!(names(directory.path()), ["saved"]);
        assert_readable(&buffer);
    });
}

/// The file gets its mode before its name, which it fails to get.
#[test]
fn a_spool_file_that_could_not_be_linked_stays_private() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    let (buffer, _) = buffer(directory.path(), 0);
    let options = SaveOptions {
        no_replace: true,
        ..LINK
    };
    let saved = buffer.save_with(&target, options, |done, _| {
        if done == SIZE {
            std::fs::write(&target, b"another's").expect("written");
        }
        true
    });
    assert!(matches!(saved, Err(Error::Exists)), "{saved:?}");
    let about = about_unnamed(directory.path()).expect("a spool file");
    assert_eq!(about.mode() & 0o777, 0o600);
    assert_eq!(std::fs::read(&target).expect("a file"), b"another's");
}
