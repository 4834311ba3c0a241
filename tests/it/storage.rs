//! Where the bytes are kept: the spool file on real file systems, in trouble and out of it again.

mod broken;
mod directory;
mod full;
mod limit;
mod memory;
mod privacy;
mod reserve;
mod stall;
mod trace;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::options::{Options, open};
use crate::support::{Seen, Stream, assert_bytes};
use spoolbuf::{Error, OnFull, StreamBuffer};

/// The size of every resource here unless stated otherwise.
const SIZE: u64 = 2_000_003;
/// The most that memory may hold past its limit: one segment.
const PIECE: u64 = 256 * 1024;

/// A buffer of `SIZE` bytes with a spool file in `directory`.
fn buffer(directory: &Path, max: u64, on_full: OnFull) -> (StreamBuffer, Arc<Seen>) {
    let (stream, seen) = Stream::new(SIZE, 50_001);
    let options = Options {
        max_memory: max,
        on_full,
        spool_dir: Some(directory.to_path_buf()),
        ..Options::default()
    };
    let buffer = open(stream, options).expect("a buffer");
    (buffer, seen)
}

/// Reads on from `from` and checks the bytes. Returns how far it came, and the error that stopped
/// it.
#[track_caller]
fn read_on(buffer: &StreamBuffer, from: u64) -> (u64, Option<Error>) {
    let (mut out, mut at) = (vec![0; 30_000], from);
    loop {
        match buffer.read_at(at, &mut out) {
            Ok(0) => return (at, None),
            Ok(count) => {
                assert_bytes(at, &out[..count]);
                at += count as u64;
            }
            Err(error) => return (at, Some(error)),
        }
    }
}

/// Reads until storage fails, and checks that this is a state: buffered bytes are readable and
/// within the memory limit, the error persists, and the source is not called. Returns the error.
#[track_caller]
fn read_until_trouble(buffer: &StreamBuffer, seen: &Seen, max: u64) -> Error {
    let (reached, error) = read_on(buffer, 0);
    let error = error.expect("storage that gives out");
    let fetched = seen.fetched.load(Ordering::Relaxed);
    assert_eq!((reached, buffer.stats().frontier), (fetched, fetched));
    assert!(reached < SIZE);
    for _ in 0..3 {
        let (again, same) = read_on(buffer, 0);
        assert_eq!(again, reached);
        assert_eq!(same.map(|same| same.code()), Some(error.code()));
    }
    // A read across the border gets the buffered bytes.
    let mut out = [0; 100];
    assert_eq!(
        buffer
            .read_at(reached - 10, &mut out)
            .expect("the buffered bytes"),
        10
    );
    assert_bytes(reached - 10, &out[..10]);
    assert_eq!(seen.fetched.load(Ordering::Relaxed), fetched);
    let stats = buffer.stats();
    assert!(stats.memory <= max + PIECE, "{stats:?}");
    assert_eq!(stats.memory + stats.disk, reached);
    error
}

/// Reads on to the end, then everything; each byte is fetched once.
#[track_caller]
fn read_all(buffer: &StreamBuffer, seen: &Seen) {
    let (reached, error) = read_on(buffer, buffer.stats().frontier);
    assert!(error.is_none(), "at {reached}: {error:?}");
    let (reached, error) = read_on(buffer, 0);
    assert!(error.is_none(), "at {reached}: {error:?}");
    assert_eq!(
        (reached, seen.fetched.load(Ordering::Relaxed)),
        (SIZE, SIZE)
    );
}

/// A file operation failed with this error of the system.
#[track_caller]
fn assert_failed(error: &Error, expected: i32) {
    assert!(
        matches!(error, Error::Io { code, .. } if *code == expected),
        "{error:?}"
    );
}

/// The spool file found no room, with this error of the system.
#[track_caller]
fn assert_full(error: &Error, expected: i32) {
    assert!(
        matches!(error, Error::DiskFull { code, .. } if *code == expected),
        "{error:?}"
    );
}
