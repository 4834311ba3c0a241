//! Paths as people write them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use spoolbuf::{Error, Operation, SaveOptions};

use super::{SIZE, buffer};
use crate::child::alone;
use crate::files::{assert_saved, names};
use crate::without::{Lack, without};

#[test]
fn a_path_may_be_relative_or_a_bare_name() {
    // The working directory is the process's.
    if !alone("save::name::a_path_may_be_relative_or_a_bare_name") {
        return;
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    std::env::set_current_dir(directory.path()).expect("a directory");
    std::fs::create_dir("sub").expect("a directory");
    for lacks in [&[][..], &[Lack::Unnamed]] {
        for link in [false, true] {
            for name in [
                "saved",
                "./saved",
                "sub/saved",
                "sub/../saved",
                "-saved",
                " ",
            ] {
                without(lacks, || {
                    let (buffer, _) = buffer(Path::new("sub"), 0);
                    let options = SaveOptions {
                        link,
                        sync: true,
                        ..SaveOptions::default()
                    };
                    assert_eq!(
                        buffer
                            .save_with(name, options, |_, _| true)
                            .expect("a save"),
                        SIZE
                    );
                    assert_saved(Path::new(name), SIZE);
                });
            }
        }
    }
    assert_eq!(names(Path::new("sub")), ["saved"]);
    assert_eq!(names(directory.path()), [" ", "-saved", "saved", "sub"]);
}

#[test]
fn a_name_may_have_any_bytes_and_the_longest_length() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let long = "n".repeat(255);
    let all = [
        &b"\xff\xfe not UTF-8"[..],
        b"new\nline",
        "żółw".as_bytes(),
        long.as_bytes(),
    ];
    for lacks in [&[][..], &[Lack::Unnamed]] {
        for name in all {
            without(lacks, || {
                let path = directory.path().join(OsStr::from_bytes(name));
                assert_eq!(
                    buffer(directory.path(), 0).0.save(&path).expect("a save"),
                    SIZE
                );
                assert_saved(&path, SIZE);
            });
        }
    }
    assert_eq!(names(directory.path()).len(), all.len());
}

#[test]
fn an_impossible_path_is_refused_before_the_source_is_called() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("file"), b"mine").expect("written");
    let long = "n".repeat(256);
    let deep = "d/".repeat(2500) + "saved";
    for (name, code) in [
        (long.as_str(), libc::ENAMETOOLONG),
        (&deep, libc::ENAMETOOLONG),
        ("missing/saved", libc::ENOENT),
        ("file/saved", libc::ENOTDIR),
    ] {
        let (buffer, seen) = buffer(directory.path(), 0);
        let saved = buffer.save(path(name));
        assert!(
            matches!(saved, Err(Error::Io { code: found, operation: Operation::TargetOpen, .. })
                if found == code),
            "{name}: {saved:?}"
        );
        // That is of the spool file.
        assert_eq!(buffer.stats().system_error, 0);
        assert_eq!(seen.fetched.load(Ordering::Relaxed), 0, "{name}");
    }
    for name in [&b""[..], b"with\0zero", b"file/", b"new/"] {
        let (buffer, seen) = buffer(directory.path(), 0);
        let name = match name {
            b"" => Path::new("").to_path_buf(),
            name => directory.path().join(OsStr::from_bytes(name)),
        };
        assert!(
            matches!(
                buffer.save(&name),
                Err(Error::Invalid | Error::Unsupported | Error::Io { .. })
            ),
            "{name:?}"
        );
        assert_eq!(seen.fetched.load(Ordering::Relaxed), 0, "{name:?}");
    }
    assert_eq!(names(directory.path()), ["file"]);
    assert_eq!(std::fs::read(path("file")).expect("a file"), b"mine");
}
