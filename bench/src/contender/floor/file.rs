//! Writes to a file and positioned reads from it: plainly, and in the best way known.

use super::filled::Filled;
use crate::contender::buffer::Buffer;
use crate::source::Source;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The best size of a write.
pub const PIECE: usize = 256 << 10;
const AHEAD: u64 = 8 << 20;
const COPY: usize = 1 << 20;

/// A file that grows by blocks.
pub struct Pieces {
    file: File,
    /// The number of bytes written.
    pub end: u64,
    reserved: u64,
    /// Whether blocks are reserved before they are written.
    reserve: bool,
}

impl Pieces {
    /// Without a piece yet.
    pub fn new(reserve: bool) -> Pieces {
        Pieces {
            file: tempfile::tempfile().expect("temporary file"),
            end: 0,
            reserved: 0,
            reserve,
        }
    }

    /// Writes the next one.
    pub fn write(&mut self, piece: &[u8]) {
        if self.reserve && self.end + piece.len() as u64 > self.reserved {
            fallocate(&self.file, libc::FALLOC_FL_KEEP_SIZE, self.reserved, AHEAD);
            self.reserved += AHEAD;
        }
        self.file.write_all(piece).expect("write");
        self.end += piece.len() as u64;
    }

    /// Reads what was written.
    pub fn read(&self, off: u64, out: &mut [u8]) {
        self.file.read_exact_at(out, off).expect("pread");
    }

    /// Copies everything to a new file and returns the number of bytes.
    pub fn save(&self, path: &Path) -> u64 {
        let mut from = &self.file;
        from.rewind().expect("seek");
        let mut to = File::create_new(path).expect("create");
        if self.reserve {
            fallocate(&to, 0, 0, self.end);
        }
        let mut bytes = vec![0; COPY];
        loop {
            match from.read(&mut bytes).expect("read") {
                0 => return self.end,
                n => to.write_all(&bytes[..n]).expect("write"),
            }
        }
    }
}

struct State {
    source: Source,
    pieces: Pieces,
    piece: Vec<u8>,
}

impl State {
    /// Fetches at least the bytes up to `end`.
    fn fill(&mut self, end: u64) -> u64 {
        while self.pieces.end < end {
            let have = match self.piece.len() {
                PIECE => self.source.fill_all(&mut self.piece),
                // A piece of one chunk is written as it comes.
                _ => self.source.fill(&mut self.piece),
            };
            if have == 0 {
                break;
            }
            self.pieces.write(&self.piece[..have]);
        }
        self.pieces.end
    }
}

struct InFile(Filled<State>);

impl Buffer for InFile {
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        let end = off + out.len() as u64;
        let state = self.0.up_to(end, State::fill);
        state.pieces.read(off, out);
        out.len()
    }

    fn save(&self, path: &Path) -> Option<u64> {
        let state = self.0.up_to(u64::MAX, State::fill);
        Some(state.pieces.save(path))
    }
}

/// Reserves blocks. A file system that cannot do that writes without.
fn fallocate(file: &File, mode: i32, off: u64, len: u64) {
    // SAFETY: a call on a descriptor that is open.
    unsafe { libc::fallocate(file.as_raw_fd(), mode, off as i64, len as i64) };
}

fn open(source: Source, piece: usize, reserve: bool) -> Box<dyn Buffer> {
    Box::new(InFile(Filled::new(State {
        source,
        pieces: Pieces::new(reserve),
        piece: vec![0; piece],
    })))
}

/// One write(2) a chunk.
pub fn plain(source: Source, _: u64) -> Box<dyn Buffer> {
    let chunk = source.plan.chunk;
    open(source, chunk, false)
}

/// Writes of 256 KiB.
pub fn unreserved(source: Source, _: u64) -> Box<dyn Buffer> {
    open(source, PIECE, false)
}

/// Writes of 256 KiB into blocks reserved 8 MiB ahead.
pub fn pieces(source: Source, _: u64) -> Box<dyn Buffer> {
    open(source, PIECE, true)
}
