//! What an error of the spool file means, and what a read of it gets.

use std::io;

use super::{DATA, EIO, ENOSPC, SIZE, names, open_spooled, read};
#[cfg(unix)]
use super::{open, open_grown};
use crate::disk::faults::{self, Fault, Plan};
use crate::{Error, Operation};

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
            let buffer = open(0);
            let (_, error) = read(&buffer, 0, SIZE + 1);
            assert!(
                matches!(error, Some(Error::Io { code: found, .. }) if found == code),
                "{error:?}"
            );
            assert_eq!(buffer.stats().system_error, code);
            faults::plan(None);
            assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);

            faults::plan(Some(plan));
            open_grown();
        }
    }
}

#[cfg(unix)]
#[test]
fn a_signal_during_a_read_or_a_write_is_not_an_error() {
    for max in [0, 300_000] {
        for after in 0.. {
            let buffer = open(max);
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
    let buffer = open_spooled();
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
    let buffer = open_spooled();
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

/// The text of an error contains the system's description, for people.
#[test]
fn errors_have_the_systems_message() {
    let said = io::Error::from_raw_os_error(ENOSPC);
    let error = Error::from_file(Operation::SpoolWrite, &said).to_string();
    assert_eq!(error, format!("cannot write the spool file: {said}"));
}
