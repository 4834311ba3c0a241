//! Network file systems: errors reported at close, two hosts in one directory, no hard links, locks
//! of one host only.

use std::path::Path;
use std::thread::scope;

use spoolbuf::{Error, SaveOptions, StreamBuffer};

use super::{LIMITS, SIZE, buffer, go_on, no_replace};
use crate::files::{assert_saved, names};
use crate::mount::Mount;
use crate::options::{Options, open};
use crate::support::Stream;
use crate::tap::Tapped;

fn directory() -> crate::tempfile::TempDir {
    crate::tempfile::tempdir().expect("a directory")
}

#[test]
fn an_error_at_close_leaves_the_old_file() {
    fails_at_close(&["quota=1000000"], &[libc::EDQUOT]);
    // The failure of a page written back later may be known only as "failed".
    fails_at_close(&["quota=1000000", "late"], &[libc::EDQUOT, libc::EIO]);
}

fn fails_at_close(options: &[&str], codes: &[i32]) {
    let (backing, spool) = (directory(), directory());
    let Some(mount) = Mount::passthrough(backing.path(), options) else {
        return;
    };
    let target = mount.path.join("saved");
    std::fs::write(&target, b"old").expect("written");
    for max in LIMITS {
        for (sync, link) in [(false, false), (true, false), (false, true)] {
            for spool in [spool.path(), &mount.path] {
                // A spool file there is limited too; this one fits.
                let max = if spool == mount.path {
                    max.max(700_000)
                } else {
                    max
                };
                let (buffer, _) = buffer(spool, max);
                let options = SaveOptions {
                    sync,
                    link,
                    ..SaveOptions::default()
                };
                let saved = buffer.save_with(&target, options, go_on);
                assert!(
                    matches!(saved, Err(Error::DiskFull { code: found, .. } | Error::Io { code: found, .. }) if codes.contains(&found)),
                    "{saved:?}, {options:?}, max {max}, {codes:?}"
                );
                assert_eq!(std::fs::read(&target).expect("a file"), b"old");
                assert_eq!(names(&mount.path), ["saved"]);
            }
        }
    }
}

/// A resource of its own size, saved up to its tap.
fn tapped(size: u64, spool: &Path) -> (StreamBuffer, std::sync::Arc<crate::tap::Tap>) {
    let (stream, _) = Stream::new(size, 50_001);
    let (tapped, tap) = Tapped::new(stream, 400_000);
    let options = Options {
        spool_dir: Some(spool.to_path_buf()),
        ..Options::default()
    };
    let buffer = open(tapped, options).expect("a buffer");
    (buffer, tap)
}

#[test]
fn two_hosts_save_into_one_directory() {
    let (backing, spool) = (directory(), directory());
    let mounts = [(); 2].map(|()| Mount::passthrough(backing.path(), &[]));
    let [Some(one), Some(two)] = mounts else {
        return;
    };
    for first_ends_first in [true, false] {
        for no_replace in [false, true] {
            let options = SaveOptions {
                no_replace,
                ..SaveOptions::default()
            };
            let (first, first_tap) = tapped(SIZE, spool.path());
            let (second, second_tap) = tapped(900_001, spool.path());
            let save = |buffer: &StreamBuffer, mount: &Mount, name: &str| {
                buffer.save_with(mount.path.join(name), options, go_on)
            };
            scope(|scope| {
                let one_saves = scope.spawn(|| save(&first, &one, "first"));
                first_tap.wait_until_dry();
                let two_saves = scope.spawn(|| save(&second, &two, "second"));
                second_tap.wait_until_dry();
                let (saved_first, saved_second);
                if first_ends_first {
                    first_tap.open(u64::MAX);
                    saved_first = one_saves.join().expect("no panic");
                    second_tap.open(u64::MAX);
                    saved_second = two_saves.join().expect("no panic");
                } else {
                    second_tap.open(u64::MAX);
                    saved_second = two_saves.join().expect("no panic");
                    first_tap.open(u64::MAX);
                    saved_first = one_saves.join().expect("no panic");
                }
                assert_eq!(saved_first.expect("a save"), SIZE);
                assert_eq!(saved_second.expect("a save"), 900_001);
            });
            assert_saved(&backing.path().join("first"), SIZE);
            assert_saved(&backing.path().join("second"), 900_001);
            assert_eq!(names(backing.path()), ["first", "second"]);
            for name in ["first", "second"] {
                std::fs::remove_file(backing.path().join(name)).expect("a file");
            }
        }
    }
}

#[test]
fn no_replace_works_where_a_rename_cannot_do_it() {
    let backing = directory();
    let Some(mount) = Mount::passthrough(backing.path(), &["no-replace"]) else {
        return;
    };
    let target = mount.path.join("saved");
    let spool = directory();
    let (buffer, _) = buffer(spool.path(), 0);
    assert_eq!(
        buffer
            .save_with(&target, no_replace(), go_on)
            .expect("a save"),
        SIZE
    );
    assert_saved(&target, SIZE);
    assert_eq!(names(&mount.path), ["saved"]);
    std::fs::write(&target, b"theirs").expect("written");
    let saved = buffer.save_with(&target, no_replace(), go_on);
    assert!(matches!(saved, Err(Error::Exists)), "{saved:?}");
    // Also one that appears while it is being saved.
    std::fs::remove_file(&target).expect("a file");
    let saved = buffer.save_with(&target, no_replace(), |_, _| {
        std::fs::write(&target, b"theirs").expect("written");
        true
    });
    assert!(matches!(saved, Err(Error::Exists)), "{saved:?}");
    assert_eq!(std::fs::read(&target).expect("a file"), b"theirs");
    assert_eq!(names(&mount.path), ["saved"]);
}

#[test]
fn no_replace_is_refused_where_the_system_cannot_do_it() {
    let backing = directory();
    let Some(mount) = Mount::passthrough(backing.path(), &["no-replace", "no-links"]) else {
        return;
    };
    let target = mount.path.join("saved");
    let spool = directory();
    let (buffer, _) = buffer(spool.path(), 0);
    let saved = buffer.save_with(&target, no_replace(), go_on);
    assert!(matches!(saved, Err(Error::Unsupported)), "{saved:?}");
    assert!(names(&mount.path).is_empty());
    assert_eq!(buffer.save(&target).expect("a save"), SIZE);
}
