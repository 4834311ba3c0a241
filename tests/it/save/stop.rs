//! How a save reports its progress, and how it is stopped.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread::scope;

use spoolbuf::{Error, SaveOptions, StreamBuffer};

use super::{LIMITS, SIZE, buffer, full_buffer, over};
use crate::files::{assert_saved, names};
use crate::options::{Options, open};
use crate::support::Stream;
use crate::tap::Tapped;
use crate::without::{Lack, without};

/// Saves to `target` and stops at step `stop`. Returns the result and the reports.
fn save(
    buffer: &StreamBuffer,
    target: &Path,
    link: bool,
    stop: usize,
) -> (spoolbuf::Result<u64>, Vec<(u64, Option<u64>)>) {
    let options = SaveOptions {
        link,
        ..SaveOptions::default()
    };
    let mut told = Vec::new();
    let saved = buffer.save_with(target, options, |done, total| {
        told.push((done, total));
        told.len() != stop
    });
    (saved, told)
}

#[test]
fn progress_goes_forwards_to_the_total() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for declared in [None, Some(SIZE), Some(SIZE / 2), Some(SIZE * 2)] {
        for max in LIMITS {
            let (stream, _) = Stream::new(SIZE, 50_001);
            let options = Options {
                size: declared,
                max_memory: max,
                ..Options::default()
            };
            let buffer = open(stream, options).expect("a buffer");
            // The first save fetches the bytes, the second finds them buffered.
            for _ in 0..2 {
                let (saved, told) = save(&buffer, &target, false, usize::MAX);
                assert_eq!(saved.expect("a save"), SIZE);
                assert!(
                    told.windows(2).all(|pair| pair[0].0 < pair[1].0),
                    "{told:?}"
                );
                assert!(
                    told.iter()
                        .all(|(done, total)| total.is_none_or(|total| *done <= total)),
                    "{told:?}"
                );
                assert_eq!(told.last(), Some(&(SIZE, Some(SIZE))));
            }
        }
    }
}

#[test]
fn a_save_that_is_stopped_leaves_the_old_file_at_any_step() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    std::fs::write(&target, b"old").expect("written");
    for lacks in [&[][..], &[Lack::Unnamed]] {
        for link in [false, true] {
            for max in [0, u64::MAX] {
                without(lacks, || {
                    for stop in 1.. {
                        let (buffer, _) = buffer(directory.path(), max);
                        let (saved, told) = save(&buffer, &target, link, stop);
                        if told.len() < stop {
                            assert_eq!(saved.expect("a save"), SIZE);
                            break;
                        }
                        assert!(matches!(saved, Err(Error::Canceled)), "{saved:?}");
                        assert_eq!(std::fs::read(&target).expect("a file"), b"old");
                        assert_eq!(names(directory.path()), ["saved"]);
                        // Only the save was stopped.
                        assert_eq!(
                            buffer
                                .read_at(0, &mut vec![0; SIZE as usize])
                                .expect("bytes"),
                            SIZE as usize
                        );
                    }
                });
                assert_saved(&target, SIZE);
                assert_eq!(names(directory.path()), ["saved"]);
                std::fs::write(&target, b"old").expect("written");
            }
        }
    }
}

#[test]
fn a_cancel_from_another_thread_stops_a_save_that_waits_for_the_source() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    std::fs::write(&target, b"old").expect("written");
    for link in [false, true] {
        for max in LIMITS {
            let (stream, seen) = Stream::new(SIZE, 50_001);
            let (tapped, tap) = Tapped::new(stream, 1_000_000);
            let buffer = over(tapped, directory.path(), max);
            scope(|scope| {
                let save = scope.spawn(|| save(&buffer, &target, link, usize::MAX).0);
                tap.wait_until_dry();
                buffer.cancel();
                let saved = save.join().expect("a save");
                assert!(matches!(saved, Err(Error::Canceled)), "{saved:?}");
            });
            assert_eq!(std::fs::read(&target).expect("a file"), b"old");
            assert_eq!(names(directory.path()), ["saved"]);
            assert_eq!(buffer.buffered(0), 1_000_000);
            // Until the resume, a save that needs the source is stopped at once.
            assert!(matches!(buffer.save(&target), Err(Error::Canceled)));
            tap.open(u64::MAX);
            buffer.resume();
            assert_eq!(
                save(&buffer, &target, link, usize::MAX).0.expect("a save"),
                SIZE
            );
            assert_saved(&target, SIZE);
            assert_eq!(seen.fetched.load(Ordering::Relaxed), SIZE);
            std::fs::write(&target, b"old").expect("written");
        }
    }
}

#[test]
fn a_cancel_stops_a_save_that_needs_no_source() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    for max in LIMITS {
        let buffer = full_buffer(directory.path(), max);
        let saved = buffer.save_with(&target, SaveOptions::default(), |_, _| {
            buffer.cancel();
            true
        });
        assert!(matches!(saved, Err(Error::Canceled)), "{saved:?}");
        assert!(names(directory.path()).is_empty());
        buffer.resume();
        assert_eq!(buffer.save(&target).expect("a save"), SIZE);
        std::fs::remove_file(&target).expect("a file");
    }
}
