//! A save that fails, and one that power may interrupt.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(unix)]
use super::open;
use super::{DATA, SIZE, Stream, inject_everywhere, is_due, names, read};
use crate::disk::faults::{self, Fault, FileOperation, Plan};
use crate::options::Options;
use crate::{Error, SaveOptions, StreamBuffer};

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

/// The same codes at a target do not mean that the target exists and must not be replaced, nor that
/// it cannot be a target, nor that the save would wait for its own caller.
#[cfg(unix)]
#[test]
fn an_error_of_a_target_is_a_failed_file_operation() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let buffer = open(u64::MAX);
    assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
    for code in [libc::EOPNOTSUPP, libc::ENOSYS, libc::EEXIST, libc::EAGAIN] {
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
