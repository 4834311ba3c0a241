//! Every file operation fails once, in every way, and nothing is lost.
//!
//! A scenario runs with the Nth operation failing, for each N from the first operation on until the
//! scenario has no more operations. Each time it runs twice: once with every later operation
//! failing too, once with a single failure. After the fault has gone, every byte is buffered and
//! right, and was fetched once.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use crate::disk::faults::{self, Fault, FileOperation, Plan};
use crate::options::Options;
use crate::store::budget::{Budget, Limits};
use crate::{Error, OnFull, Operation, Result, SaveOptions, Source, StreamBuffer};

const SIZE: u64 = 900_000;
const FAULTS: [Fault; 6] = [
    Fault::Code(ENOSPC),
    Fault::Code(EDQUOT),
    Fault::Code(EFBIG),
    Fault::Code(EIO),
    Fault::Code(EMFILE),
    Fault::Short,
];

#[cfg(unix)]
use libc::{EDQUOT, EFBIG, EIO, EMFILE, ENOSPC};
#[cfg(windows)]
mod codes {
    // ERROR_DISK_FULL, ERROR_DISK_QUOTA_EXCEEDED, ERROR_FILE_TOO_LARGE, ERROR_IO_DEVICE,
    // ERROR_TOO_MANY_OPEN_FILES
    pub(super) const ENOSPC: i32 = 112;
    pub(super) const EDQUOT: i32 = 1295;
    pub(super) const EFBIG: i32 = 223;
    pub(super) const EIO: i32 = 1117;
    pub(super) const EMFILE: i32 = 4;
}
#[cfg(windows)]
use codes::{EDQUOT, EFBIG, EIO, EMFILE, ENOSPC};

/// The resource: each byte a function of its offset.
static DATA: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..SIZE)
        .map(|offset| (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as u8)
        .collect()
});

/// Delivers `SIZE` bytes once. Panics if it is called after its end.
struct Stream(u64);

impl Source for Stream {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        assert!(self.0 <= SIZE, "asked after its end");
        let count = (SIZE - self.0).min(out.len() as u64).min(50_001);
        let count = count as usize;
        out[..count].copy_from_slice(&DATA[self.0 as usize..][..count]);
        self.0 += (count as u64).max(u64::from(count == 0));
        Ok(count)
    }
}

/// Reads `[from, to)` and checks the bytes. Returns the offset that it reached, and the error that
/// stopped it.
fn read(buffer: &StreamBuffer, from: u64, to: u64) -> (u64, Option<Error>) {
    let mut out = vec![0; 40_000];
    let mut at = from;
    while at < to {
        let length = out.len().min((to - at) as usize);
        match buffer.read_at(at, &mut out[..length]) {
            Ok(0) => return (at, None),
            Ok(count) => {
                assert!(
                    out[..count] == DATA[at as usize..][..count],
                    "wrong bytes from {at}"
                );
                at += count as u64;
            }
            Err(error) => return (at, Some(error)),
        }
    }
    (at, None)
}

/// Injects every fault at every operation of `scenario`, which checks that nothing was lost before
/// it returns.
fn inject_everywhere(scenario: impl Fn(Fault)) {
    for fault in FAULTS {
        for lasting in [false, true] {
            for after in 0.. {
                faults::plan(Some(Plan {
                    after,
                    lasting,
                    fault,
                }));
                scenario(fault);
                if faults::plan(None) == 0 {
                    assert!(after > 0, "no operation was seen");
                    break;
                }
            }
        }
    }
}

/// Whether a fault at the spool file may cause this error.
fn is_due(error: &Error, fault: Fault) -> bool {
    match (error, fault) {
        (Error::DiskFull { code, .. }, Fault::Code(planned)) => {
            *code == planned && [ENOSPC, EDQUOT, EFBIG].contains(&planned)
        }
        (Error::Io { code, .. }, Fault::Code(planned)) => *code == planned,
        _ => false,
    }
}

fn pull_through(max: u64, on_full: OnFull, fault: Fault) {
    let options = Options {
        max_memory: max,
        on_full,
        ..Options::default()
    };
    let buffer = StreamBuffer::from_options(Stream(0), options).expect("a buffer");
    let mut at = 0;
    let mut failures = 0;
    while at < SIZE {
        let (reached, error) = read(&buffer, at, SIZE);
        at = reached;
        let Some(error) = error else { break };
        assert!(is_due(&error, fault), "{error:?}");
        assert!(error.operation().is_some_and(Operation::is_of_spool));
        let stats = buffer.stats();
        assert!(stats.memory <= max + 256 * 1024);
        assert!(stats.system_error != 0);
        failures += 1;
        if failures > 3 {
            // The fault lasts. Bytes in memory stay readable; once it is gone, so are all others.
            let in_memory = stats.frontier - stats.memory;
            let (_, error) = read(&buffer, in_memory, stats.frontier);
            assert!(error.is_none(), "{error:?}");
            let struck = faults::plan(None);
            assert!(struck > 0);
            faults::plan(Some(Plan {
                after: u32::MAX,
                lasting: false,
                fault,
            }));
            assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
            // Counts as a fault that struck, for `inject_everywhere`.
            faults::mark_struck();
            return;
        }
    }
    let (reached, error) = read(&buffer, 0, SIZE + 1);
    assert!(
        error.as_ref().is_none_or(|error| is_due(error, fault)),
        "{error:?}"
    );
    if error.is_some() {
        let struck = faults::plan(None);
        assert!(struck > 0 && reached <= SIZE);
        assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
        faults::mark_struck();
    }
    assert_eq!(buffer.size(), Some(SIZE));
}

#[test]
fn a_spill_that_fails_loses_nothing() {
    for max in [0, 300_000, SIZE - 1] {
        inject_everywhere(|fault| pull_through(max, OnFull::Fail, fault));
    }
}

/// Buffers that share a budget spill for each other. A fault fails a read only if none can spill.
fn pull_two_through(max: u64, fault: Fault) {
    let limits = Limits {
        max_memory: max,
        max_disk: u64::MAX,
        min_free: 1,
    };
    let budget = Budget::new(limits, None).expect("memory");
    let buffers = [0, 1].map(|_| {
        let options = Options {
            max_memory: u64::MAX,
            ..Options::default()
        };
        StreamBuffer::in_budget(Stream(0), options, &budget).expect("a buffer")
    });
    let mut at = 0;
    while at < SIZE {
        let to = (at + 100_000).min(SIZE);
        for buffer in &buffers {
            let (reached, error) = read(buffer, at, to);
            let error = error.map(|error| assert!(is_due(&error, fault), "{error:?}"));
            if error.is_some() {
                assert!(reached < to && faults::plan(None) > 0);
                assert_eq!(read(buffer, at, to).0, to);
                faults::mark_struck();
            }
        }
        at = to;
    }
    // Each buffer may exceed it by the segment that it fills.
    let (most, overhead) = (budget.memory().most(), 16 * 1024);
    assert!(most <= max + 2 * 256 * 1024 + overhead, "{most}");
    let plan = faults::pause();
    for buffer in &buffers {
        let (reached, error) = read(buffer, 0, SIZE + 1);
        assert!(reached == SIZE && error.is_none(), "{error:?}");
    }
    drop(buffers);
    assert_eq!((budget.memory().used(), budget.disk().used()), (0, 0));
    faults::go_on(plan);
}

#[test]
fn a_spill_for_another_buffer_that_fails_loses_nothing() {
    for max in [0, 300_000, SIZE] {
        inject_everywhere(|fault| pull_two_through(max, fault));
    }
}

#[test]
fn a_full_disk_can_go_on_in_memory() {
    for code in [ENOSPC, EDQUOT, EFBIG] {
        let fault = Fault::Code(code);
        faults::plan(Some(Plan {
            after: 0,
            lasting: true,
            fault,
        }));
        let options = Options {
            max_memory: 0,
            on_full: OnFull::Memory,
            ..Options::default()
        };
        let buffer = StreamBuffer::from_options(Stream(0), options).expect("a buffer");
        let (reached, error) = read(&buffer, 0, SIZE + 1);
        assert!(error.is_none(), "{error:?}");
        assert_eq!((reached, buffer.stats().memory), (SIZE, SIZE));
        assert!(faults::plan(None) > 0);
        // Bytes go to the disk again once it has space.
        buffer.spill().expect("room");
        assert_eq!(buffer.stats().memory, 0);
        assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
    }
}

#[test]
fn a_spill_on_request_that_fails_leaves_the_rest_in_memory() {
    inject_everywhere(|fault| {
        let buffer = StreamBuffer::builder(Stream(0))
            .max_memory(u64::MAX)
            .open()
            .expect("a buffer");
        assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
        if let Err(error) = buffer.spill() {
            assert!(is_due(&error, fault), "{error:?}");
            let struck = faults::plan(None);
            assert!(struck > 0);
            assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
            buffer.spill().expect("room");
            faults::mark_struck();
        }
        assert_eq!(buffer.stats().memory, 0);
        let plan = faults::pause();
        assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
        faults::go_on(plan);
    });
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

fn save_once(max: u64, options: SaveOptions, fault: Fault) {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let path = directory.path().join("saved");
    std::fs::write(&path, b"old").expect("written");
    let options_of_buffer = Options {
        max_memory: max,
        size: Some(SIZE),
        spool_dir: Some(directory.path().into()),
        ..Options::default()
    };
    let buffer = StreamBuffer::from_options(Stream(0), options_of_buffer).expect("a buffer");
    let saved = buffer.save_with(&path, options, |_, _| true);
    let plan = faults::pause();
    match saved {
        Ok(size) => assert_eq!(size, SIZE),
        Err(error) => {
            assert!(is_due(&error, fault), "{error:?}");
            // A failed sync of the directory is noticed only after the file has been replaced.
            let found = std::fs::read(&path).expect("the target");
            assert!(found == b"old" || (options.sync && found.len() as u64 == SIZE));
            let root = directory.path().canonicalize().expect("a directory");
            assert!(matches!(mode_of_unnamed(&root), None | Some(0o600)));
            assert_eq!(
                buffer
                    .save_with(&path, options, |_, _| true)
                    .expect("a save"),
                SIZE
            );
        }
    }
    let found = std::fs::read(&path).expect("the target");
    assert!(found == *DATA, "wrong bytes in the file");
    // On Windows the spool file may have a name while it exists.
    #[cfg(windows)]
    drop(buffer);
    assert_eq!(
        names(directory.path()),
        ["saved"],
        "something is left behind"
    );
    faults::go_on(plan);
}

#[test]
fn a_save_that_fails_leaves_the_target_as_it_was() {
    for max in [0, 300_000, u64::MAX] {
        let options = SaveOptions {
            sync: true,
            require_size: true,
            mode: Some(0o640),
            ..SaveOptions::default()
        };
        inject_everywhere(|fault| save_once(max, options, fault));
    }
    for sync in [false, true] {
        let link = SaveOptions {
            link: true,
            sync,
            ..SaveOptions::default()
        };
        inject_everywhere(|fault| save_once(300_000, link, fault));
    }
}

/// The operations that a test observed.
#[derive(Default)]
struct Seen {
    directory: PathBuf,
    /// Each operation, with the mode of the directory's unnamed file at that moment.
    operations: Vec<(FileOperation, Option<u32>)>,
}

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
}

fn note(operation: FileOperation) {
    SEEN.with_borrow_mut(|seen| {
        let mode = mode_of_unnamed(&seen.directory);
        seen.operations.push((operation, mode));
    });
}

#[cfg(target_os = "linux")]
fn mode_of_unnamed(directory: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;

    let open = std::fs::read_dir("/proc/self/fd").expect("/proc").flatten();
    let here = open.filter(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|file| file.starts_with(directory))
    });
    // Not by the link's text: a file that was given a name later is still called deleted there.
    let about = |entry: std::fs::DirEntry| entry.path().metadata().ok();
    let unnamed = here.filter_map(about).find(|about| about.nlink() == 0);
    unnamed.map(|about| about.mode() & 0o777)
}

#[cfg(not(target_os = "linux"))]
fn mode_of_unnamed(_directory: &Path) -> Option<u32> {
    None
}

/// Power may fail at any time: a file that has a name has all its bytes, and the mode of a new
/// file.
#[test]
fn a_synced_save_is_on_the_disk_before_it_has_its_name() {
    for link in [false, true] {
        let directory = crate::tempfile::tempdir().expect("a directory");
        let options = Options {
            max_memory: 0,
            spool_dir: Some(directory.path().into()),
            ..Options::default()
        };
        let buffer = StreamBuffer::from_options(Stream(0), options).expect("a buffer");
        let options = SaveOptions {
            sync: true,
            link,
            ..SaveOptions::default()
        };
        SEEN.set(Seen {
            directory: directory.path().canonicalize().expect("a directory"),
            ..Seen::default()
        });
        faults::plan(Some(Plan {
            after: 0,
            lasting: true,
            fault: Fault::Seen(note),
        }));
        buffer
            .save_with(directory.path().join("saved"), options, |_, _| true)
            .expect("a save");
        faults::plan(None);
        let seen = SEEN.take().operations;
        let operations: Vec<_> = seen.iter().map(|(operation, _)| *operation).collect();
        let last = [
            FileOperation::Sync,
            FileOperation::Persist,
            FileOperation::Sync,
        ];
        assert!(operations.ends_with(&last), "{operations:?}");
        let first = operations.iter().position(|it| *it == FileOperation::Sync);
        assert_eq!(first, Some(operations.len() - last.len()));
        #[cfg(target_os = "linux")]
        if link {
            use std::os::unix::fs::PermissionsExt;

            let new = std::fs::File::create(directory.path().join("new")).expect("a file");
            let mode = new.metadata().expect("a file").permissions().mode() & 0o777;
            assert_eq!(seen[operations.len() - last.len()].1, Some(mode));
        }
    }
}

/// A system error such as "not supported" or "exists" at the spool file is a failed file operation.
/// It does not concern the source, nor the target of a save.
#[cfg(unix)]
#[test]
fn an_error_of_the_spool_file_is_reported_for_it_alone() {
    for code in [libc::EOPNOTSUPP, libc::ENOSYS, libc::EEXIST, libc::EINVAL] {
        let fault = Fault::Code(code);
        // When the file is created, and at the first write.
        for after in [0, 1] {
            let plan = Plan {
                after,
                lasting: true,
                fault,
            };
            faults::plan(Some(plan));
            let buffer = StreamBuffer::builder(Stream(0))
                .max_memory(0)
                .open()
                .expect("a buffer");
            let (_, error) = read(&buffer, 0, SIZE + 1);
            assert!(
                matches!(error, Some(Error::Io { code: found, .. }) if found == code),
                "{error:?}"
            );
            assert_eq!(buffer.stats().system_error, code);
            faults::plan(None);
            assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);

            faults::plan(Some(plan));
            let options = Options {
                max_memory: 0,
                on_full: OnFull::Memory,
                ..Options::default()
            };
            let buffer = StreamBuffer::from_options(Stream(0), options).expect("a buffer");
            let (reached, error) = read(&buffer, 0, SIZE + 1);
            assert!(error.is_none(), "{error:?}");
            assert_eq!((reached, buffer.stats().memory), (SIZE, SIZE));
            assert!(faults::plan(None) > 0);
        }
    }
}

/// The same codes at a target do not mean that the target exists and must not be replaced, nor that
/// it cannot be a target.
#[cfg(unix)]
#[test]
fn an_error_of_a_target_is_a_failed_file_operation() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let buffer = StreamBuffer::builder(Stream(0))
        .max_memory(u64::MAX)
        .open()
        .expect("a buffer");
    assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
    for code in [libc::EOPNOTSUPP, libc::ENOSYS, libc::EEXIST] {
        for after in 0.. {
            faults::plan(Some(Plan {
                after,
                lasting: true,
                fault: Fault::Code(code),
            }));
            let saved = buffer.save(directory.path().join("saved"));
            if faults::plan(None) == 0 {
                assert!(after > 4, "{saved:?}");
                break;
            }
            // A preallocation that fails is not an error.
            assert!(
                matches!(saved, Err(Error::Io { code: found, .. }) if found == code),
                "{after}: {saved:?}"
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn a_signal_during_a_read_or_a_write_is_not_an_error() {
    for max in [0, 300_000] {
        for after in 0.. {
            let buffer = StreamBuffer::builder(Stream(0))
                .max_memory(max)
                .open()
                .expect("a buffer");
            faults::plan(Some(Plan {
                after,
                lasting: false,
                fault: Fault::Interrupted,
            }));
            let (reached, error) = read(&buffer, 0, SIZE + 1);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(reached, SIZE);
            buffer.spill().expect("room");
            let (reached, error) = read(&buffer, 0, SIZE + 1);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(reached, SIZE);
            if faults::plan(None) == 0 {
                assert!(after > 20, "{after}");
                break;
            }
        }
    }
}

/// A read delivers the bytes before an unreadable part, and the next read returns the error.
#[test]
fn a_read_that_fails_midway_delivers_the_bytes_before() {
    let buffer = StreamBuffer::builder(Stream(0))
        .max_memory(0)
        .open()
        .expect("a buffer");
    assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
    buffer.spill().expect("room");
    let mut out = vec![0; 100_000];
    // The first operation takes one byte, the second fails.
    faults::plan(Some(Plan {
        after: 0,
        lasting: false,
        fault: Fault::ShortThen(EIO),
    }));
    assert_eq!(buffer.read_at(5, &mut out).expect("a byte"), 1);
    assert_eq!(out[0], DATA[5]);
    assert_eq!(faults::plan(None), 2);
    assert_eq!(buffer.stats().system_error, EIO);
    assert_eq!(buffer.read_at(5, &mut out).expect("bytes"), out.len());
    assert!(out[..] == DATA[5..100_005]);
}

#[test]
fn a_truncated_spool_file_is_an_error_and_never_wrong_bytes() {
    let buffer = StreamBuffer::builder(Stream(0))
        .max_memory(0)
        .open()
        .expect("a buffer");
    assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
    buffer.spill().expect("room");
    buffer.cut_spool(SIZE / 2);
    let (reached, error) = read(&buffer, 0, SIZE);
    assert!(
        reached <= SIZE / 2 && reached > SIZE / 2 - 40_000,
        "{reached}"
    );
    assert!(matches!(error, Some(Error::Io { .. })), "{error:?}");
    let directory = crate::tempfile::tempdir().expect("a directory");
    let saved = buffer.save(directory.path().join("saved"));
    assert!(matches!(saved, Err(Error::Io { .. })), "{saved:?}");
    assert!(names(directory.path()).is_empty());
}

/// The file system may take its time after the last byte was written.
#[test]
fn a_save_whose_limit_passes_at_the_end_publishes_nothing() {
    const LIMIT: Duration = Duration::from_millis(500);
    let directory = crate::tempfile::tempdir().expect("a directory");
    let target = directory.path().join("saved");
    let buffer = StreamBuffer::new(Stream(0)).expect("a buffer");
    assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
    let options = SaveOptions {
        timeout: Some(LIMIT),
        ..SaveOptions::default()
    };
    faults::plan(Some(Plan {
        after: 0,
        lasting: true,
        fault: Fault::Seen(|operation| {
            if operation == FileOperation::Close {
                std::thread::sleep(LIMIT);
            }
        }),
    }));
    let saved = buffer.save_with(&target, options, |_, _| true);
    faults::plan(None);
    assert!(matches!(saved, Err(Error::Timeout)), "{saved:?}");
    assert!(names(directory.path()).is_empty());
}

/// The text of an error contains the system's description, for people.
#[test]
fn errors_have_the_systems_message() {
    let said = io::Error::from_raw_os_error(ENOSPC);
    let error = Error::from_file(Operation::SpoolWrite, &said).to_string();
    assert_eq!(error, format!("cannot write the spool file: {said}"));
}
