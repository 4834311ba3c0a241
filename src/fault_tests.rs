//! Every file operation fails once, in every way, and nothing is lost.
//!
//! A scenario runs with the Nth operation failing, for each N from the first operation on until the
//! scenario has no more operations. Each time it runs twice: once with every later operation
//! failing too, once with a single failure. After the fault has gone, every byte is buffered and
//! right, and was fetched once.

mod save;
mod spill;
mod spool_file;

use std::path::Path;
use std::sync::LazyLock;

use crate::disk::faults::{self, Fault, Plan};
use crate::options::Options;
use crate::{Error, OnFull, Result, Source, StreamBuffer};

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

/// A buffer of the resource that keeps at most `max` bytes in memory.
fn open(max: u64) -> StreamBuffer {
    let builder = StreamBuffer::builder(Stream(0)).max_memory(max);
    builder.open().expect("a buffer")
}

/// A buffer of the resource that has all bytes in its spool file.
fn open_spooled() -> StreamBuffer {
    let buffer = open(0);
    assert_eq!(read(&buffer, 0, SIZE + 1).0, SIZE);
    buffer.spill().expect("room");
    buffer
}

/// A buffer of the resource that has all bytes in memory, since the planned fault has kept it from
/// spilling them.
fn open_grown() -> StreamBuffer {
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
    buffer
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
