//! Writing to a descriptor that may be full, without ever blocking in the write.
//!
//! Whether a caller's descriptor is non-blocking is the caller's choice, and other processes may
//! share its flags. So a socket is written with a flag that makes the one call non-blocking. A pipe
//! or a terminal is opened again as non-blocking. Where that is not possible, a pipe gets no more
//! than it takes at once, and a terminal is made non-blocking for the length of each write.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{succeeded, system};

/// A descriptor to write to in order.
pub(crate) struct Stream<'f> {
    file: &'f File,
    mode: WriteMode,
    /// It reported that it was writable, and then took nothing.
    stalled: Cell<bool>,
}

enum WriteMode {
    /// A write does not block for long: a file, or a descriptor that is non-blocking anyway.
    Plain,
    /// A write to a connection can be made non-blocking by itself.
    Socket,
    /// The same pipe or terminal, opened again as non-blocking.
    Reopened(File),
    /// If it is writable, it takes this much.
    Small,
    /// The descriptor itself is made non-blocking while it is written to.
    SetFlag,
}

impl<'f> Stream<'f> {
    pub(crate) fn new(file: &'f File) -> Stream<'f> {
        Stream {
            file,
            mode: WriteMode::of(file),
            stalled: Cell::new(false),
        }
    }

    /// Writes at the current position, at most as much as there is room for; `None` if there is no
    /// room. Keeps SIGPIPE and SIGXFSZ from the host, which does not expect them from this library.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let mut file = self.file;
        let small = &bytes[..bytes.len().min(libc::PIPE_BUF)];
        let written = match &self.mode {
            WriteMode::Plain => quietly(file, || file.write(bytes)),
            WriteMode::Socket => quietly(file, || send(file, bytes)),
            WriteMode::Reopened(again) => quietly(again, || (&mut &*again).write(bytes)),
            WriteMode::Small if !is_writable(file, 0)? => return Ok(None),
            WriteMode::Small => quietly(file, || file.write(small)),
            WriteMode::SetFlag => quietly(file, || {
                let _nonblocking = NonBlocking::new(file)?;
                file.write(small)
            }),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            result => {
                self.stalled.set(false);
                result.map(Some)
            }
        }
    }

    /// Waits until there may be room again, for a short time at most.
    pub(crate) fn wait(&self) -> io::Result<()> {
        const MOMENT_MS: i32 = 50;
        // A terminal reports that it is writable even if the end of a line would not fit.
        if is_writable(self.file, MOMENT_MS)? && self.stalled.replace(true) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl WriteMode {
    fn of(file: &File) -> WriteMode {
        let Ok(about) = file.metadata() else {
            return WriteMode::Plain;
        };
        let kind = about.file_type();
        // SAFETY: asks about an open descriptor.
        let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
        let waits = flags & libc::O_NONBLOCK == 0;
        if kind.is_socket() {
            // A socket for messages takes small ones.
            if is_stream_socket(file) {
                WriteMode::Socket
            } else {
                WriteMode::Small
            }
        } else if !waits {
            WriteMode::Plain
        } else if kind.is_fifo() {
            open_again(file).map_or(WriteMode::Small, WriteMode::Reopened)
        } else if is_terminal(file) {
            open_again(file).map_or(WriteMode::SetFlag, WriteMode::Reopened)
        } else if kind.is_char_device() {
            WriteMode::Small
        } else {
            WriteMode::Plain
        }
    }
}

/// Opens the same pipe or terminal again, as a non-blocking descriptor of our own.
fn open_again(file: &File) -> Option<File> {
    let again = system::open_again(file)?;
    let identity = |file: &File| {
        let about = file.metadata().ok()?;
        Some((about.dev(), about.ino(), about.rdev()))
    };
    let same = identity(&again)? == identity(file)?;
    same.then_some(again)
}

fn is_terminal(file: &File) -> bool {
    // SAFETY: asks about an open descriptor.
    unsafe { libc::isatty(file.as_raw_fd()) == 1 }
}

fn is_stream_socket(file: &File) -> bool {
    let (mut kind, mut size) = (0i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: an open descriptor, and room for one number.
    let done = unsafe {
        libc::getsockopt(
            file.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TYPE,
            (&raw mut kind).cast(),
            &raw mut size,
        )
    };
    done == 0 && kind == libc::SOCK_STREAM
}

fn send(file: &File, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the call reads no more than `bytes`.
    let sent = unsafe {
        let (start, length) = (bytes.as_ptr().cast(), bytes.len());
        libc::send(file.as_raw_fd(), start, length, libc::MSG_DONTWAIT)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Whether a descriptor becomes writable within a time.
fn is_writable(file: &File, milliseconds: i32) -> io::Result<bool> {
    let mut ask = libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: `ask` is one pollfd.
    match unsafe { libc::poll(&mut ask, 1, milliseconds) } {
        0 => Ok(false),
        1.. => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
    }
}

/// Makes a descriptor non-blocking until it is dropped. There is one at a time, so that each finds
/// the original flags.
struct NonBlocking {
    file: RawFd,
    flags: i32,
}

/// The process that has a `NonBlocking`, or 0. In a child of fork() it may be the parent.
static NON_BLOCKING: AtomicU32 = AtomicU32::new(0);

impl NonBlocking {
    fn new(file: &File) -> io::Result<NonBlocking> {
        let (file, me) = (file.as_raw_fd(), std::process::id());
        let before = NON_BLOCKING.load(Ordering::Relaxed);
        let (acquired, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        let taken = before != me
            && NON_BLOCKING
                .compare_exchange(before, me, acquired, relaxed)
                .is_ok();
        if !taken {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // SAFETY: asks about the flags of an open descriptor.
        let flags = unsafe { libc::fcntl(file, libc::F_GETFL) };
        // Dropped if that fails too, so that another one can exist.
        let nonblocking = NonBlocking { file, flags };
        succeeded(flags)?;
        // SAFETY: sets flags of an open descriptor.
        succeeded(unsafe { libc::fcntl(file, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
        Ok(nonblocking)
    }
}

impl Drop for NonBlocking {
    fn drop(&mut self) {
        if self.flags >= 0 {
            // SAFETY: puts the flags of an open descriptor back as they were.
            unsafe { libc::fcntl(self.file, libc::F_SETFL, self.flags) };
        }
        NON_BLOCKING.store(0, Ordering::Release);
    }
}

/// Keeps the signals that a write may raise from the host.
fn quietly<T>(file: &File, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let _quiet = system::Quiet::new(file);
    // SAFETY: the sets are initialized before they are read. A signal that is pending after the
    // write and was not before it was raised by the write: both signals go to the thread that
    // wrote, except where `Quiet` handles them.
    unsafe {
        let (mut ours, mut mask) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigemptyset(&mut ours);
        libc::sigaddset(&mut ours, libc::SIGPIPE);
        libc::sigaddset(&mut ours, libc::SIGXFSZ);
        libc::pthread_sigmask(libc::SIG_BLOCK, &ours, &mut mask);
        let before = pending();
        let result = write();
        if result.is_err() {
            let after = pending();
            for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
                let is_in = |set| libc::sigismember(set, signal) == 1;
                if is_in(&after) && !is_in(&before) {
                    let (mut one, mut taken) = (std::mem::zeroed(), 0);
                    libc::sigemptyset(&mut one);
                    libc::sigaddset(&mut one, signal);
                    libc::sigwait(&one, &mut taken);
                }
            }
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &mask, std::ptr::null_mut());
        result
    }
}

fn pending() -> libc::sigset_t {
    // SAFETY: the set is written before it is read.
    unsafe {
        let mut pending = std::mem::zeroed();
        libc::sigpending(&mut pending);
        pending
    }
}
