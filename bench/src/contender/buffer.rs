//! The one interface that every contender is driven through: open, read, save, free (by drop).

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// One open buffer. Dropping it frees it.
pub trait Buffer: Send + Sync {
    /// Copies the bytes at `off` to `out`, asking the source for what is missing; how many.
    fn read(&self, off: u64, out: &mut [u8]) -> usize;
    /// Puts the whole resource at `path`; how many bytes. None from one that has no files.
    fn save(&self, path: &Path) -> Option<u64>;
    /// Saves without copying, where that is offered, after all was moved to the disk.
    fn link(&self, _path: &Path) -> Option<u64> {
        None
    }
    /// Moves to the disk what is in memory, where that is offered.
    fn spill(&self) {}
}

/// A save by one that has none: reads of 1 MiB, written to a new file.
pub fn save_by_reads(buffer: &dyn Buffer, size: u64, path: &Path) -> u64 {
    let mut file = File::create_new(path).expect("create");
    let mut bytes = vec![0; 1 << 20];
    let mut off = 0;
    while off < size {
        let len = bytes.len().min((size - off) as usize);
        let n = buffer.read(off, &mut bytes[..len]);
        assert_eq!(n, len, "a read at {off}");
        file.write_all(&bytes[..n]).expect("write");
        off += n as u64;
    }
    off
}
