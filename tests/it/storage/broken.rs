//! A disk that fails to read.

use spoolbuf::{Error, OnFull};

use super::{SIZE, buffer};
use crate::mount::Mount;
use crate::support::assert_bytes;

#[test]
fn bytes_before_a_broken_offset_are_delivered() {
    const BROKEN: u64 = 1_000_001;
    let backing = crate::tempfile::tempdir().expect("a directory");
    let options = format!("read={BROKEN}");
    let Some(mount) = Mount::passthrough(backing.path(), &[&options]) else {
        return;
    };
    let (buffer, _) = buffer(&mount.path, 0, OnFull::Fail);
    buffer.read_at(SIZE - 1, &mut [0]).expect("a byte");
    buffer.spill().expect("room");
    // The system's cache has no byte that was not read.
    let mut out = vec![0; 300_000];
    for from in [BROKEN - 1, BROKEN - 100, BROKEN - 299_999] {
        let count = buffer.read_at(from, &mut out).expect("the buffered bytes");
        assert!(count as u64 <= BROKEN - from && count > 0, "{count}");
        assert_bytes(from, &out[..count]);
        let (mut at, mut error) = (from + count as u64, None);
        while error.is_none() {
            match buffer.read_at(at, &mut out) {
                Ok(count) => {
                    assert_bytes(at, &out[..count]);
                    at += count as u64;
                }
                Err(broken) => error = Some(broken),
            }
            assert!(at <= BROKEN);
        }
        assert!(
            matches!(
                error,
                Some(Error::Io {
                    code: libc::EIO,
                    ..
                })
            ),
            "{error:?}"
        );
        assert_eq!(buffer.stats().system_error, libc::EIO);
    }
}
