//! What one thread reads from the entries that it holds: the right bytes, which stay.

use std::ffi::c_int;

use spoolbuf::ffi::abi::{sb_status, sb_whence};
use spoolbuf::ffi::{sb_buffered, sb_reader_read, sb_reader_seek};

use crate::cache_scene::{Scene, is_one_of};
use crate::cache_world::size_of;

const LONGEST: usize = 100_000;

impl Scene<'_> {
    pub fn read(&mut self) {
        let Some(at) = self.pick() else { return };
        let size = size_of(self.held[at].key, self.held[at].version);
        if self.random.below(3) == 0 {
            let to = self.random.below(size + 1000);
            self.seek(at, to);
        }
        let length = self.random.below(LONGEST as u64) as usize + 1;
        let (from, bytes) = match self.read_at(at, length) {
            Some(read) => read,
            None => return,
        };
        let held = &mut self.held[at];
        let end = from + bytes.len() as u64;
        assert!(
            held.has(from, &bytes),
            "wrong bytes of key {} at {from}",
            held.key
        );
        assert!(
            !bytes.is_empty() || from >= size,
            "an end at {from} of {size}"
        );
        assert!(end <= size || bytes.is_empty());
        if !bytes.is_empty() {
            held.seen = from..end;
        }
    }

    fn seek(&self, at: usize, to: u64) -> bool {
        let reader = self.held[at].reader;
        let moved = unsafe { sb_reader_seek(reader, to as i64, sb_whence::SB_SEEK_SET as c_int) };
        assert!(
            moved == to as i64 || self.ends(),
            "a seek to {to} returned {moved}"
        );
        moved >= 0
    }

    /// Where a reader is, and what it reads there. None: it failed as it may.
    fn read_at(&self, at: usize, length: usize) -> Option<(u64, Vec<u8>)> {
        let held = &self.held[at];
        let from = unsafe { sb_reader_seek(held.reader, 0, sb_whence::SB_SEEK_CUR as c_int) };
        let mut bytes = vec![0; length];
        let count = unsafe { sb_reader_read(held.reader, length, bytes.as_mut_ptr().cast()) };
        if let Ok(count) = usize::try_from(count) {
            bytes.truncate(count);
            return Some((u64::try_from(from).expect("a position"), bytes));
        }
        use sb_status::{
            SB_ERR_CANCELED, SB_ERR_DISK_FULL, SB_ERR_INVALID, SB_ERR_SOURCE, SB_ERR_TIMEOUT,
            SB_ERR_UNSUPPORTED,
        };
        let allowed = is_one_of(count, &[SB_ERR_SOURCE, SB_ERR_DISK_FULL, SB_ERR_TIMEOUT])
            // A further reader of an entry that was opened for buffered bytes only.
            || (held.is_buffered && is_one_of(count, &[SB_ERR_CANCELED]))
            // A source that cannot seek has passed them.
            || is_one_of(count, &[SB_ERR_UNSUPPORTED])
            || (self.ends() && is_one_of(count, &[SB_ERR_INVALID, SB_ERR_CANCELED]));
        assert!(
            allowed,
            "a read of key {} at {from} returned {count}",
            held.key
        );
        None
    }

    /// What was read once stays while there is a lease.
    pub fn recheck(&mut self) {
        let Some(at) = self.pick() else { return };
        let seen = self.held[at].seen.clone();
        if seen.is_empty() {
            return;
        }
        let buffered = unsafe { sb_buffered(self.buffer(at), seen.start) };
        if self.ends() {
            return;
        }
        let length = seen.end - seen.start;
        assert!(
            buffered >= length as i64,
            "{buffered} of {length} bytes are left"
        );
        if self.seek(at, seen.start) {
            let read = self.read_at(at, length as usize);
            let Some((from, bytes)) = read else {
                // The spool file can always be read.
                assert!(self.ends(), "buffered bytes cannot be read");
                return;
            };
            assert!(from == seen.start && !bytes.is_empty());
            assert!(self.held[at].has(from, &bytes));
        }
    }
}
