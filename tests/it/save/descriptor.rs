//! Saves to a descriptor: of files, pipes, sockets and terminals.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::thread::scope;
use std::time::{Duration, Instant};

use spoolbuf::ffi::abi::sb_operation::{SB_OP_TARGET_CLOSE, SB_OP_TARGET_WRITE};
use spoolbuf::ffi::abi::sb_save_flag::{SB_SAVE_NO_REPLACE, SB_SAVE_SYNC};
use spoolbuf::ffi::abi::sb_status::{
    SB_ERR_CANCELED, SB_ERR_DISK_FULL, SB_ERR_INVALID, SB_ERR_IO, SB_ERR_UNSUPPORTED,
};
use spoolbuf::ffi::abi::{sb_operation, sb_stats, sb_status};
use spoolbuf::ffi::{sb_cancel, sb_free, sb_stat};

use super::{LIMITS, SIZE};
use crate::child::alone;
use crate::handle::Handle;
use crate::mount::Mount;
use crate::support::assert_bytes;
use crate::without::{Lack, without};

/// Saves, and checks that a write failed for that reason.
fn fails(handle: &Handle, descriptor: i32, status: sb_status, operation: sb_operation, code: i32) {
    let (saved, error) = handle.save_error(descriptor, 0);
    assert_eq!(saved, status as i64);
    assert_eq!((error.operation, error.system), (operation as i32, code));
    assert_eq!((error.source, error.path_len), (0, 0));
    // SAFETY: all zero is a value to be written over, of the size that is told.
    unsafe {
        let mut stats: sb_stats = std::mem::zeroed();
        assert_eq!(sb_stat(handle.raw, &mut stats, size_of::<sb_stats>()), 0);
        // That is a member for the spool file.
        assert_eq!(stats.system_error, 0);
    }
}

/// A new pipe: the reading end and the writing end. That of std came with Rust 1.87.
fn new_pipe() -> (File, File) {
    let mut ends = [-1; 2];
    // SAFETY: writes two descriptors, which nothing else owns.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
    }
}

#[test]
fn a_descriptor_is_written_from_its_position() {
    for max in LIMITS {
        let handle = Handle::new(SIZE, max);
        let mut file = crate::tempfile::tempfile().expect("a file");
        file.write_all(&vec![b'x'; SIZE as usize + 20])
            .expect("room");
        file.seek(SeekFrom::Start(10)).expect("a file");
        assert_eq!(handle.save(file.as_raw_fd(), 0), SIZE as i64);
        // Its position is after the last byte, and the caller still owns it.
        assert_eq!(file.stream_position().expect("a file"), 10 + SIZE);
        let mut found = Vec::new();
        file.rewind().expect("a file");
        file.read_to_end(&mut found).expect("a file");
        let (head, rest) = found.split_at(10);
        let (saved, tail) = rest.split_at(SIZE as usize);
        assert_eq!((head, tail), (&b"xxxxxxxxxx"[..], &b"xxxxxxxxxx"[..]));
        assert_bytes(0, saved);
    }
}

#[test]
fn a_file_opened_for_appending_gets_all_bytes_at_its_end() {
    for max in LIMITS {
        let directory = crate::tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        std::fs::write(&path, b"before").expect("written");
        let file = OpenOptions::new().append(true).open(&path).expect("a file");
        let handle = Handle::new(SIZE, max);
        for _ in 0..2 {
            assert_eq!(handle.save(file.as_raw_fd(), 0), SIZE as i64);
        }
        let found = std::fs::read(&path).expect("a file");
        let (head, rest) = found.split_at(6);
        let (first, second) = rest.split_at(SIZE as usize);
        assert_eq!((head, second.len()), (&b"before"[..], SIZE as usize));
        assert_bytes(0, first);
        assert_bytes(0, second);
    }
}

#[test]
fn a_pipe_and_a_socket_get_all_bytes_in_order() {
    for max in LIMITS {
        let handle = Handle::new(SIZE, max);
        let (mut end, pipe) = new_pipe();
        assert_bytes(0, &through(&handle, &mut end, pipe));
        let (mut end, socket) = UnixStream::pair().expect("a socket");
        assert_bytes(0, &through(&handle, &mut end, socket));
    }
}

/// Each takes a little at a time, and reports that it is full instead of blocking.
#[test]
fn a_nonblocking_pipe_and_socket_get_all_bytes_in_order() {
    for max in LIMITS {
        let handle = Handle::new(SIZE, max);
        let (mut end, pipe) = new_pipe();
        // SAFETY: changes an open descriptor.
        unsafe {
            assert!(libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) >= 4096);
            let flags = libc::O_WRONLY | libc::O_NONBLOCK;
            assert_eq!(libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, flags), 0);
        }
        assert_bytes(0, &through(&handle, &mut end, pipe));
        let (mut end, socket) = UnixStream::pair().expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        assert_bytes(0, &through(&handle, &mut end, socket));
    }
}

fn through(handle: &Handle, end: &mut (impl Read + Send), sink: impl AsRawFd + Send) -> Vec<u8> {
    scope(|scope| {
        let reader = scope.spawn(|| {
            let mut found = Vec::new();
            end.read_to_end(&mut found).expect("bytes");
            found
        });
        assert_eq!(handle.save(sink.as_raw_fd(), 0), SIZE as i64);
        drop(sink);
        let found = reader.join().expect("bytes");
        assert_eq!(found.len(), SIZE as usize);
        found
    })
}

/// Waits until a pipe or a socket takes no more.
fn wait_until_full(sink: &impl AsRawFd) {
    let begun = Instant::now();
    loop {
        let mut ask = libc::pollfd {
            fd: sink.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one pollfd.
        if unsafe { libc::poll(&mut ask, 1, 10) } == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "still not full");
    }
}

/// A pseudo-terminal: the program's end, and the end of the keyboard and the screen. Raw, or as a
/// shell has it.
fn terminal(raw: bool) -> (File, File) {
    let (mut screen, mut program) = (-1, -1);
    // SAFETY: room for two descriptors, which are nobody else's; a struct that is written before it
    // is read.
    unsafe {
        let (name, size) = (std::ptr::null_mut(), std::ptr::null_mut());
        let made = libc::openpty(&mut screen, &mut program, name, std::ptr::null_mut(), size);
        assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
        if raw {
            let mut about = std::mem::zeroed();
            assert_eq!(libc::tcgetattr(program, &mut about), 0);
            libc::cfmakeraw(&mut about);
            assert_eq!(libc::tcsetattr(program, libc::TCSANOW, &about), 0);
        }
        (File::from_raw_fd(screen), File::from_raw_fd(program))
    }
}

/// Checks that everything was saved, while another thread of the scope waits for it.
fn assert_whole(saved: i64) {
    if saved != SIZE as i64 {
        // The scope would wait forever.
        eprintln!("saved: {saved}");
        std::process::abort();
    }
}

fn set_non_blocking(sink: &impl AsRawFd) {
    // SAFETY: sets a flag of an open descriptor.
    assert!(unsafe { libc::fcntl(sink.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } == 0);
}

#[test]
fn a_terminal_gets_all_bytes_in_order() {
    for non_blocking in [false, true] {
        for max in LIMITS {
            let (mut screen, program) = terminal(true);
            if non_blocking {
                set_non_blocking(&program);
            }
            let handle = Handle::new(SIZE, max);
            scope(|scope| {
                let reader = scope.spawn(move || {
                    let mut found = vec![0; SIZE as usize];
                    screen.read_exact(&mut found).expect("bytes");
                    (found, screen)
                });
                // Its flags are also those of the shell that it is shared with.
                let save = || handle.save(program.as_raw_fd(), 0);
                assert_whole(without(&[Lack::Flags], save));
                assert_bytes(0, &reader.join().expect("bytes").0);
            });
        }
    }
}

#[test]
fn a_save_to_a_terminal_that_nobody_reads_can_be_stopped() {
    for (non_blocking, free) in [(false, false), (true, false), (false, true), (true, true)] {
        for raw in [false, true] {
            let (_screen, program) = terminal(raw);
            stopped_when_full(&program, 0, non_blocking, free);
        }
        // From its other end, where what is typed goes to a program that does not ask for it. (What is
        // not raw takes a line, and drops the rest.)
        let (screen, _program) = terminal(true);
        stopped_when_full(&screen, 0, non_blocking, free);
    }
}

#[test]
fn a_pipe_that_stays_full_for_long_gets_all_bytes_at_last() {
    for non_blocking in [false, true] {
        let handle = Handle::new(SIZE, 0);
        let (mut end, pipe) = new_pipe();
        if non_blocking {
            set_non_blocking(&pipe);
        }
        scope(|scope| {
            let reader = scope.spawn(|| {
                wait_until_full(&pipe);
                // Longer than the library waits at a time.
                std::thread::sleep(Duration::from_millis(200));
                let mut found = vec![0; SIZE as usize];
                end.read_exact(&mut found).expect("bytes");
                found
            });
            assert_whole(handle.save(pipe.as_raw_fd(), 0));
            assert_bytes(0, &reader.join().expect("bytes"));
        });
    }
}

#[test]
fn a_descriptor_that_cannot_be_synced_is_refused_before_a_write() {
    let handle = Handle::new(SIZE, 0);
    let sync = SB_SAVE_SYNC as u32;
    let (end, pipe) = new_pipe();
    let (other, socket) = UnixStream::pair().expect("a socket");
    let (screen, program) = terminal(true);
    for sink in [pipe.as_raw_fd(), socket.as_raw_fd(), program.as_raw_fd()] {
        assert_eq!(handle.save(sink, sync), SB_ERR_UNSUPPORTED as i64);
    }
    for end in [end.as_raw_fd(), other.as_raw_fd(), screen.as_raw_fd()] {
        let mut left = 0;
        // SAFETY: an open descriptor, and room for a number.
        assert_eq!(unsafe { libc::ioctl(end, libc::FIONREAD, &mut left) }, 0);
        assert_eq!(left, 0);
    }
    let mut file = crate::tempfile::tempfile().expect("a file");
    assert_eq!(handle.save(file.as_raw_fd(), sync), SIZE as i64);
    file.rewind().expect("a file");
    let mut found = Vec::new();
    file.read_to_end(&mut found).expect("a file");
    assert_bytes(0, &found);
}

#[test]
fn no_replace_is_refused_for_a_descriptor() {
    let handle = Handle::new(SIZE, 0);
    let (_end, pipe) = new_pipe();
    let file = crate::tempfile::tempfile().expect("a file");
    for sink in [pipe.as_raw_fd(), file.as_raw_fd()] {
        let saved = handle.save(sink, SB_SAVE_NO_REPLACE as u32);
        assert_eq!(saved, SB_ERR_INVALID as i64);
    }
    assert_eq!(file.metadata().expect("a file").len(), 0);
}

/// Whether a file is locked (fcntl) for other processes, as far as the system reports it.
fn is_locked(path: &std::path::Path) -> bool {
    let other = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("a file");
    // SAFETY: all zero is a whole file to be asked for; an open descriptor.
    unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        lock.l_type = libc::F_WRLCK as _;
        // A lock of an open file description is not one of the process.
        assert_eq!(
            libc::fcntl(other.as_raw_fd(), libc::F_OFD_GETLK, &mut lock),
            0
        );
        // Closing it would release the lock.
        std::mem::forget(other);
        lock.l_type != libc::F_UNLCK as libc::c_short
    }
}

#[test]
fn an_error_that_a_server_reports_after_the_write_is_an_error() {
    let backing = crate::tempfile::tempdir().expect("a directory");
    let Some(mount) = Mount::passthrough(backing.path(), &["late", "quota=1000000"]) else {
        return;
    };
    let path = mount.path.join("saved");
    let file = File::create(&path).expect("a file");
    let lock = libc::flock {
        l_type: libc::F_WRLCK as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: an open descriptor.
    let locked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &lock) };
    assert_eq!(locked, 0);
    assert!(is_locked(&path));
    let handle = Handle::new(SIZE, u64::MAX);
    let file_fd = file.as_raw_fd();
    let code = libc::EDQUOT;
    fails(&handle, file_fd, SB_ERR_DISK_FULL, SB_OP_TARGET_CLOSE, code);
    let handle = Handle::new(900_000, u64::MAX);
    file.set_len(0).expect("a file");
    (&file).rewind().expect("a file");
    assert_eq!(handle.save(file.as_raw_fd(), 0), 900_000);
    // Closing any descriptor of the file releases all locks of its process.
    assert!(is_locked(&path));
    crate::files::assert_saved(&path, 900_000);
}

#[test]
fn a_save_to_a_pipe_that_nobody_reads_can_be_stopped() {
    for (non_blocking, free) in [(false, false), (true, false), (false, true), (true, true)] {
        for max in [0, u64::MAX] {
            let (_end, pipe) = new_pipe();
            stopped_when_full(&pipe, max, non_blocking, free);
            let (_end, socket) = UnixStream::pair().expect("a socket");
            stopped_when_full(&socket, max, non_blocking, free);
        }
    }
}

fn stopped_when_full(sink: &(impl AsRawFd + Sync), max: u64, non_blocking: bool, free: bool) {
    if non_blocking {
        set_non_blocking(sink);
    }
    // SAFETY: asks about an open descriptor.
    let flags = || unsafe { libc::fcntl(sink.as_raw_fd(), libc::F_GETFL) };
    let before = flags();
    let handle = Handle::new(SIZE, max);
    let (ended, outcome) = channel();
    scope(|scope| {
        scope.spawn(|| ended.send(handle.save(sink.as_raw_fd(), 0)));
        wait_until_full(sink);
        // SAFETY: a live handle; its last use if it is freed.
        let done = unsafe {
            if free {
                sb_free(handle.raw);
                0
            } else {
                sb_cancel(handle.raw)
            }
        };
        assert_eq!(done, 0);
        let outcome = outcome.recv_timeout(Duration::from_secs(300));
        if outcome.is_err() {
            // The scope would wait forever.
            eprintln!("a save went on after it was stopped");
            std::process::abort();
        }
        assert_eq!(outcome, Ok(SB_ERR_CANCELED as i64));
    });
    assert_eq!(flags(), before);
}

#[test]
fn a_broken_pipe_is_an_error_and_not_a_signal() {
    // The test harness ignores the signal; a host does not have to.
    if !alone("save::descriptor::a_broken_pipe_is_an_error_and_not_a_signal") {
        return;
    }
    // SAFETY: a signal's default.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    for max in LIMITS {
        let handle = Handle::new(SIZE, max);
        let (mut end, pipe) = new_pipe();
        scope(|scope| {
            scope.spawn(|| {
                end.read_exact(&mut [0; 100_000]).expect("bytes");
                drop(end);
            });
            let pipe = pipe.as_raw_fd();
            fails(&handle, pipe, SB_ERR_IO, SB_OP_TARGET_WRITE, libc::EPIPE);
        });
        let (end, socket) = UnixStream::pair().expect("a socket");
        drop(end);
        assert_eq!(handle.save(socket.as_raw_fd(), 0), SB_ERR_IO as i64);
        // The handle is as good as before.
        let (mut end, pipe) = new_pipe();
        assert_bytes(0, &through(&handle, &mut end, pipe));
        // Nor is the signal pending.
        // SAFETY: sets that are written before they are read.
        unsafe {
            let mut pending = std::mem::zeroed();
            libc::sigpending(&mut pending);
            assert_eq!(libc::sigismember(&pending, libc::SIGPIPE), 0);
        }
    }
}

#[test]
fn an_unwritable_descriptor_is_an_error() {
    let handle = Handle::new(SIZE, 0);
    let null = File::open("/dev/null").expect("a device");
    let descriptor = null.as_raw_fd();
    fails(
        &handle,
        descriptor,
        SB_ERR_IO,
        SB_OP_TARGET_WRITE,
        libc::EBADF,
    );
    let directory = File::open("/").expect("a directory");
    assert!(handle.save(directory.as_raw_fd(), 0) < 0);
    assert_eq!(handle.save(-1, 0), SB_ERR_INVALID as i64);
    // Past every number that is open.
    assert_eq!(handle.save(1 << 29, 0), SB_ERR_INVALID as i64);
    let null = OpenOptions::new()
        .write(true)
        .open("/dev/null")
        .expect("a device");
    assert_eq!(handle.save(null.as_raw_fd(), 0), SIZE as i64);
}
