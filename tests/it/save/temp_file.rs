//! Temporary files that need a name, and stale ones.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use spoolbuf::{Error, StreamBuffer};

use super::{LIMITS, SIZE, buffer};
use crate::files::{assert_saved, names, temp_files};
use crate::skip::skip;
use crate::support::Stream;
use crate::without::{Lack, without};

/// Where a temporary file needs a name: always, or only to replace a file.
const WAYS: [&[Lack]; 2] = [&[], &[Lack::Unnamed]];

#[test]
fn a_named_temporary_file_is_deleted_with_the_save() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    without(&[Lack::Unnamed], || {
        let mut all = HashSet::new();
        for max in LIMITS {
            let (buffer, _) = buffer(directory.path(), max);
            let mut seen: Vec<OsString> = Vec::new();
            let saved = buffer.save_with(&target, Default::default(), |_, _| {
                seen.extend(temp_files(directory.path()));
                true
            });
            assert_eq!(saved.expect("a save"), SIZE);
            seen.dedup();
            assert_eq!(seen.len(), 1, "{seen:?}");
            all.extend(seen);
            assert_saved(&target, SIZE);
            assert_eq!(names(directory.path()), ["saved"]);
        }
        // No name is used twice.
        assert_eq!(all.len(), LIMITS.len());
    });
}

/// The parts of a temporary file's name.
struct Name {
    session: String,
    process: String,
    random: String,
}

impl Name {
    /// The name of a temporary file of this process.
    fn of_ours() -> Name {
        let directory = crate::tempfile::tempdir().expect("a directory");
        let (buffer, _) = buffer(directory.path(), 0);
        let mut seen = Vec::new();
        without(&[Lack::Unnamed], || {
            let target = directory.path().join("saved");
            let saved = buffer.save_with(target, Default::default(), |_, _| {
                seen.extend(temp_files(directory.path()));
                true
            });
            saved.expect("a save");
        });
        let name = seen[0].to_str().expect("a plain name");
        let numbers = name.strip_prefix(".spoolbuf-").expect("a temporary file");
        let numbers = numbers.strip_suffix(".part").expect("a temporary file");
        let parts: Vec<&str> = numbers.split('-').collect();
        let [session, process, random] = parts[..] else {
            panic!("{name}");
        };
        Name {
            session: session.to_owned(),
            process: process.to_owned(),
            random: random.to_owned(),
        }
    }

    /// The name of a process of this host that has ended.
    fn of_the_dead() -> Name {
        let mut child = Command::new("true").spawn().expect("a process");
        let process = format!("{:08x}", child.id());
        child.wait().expect("a process");
        Name {
            process,
            ..Name::of_ours()
        }
    }

    fn of_another_host() -> Name {
        Name {
            session: "0123456789abcdef".to_owned(),
            ..Name::of_ours()
        }
    }

    /// The same owner's, with a unique number.
    fn number(&self, number: usize) -> String {
        let digits = self.random.len();
        format!(
            ".spoolbuf-{}-{}-{number:0digits$x}.part",
            self.session, self.process
        )
    }
}

fn leave(path: PathBuf) -> PathBuf {
    std::fs::write(&path, b"left behind").expect("written");
    path
}

fn leave_old(path: PathBuf, days: u64) -> PathBuf {
    let path = leave(path);
    let file = File::options().write(true).open(&path).expect("a file");
    let then = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
    file.set_modified(then).expect("a file of ours");
    path
}

/// Locks a file, or unlocks it. Not by its close: a process that another test is starting may have
/// it open.
fn lock(file: &File, how: i32) {
    // SAFETY: an open descriptor.
    assert_eq!(unsafe { libc::flock(file.as_raw_fd(), how) }, 0);
}

#[track_caller]
fn save(directory: &Path) {
    let target = directory.join("saved");
    let (buffer, _) = buffer(directory, 0);
    assert_eq!(buffer.save(&target).expect("a save"), SIZE);
    assert_saved(&target, SIZE);
}

#[test]
fn a_save_removes_stale_temporary_files() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("saved"), b"old").expect("written");
    let (dead, other) = (Name::of_the_dead(), Name::of_another_host());
    for lacks in WAYS {
        without(lacks, || {
            for number in 0..20 {
                leave(path(&dead.number(number)));
                leave_old(path(&other.number(number)), 8);
            }
            let locked = [&dead, &other].map(|owner| {
                let path = leave_old(path(&owner.number(77)), 8);
                File::open(path).expect("a file")
            });
            locked.iter().for_each(|file| lock(file, libc::LOCK_EX));
            save(directory.path());
            let mut left = [other.number(77), dead.number(77), "saved".to_owned()];
            left.sort();
            assert_eq!(names(directory.path()), left.map(OsString::from));
            locked.iter().for_each(|file| lock(file, libc::LOCK_UN));
            save(directory.path());
            assert_eq!(names(directory.path()), ["saved"]);
        });
    }
}

#[test]
fn a_save_removes_no_file_in_use_and_no_other_file() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("saved"), b"old").expect("written");
    let (ours, dead, other) = (
        Name::of_ours(),
        Name::of_the_dead(),
        Name::of_another_host(),
    );
    // Nobody has locked these; a lock shows on its own host only.
    leave_old(path(&ours.number(1)), 30);
    leave(path(&other.number(1)));
    leave_old(path(&other.number(2)), 6);
    // Of an impossible owner.
    let nobody = Name {
        process: "00000000".to_owned(),
        ..Name::of_ours()
    };
    leave(path(&nobody.number(1)));
    // Not exactly of this form.
    for name in [
        ".spoolbuf-3.part".to_owned(),
        ".spoolbuf-4711-0-1234567.part".to_owned(),
        dead.number(1).to_uppercase(),
        dead.number(1).replace(".part", "0.part"),
        dead.number(1).replace(".part", ".part.mp4"),
        dead.number(1).replacen(".spoolbuf", "spoolbuf", 1),
    ] {
        leave_old(path(&name), 30);
    }
    // Not files, or files with another name too.
    std::fs::create_dir(path(&dead.number(2))).expect("a directory");
    symlink("saved", path(&dead.number(3))).expect("a link");
    std::fs::hard_link(leave(path("precious")), path(&dead.number(4))).expect("a link");
    // SAFETY: asks for a number.
    if unsafe { libc::geteuid() } == 0 {
        chown(leave(path(&dead.number(5))), Some(65534), None).expect("root's right");
    } else {
        skip("a temporary file of another user", "it needs root");
    }
    let before = names(directory.path());
    for lacks in WAYS {
        without(lacks, || {
            save(directory.path());
            assert_eq!(names(directory.path()), before);
        });
    }
}

/// A save of a few bytes, for tests that need many.
#[track_caller]
fn save_little(directory: &Path) {
    let (stream, _) = Stream::new(1000, 1000);
    let buffer = StreamBuffer::builder(stream)
        .max_memory(u64::MAX)
        .open()
        .expect("a buffer");
    let saved = buffer.save(directory.join("saved"));
    assert_eq!(saved.expect("a save"), 1000);
}

/// Examining all of a large directory would take a hundred times as long as the save.
#[test]
fn a_removal_of_stale_files_examines_at_most_a_thousand_names() {
    const STRAYS: usize = 3000;
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("saved"), b"old").expect("written");
    let dead = Name::of_the_dead();
    for number in 0..STRAYS {
        File::create(path(&dead.number(number))).expect("a file");
    }
    save_little(directory.path());
    let mut left = temp_files(directory.path()).len();
    assert!((STRAYS - 1000..STRAYS).contains(&left), "{left}");
    for _ in 0..20 {
        save_little(directory.path());
        let now = temp_files(directory.path()).len();
        assert!(now + 1000 >= left, "{left}, then {now}");
        left = now;
    }
    assert_eq!(names(directory.path()), ["saved"]);
}

#[test]
fn a_removal_of_stale_files_continues_where_the_last_one_stopped() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("saved"), b"old").expect("written");
    let dead = Name::of_the_dead();
    for number in 0..100 {
        File::create(path(&dead.number(number))).expect("a file");
    }
    // Many more than one removal examines, and they stay.
    for number in 0..3000 {
        File::create(path(&format!("other-{number}"))).expect("a file");
    }
    for _ in 0..12 {
        save_little(directory.path());
    }
    assert_eq!(temp_files(directory.path()), [""; 0]);
    assert_eq!(names(directory.path()).len(), 3001);
}

#[test]
fn a_name_reserved_for_temporary_files_is_refused() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let ours = Name::of_ours().number(1);
    for name in [".spoolbuf-3.part", ".spoolbuf-.part", &ours] {
        let (buffer, seen) = buffer(directory.path(), 0);
        let saved = buffer.save(directory.path().join(name));
        assert!(matches!(saved, Err(Error::Invalid)), "{name}: {saved:?}");
        assert_eq!(seen.fetched.load(Ordering::Relaxed), 0);
        assert!(names(directory.path()).is_empty());
    }
    for name in [".spoolbuf-3.part.mp4", "spoolbuf-3.part", ".spoolbuf-3"] {
        let target = directory.path().join(name);
        let (buffer, _) = buffer(directory.path(), 0);
        assert_eq!(buffer.save(&target).expect("a save"), SIZE);
        assert_saved(&target, SIZE);
    }
}

#[test]
fn a_temporary_file_whose_name_was_taken_is_not_persisted() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    without(&[Lack::Unnamed], || {
        for no_replace in [false, true] {
            if !no_replace {
                std::fs::write(&target, b"old").expect("written");
            }
            let options = spoolbuf::SaveOptions {
                no_replace,
                ..Default::default()
            };
            let (buffer, _) = buffer(directory.path(), 0);
            let mut taken = None;
            let saved = buffer.save_with(&target, options, |_, _| {
                if taken.is_none() {
                    let name = temp_files(directory.path())
                        .pop()
                        .expect("a temporary file");
                    let temp_file = directory.path().join(name);
                    std::fs::remove_file(&temp_file).expect("a temporary file");
                    std::fs::write(&temp_file, b"theirs").expect("written");
                    taken = Some(temp_file);
                }
                true
            });
            assert!(
                matches!(
                    saved,
                    Err(Error::Io {
                        code: libc::ESTALE,
                        ..
                    })
                ),
                "{saved:?}"
            );
            let taken = taken.expect("a temporary file");
            assert_eq!(std::fs::read(&taken).expect("a file"), b"theirs");
            std::fs::remove_file(&taken).expect("a file");
            if !no_replace {
                assert_eq!(std::fs::read(&target).expect("a file"), b"old");
                std::fs::remove_file(&target).expect("a file");
            }
            assert!(names(directory.path()).is_empty());
        }
    });
}

#[test]
fn without_a_free_temporary_name_the_old_file_stays() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    std::fs::write(&target, b"old").expect("written");
    for lacks in [&[Lack::Names][..], &[Lack::Unnamed, Lack::Names]] {
        // A spool file needs a name there, too.
        let (buffer, _) = buffer(directory.path(), u64::MAX);
        without(lacks, || {
            let saved = buffer.save(&target);
            assert!(
                matches!(
                    saved,
                    Err(Error::Io {
                        code: libc::EBUSY,
                        ..
                    })
                ),
                "{saved:?}"
            );
        });
        assert_eq!(std::fs::read(&target).expect("a file"), b"old");
        assert_eq!(names(directory.path()), ["saved"]);
        assert_eq!(buffer.save(&target).expect("a save"), SIZE);
        std::fs::write(&target, b"old").expect("written");
    }
}
