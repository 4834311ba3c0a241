//! Memory that is reused at once: bytes are read while they move to the spool file, and the source
//! writes the next bytes, of this buffer or another one, to the same memory.
//!
//! No detector is needed to see a fault. A source may write anything to the memory that it is
//! given, before and after the bytes that it then delivers. This one does, and yields before it
//! corrects that: a reader that reads there too early, too late or too far sees it.

use std::ffi::{CString, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::byte;
use spoolbuf::ffi::abi::{
    sb_buffer, sb_callback, sb_save_flag, sb_save_options, sb_stats, sb_status,
};
use spoolbuf::ffi::{
    sb_cancel, sb_free, sb_new, sb_prefetch, sb_read, sb_read_some, sb_resume,
    sb_save_options_init, sb_save_with, sb_spill, sb_stat,
};

/// A segment, in bytes.
const PIECE: u64 = 256 * 1024;
/// More than one node of the index holds.
const SIZE: u64 = 72 * PIECE + 12_345;
/// Two segments, so that most of the bytes read are about to be spilled; and enough for arenas,
/// which are kept for the next buffer.
const LIMITS: [u64; 2] = [2 * PIECE, 12 * PIECE];
const LONGEST: u64 = PIECE + 1000;
/// The bytes that a source leaves in the memory.
const DIRT: u8 = 0xd1;

/// The period of the bytes of every resource, a prime: a table is quick to compare with.
const PERIOD: u64 = 600_011;
static TABLE: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..PERIOD + LONGEST).map(|at| byte(at % PERIOD)).collect());

/// The bytes of resource `salt` in a range of at most `LONGEST`.
fn bytes(salt: u64, offset: u64, length: u64) -> &'static [u8] {
    let start = (offset + salt) % PERIOD;
    &TABLE[start as usize..][..length as usize]
}

#[track_caller]
fn assert_bytes(salt: u64, offset: u64, out: &[u8]) {
    let right = bytes(salt, offset, out.len() as u64);
    if out != right {
        let at = (0..out.len())
            .find(|at| out[*at] != right[*at])
            .expect("one");
        let until = (at..out.len()).find(|at| out[*at] == right[*at]);
        let wrong = until.unwrap_or(out.len()) - at;
        let (at, found) = (offset + at as u64, out[at]);
        panic!(
            "{wrong} wrong bytes at {at}, the first {found:#x}, of {} from {offset}",
            out.len()
        );
    }
}

/// A pseudo-random number; each thread has its own sequence.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct Source {
    salt: u64,
    at: u64,
    dice: Dice,
}

unsafe extern "C-unwind" fn pull(opaque: *mut c_void, out: *mut c_void, capacity: usize) -> i64 {
    // SAFETY: the source of this buffer, one thread at a time, and room for `capacity` bytes.
    let (source, out) = unsafe {
        let out = std::slice::from_raw_parts_mut(out.cast::<u8>(), capacity);
        (&mut *opaque.cast::<Source>(), out)
    };
    out.fill(DIRT);
    thread::yield_now();
    let most = (capacity as u64).min(SIZE - source.at).min(LONGEST);
    let count = most.min(1 + source.dice.roll(2 * PIECE));
    out[..count as usize].copy_from_slice(bytes(source.salt, source.at, count));
    source.at += count;
    count as i64
}

/// A buffer, as C has it: freed while others are inside.
struct Case {
    raw: *mut sb_buffer,
    salt: u64,
    /// It is being freed, or was freed.
    freed: AtomicBool,
}

// SAFETY: a handle may be used from any thread, also after its end.
unsafe impl Sync for Case {}

/// Frees the buffer on drop.
struct End<'c>(&'c Case);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.freed.store(true, Ordering::SeqCst);
        // SAFETY: a handle.
        unsafe { sb_free(self.0.raw) };
    }
}

const CANCELED: i64 = sb_status::SB_ERR_CANCELED as i64;
const INVALID: i64 = sb_status::SB_ERR_INVALID as i64;

impl Case {
    /// Reads and checks; false once the buffer is freed.
    fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        // SAFETY: `out` has room for that many bytes.
        let got = unsafe { sb_read(self.raw, offset, out.len(), out.as_mut_ptr().cast()) };
        match got {
            // Also checks why a read stopped: only because of the free.
            INVALID => return false,
            CANCELED => self.resume(),
            _ => {
                let due = SIZE.saturating_sub(offset).min(out.len() as u64);
                assert_eq!(got, due as i64, "at {offset}");
                assert_bytes(self.salt, offset, &out[..due as usize]);
            }
        }
        true
    }

    /// Reads bytes that are surely buffered: all of them are returned at once, whatever else
    /// happens.
    fn read_again(&self, offset: u64, out: &mut [u8]) -> bool {
        let (length, to) = (out.len(), out.as_mut_ptr().cast());
        // SAFETY: `out` has room for that many bytes.
        let got = unsafe { sb_read_some(self.raw, offset, length, to, 0) };
        if self.freed.load(Ordering::SeqCst) && (got == INVALID || got == CANCELED) {
            return false;
        }
        assert_eq!(got, length as i64, "at {offset}, which is buffered");
        assert_bytes(self.salt, offset, out);
        true
    }

    fn resume(&self) {
        // SAFETY: a handle.
        unsafe { sb_resume(self.raw) };
    }

    /// The start and the end of the bytes in memory; None once the buffer is freed.
    fn in_memory(&self) -> Option<(u64, u64)> {
        // SAFETY: all zero is a valid value to be written over; a handle, and the struct's size.
        let (status, stats) = unsafe {
            let mut stats: sb_stats = std::mem::zeroed();
            (sb_stat(self.raw, &mut stats, size_of::<sb_stats>()), stats)
        };
        let frontier = stats.frontier;
        (i64::from(status) != INVALID).then_some((frontier - stats.memory, frontier))
    }

    /// Sometimes reads the next bytes, but mostly the segment that leaves memory next.
    fn follow(&self, seed: u64) {
        let mut dice = Dice(seed);
        // Fresh memory each time: each of its pages delays the thread that copies there.
        let fresh = |length: u64| vec![0; length as usize];
        while let Some((oldest, frontier)) = self.in_memory() {
            let goes_on = match dice.roll(100) {
                0..2 => self.read(frontier, &mut fresh(1 + dice.roll(LONGEST))),
                2..10 if frontier > LONGEST => {
                    let length = 1 + dice.roll(LONGEST);
                    self.read_again(dice.roll(frontier - length), &mut fresh(length))
                }
                _ => self.read_again(oldest, &mut fresh(PIECE.min(frontier - oldest))),
            };
            if !goes_on {
                break;
            }
        }
    }

    /// Calls that move bytes, and calls that cancel others.
    fn disturb(&self, seed: u64) {
        let mut dice = Dice(seed);
        while !self.freed.load(Ordering::SeqCst) {
            let ahead = dice.roll(2) * PIECE;
            // SAFETY: a handle.
            unsafe {
                match dice.roll(20) {
                    0..4 => sb_spill(self.raw),
                    4 => sb_cancel(self.raw) | sb_resume(self.raw),
                    5 => sb_prefetch(self.raw, ahead),
                    _ => 0,
                }
            };
            thread::yield_now();
        }
    }

    /// Saves all of it, unless the buffer is freed first.
    fn save(&self, path: &Path, flags: u32) {
        let name = CString::new(path.to_str().expect("a plain path")).expect("no NUL");
        // SAFETY: all zero is a value to be written over.
        let mut options: sb_save_options = unsafe { std::mem::zeroed() };
        let size = size_of::<sb_save_options>();
        // SAFETY: the options, of that size.
        assert_eq!(unsafe { sb_save_options_init(&mut options, size) }, 0);
        options.path = name.as_ptr();
        options.flags = flags;
        loop {
            // SAFETY: a path, and no progress.
            match unsafe { sb_save_with(self.raw, &options) } {
                INVALID => return,
                CANCELED => self.resume(),
                saved => {
                    assert_eq!(saved, SIZE as i64);
                    let file = std::fs::read(path).expect("a file");
                    assert_eq!(file.len(), SIZE as usize);
                    for (at, bytes) in file.chunks(LONGEST as usize).enumerate() {
                        assert_bytes(self.salt, at as u64 * LONGEST, bytes);
                    }
                    return;
                }
            }
        }
    }
}

/// Buffers one after the other, each freed while it is in use: half of them in the middle, half
/// after they were saved.
fn rounds(seed: u64) {
    let directory = crate::tempfile::tempdir().expect("a directory");
    let mut dice = Dice(seed);
    for round in 0..4 {
        let salt = dice.roll(PERIOD);
        let mut source = Source {
            salt,
            at: 0,
            dice: Dice(salt),
        };
        let callback = sb_callback {
            read: Some(pull),
            opaque: (&raw mut source).cast(),
            seek: None,
            cancel: None,
            close: None,
            pull: None,
            flags: 0,
            reserved_flags: 0,
            size: None,
            reserved: [null_mut(); 7],
        };
        // SAFETY: a whole callback, whose source lives until `sb_free` has returned.
        let raw = unsafe { sb_new(&callback, SIZE, LIMITS[round / 2]) };
        assert_ne!(raw.cast_const(), null());
        let case = Case {
            raw,
            salt,
            freed: AtomicBool::new(false),
        };
        thread::scope(|scope| {
            let case = &case;
            // Also if this thread panics: the others run until then.
            let _end = End(case);
            for seed in [salt, salt + 1] {
                scope.spawn(move || case.follow(seed));
            }
            scope.spawn(move || case.disturb(salt + 2));
            if round % 2 == 0 {
                let flags = [0, sb_save_flag::SB_SAVE_LINK as u32][round / 2];
                case.save(&directory.path().join("saved"), flags);
            } else {
                let until = dice.roll(SIZE);
                let mut out = vec![0; 40_000];
                while let Some((_, next)) = case.in_memory().filter(|(_, next)| *next < until) {
                    case.read(next, &mut out);
                }
            }
        });
    }
}

#[test]
fn no_reader_sees_the_next_use_of_its_memory() {
    thread::scope(|scope| {
        for seed in [1, 2] {
            scope.spawn(move || rounds(seed));
        }
    });
}
