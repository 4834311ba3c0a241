//! Directories that are missing, read-only or odd, and the default one.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use spoolbuf::{Error, OnFull, SpoolState, StreamBuffer};

use super::{SIZE, assert_failed, buffer, read_all, read_on, read_until_trouble};
use crate::child::alone_with;
use crate::files;
use crate::mount::{Mount, enter_namespace};
use crate::options::{Options, open};
use crate::skip::skip;
use crate::support::Stream;
use crate::without::{Lack, without};

#[test]
fn a_missing_directory_may_appear_later() {
    let parent = crate::tempfile::tempdir().expect("a directory");
    let path = parent.path().join("later");
    let (buffer, seen) = buffer(&path, 65_536, OnFull::Fail);
    let error = read_until_trouble(&buffer, &seen, 65_536);
    assert_failed(&error, libc::ENOENT);
    assert_eq!(buffer.stats().system_error, libc::ENOENT);
    assert_eq!(buffer.stats().spool, SpoolState::None);
    std::fs::create_dir(&path).expect("a directory");
    read_all(&buffer, &seen);
    assert_eq!(buffer.stats().spool_dir, Some(path));
}

#[test]
fn a_file_as_spool_directory_is_an_error() {
    let parent = crate::tempfile::tempdir().expect("a directory");
    let path = parent.path().join("file");
    std::fs::write(&path, b"mine").expect("written");
    let (buffer, seen) = buffer(&path, 0, OnFull::Fail);
    let error = read_until_trouble(&buffer, &seen, 0);
    assert_failed(&error, libc::ENOTDIR);
    assert_eq!(std::fs::read(&path).expect("a file"), b"mine");
}

#[test]
fn a_read_only_directory_may_become_writable() {
    let Some(mount) = Mount::tmpfs("size=4m,ro") else {
        return;
    };
    let (buffer, seen) = buffer(&mount.path, 65_536, OnFull::Fail);
    let error = read_until_trouble(&buffer, &seen, 65_536);
    assert_failed(&error, libc::EROFS);
    assert_eq!(buffer.stats().system_error, libc::EROFS);
    mount.remount("rw");
    read_all(&buffer, &seen);
}

#[test]
fn a_system_without_unnamed_files_leaves_no_name() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    without(&[Lack::Unnamed, Lack::Reserve], || {
        let (buffer, seen) = buffer(directory.path(), 0, OnFull::Fail);
        read_all(&buffer, &seen);
        assert!(buffer.stats().disk > 0);
        assert!(files::names(directory.path()).is_empty());
    });
}

#[test]
fn a_missing_directory_is_reported_without_unnamed_files_too() {
    let parent = crate::tempfile::tempdir().expect("a directory");
    let path = parent.path().join("later");
    without(&[Lack::Unnamed], || {
        let (buffer, seen) = buffer(&path, 0, OnFull::Fail);
        let error = read_until_trouble(&buffer, &seen, 0);
        assert_failed(&error, libc::ENOENT);
        std::fs::create_dir(&path).expect("a directory");
        read_all(&buffer, &seen);
    });
}

#[test]
fn a_target_may_have_any_name() {
    let parent = crate::tempfile::tempdir().expect("a directory");
    let long = "n".repeat(255);
    for name in [&b"\xff\xfe not UTF-8"[..], b"new\nline", long.as_bytes()] {
        let path = parent.path().join(std::ffi::OsStr::from_bytes(name));
        std::fs::create_dir(&path).expect("a directory");
        let (buffer, seen) = buffer(&path, 0, OnFull::Fail);
        read_all(&buffer, &seen);
        assert_eq!(buffer.stats().spool_dir, Some(path));
    }
}

/// A buffer that has spilled to the default directory.
fn spilled() -> StreamBuffer {
    let (stream, _) = Stream::new(SIZE, 50_000);
    let options = Options {
        max_memory: 0,
        ..Options::default()
    };
    let buffer = open(stream, options).expect("a buffer");
    let (reached, error) = read_on(&buffer, 0);
    assert!(reached == SIZE && error.is_none(), "{error:?}");
    buffer
}

#[test]
fn tmpdir_is_used() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str();
    if alone_with("storage::directory::tmpdir_is_used", &[("TMPDIR", path)]) {
        let directory = std::env::var_os("TMPDIR").expect("set above");
        assert_eq!(
            spilled().stats().spool_dir.as_deref(),
            Some(Path::new(&directory))
        );
    }
}

#[test]
fn an_empty_tmpdir_is_ignored() {
    if alone_with(
        "storage::directory::an_empty_tmpdir_is_ignored",
        &[("TMPDIR", Some(""))],
    ) {
        let chosen = spilled().stats().spool_dir.expect("a directory");
        assert!(chosen.is_absolute(), "{chosen:?}");
    }
}

/// Keeps what the log is told: warnings and errors.
fn logged() -> std::sync::Arc<std::sync::Mutex<Vec<String>>> {
    let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = lines.clone();
    let keep = move |_: spoolbuf::LogLevel, line: &str| {
        seen.lock().expect("a log").push(line.to_string());
    };
    spoolbuf::set_log(spoolbuf::LogLevel::Warn, Some(Box::new(keep))).expect("a log");
    lines
}

fn count(lines: &[String], end: &str) -> usize {
    lines.iter().filter(|line| line.ends_with(end)).count()
}

#[test]
fn every_directory_that_cannot_be_used_is_logged() {
    let name = "storage::directory::every_directory_that_cannot_be_used_is_logged";
    if alone_with(name, &[("TMPDIR", Some("/nonexistent"))]) {
        // With /tmp in memory, /var/tmp is tried before it.
        if !tmpfs_over_tmp() || !is_covered_read_only("/var/tmp") {
            return;
        }
        let lines = logged();
        assert_eq!(
            spilled().stats().spool_dir.as_deref(),
            Some(Path::new("/tmp"))
        );
        let lines = lines.lock().expect("a log");
        for refused in ["/nonexistent", "/var/tmp"] {
            let told = format!("is in /tmp, since {refused} cannot be used");
            assert_eq!(count(&lines, &told), 1, "{lines:?}");
        }
        let told = "is in /tmp, which is kept in memory: spilling frees none";
        assert_eq!(count(&lines, told), 1, "{lines:?}");
    }
}

#[test]
fn a_tmpdir_that_cannot_be_used_is_passed_over() {
    let name = "storage::directory::a_tmpdir_that_cannot_be_used_is_passed_over";
    for unusable in ["/nonexistent/directory", "/proc", "/dev/null"] {
        if alone_with(name, &[("TMPDIR", Some(unusable))]) {
            let lines = logged();
            let stats = spilled().stats();
            let tmpdir = std::env::var("TMPDIR").expect("set above");
            let chosen = stats.spool_dir.expect("a directory");
            assert!(["/tmp", "/var/tmp"].contains(&chosen.to_str().expect("text")));
            assert_eq!(stats.system_error, 0);
            let lines = lines.lock().expect("a log");
            let told = format!("since {tmpdir} cannot be used");
            assert_eq!(count(&lines, &told), 1, "{lines:?}");
            return;
        }
    }
}

#[test]
fn without_any_directory_the_error_is_that_of_the_first() {
    let name = "storage::directory::without_any_directory_the_error_is_that_of_the_first";
    if alone_with(name, &[("TMPDIR", Some("/nonexistent"))]) {
        if !["/tmp", "/var/tmp"].into_iter().all(is_covered_read_only) {
            return;
        }
        let (stream, _) = Stream::new(SIZE, 50_000);
        let options = Options {
            max_memory: 0,
            ..Options::default()
        };
        let lines = logged();
        let buffer = open(stream, options).expect("a buffer");
        let (_, error) = read_on(&buffer, 0);
        let error = error.expect("no directory");
        let code = libc::ENOENT;
        assert!(
            matches!(error, Error::Io { code: it, .. } if it == code),
            "{error:?}"
        );
        let directory = buffer.stats().spool_dir.expect("the one that was refused");
        assert_eq!(directory, Path::new("/nonexistent"));
        let lines = lines.lock().expect("a log");
        for (refused, code) in [
            ("/nonexistent", libc::ENOENT),
            ("/tmp", libc::EROFS),
            ("/var/tmp", libc::EROFS),
        ] {
            let told =
                format!("cannot spill to {refused}: a file operation failed (system error {code})");
            assert_eq!(count(&lines, &told), 1, "{lines:?}");
        }
    }
}

/// Whether this process sees an empty directory there in which it can create nothing.
fn is_covered_read_only(path: &str) -> bool {
    let what = "a read-only directory over a temporary one";
    if enter_namespace(what).is_none() {
        return false;
    }
    let (kind, path) = (c"tmpfs", std::ffi::CString::new(path).expect("a path"));
    // SAFETY: NUL-terminated strings.
    let done = unsafe {
        libc::mount(
            kind.as_ptr(),
            path.as_ptr(),
            kind.as_ptr(),
            libc::MS_RDONLY,
            std::ptr::null(),
        )
    };
    if done != 0 {
        skip(what, std::io::Error::last_os_error());
    }
    done == 0
}

#[test]
fn a_temporary_directory_in_memory_is_not_used() {
    if alone_with(
        "storage::directory::a_temporary_directory_in_memory_is_not_used",
        &[("TMPDIR", None)],
    ) {
        if !tmpfs_over_tmp() {
            return;
        }
        let stats = spilled().stats();
        assert_eq!(stats.spool_dir.as_deref(), Some(Path::new("/var/tmp")));
        assert_eq!(stats.spool, SpoolState::Disk);
    }
}

#[test]
fn a_temporary_directory_in_memory_is_used_if_requested() {
    let name = "storage::directory::a_temporary_directory_in_memory_is_used_if_requested";
    if alone_with(name, &[("TMPDIR", Some("/tmp"))]) {
        if !tmpfs_over_tmp() {
            return;
        }
        let stats = spilled().stats();
        assert_eq!(stats.spool_dir.as_deref(), Some(Path::new("/tmp")));
        assert_eq!(stats.spool, SpoolState::Memory);
    }
}

/// Not by `Mount`, which creates its directory in the one that is to be covered.
fn tmpfs_over_tmp() -> bool {
    let what = "a tmpfs over /tmp";
    if enter_namespace(what).is_none() {
        return false;
    }
    let (kind, path, size) = (c"tmpfs", c"/tmp", c"size=8m");
    // SAFETY: NUL-terminated strings.
    let done = unsafe {
        libc::mount(
            kind.as_ptr(),
            path.as_ptr(),
            kind.as_ptr(),
            0,
            size.as_ptr().cast(),
        )
    };
    if done != 0 {
        skip(what, std::io::Error::last_os_error());
    }
    done == 0
}
