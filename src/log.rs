//! The log: one function of the host for the whole process, which receives messages about buffers.
//!
//! While it is off, a call site costs one relaxed load. While it is on, [`write`] enters an [RCU
//! domain](crate::sync::rcu), loads the listener and calls it. [`set`] replaces the listener, then
//! synchronizes: once it returns, the old listener is no longer running, and is dropped.
//!
//! Call sites hold no lock, but their thread may hold the source. So a read inside the host's
//! function that would need the source is an error ([`HostCall`]). Nothing is logged there, and
//! `set` does not wait for its own thread there: it retires the old listener, which the next `set`
//! from outside drops.
//!
//! A child of `fork` starts without a log: threads that it does not have may be inside the domain.
//! It leaves that domain and its listeners alone, and creates its own.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fmt::{self, Write};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::error::Result;
use crate::panic::catch;
use crate::sync::host_call::HostCall;
use crate::sync::rcu::Domain;
use crate::sync::shared::try_box;

/// How important a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LogLevel {
    /// Calls fail because of it.
    Error = 1,
    /// It works, but worse than expected.
    Warn = 2,
    /// What happens once or twice in the life of a buffer and may explain its behavior.
    Info = 3,
    /// The life of each buffer, step by step.
    Debug = 4,
}

/// Receives a message of one line. Called on any thread, by several threads at a time.
pub type LogFn = Box<dyn Fn(LogLevel, &str) + Send + Sync>;

/// The same, with the line as a C string.
pub(crate) type Call = Box<dyn Fn(LogLevel, &CStr) + Send + Sync>;

struct Listener {
    call: Call,
    level: LogLevel,
    /// The next retired listener.
    next: AtomicPtr<Listener>,
}

/// The level of the current listener; 0 without one.
static LEVEL: AtomicU32 = AtomicU32::new(0);
static LISTENER: AtomicPtr<Listener> = AtomicPtr::new(null_mut());
/// The listeners that were replaced from inside a call.
static RETIRED: AtomicPtr<Listener> = AtomicPtr::new(null_mut());
/// Created by the first `set`, and never dropped.
static DOMAIN: AtomicPtr<Domain> = AtomicPtr::new(null_mut());

/// Logs a message about a buffer, given by its number. No lock may be held.
macro_rules! log {
    ($level:ident, $buffer:expr, $($message:tt)*) => {
        if $crate::log::is_on($crate::log::LogLevel::$level) {
            $crate::log::write($crate::log::LogLevel::$level, $buffer, format_args!($($message)*));
        }
    };
}

/// Sets the function that receives messages about the buffers of this process: those of this level
/// and more important ones. `None`, the default, turns the log off. Messages name buffers by number,
/// in the order of creation.
///
/// No lock of the library is held during a call. A read inside the function that would need the
/// source, a push that would block, and an open of a cache that would, fail with
/// [`Error::Reentrant`](crate::Error::Reentrant). What happens there is not logged. A panic there is caught and ignored. Once `set_log` has
/// returned, the function before is not running and has been dropped, unless it was called from
/// inside such a function.
///
/// ```
/// use spoolbuf::{LogLevel, StreamBuffer, set_log};
///
/// let print = |level: LogLevel, message: &str| eprintln!("{level:?}: {message}");
/// set_log(LogLevel::Debug, Some(Box::new(print)))?;
/// StreamBuffer::new(&b"bytes"[..])?.read_at(0, &mut [0; 5])?;
/// set_log(LogLevel::Debug, None)?;
/// # Ok::<(), spoolbuf::Error>(())
/// ```
///
/// # Errors
/// [`Error::NoMemory`](crate::Error::NoMemory): the function before is still in place.
pub fn set_log(level: LogLevel, log: Option<LogFn>) -> Result<()> {
    let Some(log) = log else {
        return set(level, None);
    };
    let call = move |level, line: &CStr| log(level, line.to_str().unwrap_or_default());
    set(level, Some(try_box(call)?))
}

/// Whether messages of this level are wanted.
#[inline]
pub(crate) fn is_on(level: LogLevel) -> bool {
    // Relaxed: a stale value costs or adds a message, and `write` checks again. The statics are not
    // loom's.
    !cfg!(loom) && level as u32 <= LEVEL.load(Ordering::Relaxed)
}

/// A number for a new buffer.
pub(crate) fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

#[cold]
#[inline(never)]
pub(crate) fn write(level: LogLevel, buffer: u64, message: fmt::Arguments<'_>) {
    // SAFETY: a domain is never dropped.
    let Some(domain) = (unsafe { DOMAIN.load(Ordering::Acquire).as_ref() }) else {
        return;
    };
    if HostCall::Log.is_inside() {
        return;
    }
    let guard = domain.enter();
    // SAFETY: `set` frees a listener only after it has replaced it and waited for this guard.
    // SeqCst: R3 in `sync::rcu`.
    let listener = unsafe { LISTENER.load(Ordering::SeqCst).as_ref() };
    if let Some(listener) = listener.filter(|listener| level <= listener.level) {
        let mut line = Message::new();
        // A line that is full is cut, so this cannot fail.
        let _ = write!(line, "buffer {buffer}: {message}");
        HostCall::Log.run(|| (listener.call)(level, line.text()));
    }
    drop(guard);
}

pub(crate) fn set(level: LogLevel, call: Option<Call>) -> Result<()> {
    let listener = match call {
        Some(call) => Box::into_raw(try_box(Listener {
            call,
            level,
            next: AtomicPtr::new(null_mut()),
        })?),
        None => null_mut(),
    };
    let domain = domain().inspect_err(|_| free(listener))?;
    let old = LISTENER.swap(listener, Ordering::SeqCst);
    update_level(domain);
    if HostCall::Log.is_inside() {
        retire(old);
        return Ok(());
    }
    // Taken before the wait, which is for whoever can still see them.
    let retired = RETIRED.swap(null_mut(), Ordering::AcqRel);
    domain.synchronize();
    free(old);
    free(retired);
    Ok(())
}

/// The domain of this process.
fn domain() -> Result<&'static Domain> {
    let current = DOMAIN.load(Ordering::Acquire);
    // SAFETY: a domain is never dropped.
    if let Some(domain) = unsafe { current.as_ref() } {
        return Ok(domain);
    }
    watch_forks();
    let new = Box::into_raw(try_box(Domain::new())?);
    match DOMAIN.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: a domain is never dropped.
        Ok(_) => Ok(unsafe { &*new }),
        Err(others) => {
            // SAFETY: `new` came from `into_raw` above, and no other thread has seen it.
            drop(unsafe { Box::from_raw(new) });
            // SAFETY: a domain is never dropped.
            Ok(unsafe { &*others })
        }
    }
}

/// Stores the level of the current listener, whichever thread set that last.
fn update_level(domain: &Domain) {
    let _guard = domain.enter();
    loop {
        let listener = LISTENER.load(Ordering::SeqCst);
        // SAFETY: as in `write`.
        let level = unsafe { listener.as_ref() }.map_or(0, |listener| listener.level as u32);
        LEVEL.store(level, Ordering::SeqCst);
        if LISTENER.load(Ordering::SeqCst) == listener {
            return;
        }
    }
}

/// Keeps a replaced listener for the next `set` from outside, since this thread is inside it.
fn retire(listener: *mut Listener) {
    if listener.is_null() {
        return;
    }
    let mut next = RETIRED.load(Ordering::Relaxed);
    loop {
        // Relaxed: the exchange below releases it.
        // SAFETY: a listener that was replaced is not freed before it is in the list.
        unsafe { &*listener }.next.store(next, Ordering::Relaxed);
        match RETIRED.compare_exchange(next, listener, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return,
            Err(found) => next = found,
        }
    }
}

/// Frees a list of listeners that no thread can see any more.
fn free(mut listener: *mut Listener) {
    while !listener.is_null() {
        // SAFETY: the listeners came from `into_raw`. They were replaced, or never in place, and
        // the caller has waited for the threads that could see them.
        let mut owned = unsafe { Box::from_raw(listener) };
        listener = *owned.next.get_mut();
        // The host's captures may run code when they are dropped.
        catch((), || drop(owned));
    }
}

/// Makes every child forked from now on start without a log.
fn watch_forks() {
    static WATCHING: AtomicBool = AtomicBool::new(false);
    if WATCHING.swap(true, Ordering::AcqRel) {
        return;
    }
    #[cfg(unix)]
    {
        extern "C" fn in_child() {
            LEVEL.store(0, Ordering::Relaxed);
            LISTENER.store(null_mut(), Ordering::Relaxed);
            RETIRED.store(null_mut(), Ordering::Relaxed);
            DOMAIN.store(null_mut(), Ordering::Relaxed);
        }
        // SAFETY: the handler only stores to atomics, which is allowed in a forked child.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}

/// A message, cut if it is too long. On the stack: running out of memory is no reason to lose it.
struct Message {
    bytes: [u8; 1024],
    length: usize,
}

impl Message {
    fn new() -> Message {
        Message {
            bytes: [0; 1024],
            length: 0,
        }
    }

    fn text(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            // A path may contain anything; the message is one line.
            let character = if character.is_control() {
                '?'
            } else {
                character
            };
            let mut encoded = [0; 4];
            let encoded = character.encode_utf8(&mut encoded).as_bytes();
            let end = self.length + encoded.len();
            // The last byte stays NUL. What follows a cut is left out too.
            if end >= self.bytes.len() {
                self.length = self.bytes.len();
                break;
            }
            self.bytes[self.length..end].copy_from_slice(encoded);
            self.length = end;
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_is_cut_between_characters() {
        let mut line = Message::new();
        write!(line, "a\nb\0c\u{7f}é").expect("no error");
        assert_eq!(line.text().to_str(), Ok("a?b?c?é"));
        let mut long = Message::new();
        for _ in 0..600 {
            write!(long, "é").expect("no error");
        }
        write!(long, "x").expect("no error");
        assert_eq!(long.text().to_str(), Ok(&*"é".repeat(511)));
    }
}
