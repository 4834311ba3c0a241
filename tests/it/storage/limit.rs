//! The limits of a process: descriptors, and the size of files.

use std::fs::{File, OpenOptions};
use std::io::Seek;
use std::os::fd::AsRawFd;

use spoolbuf::ffi::abi::sb_status::SB_ERR_DISK_FULL;
use spoolbuf::{Error, OnFull};

use super::{SIZE, assert_failed, assert_full, buffer, read_all, read_until_trouble};
use crate::child::alone;
use crate::files;
use crate::handle::Handle;

fn set(what: libc::__rlimit_resource_t, soft: libc::rlim_t) -> libc::rlim_t {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: reads and writes one rlimit.
    unsafe {
        assert_eq!(libc::getrlimit(what, &mut limit), 0);
        let before = limit.rlim_cur;
        limit.rlim_cur = soft.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(what, &limit), 0);
        before
    }
}

#[test]
fn descriptors_may_run_out_and_come_back() {
    if !alone("storage::limit::descriptors_may_run_out_and_come_back") {
        return;
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    let (buffer, seen) = buffer(directory.path(), 65_536, OnFull::Fail);
    let before = set(libc::RLIMIT_NOFILE, 64);
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let error = read_until_trouble(&buffer, &seen, 65_536);
    assert_failed(&error, libc::EMFILE);
    assert_eq!(buffer.stats().system_error, libc::EMFILE);
    // A save cannot be opened either, and reports that; the buffer is unchanged.
    let target = directory.path().join("saved");
    assert!(matches!(
        buffer.save(&target),
        Err(Error::Io {
            code: libc::EMFILE,
            ..
        })
    ));
    // One is enough.
    taken.pop();
    read_all(&buffer, &seen);
    drop(taken);
    set(libc::RLIMIT_NOFILE, before);
    assert_eq!(buffer.save(&target).expect("a save"), SIZE);
}

#[test]
fn a_limit_of_file_sizes_is_a_full_disk_and_no_signal() {
    if !alone("storage::limit::a_limit_of_file_sizes_is_a_full_disk_and_no_signal") {
        return;
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    for (max, limit) in [(0, 100_000), (65_536, 1), (65_536, 0), (65_536, 1_500_000)] {
        let (buffer, seen) = buffer(directory.path(), max, OnFull::Fail);
        let before = set(libc::RLIMIT_FSIZE, limit);
        let error = read_until_trouble(&buffer, &seen, max);
        assert_full(&error, libc::EFBIG);
        set(libc::RLIMIT_FSIZE, before);
        read_all(&buffer, &seen);
    }
}

#[test]
fn a_limit_of_file_sizes_stops_a_save_without_a_signal() {
    if !alone("storage::limit::a_limit_of_file_sizes_stops_a_save_without_a_signal") {
        return;
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    std::fs::write(&target, b"old").expect("written");
    for max in [0, u64::MAX] {
        let (buffer, seen) = buffer(directory.path(), max, OnFull::Fail);
        read_all(&buffer, &seen);
        let before = set(libc::RLIMIT_FSIZE, 1_000_000);
        let saved = buffer.save(&target);
        assert!(
            matches!(
                saved,
                Err(Error::DiskFull {
                    code: libc::EFBIG,
                    ..
                })
            ),
            "{saved:?}"
        );
        assert_eq!(std::fs::read(&target).expect("a file"), b"old");
        assert_eq!(files::names(directory.path()), ["saved"]);
        set(libc::RLIMIT_FSIZE, before);
    }
}

#[test]
fn a_limit_of_file_sizes_stops_a_save_to_a_descriptor_without_a_signal() {
    if !alone("storage::limit::a_limit_of_file_sizes_stops_a_save_to_a_descriptor_without_a_signal")
    {
        return;
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    for append in [false, true] {
        let handle = Handle::new(SIZE, 65_536);
        let path = directory.path().join("saved");
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(append)
            .open(path);
        let mut file = file.expect("a file");
        let before = set(libc::RLIMIT_FSIZE, 1_000_000);
        let saved = handle.save(file.as_raw_fd(), 0);
        assert_eq!(saved, SB_ERR_DISK_FULL as i64, "append: {append}");
        set(libc::RLIMIT_FSIZE, before);
        file.rewind().expect("a file");
    }
}
