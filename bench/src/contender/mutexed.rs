//! A spooled temporary file behind a mutex: an hour's work.

use super::buffer::Buffer;
use crate::source::Source;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;
use tempfile::SpooledTempFile;

struct State {
    source: Source,
    spool: SpooledTempFile,
    end: u64,
    ended: bool,
    chunk: Vec<u8>,
}

struct Mutexed(Mutex<State>);

impl State {
    fn pull(&mut self, end: u64) {
        if self.end >= end || self.ended {
            return;
        }
        self.spool.seek(SeekFrom::Start(self.end)).expect("seek");
        while self.end < end {
            match self.source.fill(&mut self.chunk) {
                0 => {
                    self.ended = true;
                    return;
                }
                n => {
                    self.spool.write_all(&self.chunk[..n]).expect("write");
                    self.end += n as u64;
                }
            }
        }
    }
}

impl Buffer for Mutexed {
    fn read(&self, off: u64, out: &mut [u8]) -> usize {
        let mut state = self.0.lock().unwrap();
        state.pull(off + out.len() as u64);
        let n = state.end.saturating_sub(off).min(out.len() as u64) as usize;
        state.spool.seek(SeekFrom::Start(off)).expect("seek");
        state.spool.read_exact(&mut out[..n]).expect("read");
        n
    }

    fn save(&self, path: &Path) -> Option<u64> {
        let mut state = self.0.lock().unwrap();
        state.pull(u64::MAX);
        state.spool.rewind().expect("seek");
        let mut file = File::create_new(path).expect("create");
        Some(std::io::copy(&mut state.spool, &mut file).expect("copy"))
    }
}

/// Opens one.
pub fn open(source: Source, max: u64) -> Box<dyn Buffer> {
    let chunk = vec![0; source.plan.chunk];
    let spool = SpooledTempFile::new(max as usize);
    Box::new(Mutexed(Mutex::new(State {
        source,
        spool,
        end: 0,
        ended: false,
        chunk,
    })))
}
