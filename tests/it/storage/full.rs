//! A full disk, and one without inodes.

use std::sync::atomic::Ordering;
use std::thread::scope;
use std::time::{Duration, Instant};

use spoolbuf::{Error, OnFull, SaveOptions, SpoolState};

use super::{SIZE, assert_failed, assert_full, buffer, read_all, read_on, read_until_trouble};
use crate::child::alone;
use crate::files::assert_saved;
use crate::mount::Mount;
use crate::options::{Options, open};
use crate::support::{Stream, assert_bytes};
use crate::tap::Tapped;

#[test]
fn full_is_a_state_until_there_is_room() {
    for max in [0, 65_536, 600_000] {
        let Some(mount) = Mount::tmpfs("size=128k") else {
            return;
        };
        let (buffer, seen) = buffer(&mount.path, max, OnFull::Fail);
        let error = read_until_trouble(&buffer, &seen, max);
        assert_full(&error, libc::ENOSPC);
        let stats = buffer.stats();
        assert_eq!(stats.system_error, libc::ENOSPC);
        assert_eq!(
            stats.failure.map(|error| error.code()),
            None,
            "a full disk is no failure of the source"
        );
        if max == 0 {
            // Some bytes fitted.
            assert_eq!(stats.spool, SpoolState::Memory);
            assert_eq!(stats.spool_dir.as_deref(), Some(&*mount.path));
        }
        assert!(matches!(
            buffer.spill(),
            Err(Error::DiskFull {
                code: libc::ENOSPC,
                ..
            })
        ));
        mount.remount("size=4m");
        read_all(&buffer, &seen);
        buffer.spill().expect("room");
        assert_eq!((buffer.stats().memory, buffer.stats().disk), (0, SIZE));
        read_all(&buffer, &seen);
    }
}

#[test]
fn a_full_disk_continues_in_memory_until_there_is_room() {
    let Some(mount) = Mount::tmpfs("size=128k") else {
        return;
    };
    let (on, seen) = buffer(&mount.path, 0, OnFull::Memory);
    let mut out = vec![0; 1_500_000];
    assert_eq!(on.read_at(0, &mut out).expect("memory"), out.len());
    assert!(on.stats().memory > 1_000_000, "{on:?}");
    mount.remount("size=4m");
    // The next segment finds room, and with it every segment that had waited in memory.
    read_all(&on, &seen);
    assert!(on.stats().memory <= super::PIECE, "{on:?}");
}

#[test]
fn a_prefetch_pauses_while_the_disk_is_full_and_continues() {
    // It observes every helper of its process.
    if !alone("storage::full::a_prefetch_pauses_while_the_disk_is_full_and_continues") {
        return;
    }
    let Some(mount) = Mount::tmpfs("size=128k") else {
        return;
    };
    let (buffer, seen) = buffer(&mount.path, 65_536, OnFull::Fail);
    buffer.prefetch(u64::MAX).expect("a helper");
    let error = read_until_trouble(&buffer, &seen, 65_536);
    assert!(matches!(error, Error::DiskFull { .. }), "{error:?}");
    wait_until("the helper sleeps", || {
        let before = helper_switches();
        std::thread::sleep(Duration::from_millis(100));
        before.is_some() && before == helper_switches()
    });
    mount.remount("size=4m");
    // One request is enough for it to try again, and then it continues to the end by itself.
    let held = buffer.stats().frontier;
    assert_eq!(buffer.read_at(held, &mut [0]).expect("a byte"), 1);
    wait_until("all of it is there", || buffer.buffered(0) == SIZE);
    read_all(&buffer, &seen);
}

#[track_caller]
fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed().as_secs() < 30, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// How often the helpers of this process have slept or been preempted; None while one runs.
fn helper_switches() -> Option<Vec<String>> {
    let threads = std::fs::read_dir("/proc/self/task").expect("/proc");
    let about = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("status"));
    let mut switches = Vec::new();
    for status in threads.flatten().filter_map(|thread| about(thread).ok()) {
        let helper = status.starts_with("Name:\tspoolbuf\n");
        if helper && !status.contains("State:\tS") {
            return None;
        }
        let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
        switches.extend(counts.filter(|_| helper).map(str::to_owned));
    }
    Some(switches)
}

/// The call waits for more than arrives: some bytes arrive, then the disk is full.
#[test]
fn a_waiting_call_gets_the_bytes_from_before_the_disk_was_full() {
    let parent = crate::tempfile::tempdir().expect("a directory");
    let (stream, seen) = Stream::new(SIZE, 50_001);
    let (tapped, tap) = Tapped::new(stream, 0);
    let options = Options {
        max_memory: 0,
        spool_dir: Some(parent.path().join("missing")),
        ..Options::default()
    };
    let buffer = open(tapped, options).expect("a buffer");
    // The helper meets the full disk; nobody else calls the source.
    buffer.prefetch(u64::MAX).expect("a helper");
    tap.wait_until_dry();
    let reached = scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut out = vec![0; 200_000];
            let count = buffer.read_at(0, &mut out).expect("what came");
            assert_bytes(0, &out[..count]);
            count as u64
        });
        wait_until("the call sleeps", || buffer.stats().waits > 0);
        tap.open(u64::MAX);
        waiting.join().expect("no panic")
    });
    assert!(0 < reached && reached < 200_000, "{reached}");
    assert_eq!(seen.fetched.load(Ordering::Relaxed), reached);
    let error = buffer.read_at(reached, &mut [0]).expect_err("no directory");
    assert_failed(&error, libc::ENOENT);
    assert_eq!(
        buffer.stats().spool_dir,
        Some(parent.path().join("missing"))
    );
}

#[test]
fn a_save_that_needs_a_full_spool_fails_and_one_that_does_not_succeeds() {
    let Some(mount) = Mount::tmpfs("size=128k") else {
        return;
    };
    let elsewhere = crate::tempfile::tempdir().expect("a directory");
    let target = elsewhere.path().join("saved");
    let (small, seen) = buffer(&mount.path, 65_536, OnFull::Fail);
    assert!(matches!(
        small.save(&target),
        Err(Error::DiskFull {
            code: libc::ENOSPC,
            ..
        })
    ));
    assert!(crate::files::names(elsewhere.path()).is_empty());
    // Buffered bytes can be saved all the same.
    let options = SaveOptions {
        buffered: true,
        ..SaveOptions::default()
    };
    let held = small.stats().frontier;
    assert_eq!(
        small
            .save_with(&target, options, |_, _| true)
            .expect("a save"),
        held
    );
    assert_saved(&target, held);
    mount.remount("size=4m");
    assert_eq!(small.save(&target).expect("a save"), SIZE);
    assert_saved(&target, SIZE);
    read_all(&small, &seen);
}

#[test]
fn a_full_target_leaves_the_old_file() {
    let Some(mount) = Mount::tmpfs("size=1m") else {
        return;
    };
    let spool = crate::tempfile::tempdir().expect("a directory");
    let target = mount.path.join("saved");
    std::fs::write(&target, b"old").expect("room");
    for max in [0, u64::MAX] {
        let (buffer, _) = buffer(spool.path(), max, OnFull::Fail);
        assert!(matches!(
            buffer.save(&target),
            Err(Error::DiskFull {
                code: libc::ENOSPC,
                ..
            })
        ));
        assert_eq!(std::fs::read(&target).expect("a file"), b"old");
        assert_eq!(crate::files::names(&mount.path), ["saved"]);
        // The space is freed, if not at once: a process that another test is starting may still
        // have the temporary file open.
        let began = Instant::now();
        while let Err(error) = std::fs::write(mount.path.join("more"), vec![1; 1_000_000]) {
            assert!(began.elapsed().as_secs() < 30, "{error}");
        }
        std::fs::remove_file(mount.path.join("more")).expect("removed");
        let (reached, _) = read_on(&buffer, 0);
        assert_eq!(reached, SIZE);
    }
}

#[test]
fn out_of_inodes_is_full() {
    let Some(mount) = Mount::tmpfs("size=4m,nr_inodes=1") else {
        return;
    };
    let (buffer, seen) = buffer(&mount.path, 65_536, OnFull::Fail);
    let error = read_until_trouble(&buffer, &seen, 65_536);
    assert_full(&error, libc::ENOSPC);
    mount.remount("nr_inodes=10");
    read_all(&buffer, &seen);
}
