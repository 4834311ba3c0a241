//! Bytes go to the target as they arrive, not after.

use std::path::Path;
use std::thread::scope;

use super::{LIMITS, SIZE, over};
use crate::files::{about_unnamed, assert_saved, names, temp_files};
use crate::support::Stream;
use crate::tap::Tapped;
use crate::without::{Lack, without};

/// Saves from a source that stops midway; checks that the temporary file has the bytes that have
/// arrived.
fn check(max: u64, size_of_temp_file: impl Fn(&Path) -> u64) {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let spool = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    let (stream, _) = Stream::new(SIZE, 50_001);
    let (tapped, tap) = Tapped::new(stream, 0);
    let buffer = over(tapped, spool.path(), max);
    scope(|scope| {
        let save = scope.spawn(|| buffer.save(&target));
        for arrived in [1, 400_000, 1_000_000] {
            tap.open(arrived);
            // 64 KiB are written at a time.
            let written = arrived / 65_536 * 65_536;
            let began = std::time::Instant::now();
            while size_of_temp_file(directory.path()) < written {
                assert!(
                    began.elapsed().as_secs() < 60,
                    "{}",
                    size_of_temp_file(directory.path())
                );
                std::thread::yield_now();
            }
            assert!(size_of_temp_file(directory.path()) <= arrived);
            assert!(!target.exists() && !save.is_finished());
        }
        tap.open(u64::MAX);
        assert_eq!(save.join().expect("no panic").expect("a save"), SIZE);
    });
    assert_saved(&target, SIZE);
    assert_eq!(names(directory.path()), ["saved"]);
}

#[test]
fn a_temporary_file_grows_as_bytes_arrive() {
    for max in LIMITS {
        check(max, |directory| {
            about_unnamed(directory).map_or(0, |about| about.len())
        });
    }
}

#[test]
fn a_named_temporary_file_grows_as_bytes_arrive() {
    without(&[Lack::Unnamed], || {
        check(0, |directory| {
            let size = |name| std::fs::metadata(directory.join(name)).map_or(0, |it| it.len());
            temp_files(directory).pop().map_or(0, size)
        });
    });
}
