//! What may exist at the target, and what exists there afterwards.

use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::Ordering;

use spoolbuf::{Error, SaveOptions};

use super::{LIMITS, SIZE, buffer, no_replace};
use crate::child::alone;
use crate::files::{assert_saved, names};
use crate::skip::skip;
use crate::without::{Lack, without};

#[test]
fn a_saved_file_has_the_mode_of_a_new_one() {
    // The umask belongs to the process.
    if !alone("save::target::a_saved_file_has_the_mode_of_a_new_one") {
        return;
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    let save = |mask: u32, link| {
        // SAFETY: sets a number.
        unsafe { libc::umask(mask) };
        let (buffer, _) = buffer(directory.path(), 0);
        let options = SaveOptions {
            link,
            ..SaveOptions::default()
        };
        buffer
            .save_with(&target, options, |_, _| true)
            .expect("a save");
        let mode = std::fs::metadata(&target).expect("a file").mode() & 0o7777;
        assert_eq!(
            format!("{mode:o}"),
            format!("{:o}", 0o666 & !mask),
            "link: {link}"
        );
    };
    for mask in [0o022, 0o077, 0o027, 0] {
        save(mask, false);
        save(mask, true);
        without(&[Lack::Unnamed], || save(mask, false));
        without(&[Lack::Unnamed], || save(mask, true));
        // Nor does the mode of the previous file matter.
        std::fs::set_permissions(&target, PermissionsExt::from_mode(0o400)).expect("a file");
    }
}

#[test]
fn an_open_descriptor_keeps_the_old_file() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    std::fs::write(&target, b"old").expect("written");
    std::fs::hard_link(&target, directory.path().join("also")).expect("a second name");
    for max in LIMITS {
        assert_eq!(
            buffer(directory.path(), max)
                .0
                .save(&target)
                .expect("a save"),
            SIZE
        );
        assert_saved(&target, SIZE);
        assert_eq!(
            std::fs::read(directory.path().join("also")).expect("a file"),
            b"old"
        );
        assert_eq!(names(directory.path()), ["also", "saved"]);
    }
}

#[test]
fn a_symbolic_link_is_replaced_and_not_followed() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("file"), b"mine").expect("written");
    for to in ["file", "nowhere", "saved"] {
        for link in [false, true] {
            let _ = std::fs::remove_file(path("saved"));
            symlink(path(to), path("saved")).expect("a link");
            let options = SaveOptions {
                link,
                ..SaveOptions::default()
            };
            let (buffer, _) = buffer(directory.path(), 0);
            buffer
                .save_with(path("saved"), options, |_, _| true)
                .expect("a save");
            let about = std::fs::symlink_metadata(path("saved")).expect("a file");
            assert!(about.is_file());
            assert_saved(&path("saved"), SIZE);
        }
    }
    assert_eq!(std::fs::read(path("file")).expect("a file"), b"mine");
    assert!(!path("nowhere").exists());
}

#[test]
fn a_symbolic_link_to_something_other_than_a_file_is_refused() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("directory")).expect("a directory");
    make_node(&path("pipe"), libc::S_IFIFO, 0);
    // As /dev/stdout is one.
    let other = std::fs::File::create(path("other")).expect("a file");
    let descriptor = format!("/proc/self/fd/{}", other.as_raw_fd());
    for to in ["directory", "pipe", "/dev/null", &descriptor] {
        for link in [false, true] {
            let _ = std::fs::remove_file(path("saved"));
            symlink(to, path("saved")).expect("a link");
            let options = SaveOptions {
                link,
                ..SaveOptions::default()
            };
            let (buffer, seen) = buffer(directory.path(), 0);
            let saved = buffer.save_with(path("saved"), options, |_, _| true);
            assert!(matches!(saved, Err(Error::Unsupported)), "{to}: {saved:?}");
            assert_eq!(seen.fetched.load(Ordering::Relaxed), 0);
            assert_eq!(
                std::fs::read_link(path("saved")).expect("a link"),
                Path::new(to)
            );
        }
    }
}

/// The links of /dev/fd and of /proc/self/fd, and links that lead there indirectly.
#[test]
fn a_chain_of_links_to_a_descriptor_is_refused() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let other = std::fs::File::create(path("other")).expect("a file");
    let number = other.as_raw_fd();
    symlink(format!("/proc/self/fd/{number}"), path("one")).expect("a link");
    symlink("one", path("two")).expect("a link");
    symlink(path("two"), path("three")).expect("a link");
    symlink("/proc/self/fd", path("directory")).expect("a link");
    symlink(format!("directory/{number}"), path("four")).expect("a link");
    let before = names(directory.path());
    let named = [
        path("one"),
        path("two"),
        path("three"),
        path("four"),
        format!("/dev/fd/{number}").into(),
        format!("/proc/self/fd/{number}").into(),
        path("directory").join(number.to_string()),
    ];
    for name in named {
        for link in [false, true] {
            let (buffer, seen) = buffer(directory.path(), 0);
            let options = SaveOptions {
                link,
                ..SaveOptions::default()
            };
            let saved = buffer.save_with(&name, options, |_, _| true);
            assert!(
                matches!(saved, Err(Error::Unsupported)),
                "{}: {saved:?}",
                name.display()
            );
            assert_eq!(seen.fetched.load(Ordering::Relaxed), 0);
        }
    }
    assert_eq!(names(directory.path()), before);
    assert_eq!(other.metadata().expect("a file").len(), 0);
}

#[test]
fn a_symbolic_link_to_a_file_in_memory_is_replaced() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let Ok(memory) = crate::tempfile::tempdir_in("/dev/shm") else {
        skip("a link to a file in memory", "there is no /dev/shm");
        return;
    };
    let shared = memory.path().join("shared");
    std::fs::write(&shared, b"mine").expect("written");
    let target = directory.path().join("saved");
    symlink(&shared, &target).expect("a link");
    let (buffer, _) = buffer(directory.path(), 0);
    assert_eq!(buffer.save(&target).expect("a save"), SIZE);
    assert!(target.symlink_metadata().expect("a file").is_file());
    assert_saved(&target, SIZE);
    assert_eq!(std::fs::read(&shared).expect("a file"), b"mine");
}

#[test]
fn a_circle_of_links_is_replaced() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    symlink("two", path("one")).expect("a link");
    symlink("one", path("two")).expect("a link");
    let (buffer, _) = buffer(directory.path(), 0);
    assert_eq!(buffer.save(path("one")).expect("a save"), SIZE);
    assert_saved(&path("one"), SIZE);
}

#[test]
fn the_target_is_where_it_was_when_the_save_began() {
    // The working directory belongs to the process.
    if !alone("save::target::the_target_is_where_it_was_when_the_save_began") {
        return;
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("there")).expect("a directory");
    std::fs::create_dir(path("elsewhere")).expect("a directory");
    for lacks in [&[][..], &[Lack::Unnamed]] {
        for (no_replace, link) in [(false, false), (true, false), (false, true)] {
            std::env::set_current_dir(path("there")).expect("a directory");
            let options = SaveOptions {
                no_replace,
                link,
                ..SaveOptions::default()
            };
            let (buffer, _) = buffer(directory.path(), 0);
            let saved = without(lacks, || {
                buffer.save_with("saved", options, |_, _| {
                    std::env::set_current_dir(path("elsewhere")).expect("a directory");
                    // Nor does the directory's name matter to a running save.
                    let _ = std::fs::rename(path("there"), path("moved"));
                    true
                })
            });
            assert_eq!(saved.expect("a save"), SIZE);
            assert!(names(&path("elsewhere")).is_empty());
            assert_eq!(names(&path("moved")), ["saved"]);
            assert_saved(&path("moved").join("saved"), SIZE);
            std::fs::remove_file(path("moved").join("saved")).expect("a file");
            std::fs::rename(path("moved"), path("there")).expect("a directory");
        }
    }
}

#[test]
fn a_save_works_in_a_directory_that_cannot_be_listed() {
    if !alone("save::target::a_save_works_in_a_directory_that_cannot_be_listed") {
        return;
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    let (drop_box, target) = (
        directory.path().join("box"),
        directory.path().join("box/saved"),
    );
    std::fs::create_dir(&drop_box).expect("a directory");
    for lacks in [&[][..], &[Lack::Unnamed]] {
        for sync in [false, true] {
            let mode = |mode| std::fs::set_permissions(&drop_box, PermissionsExt::from_mode(mode));
            mode(0o300).expect("a directory of ours");
            let (buffer, _) = buffer(directory.path(), 0);
            let options = SaveOptions {
                sync,
                ..SaveOptions::default()
            };
            let saved = without(lacks, || {
                as_nobody(
                    || buffer.save_with(&target, options, |_, _| true),
                    directory.path(),
                )
            });
            mode(0o700).expect("a directory of ours");
            if sync {
                // A name is synced by its directory, which must be opened for that.
                assert!(
                    matches!(
                        saved,
                        Err(Error::Io {
                            code: libc::EACCES,
                            ..
                        })
                    ),
                    "{saved:?}"
                );
                assert!(names(&drop_box).is_empty());
                continue;
            }
            assert_eq!(saved.expect("a save"), SIZE);
            assert_saved(&target, SIZE);
            assert_eq!(names(&drop_box), ["saved"]);
            std::fs::remove_file(&target).expect("a file");
        }
    }
}

/// Runs `work` as a user without root's rights; the files of the test belong to that user.
fn as_nobody<T>(work: impl FnOnce() -> T, all_of: &Path) -> T {
    const NOBODY: libc::uid_t = 65534;
    // SAFETY: asks for and sets numbers of this thread or process.
    if unsafe { libc::geteuid() } != 0 {
        return work();
    }
    for path in [all_of.to_path_buf(), all_of.join("box")] {
        std::os::unix::fs::chown(path, Some(NOBODY), None).expect("root's right");
    }
    // SAFETY: sets numbers of this thread only, by a raw system call.
    let become_user = |user: libc::uid_t| unsafe {
        assert_eq!(libc::syscall(libc::SYS_setresuid, -1, user, -1), 0);
    };
    become_user(NOBODY);
    let result = work();
    become_user(0);
    result
}

#[test]
fn no_replace_works_without_hard_links() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    without(&[Lack::Unnamed, Lack::Links], || {
        let (buffer, _) = buffer(directory.path(), 0);
        let save = || buffer.save_with(&target, no_replace(), |_, _| true);
        assert_eq!(save().expect("a save"), SIZE);
        assert_saved(&target, SIZE);
        std::fs::write(&target, b"theirs").expect("written");
        assert!(matches!(save(), Err(Error::Exists)));
        assert_eq!(std::fs::read(&target).expect("a file"), b"theirs");
        std::fs::remove_file(&target).expect("a file");
        // Also one that appears while it is being saved.
        let saved = buffer.save_with(&target, no_replace(), |_, _| {
            std::fs::write(&target, b"theirs").expect("written");
            true
        });
        assert!(matches!(saved, Err(Error::Exists)), "{saved:?}");
        assert_eq!(std::fs::read(&target).expect("a file"), b"theirs");
        assert_eq!(names(directory.path()), ["saved"]);
    });
}

#[test]
fn a_target_other_than_a_file_is_refused_before_the_source_is_called() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("directory")).expect("a directory");
    make_node(&path("pipe"), libc::S_IFIFO, 0);
    let _listener = UnixListener::bind(path("socket")).expect("a socket");
    let mut odd = vec!["directory", "directory/.", "directory/..", "pipe", "socket"];
    // The null device.
    if make_node(&path("device"), libc::S_IFCHR, libc::makedev(1, 3)) {
        odd.push("device");
    }
    let before = names(directory.path());
    for name in odd {
        for options in [
            SaveOptions::default(),
            SaveOptions {
                link: true,
                ..SaveOptions::default()
            },
            SaveOptions {
                buffered: true,
                ..SaveOptions::default()
            },
        ] {
            let (buffer, seen) = buffer(directory.path(), 0);
            let kind = std::fs::symlink_metadata(path(name))
                .expect("a thing")
                .mode();
            let saved = buffer.save_with(path(name), options, |_, _| true);
            assert!(
                matches!(saved, Err(Error::Unsupported | Error::Invalid)),
                "{name}: {saved:?}"
            );
            assert_eq!(seen.fetched.load(Ordering::Relaxed), 0);
            let after = std::fs::symlink_metadata(path(name))
                .expect("a thing")
                .mode();
            assert_eq!((kind, names(directory.path())), (after, before.clone()));
        }
    }
}

/// Whether that was allowed.
fn make_node(path: &Path, kind: libc::mode_t, device: libc::dev_t) -> bool {
    let text = CString::new(path.as_os_str().as_bytes()).expect("a path");
    // SAFETY: a NUL-terminated path.
    let done = unsafe { libc::mknod(text.as_ptr(), kind | 0o600, device) } == 0;
    if !done {
        let error = std::io::Error::last_os_error();
        skip("a save to a device", crate::mount::reason(error));
    }
    done
}

#[test]
fn a_target_that_appears_during_a_save_is_treated_alike() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for lacks in [&[][..], &[Lack::Unnamed]] {
        without(lacks, || {
            for no_replace in [false, true] {
                let (buffer, _) = buffer(directory.path(), 0);
                let options = SaveOptions {
                    no_replace,
                    ..SaveOptions::default()
                };
                let saved = buffer.save_with(&target, options, |_, _| {
                    std::fs::write(&target, b"theirs").expect("written");
                    true
                });
                if no_replace {
                    assert!(matches!(saved, Err(Error::Exists)), "{saved:?}");
                    assert_eq!(std::fs::read(&target).expect("a file"), b"theirs");
                } else {
                    assert_eq!(saved.expect("a save"), SIZE);
                    assert_saved(&target, SIZE);
                }
                assert_eq!(names(directory.path()), ["saved"]);
                std::fs::remove_file(&target).expect("a file");
            }
        });
    }
}

#[test]
fn a_target_that_becomes_something_else_meanwhile_is_refused() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    let elsewhere = crate::tempfile::tempdir().expect("a directory");
    let become_that = |what: &str| match what {
        "directory" => std::fs::create_dir(&target).expect("a directory"),
        "pipe" => assert!(make_node(&target, libc::S_IFIFO, 0)),
        "socket" => drop(UnixListener::bind(&target).expect("a socket")),
        "device" => assert!(make_node(&target, libc::S_IFCHR, libc::makedev(1, 3))),
        _ => symlink(elsewhere.path(), &target).expect("a link"),
    };
    let mut all = vec!["directory", "pipe", "socket", "link"];
    if make_node(&target, libc::S_IFCHR, libc::makedev(1, 3)) {
        std::fs::remove_file(&target).expect("a device");
        all.push("device");
    }
    for lacks in [&[][..], &[Lack::Unnamed]] {
        without(lacks, || {
            for (what, link) in all.iter().flat_map(|what| [(what, false), (what, true)]) {
                std::fs::write(&target, b"old").expect("written");
                let (buffer, _) = buffer(elsewhere.path(), 0);
                let options = SaveOptions {
                    link,
                    ..SaveOptions::default()
                };
                let mut begun = false;
                let saved = buffer.save_with(&target, options, |_, _| {
                    if !std::mem::replace(&mut begun, true) {
                        std::fs::remove_file(&target).expect("the old file");
                        become_that(what);
                    }
                    true
                });
                assert!(
                    matches!(saved, Err(Error::Unsupported)),
                    "{what}, {link}: {saved:?}"
                );
                let kind = target.symlink_metadata().expect("a thing").file_type();
                assert!(!kind.is_file(), "{what}, {link}");
                assert_eq!(names(directory.path()), ["saved"]);
                let removed = if kind.is_dir() {
                    std::fs::remove_dir(&target)
                } else {
                    std::fs::remove_file(&target)
                };
                removed.expect("a thing of ours");
            }
        });
    }
}
