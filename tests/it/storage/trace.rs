//! No trace: the spool file cannot be seen, inherited or left behind.

use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use spoolbuf::OnFull;

use super::{SIZE, buffer, read_all, read_on};
use crate::child::{alone, is_alone, spawn};
use crate::files;
use crate::mount::Mount;
use crate::without::{Lack, without};

#[test]
fn the_spool_file_exists_from_the_first_spill_to_the_free() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let (buffer, seen) = buffer(directory.path(), SIZE, OnFull::Fail);
    read_all(&buffer, &seen);
    assert!(files::unnamed(directory.path()).is_none());
    buffer.spill().expect("room");
    assert!(files::unnamed(directory.path()).is_some());
    assert!(files::names(directory.path()).is_empty());
    drop(buffer);
    assert!(files::unnamed(directory.path()).is_none());
}

#[test]
fn the_spool_file_is_private() {
    // The umask belongs to the process.
    if !alone("storage::trace::the_spool_file_is_private") {
        return;
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    let look = |mask| {
        // SAFETY: sets a number.
        unsafe { libc::umask(mask) };
        let (buffer, _) = buffer(directory.path(), 0, OnFull::Fail);
        read_on(&buffer, 0);
        let about = files::about_unnamed(directory.path()).expect("a spool file");
        assert_eq!(
            format!("{:o}", about.mode() & 0o7777),
            "600",
            "umask {mask:o}"
        );
        assert_eq!(about.nlink(), 0);
    };
    look(0o022);
    look(0);
    without(&[Lack::Unnamed], || look(0));
}

#[test]
fn the_spool_file_is_not_inherited() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let check = || {
        let (buffer, _) = buffer(directory.path(), 0, OnFull::Fail);
        read_on(&buffer, 0);
        let spool = files::unnamed(directory.path()).expect("a spool file");
        let listed = Command::new("ls")
            .args(["-l", "/proc/self/fd"])
            .output()
            .expect("ls");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.contains("/fd"), "{listed}");
        assert!(!listed.contains("(deleted)"), "{listed}, {spool:?}");
    };
    check();
    without(&[Lack::Unnamed], check);
}

const KILLED: &str = "storage::trace::a_killed_process_leaves_nothing";
const DIRECTORY: &str = "SPOOLBUF_TEST_DIRECTORY";

#[test]
fn a_killed_process_leaves_nothing() {
    if is_alone(KILLED) {
        let directory = std::env::var_os(DIRECTORY).expect("set below");
        if directory.as_bytes().ends_with(b"without") {
            without(&[Lack::Unnamed], || spill_and_stay(Path::new(&directory)));
        }
        spill_and_stay(Path::new(&directory));
    }
    let parent = crate::tempfile::tempdir().expect("a directory");
    for name in ["with", "without"] {
        let directory = parent.path().join(name);
        std::fs::create_dir(&directory).expect("a directory");
        let mut child = spawn(KILLED, &[(DIRECTORY, directory.as_os_str())]);
        let mut said = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        while !line.contains("spilled") {
            line.clear();
            assert!(said.read_line(&mut line).expect("a line") > 0, "it ended");
        }
        child.kill().expect("a process");
        child.wait().expect("a process");
        assert!(files::names(&directory).is_empty());
    }
}

fn spill_and_stay(directory: &Path) -> ! {
    let (buffer, seen) = buffer(directory, 0, OnFull::Fail);
    read_all(&buffer, &seen);
    assert!(files::unnamed(directory).is_some());
    println!("\nspilled");
    loop {
        std::thread::park();
    }
}

/// The free space of a file system, in bytes.
fn room(path: &Path) -> u64 {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("a path");
    // SAFETY: a NUL-terminated path, and room for one statvfs, all zero at first.
    unsafe {
        let mut about: libc::statvfs = std::mem::zeroed();
        assert_eq!(libc::statvfs(path.as_ptr(), &mut about), 0);
        about.f_bfree as u64 * about.f_frsize as u64
    }
}

#[test]
fn a_child_of_fork_keeps_no_disk_space() {
    // The child keeps whatever this process has open: a pipe of another test would not end.
    if !alone("storage::trace::a_child_of_fork_keeps_no_disk_space") {
        return;
    }
    let Some(mount) = Mount::tmpfs("size=16m") else {
        return;
    };
    let free = room(&mount.path);
    let (buffer, seen) = buffer(&mount.path, 0, OnFull::Fail);
    read_all(&buffer, &seen);
    buffer.spill().expect("room");
    assert!(room(&mount.path) <= free - SIZE);
    // SAFETY: the child does nothing but wait for its end.
    let child = unsafe { libc::fork() };
    if child == 0 {
        loop {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
        }
    }
    assert!(child > 0);
    drop(buffer);
    let left = room(&mount.path);
    let open = std::fs::read_dir(format!("/proc/{child}/fd")).expect("a process");
    let open = open.flatten().filter(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|file| file.starts_with(&mount.path))
    });
    let open = open.count();
    // SAFETY: our own child.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    assert_eq!(open, 1, "the child has no spool file");
    assert!(left + 4096 >= free, "{} bytes are kept", free - left);
}

#[test]
fn a_child_of_fork_takes_nothing_away() {
    // The child drops what its parent has: no other thread may hold a lock of the allocator.
    if !alone("storage::trace::a_child_of_fork_takes_nothing_away") {
        return;
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    let (buffer, seen) = buffer(directory.path(), 0, OnFull::Fail);
    read_all(&buffer, &seen);
    buffer.spill().expect("room");
    // SAFETY: the child ends without returning.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(buffer);
        // SAFETY: ends this process.
        unsafe { libc::_exit(0) };
    }
    let mut status = 1;
    // SAFETY: our own child, and room for a number.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    read_all(&buffer, &seen);
}
