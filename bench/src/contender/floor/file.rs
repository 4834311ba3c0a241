//! Writes to a file and positioned reads from it: plainly, and in the best way known.

use super::Filled;
use crate::contender::Buffer;
use crate::source::Source;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

const PIECE: usize = 256 << 10;
const AHEAD: u64 = 8 << 20;
const COPY: usize = 1 << 20;

struct State {
    source: Source,
    file: File,
    end: u64,
    reserved: u64,
    piece: Vec<u8>,
}

impl State {
    /// Brings at least the bytes up to `end`.
    fn fill(&mut self, end: u64, reserve: bool) -> u64 {
        while self.end < end {
            let mut have = 0;
            let mut more = true;
            while more && have < self.piece.len() {
                let n = self.source.fill(&mut self.piece[have..]);
                have += n;
                // A piece of one chunk is written as it comes.
                more = n > 0 && self.piece.len() == PIECE;
            }
            if have == 0 {
                break;
            }
            if reserve && self.end + have as u64 > self.reserved {
                fallocate(&self.file, libc::FALLOC_FL_KEEP_SIZE, self.reserved, AHEAD);
                self.reserved += AHEAD;
            }
            self.file.write_all(&self.piece[..have]).expect("write");
            self.end += have as u64;
        }
        self.end
    }
}

struct InFile {
    filled: Filled<State>,
    reserve: bool,
}

impl Buffer for InFile {
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        let state = self.filled.up_to(off + out.len() as u64, |state, end| {
            state.fill(end, self.reserve)
        });
        state.file.read_exact_at(out, off).expect("pread");
        out.len()
    }

    fn save(&self, path: &Path) -> Option<u64> {
        let state = self
            .filled
            .up_to(u64::MAX, |state, end| state.fill(end, self.reserve));
        let mut from = &state.file;
        from.rewind().expect("seek");
        let mut to = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .expect("create");
        if self.reserve {
            fallocate(&to, 0, 0, state.end);
        }
        let mut bytes = vec![0; COPY];
        loop {
            match from.read(&mut bytes).expect("read") {
                0 => return Some(state.end),
                n => to.write_all(&bytes[..n]).expect("write"),
            }
        }
    }
}

/// Reserves blocks; where a file system can't, the writes go on without.
fn fallocate(file: &File, mode: i32, off: u64, len: u64) {
    // SAFETY: a call on a descriptor that is open.
    unsafe { libc::fallocate(file.as_raw_fd(), mode, off as i64, len as i64) };
}

fn open(source: Source, piece: usize, reserve: bool) -> Box<dyn Buffer> {
    let file = tempfile::tempfile().expect("temporary file");
    let state = State {
        source,
        file,
        end: 0,
        reserved: 0,
        piece: vec![0; piece],
    };
    Box::new(InFile {
        filled: Filled::new(state),
        reserve,
    })
}

/// One write(2) a chunk.
pub fn plain(source: Source, _: u64) -> Box<dyn Buffer> {
    let chunk = source.plan.chunk;
    open(source, chunk, false)
}

/// Writes of 256 KiB into blocks reserved 8 MiB ahead.
pub fn pieces(source: Source, _: u64) -> Box<dyn Buffer> {
    open(source, PIECE, true)
}
