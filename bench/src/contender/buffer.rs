//! The one interface that every contender is driven through: open, read, save, free (by drop).

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Opens a resource that is in a cache, reads its first bytes into the slice, and releases it.
pub type Hit = Box<dyn Fn(&mut [u8]) + Sync>;

/// One open buffer. Dropping it frees it.
pub trait Buffer: Send + Sync {
    /// Copies the bytes at `off` to `out`, and requests missing ones from the source. Returns the
    /// count.
    fn read(&self, off: u64, out: &mut [u8]) -> usize;
    /// Saves the whole resource at `path` and returns the number of bytes; `None` from a contender
    /// without files.
    fn save(&self, path: &Path) -> Option<u64>;
    /// Saves without copying, where that is offered, after everything was moved to the disk.
    fn link(&self, _path: &Path) -> Option<u64> {
        None
    }
    /// Moves bytes in memory to the disk, where that is offered.
    fn spill(&self) {}
    /// Fetches the whole on a helper thread, where that is offered.
    fn prefetch(&self) {}
    /// Leaves the bytes in a cache, where there is one. Returns what opens them again, reads the first
    /// ones, and releases them.
    fn into_hit(self: Box<Self>) -> Option<Hit> {
        None
    }
}

/// The save of a contender that has none: reads of 1 MiB, written to a new file.
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
