//! Tests of what only Windows does.

use std::fs;
use std::io::ErrorKind;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    Name, Owner, SESSION, Target, TempFile, borrow, can_sync, check_limit, create_unnamed, kernel,
    own_name, remove_stale, settle, whole,
};

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
    let mut names: Vec<String> = entries
        .map(|entry| name(entry.expect("an entry")))
        .collect();
    names.sort();
    names
}

fn target(path: &Path) -> Target {
    Target::new(Path::new(""), path, true, None).expect("a target")
}

/// The block at `number`, each byte a function of its offset.
fn block(number: u64) -> Vec<u8> {
    let start = number * 4096;
    let byte = |offset: u64| (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as u8;
    (start..start + 4096).map(byte).collect()
}

#[test]
fn many_threads_use_one_spool_file() {
    const BLOCKS: u64 = 400;
    let directory = crate::tempfile::tempdir().expect("a directory");
    let file = &create_unnamed(directory.path()).expect("a file");
    let written = &[const { AtomicBool::new(false) }; BLOCKS as usize];
    std::thread::scope(|scope| {
        for writer in 0..2 {
            scope.spawn(move || {
                for number in (writer..BLOCKS).step_by(2) {
                    let count = kernel::write_at(file, &block(number), number * 4096);
                    assert_eq!(count.expect("a write"), 4096);
                    written[number as usize].store(true, Ordering::Release);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(move || {
                let mut out = [0; 4096];
                for number in 0..BLOCKS {
                    while !written[number as usize].load(Ordering::Acquire) {
                        std::thread::yield_now();
                    }
                    let count = kernel::read_at(file, &mut out, number * 4096);
                    assert_eq!(count.expect("a read"), 4096);
                    assert!(out[..] == block(number), "wrong bytes in block {number}");
                }
            });
        }
    });
    let mut out = [0; 10];
    let at_the_end = kernel::read_at(file, &mut out, BLOCKS * 4096);
    assert_eq!(at_the_end.expect("the end"), 0);
    let across_it = kernel::read_at(file, &mut out, BLOCKS * 4096 - 3);
    assert_eq!(across_it.expect("three bytes"), 3);
}

#[test]
fn a_spool_file_is_private_and_leaves_nothing() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let file = create_unnamed(directory.path()).expect("a file");
    kernel::write_at(&file, &block(0), 0).expect("a write");
    for name in names(directory.path()) {
        fs::File::open(directory.path().join(name)).expect_err("nobody else's");
    }
    drop(file);
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn the_last_offsets_are_refused() {
    check_limit((8 << 50) - 1, 1).expect("the last offset");
    for offset in [8 << 50, i64::MAX as u64, u64::MAX] {
        let error = check_limit(offset, 1).expect_err("past it");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }
}

#[test]
fn a_temporary_file_becomes_the_target_or_is_deleted() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = directory.path().join("saved");
    let target = target(&path);
    let temp_file = TempFile::beside(&target).expect("a temporary file");
    kernel::write_at(&temp_file.file, b"one", 0).expect("a write");
    drop(temp_file);
    assert_eq!(names(directory.path()), [""; 0]);

    for (bytes, keep) in [(b"one", true), (b"two", false)] {
        let temp_file = TempFile::beside(&target).expect("a temporary file");
        kernel::write_at(&temp_file.file, bytes, 0).expect("a write");
        temp_file.persist(keep).expect("persisted");
        assert_eq!(fs::read(&path).expect("the target"), bytes);
    }
    let temp_file = TempFile::beside(&target).expect("a temporary file");
    let refused = temp_file.persist(true).expect_err("there is one");
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).expect("the target"), b"two");
    assert_eq!(names(directory.path()), ["saved"]);
}

#[test]
fn temporary_files_in_use_stay_and_stale_ones_are_removed() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let of = |session| {
        Name::new(
            Owner {
                session,
                process: 4,
            },
            [1, 2],
        )
    };
    let (stray, others) = (of(SESSION), of(SESSION + 1));
    for name in [stray.as_str(), others.as_str(), ".spoolbuf-7.part"] {
        fs::write(path(name), b"left behind").expect("written");
    }
    fs::create_dir(path(own_name().as_str())).expect("a directory");
    let (one, two) = (target(&path("1")), target(&path("2")));
    let many: Vec<TempFile<'_>> = (0..20)
        .map(|number| {
            let temp_file =
                TempFile::beside(if number == 0 { &one } else { &two }).expect("a temporary file");
            kernel::write_at(&temp_file.file, &[number], 0).expect("a write");
            kernel::set_deleted(&temp_file.file, false).expect("a temporary file of ours");
            temp_file
        })
        .collect();
    let before = names(directory.path());
    remove_stale(directory.path());
    let mut after = before.clone();
    after.retain(|name| name != stray.as_str());
    assert_eq!(before.len(), after.len() + 1);
    assert_eq!(names(directory.path()), after);
    for (number, temp_file) in many.into_iter().enumerate() {
        let path = &temp_file.target.path.clone();
        temp_file.persist(false).expect("persisted");
        assert_eq!(fs::read(path).expect("the target"), [number as u8]);
    }
    let mut left = names(directory.path());
    left.retain(|name| !name.starts_with(".spoolbuf-"));
    assert_eq!(left, ["1", "2"]);
}

#[test]
fn a_file_can_be_synced_and_a_device_can_not() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let file = fs::File::create(directory.path().join("file")).expect("a file");
    assert!(can_sync(&file));
    settle(&file).expect("a disk");
    let device = fs::File::options().write(true).open("NUL");
    let device = device.expect("a device");
    assert!(!can_sync(&device));
    settle(&device).expect("nothing to wait for");
}

#[test]
fn a_target_may_have_a_long_path_and_any_name() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let mut deep = directory.path().to_path_buf();
    while deep.as_os_str().len() < 400 {
        deep.push("a directory with a long name, Größe 音楽 🎵");
    }
    fs::create_dir_all(&deep).expect("directories");
    let path = deep.join("Überspult 🎵.mkv");
    let target = target(&path);
    for bytes in [b"one", b"two"] {
        let temp_file = TempFile::beside(&target).expect("a temporary file");
        kernel::write_at(&temp_file.file, bytes, 0).expect("a write");
        temp_file.persist(false).expect("persisted");
        assert_eq!(fs::read(&path).expect("the target"), bytes);
    }
    let file = create_unnamed(&deep).expect("a file");
    kernel::write_at(&file, b"one", 0).expect("a write");
    drop(file);
    assert_eq!(names(&deep), ["Überspult 🎵.mkv"]);
}

#[test]
fn paths_are_made_whole() {
    let whole = |path: &str| {
        whole(Path::new(path))
            .expect("a path")
            .display()
            .to_string()
    };
    assert_eq!(whole(r"C:\a/b\..\c"), r"\\?\C:\a\c");
    assert_eq!(whole(r"\\server\share\a\b"), r"\\?\UNC\server\share\a\b");
    assert_eq!(whole(r"\\?\C:\a"), r"\\?\C:\a");
    let here = whole("a");
    assert!(here.starts_with(r"\\?\") && here.ends_with(r"\a"), "{here}");
    let device = Target::new(Path::new(""), Path::new("NUL"), false, None);
    let refused = device.map(|_| ()).expect_err("a device");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_number_that_is_not_a_descriptor_is_refused() {
    for number in [-1, -2, 99, i32::MAX] {
        let error = borrow(number).map(|_| ()).expect_err("not open");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert!(!borrow(1).expect("the output").as_raw_handle().is_null());
}
