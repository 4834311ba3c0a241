//! Storage that does not respond: only threads that write to it wait.
//!
//! A frozen file system is such a storage. A write to it sleeps inside the system call until it is
//! thawed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::channel;
use std::thread::scope;
use std::time::{Duration, Instant};

use spoolbuf::{Error, OnFull, SaveOptions, StreamBuffer};

use super::{SIZE, buffer, read_all};
use crate::files::assert_saved;
use crate::mount::Mount;
use crate::support::assert_bytes;

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(300);
const MAX: u64 = 600_000;

/// What /proc shows of a thread.
#[derive(Default)]
struct Shown {
    thread: AtomicI32,
    done: AtomicBool,
}

impl Shown {
    fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        // SAFETY: asks for a number.
        self.thread
            .store(unsafe { libc::gettid() }, Ordering::SeqCst);
        let result = work();
        self.done.store(true, Ordering::SeqCst);
        result
    }

    /// Waits until the thread sleeps inside one of these system calls.
    fn wait_inside(&self, calls: &[libc::c_long]) {
        let began = Instant::now();
        loop {
            let thread = self.thread.load(Ordering::SeqCst);
            let path = format!("/proc/self/task/{thread}/syscall");
            let said = std::fs::read_to_string(path).unwrap_or_default();
            let inside = said
                .split_whitespace()
                .next()
                .and_then(|call| call.parse().ok());
            if inside.is_some_and(|call| calls.contains(&call)) {
                return;
            }
            assert!(!self.done.load(Ordering::SeqCst), "it did not wait");
            assert!(
                began.elapsed() < PATIENCE,
                "not inside {calls:?} but {said}"
            );
            std::thread::yield_now();
        }
    }
}

/// Everything that must not wait, while something does.
fn nobody_waits(buffer: &StreamBuffer, elsewhere: &Path) {
    let held = buffer.stats().frontier;
    let (tell, told) = channel();
    for reader in 0..4 {
        let (tell, buffer) = (tell.clone(), buffer.clone());
        std::thread::spawn(move || {
            let mut out = vec![0; 70_000];
            for round in 0..40u64 {
                // From both places: bytes in the spool file and in memory.
                let offset = (round * 1_000_003 + reader * 50_021) % (held - out.len() as u64);
                let count = buffer.read_at(offset, &mut out).expect("buffered bytes");
                assert_eq!(count, out.len());
                assert_bytes(offset, &out);
                let count = buffer.read_some(offset, &mut out, Some(Duration::ZERO));
                assert!(count.expect("buffered bytes") > 0);
            }
            tell.send(()).expect("the test");
        });
    }
    let (asked, path) = (buffer.clone(), elsewhere.to_path_buf());
    std::thread::spawn(move || {
        let stats = asked.stats();
        assert!(stats.memory > 0 && stats.disk > 0, "{stats:?}");
        assert_eq!((asked.buffered(0), asked.ranges().len()), (held, 1));
        let buffered = SaveOptions {
            buffered: true,
            ..SaveOptions::default()
        };
        let saved = asked.save_with(&path, buffered, |_, _| true);
        assert_eq!(saved.expect("a save of what is buffered"), held);
        tell.send(()).expect("the test");
    });
    for _ in 0..5 {
        told.recv_timeout(PATIENCE).expect("nobody waits");
    }
    assert_saved(elsewhere, held);
}

/// A buffer with bytes in the spool file and in memory, and their total.
fn half(directory: &Path) -> (StreamBuffer, std::sync::Arc<crate::support::Seen>, u64) {
    let (buffer, seen) = buffer(directory, MAX, OnFull::Fail);
    buffer.read_at(0, &mut vec![0; 1_300_000]).expect("bytes");
    let stats = buffer.stats();
    assert!(stats.disk > 200_000 && stats.memory > 200_000, "{stats:?}");
    (buffer, seen, stats.frontier)
}

#[test]
fn only_reads_of_missing_bytes_wait_for_a_spill() {
    let Some(mount) = Mount::image("ext4", 32) else {
        return;
    };
    let elsewhere = crate::tempfile::tempdir().expect("a directory");
    let (buffer, seen, held) = half(&mount.path);
    let shown = Shown::default();
    scope(|scope| {
        let ice = mount.freeze();
        let reader = scope.spawn(|| {
            let mut out = vec![0; 600_000];
            let count = shown.run(|| buffer.read_at(held - 10, &mut out));
            assert_bytes(held - 10, &out[..count.expect("bytes in the end")]);
        });
        shown.wait_inside(&[libc::SYS_pwrite64]);
        nobody_waits(&buffer, &elsewhere.path().join("saved"));
        for limit in [Duration::ZERO, Duration::from_millis(1)] {
            let nothing = buffer.read_some(buffer.stats().frontier, &mut [0], Some(limit));
            assert!(matches!(nothing, Err(Error::Timeout)), "{nothing:?}");
        }
        assert!(
            !shown.done.load(Ordering::SeqCst),
            "it was to wait all the time"
        );
        drop(ice);
        reader.join().expect("its bytes");
    });
    read_all(&buffer, &seen);
}

#[test]
fn no_read_waits_for_a_spill_on_request() {
    let Some(mount) = Mount::image("ext4", 32) else {
        return;
    };
    let elsewhere = crate::tempfile::tempdir().expect("a directory");
    let (buffer, seen, _) = half(&mount.path);
    let shown = Shown::default();
    scope(|scope| {
        let ice = mount.freeze();
        let spill = scope.spawn(|| shown.run(|| buffer.spill()));
        shown.wait_inside(&[libc::SYS_pwrite64]);
        nobody_waits(&buffer, &elsewhere.path().join("saved"));
        assert!(
            !shown.done.load(Ordering::SeqCst),
            "it was to wait all the time"
        );
        drop(ice);
        spill.join().expect("a spill").expect("room");
    });
    read_all(&buffer, &seen);
}

#[test]
fn no_read_waits_for_a_save() {
    let Some(mount) = Mount::image("ext4", 32) else {
        return;
    };
    let spool = crate::tempfile::tempdir().expect("a directory");
    let (buffer, seen, held) = half(spool.path());
    let target = mount.path.join("saved");
    let shown = Shown::default();
    // Frozen after the first step, when it is about to write.
    let (begun, began) = channel();
    let (go, wait) = channel();
    scope(|scope| {
        let save = scope.spawn(|| {
            let (mut first, begun, wait) = (true, begun, wait);
            let mut step = move |_: u64, _: Option<u64>| {
                if std::mem::take(&mut first) {
                    begun.send(()).expect("the test");
                    wait.recv().expect("the test");
                }
                true
            };
            shown.run(|| buffer.save_with(&target, SaveOptions::default(), &mut step))
        });
        began.recv_timeout(PATIENCE).expect("a first step");
        let ice = mount.freeze();
        go.send(()).expect("the save");
        shown.wait_inside(&[libc::SYS_pwrite64, libc::SYS_fallocate]);
        nobody_waits(&buffer, &spool.path().join("other"));
        // Nor does a read of missing bytes.
        let mut out = vec![0; 300_000];
        assert_eq!(buffer.read_at(held, &mut out).expect("bytes"), out.len());
        assert_bytes(held, &out);
        assert!(
            !shown.done.load(Ordering::SeqCst),
            "it was to wait all the time"
        );
        drop(ice);
        assert_eq!(save.join().expect("a save").expect("room"), SIZE);
    });
    assert_saved(&target, SIZE);
    read_all(&buffer, &seen);
}
