//! Sources that are C callbacks.
//!
//! The only calls through function pointers of the host. Each passes a function that can't unwind:
//! an exception that leaves a callback ends the process there, with a message, before it could run
//! through frames that know nothing of it.

use std::ffi::{c_int, c_void};

use crate::abi::{sb_callback, sb_progress};
use crate::error::{Error, Result};
use crate::shared::try_box;
use crate::source::{Interrupt, Source};

type Read = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, usize) -> i64;
type Seek = unsafe extern "C-unwind" fn(*mut c_void, u64) -> i64;
type Notify = unsafe extern "C-unwind" fn(*mut c_void);

/// The caller's state, which the contract of `sb_callback` makes usable from any thread.
#[derive(Clone, Copy)]
struct Opaque(*mut c_void);

// SAFETY: the host has promised so: see `opaque` in `sb_callback`.
unsafe impl Send for Opaque {}
// SAFETY: as above.
unsafe impl Sync for Opaque {}

pub(crate) struct CallbackSource {
    read: Read,
    seek: Option<Seek>,
    cancel: Option<Notify>,
    close: Option<Notify>,
    opaque: Opaque,
}

impl CallbackSource {
    /// A source out of a copy of the caller's callbacks; dropping it calls `close`.
    pub(crate) fn boxed(callback: &sb_callback) -> Result<Box<dyn Source>> {
        let Some(read) = callback.read else {
            return Err(Error::Invalid);
        };
        if callback.reserved.iter().any(|reserved| !reserved.is_null()) {
            return Err(Error::Invalid);
        }
        let sb_callback {
            seek,
            cancel,
            close,
            opaque,
            ..
        } = *callback;
        let opaque = Opaque(opaque);
        Ok(try_box(CallbackSource {
            read,
            seek,
            cancel,
            close,
            opaque,
        })?)
    }
}

impl Source for CallbackSource {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let at = out.as_mut_ptr().cast();
        // SAFETY: `out` is writable for its length; the rest is the host's contract.
        let count = unsafe { call_read(self.read, self.opaque.0, at, out.len()) };
        usize::try_from(count).map_err(|_| Error::Source {
            code: count,
            cause: None,
        })
    }

    fn can_seek(&self) -> bool {
        self.seek.is_some()
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        let seek = self.seek.ok_or(Error::Unsupported)?;
        // SAFETY: the host's contract.
        match unsafe { call_seek(seek, self.opaque.0, offset) } {
            0.. => Ok(()),
            code => Err(Error::Source { code, cause: None }),
        }
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let (cancel, opaque) = (self.cancel?, self.opaque);
        let call = move || {
            let opaque = opaque;
            // SAFETY: the host's contract; the buffer calls this before it drops the source only.
            unsafe { call_notify(cancel, opaque.0) }
        };
        // Without memory for it the source has no cancel.
        try_box(call).ok().map(|call| call as Interrupt)
    }

    fn must_return(&self) -> bool {
        self.close.is_none()
    }
}

impl Drop for CallbackSource {
    fn drop(&mut self) {
        if let Some(close) = self.close {
            // SAFETY: the host's contract; the source is gone after this.
            unsafe { call_notify(close, self.opaque.0) }
        }
    }
}

/// Reports to the caller of a save; false stops it.
pub(crate) struct Progress {
    pub(crate) call: sb_progress,
    pub(crate) opaque: *mut c_void,
}

impl Progress {
    pub(crate) fn report(&self, done: u64, total: u64) -> bool {
        // SAFETY: the host's contract.
        self.call
            .is_none_or(|call| unsafe { call_progress(call, self.opaque, done, total) } == 0)
    }
}

// Not "C-unwind": nothing unwinds out of these. That is defined to end the process.

unsafe extern "C" fn call_read(f: Read, opaque: *mut c_void, out: *mut c_void, size: usize) -> i64 {
    // SAFETY: the caller's.
    unsafe { f(opaque, out, size) }
}

unsafe extern "C" fn call_seek(f: Seek, opaque: *mut c_void, offset: u64) -> i64 {
    // SAFETY: the caller's.
    unsafe { f(opaque, offset) }
}

unsafe extern "C" fn call_notify(f: Notify, opaque: *mut c_void) {
    // SAFETY: the caller's.
    unsafe { f(opaque) }
}

unsafe extern "C" fn call_progress(
    f: unsafe extern "C-unwind" fn(*mut c_void, u64, u64) -> c_int,
    opaque: *mut c_void,
    done: u64,
    total: u64,
) -> c_int {
    // SAFETY: the caller's.
    unsafe { f(opaque, done, total) }
}
