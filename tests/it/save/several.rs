//! Several saves at once, and reads beside them.

use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::thread::scope;
use std::time::{Duration, Instant};

use spoolbuf::SaveOptions;

use super::{LIMITS, SIZE, buffer, over};
use crate::files::{assert_saved, names};
use crate::support::{Stream, assert_bytes};
use crate::tap::Tapped;
use crate::without::{Lack, without};

#[test]
fn saves_and_reads_of_one_buffer_go_side_by_side() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let spool = crate::tempfile::tempdir().expect("a directory");
    for lacks in [&[][..], &[Lack::Unnamed]] {
        for max in LIMITS {
            without(lacks, || {
                let (buffer, seen) = buffer(spool.path(), max);
                let start = Barrier::new(10);
                scope(|scope| {
                    for saver in 0..6 {
                        // Half of them to one target.
                        let target = directory
                            .path()
                            .join(format!("saved-{}", saver / 2 * (saver % 2)));
                        let options = SaveOptions {
                            link: saver == 5,
                            ..SaveOptions::default()
                        };
                        let (buffer, start) = (&buffer, &start);
                        scope.spawn(move || {
                            start.wait();
                            let saved = buffer.save_with(target, options, |_, _| true);
                            assert_eq!(saved.expect("a save"), SIZE);
                        });
                    }
                    for reader in 0..4u64 {
                        let (buffer, start) = (&buffer, &start);
                        scope.spawn(move || {
                            start.wait();
                            let mut out = vec![0; 20_000];
                            for round in 0..30u64 {
                                let offset = (round * 777_777 + reader * 50_021) % (SIZE - 20_000);
                                assert_eq!(
                                    buffer.read_at(offset, &mut out).expect("bytes"),
                                    out.len()
                                );
                                assert_bytes(offset, &out);
                            }
                        });
                    }
                });
                assert_eq!(seen.fetched.load(Ordering::Relaxed), SIZE);
            });
            assert_eq!(names(directory.path()), ["saved-0", "saved-1", "saved-2"]);
            for name in names(directory.path()) {
                assert_saved(&directory.path().join(&name), SIZE);
                std::fs::remove_file(directory.path().join(name)).expect("a file");
            }
        }
    }
}

#[test]
fn any_number_of_saves_wait_for_one_source() {
    // More saves than a temporary file tries names, where it needs one.
    const SAVES: usize = 24;
    let directory = crate::tempfile::tempdir().expect("a directory");
    let spool = crate::tempfile::tempdir().expect("a directory");
    for lacks in [&[][..], &[Lack::Unnamed]] {
        without(lacks, || {
            let (stream, seen) = Stream::new(SIZE, 50_001);
            let (tapped, tap) = Tapped::new(stream, 500_000);
            let buffer = over(tapped, spool.path(), 0);
            scope(|scope| {
                let saves: Vec<_> = (0..SAVES)
                    .map(|saver| {
                        let target = directory.path().join(format!("saved-{saver}"));
                        let buffer = &buffer;
                        scope.spawn(move || buffer.save(target))
                    })
                    .collect();
                // Time enough for one to give up; a slow machine proves less and fails nothing.
                tap.wait_until_dry();
                let began = Instant::now();
                while began.elapsed().as_secs() < 2 && !saves.iter().any(|save| save.is_finished())
                {
                    std::thread::sleep(Duration::from_millis(10));
                }
                tap.open(u64::MAX);
                for save in saves {
                    assert_eq!(save.join().expect("no panic").expect("a save"), SIZE);
                }
            });
            assert_eq!(seen.fetched.load(Ordering::Relaxed), SIZE);
            assert_eq!(names(directory.path()).len(), SAVES);
        });
    }
}
