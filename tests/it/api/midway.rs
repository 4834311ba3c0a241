//! A reader that is stopped while it copies its bytes. Until it continues, nobody else uses their
//! memory, whatever happens around it.
//!
//! Its own memory stops it, which is write-protected at first. The signal's handler handles faults
//! in that memory only, so that other tests can run at the same time.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::handle::Handle;
use spoolbuf::ffi::{sb_free, sb_read, sb_spill};

const PIECE: u64 = 256 * 1024;
const MAX: u64 = 3 * PIECE;
/// A segment, and so a multiple of every page size.
const LENGTH: usize = PIECE as usize;

/// Only one test at a time has the signal's handler.
static TURN: Mutex<()> = Mutex::new(());
/// The write-protected memory.
static CLOSED: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
/// A thread is stopped there.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Called when a thread writes to protected memory: waits until it may.
extern "C" fn stop(_signal: c_int, about: *mut libc::siginfo_t, _context: *mut c_void) {
    let closed = CLOSED.load(Ordering::SeqCst);
    // SAFETY: calls that a signal handler may make.
    unsafe {
        let offset = (*about).si_addr().addr().wrapping_sub(closed.addr());
        if offset >= LENGTH {
            // Any other fault: it is raised again, and ends the process.
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            return;
        }
        STOPPED.store(true, Ordering::SeqCst);
        while STOPPED.load(Ordering::SeqCst) {
            libc::usleep(1000);
        }
        libc::mprotect(closed, LENGTH, libc::PROT_READ | libc::PROT_WRITE);
    }
}

fn close() -> *mut c_void {
    // SAFETY: fresh memory, and a handler that makes only calls that handlers may make.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let closed = libc::mmap(null_mut(), LENGTH, libc::PROT_NONE, flags, -1, 0);
        assert_ne!(closed, libc::MAP_FAILED);
        CLOSED.store(closed, Ordering::SeqCst);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = stop as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &action, null_mut()), 0);
        closed
    }
}

/// Stops a reader in the oldest segment in memory while `meanwhile` runs.
#[track_caller]
fn stand_still(meanwhile: impl FnOnce(&Handle) + Send) {
    let _turn = TURN.lock();
    let buffer = &Handle::new(100 * PIECE, MAX);
    pull(buffer, 6 * PIECE);
    let offset = 3 * PIECE;
    let out = close();
    let to = AtomicPtr::new(out);
    let patience = Instant::now() + Duration::from_secs(300);
    thread::scope(|scope| {
        // SAFETY: `out` has room for that many bytes, once it is writable.
        let read = || unsafe { sb_read(buffer.raw, offset, LENGTH, to.load(Ordering::SeqCst)) };
        let reader = scope.spawn(read);
        while !STOPPED.load(Ordering::SeqCst) {
            assert!(Instant::now() < patience, "the reader does not come");
            thread::yield_now();
        }
        let other = scope.spawn(|| meanwhile(buffer));
        // If nobody waits for the reader, it is done at once, otherwise not before the reader. If
        // this is too short for a busy machine, the test shows less, but nothing wrong.
        let enough = Instant::now() + Duration::from_millis(300);
        while !other.is_finished() && Instant::now() < enough {
            thread::yield_now();
        }
        STOPPED.store(false, Ordering::SeqCst);
        assert_eq!(reader.join().expect("no panic"), LENGTH as i64);
        other.join().expect("no panic");
    });
    // SAFETY: the memory is writable by now.
    let out = unsafe { std::slice::from_raw_parts(out.cast::<u8>(), LENGTH) };
    crate::support::assert_bytes(offset, out);
}

/// Reads up to `end`, so that the bytes before it move to the spool file.
fn pull(buffer: &Handle, end: u64) {
    let mut byte = 0u8;
    // SAFETY: room for one byte.
    let got = unsafe { sb_read(buffer.raw, end - 1, 1, (&raw mut byte).cast()) };
    assert_eq!((got, byte), (1, crate::support::byte(end - 1)));
}

fn spill(buffer: &Handle) {
    // SAFETY: a handle.
    assert_eq!(unsafe { sb_spill(buffer.raw) }, 0);
}

fn free(buffer: &Handle) {
    // SAFETY: a handle.
    unsafe { sb_free(buffer.raw) };
}

#[test]
fn while_its_segment_is_spilled() {
    // Readers count themselves in several stripes.
    for _ in 0..3 {
        stand_still(|buffer| pull(buffer, 20 * PIECE));
    }
}

#[test]
fn while_all_segments_are_spilled() {
    stand_still(spill);
}

#[test]
fn while_the_buffer_is_freed_and_another_is_created() {
    stand_still(|buffer| {
        free(buffer);
        pull(&Handle::new(100 * PIECE, MAX), 20 * PIECE);
    });
}
