//! The options of a save, and sources that fail.

use std::sync::atomic::Ordering;

use spoolbuf::{Error, Result, SaveOptions, Source};

use super::{LIMITS, SIZE, buffer, go_on, over};
use crate::files::{assert_saved, names};
use crate::options::{Options, open};
use crate::support::{Stream, assert_bytes};

#[test]
fn no_replace_leaves_an_existing_file() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("file"), b"mine").expect("written");
    std::os::unix::fs::symlink("nowhere", path("link")).expect("a link");
    std::fs::create_dir(path("directory")).expect("a directory");
    for link in [false, true] {
        let options = SaveOptions {
            no_replace: true,
            link,
            ..SaveOptions::default()
        };
        for name in ["file", "link", "directory"] {
            let (buffer, seen) = buffer(directory.path(), 0);
            let saved = buffer.save_with(path(name), options, go_on);
            assert!(matches!(saved, Err(Error::Exists)), "{name}: {saved:?}");
            assert_eq!(seen.fetched.load(Ordering::Relaxed), 0);
        }
        let (buffer, _) = buffer(directory.path(), 0);
        assert_eq!(
            buffer
                .save_with(path("new"), options, go_on)
                .expect("a save"),
            SIZE
        );
        assert_saved(&path("new"), SIZE);
        let again = buffer.save_with(path("new"), options, go_on);
        assert!(matches!(again, Err(Error::Exists)), "{again:?}");
        std::fs::remove_file(path("new")).expect("a file");
    }
    assert_eq!(std::fs::read(path("file")).expect("a file"), b"mine");
    assert_eq!(names(directory.path()), ["directory", "file", "link"]);
}

#[test]
fn require_size_fails_without_the_declared_size() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    std::fs::write(&target, b"old").expect("written");
    for link in [false, true] {
        let options = SaveOptions {
            require_size: true,
            link,
            ..SaveOptions::default()
        };
        for max in LIMITS {
            for declared in [Some(SIZE - 1), Some(SIZE + 1), Some(0), None] {
                let options_of_buffer = Options {
                    size: declared,
                    max_memory: max,
                    spool_dir: Some(directory.path().into()),
                    ..Options::default()
                };
                let (stream, _) = Stream::new(SIZE, 50_001);
                let buffer = open(stream, options_of_buffer).expect("a buffer");
                match (buffer.save_with(&target, options, go_on), declared) {
                    (Err(Error::Size), Some(_)) | (Err(Error::UnknownSize), None) => {}
                    (saved, _) => panic!("{declared:?}: {saved:?}"),
                }
                assert_eq!(std::fs::read(&target).expect("a file"), b"old");
                assert_eq!(names(directory.path()), ["saved"]);
            }
        }
    }
    let (buffer, _) = buffer(directory.path(), 0);
    let options = SaveOptions {
        require_size: true,
        ..SaveOptions::default()
    };
    assert_eq!(
        buffer.save_with(&target, options, go_on).expect("a save"),
        SIZE
    );
    assert_saved(&target, SIZE);
}

#[test]
fn a_buffered_save_copies_buffered_bytes_without_the_source() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    let options = SaveOptions {
        buffered: true,
        ..SaveOptions::default()
    };
    for max in LIMITS {
        let (buffer, seen) = buffer(directory.path(), max);
        for reached in [0, 1, 300_000, 1_000_000] {
            buffer.read_at(0, &mut vec![0; reached]).expect("bytes");
            let held = seen.fetched.load(Ordering::Relaxed);
            assert_eq!(
                buffer.save_with(&target, options, go_on).expect("a save"),
                held
            );
            assert_saved(&target, held);
            assert_eq!(seen.fetched.load(Ordering::Relaxed), held);
        }
    }
}

#[test]
fn a_buffered_save_ends_though_more_bytes_keep_arriving() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for link in [false, true] {
        let options = SaveOptions {
            buffered: true,
            link,
            ..SaveOptions::default()
        };
        for max in LIMITS {
            let (stream, _) = Stream::new(40 * SIZE, 50_001);
            let buffer = over(stream, directory.path(), max);
            buffer.read_at(0, &mut vec![0; 1_000_000]).expect("bytes");
            let held = buffer.stats().frontier;
            let mut more = vec![0; 2_000_000];
            let saved = buffer.save_with(&target, options, |_, _| {
                // More than a save takes at a time.
                let count = buffer.read_at(buffer.stats().frontier, &mut more);
                count.expect("bytes") > 0
            });
            assert_eq!(saved.expect("a save"), held);
            assert!(buffer.stats().frontier > held);
            assert_saved(&target, held);
        }
    }
}

#[test]
fn a_buffered_save_with_gaps_fails() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for max in LIMITS {
        let (mut stream, seen) = Stream::new(SIZE, 50_001);
        stream.seeks = true;
        let buffer = over(stream, directory.path(), max);
        buffer.read_at(1_000_000, &mut [0; 100]).expect("bytes");
        let fetched = seen.fetched.load(Ordering::Relaxed);
        for link in [false, true] {
            let options = SaveOptions {
                buffered: true,
                link,
                ..SaveOptions::default()
            };
            let saved = buffer.save_with(&target, options, go_on);
            assert!(matches!(saved, Err(Error::Size)), "{saved:?}");
            assert!(names(directory.path()).is_empty());
        }
        assert_eq!(seen.fetched.load(Ordering::Relaxed), fetched);
        // A save of everything fills the gaps.
        assert_eq!(buffer.save(&target).expect("a save"), SIZE);
        assert_saved(&target, SIZE);
        assert_eq!(seen.fetched.load(Ordering::Relaxed), SIZE);
        std::fs::remove_file(&target).expect("a file");
    }
}

#[test]
fn an_empty_resource_is_an_empty_file() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for link in [false, true] {
        for buffered in [false, true] {
            let (stream, _) = Stream::new(0, 1);
            let buffer = over(stream, directory.path(), 0);
            let options = SaveOptions {
                link,
                buffered,
                ..SaveOptions::default()
            };
            assert_eq!(
                buffer.save_with(&target, options, go_on).expect("a save"),
                0
            );
            assert_saved(&target, 0);
        }
    }
}

/// Fails once midway.
struct Failing(Stream, bool);

impl Source for Failing {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.0.at > 1_000_000 && !std::mem::replace(&mut self.1, true) {
            return Err(Error::Source {
                code: -77,
                cause: None,
            });
        }
        self.0.pull(out)
    }
}

#[test]
fn a_source_that_fails_leaves_the_old_file() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for link in [false, true] {
        for max in LIMITS {
            std::fs::write(&target, b"old").expect("written");
            let (stream, seen) = Stream::new(SIZE, 50_001);
            let buffer = over(Failing(stream, false), directory.path(), max);
            let options = SaveOptions {
                link,
                ..SaveOptions::default()
            };
            for _ in 0..2 {
                let saved = buffer.save_with(&target, options, go_on);
                assert!(
                    matches!(saved, Err(Error::Source { code: -77, .. })),
                    "{saved:?}"
                );
                assert_eq!(std::fs::read(&target).expect("a file"), b"old");
                assert_eq!(names(directory.path()), ["saved"]);
            }
            let mut out = [0; 1000];
            assert_eq!(buffer.read_at(999_000, &mut out).expect("bytes"), 1000);
            assert_bytes(999_000, &out);
            buffer.resume();
            assert_eq!(
                buffer.save_with(&target, options, go_on).expect("a save"),
                SIZE
            );
            assert_saved(&target, SIZE);
            assert_eq!(seen.fetched.load(Ordering::Relaxed), SIZE);
        }
    }
}
