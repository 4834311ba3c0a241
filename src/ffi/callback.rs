//! Sources that are C callbacks.
//!
//! Only this module and [`opener`](super::opener) call the host's function pointers. Each call goes
//! through a function that cannot unwind: an exception that leaves a callback ends the process
//! there, with a message, before it could unwind through frames that are not prepared for it.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};

use super::status::count;
use crate::error::{Error, Result};
use crate::ffi::abi::{sb_callback, sb_progress_fn, sb_source_code, sb_source_flag};
use crate::log::{self, LogLevel};
use crate::options::ThreadHook;
use crate::pull::watches::Ready;
use crate::source::{Interrupt, Source};
use crate::sync::shared::try_box;

type Read = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, usize) -> i64;
type Seek = unsafe extern "C-unwind" fn(*mut c_void, u64) -> i64;
type Pull = unsafe extern "C-unwind" fn(*mut c_void, u64, *mut c_void, usize, *mut usize) -> c_int;
type Size = unsafe extern "C-unwind" fn(*mut c_void) -> i64;
type Notify = unsafe extern "C-unwind" fn(*mut c_void);
type ReadyFn = unsafe extern "C-unwind" fn(*mut c_void, i64);
type Log = unsafe extern "C-unwind" fn(*mut c_void, u32, *const c_char);

/// The host's state, which the contract of `sb_callback` requires to be usable from any thread.
#[derive(Clone, Copy)]
pub(super) struct Opaque(pub(super) *mut c_void);

// SAFETY: the host guarantees that the state is usable from any thread (`opaque` in `sb_callback`).
unsafe impl Send for Opaque {}
// SAFETY: the host guarantees that the state is usable from any thread (`opaque` in `sb_callback`).
unsafe impl Sync for Opaque {}

pub(crate) struct CallbackSource {
    form: Form,
    size: Option<Size>,
    cancel: Option<Notify>,
    close: Option<Notify>,
    opaque: Opaque,
    is_interruptible: bool,
}

/// How the host's source delivers bytes.
enum Form {
    /// From its current position; `seek` moves it.
    Read { read: Read, seek: Option<Seek> },
    /// From the offset that each call passes.
    Pull {
        pull: Pull,
        seeks: bool,
        /// The offset of the next call.
        at: u64,
        /// Where the last successful call ended.
        stands: u64,
    },
}

const SEEKS: u32 = sb_source_flag::SB_SOURCE_SEEKS as u32;
const INTERRUPTIBLE: u32 = sb_source_flag::SB_SOURCE_INTERRUPTIBLE as u32;

impl Form {
    fn of(callback: &sb_callback) -> Result<Form> {
        let &sb_callback {
            read,
            seek,
            pull,
            flags,
            ..
        } = callback;
        match (read, pull) {
            (Some(read), None) if flags & !INTERRUPTIBLE == 0 => Ok(Form::Read { read, seek }),
            (None, Some(pull)) if seek.is_none() && flags & !(SEEKS | INTERRUPTIBLE) == 0 => {
                Ok(Form::Pull {
                    pull,
                    seeks: flags & SEEKS != 0,
                    at: 0,
                    stands: 0,
                })
            }
            _ => Err(Error::Invalid),
        }
    }
}

impl CallbackSource {
    /// Makes a source from a copy of the host's callbacks. Dropping the source calls `close`.
    #[inline(always)]
    pub(crate) fn boxed(callback: &sb_callback) -> Result<Box<dyn Source>> {
        let form = Form::of(callback)?;
        let reserved = callback.reserved.iter();
        let used = reserved.fold(0, |used, member| used | member.addr());
        if callback.reserved_flags != 0 || used != 0 {
            return Err(Error::Invalid);
        }
        let &sb_callback {
            size,
            cancel,
            close,
            opaque,
            ..
        } = callback;
        Ok(try_box(CallbackSource {
            form,
            size,
            cancel,
            close,
            opaque: Opaque(opaque),
            is_interruptible: callback.flags & INTERRUPTIBLE != 0,
        })?)
    }
}

/// The error that a callback's return code stands for.
pub(super) fn error_of(code: i64) -> Error {
    const CANCELED: i64 = sb_source_code::SB_SOURCE_CANCELED as i64;
    const UNSUPPORTED: i64 = sb_source_code::SB_SOURCE_UNSUPPORTED as i64;
    match code {
        CANCELED => Error::Canceled,
        UNSUPPORTED => Error::Unsupported,
        code => Error::Source { code, cause: None },
    }
}

impl Source for CallbackSource {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let (opaque, start, size) = (self.opaque.0, out.as_mut_ptr().cast(), out.len());
        match &mut self.form {
            Form::Read { read, .. } => {
                // SAFETY: `out` is writable for `size` bytes. The host guarantees that `read` may
                // be called with `opaque` until `close`, which only `drop` calls.
                let count = unsafe { call_read(*read, opaque, start, size) };
                usize::try_from(count).map_err(|_| error_of(count))
            }
            Form::Pull {
                pull, at, stands, ..
            } => {
                // A count that the callback never sets is greater than any capacity.
                let mut count = usize::MAX;
                // SAFETY: `out` is writable for `size` bytes, and `count` lives until after the
                // call. The host guarantees that `pull` may be called with `opaque` until `close`.
                let status = unsafe { call_pull(*pull, opaque, *at, start, size, &mut count) };
                if status == 0 && count <= size {
                    *at += count as u64;
                    *stands = *at;
                } else {
                    *at = *stands;
                }
                match status {
                    0 => Ok(count),
                    code => Err(error_of(code.into())),
                }
            }
        }
    }

    fn can_seek(&self) -> bool {
        match self.form {
            Form::Read { seek, .. } => seek.is_some(),
            Form::Pull { seeks, .. } => seeks,
        }
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        match &mut self.form {
            Form::Read { seek, .. } => {
                let seek = seek.ok_or(Error::Unsupported)?;
                // SAFETY: the host guarantees that `seek` may be called with `opaque` until
                // `close`, which only `drop` calls.
                match unsafe { call_seek(seek, self.opaque.0, offset) } {
                    0.. => Ok(()),
                    code => Err(error_of(code)),
                }
            }
            Form::Pull { at, .. } => {
                *at = offset;
                Ok(())
            }
        }
    }

    fn jumps_lazily(&self) -> bool {
        matches!(self.form, Form::Pull { .. })
    }

    fn reports_size(&self) -> bool {
        self.size.is_some()
    }

    fn size(&mut self) -> Option<u64> {
        // SAFETY: the host guarantees that `size` may be called with `opaque` until `close`, which
        // only `drop` calls.
        let size = unsafe { call_size(self.size?, self.opaque.0) };
        u64::try_from(size).ok()
    }

    fn interrupt(&self) -> Option<Interrupt> {
        let (cancel, opaque) = (self.cancel?, self.opaque);
        let call = move || {
            let opaque = opaque;
            // SAFETY: the host guarantees that `cancel` may be called with `opaque` until `close`.
            // The buffer calls an interrupt only before it drops the source.
            unsafe { call_notify(cancel, opaque.0) }
        };
        // If memory runs out, the source has no cancel.
        try_box(call).ok().map(|call| call as Interrupt)
    }

    fn is_interruptible(&self) -> bool {
        self.is_interruptible
    }

    fn free_waits_for_pull(&self) -> bool {
        self.close.is_none()
    }
}

impl Drop for CallbackSource {
    fn drop(&mut self) {
        if let Some(close) = self.close {
            // SAFETY: the host guarantees that `close` may be called once with `opaque`, after all
            // other calls. The source is being dropped, so this is the last one.
            unsafe { call_notify(close, self.opaque.0) }
        }
    }
}

/// Makes a hook from one of the host's thread callbacks, which must stay valid until the thread has
/// ended.
pub(crate) fn thread_hook(call: Option<Notify>, opaque: *mut c_void) -> Result<Option<ThreadHook>> {
    let (Some(call), opaque) = (call, Opaque(opaque)) else {
        return Ok(None);
    };
    let hook = move || {
        let opaque = opaque;
        // SAFETY: the host guarantees that the callback may be called with `thread_opaque` on the
        // helper thread.
        unsafe { call_notify(call, opaque.0) }
    };
    Ok(Some(try_box(hook)? as ThreadHook))
}

/// Makes a log function from the host's.
pub(crate) fn log_call(call: Log, opaque: *mut c_void) -> Result<log::Call> {
    let opaque = Opaque(opaque);
    let call = move |level: LogLevel, line: &CStr| {
        let opaque = opaque;
        // SAFETY: the host guarantees that the function may be called with `opaque` until another
        // one is set. The line lives until after the call.
        unsafe { call_log(call, opaque.0, level as u32, line.as_ptr()) }
    };
    Ok(try_box(call)? as log::Call)
}

/// Makes the function of a watch from the host's.
pub(crate) fn ready_call(call: ReadyFn, opaque: *mut c_void) -> Result<Ready> {
    let opaque = Opaque(opaque);
    let ready = move |result| {
        let opaque = opaque;
        // SAFETY: the host guarantees that the function may be called with `opaque` once, until the
        // watch is freed.
        unsafe { call_ready(call, opaque.0, count(result)) }
    };
    Ok(try_box(ready)? as Ready)
}

/// Reports progress to the caller of a save; a result of false stops the save.
pub(crate) struct Progress {
    pub(crate) call: sb_progress_fn,
    pub(crate) opaque: *mut c_void,
}

impl Progress {
    pub(crate) fn report(&self, done: u64, total: u64) -> bool {
        // SAFETY: the caller of the save guarantees that `call` may be called with `opaque` until
        // the save returns.
        self.call
            .is_none_or(|call| unsafe { call_progress(call, self.opaque, done, total) } == 0)
    }
}

// Not "C-unwind": an unwind that leaves these functions is defined to abort the process.

unsafe extern "C" fn call_read(f: Read, opaque: *mut c_void, out: *mut c_void, size: usize) -> i64 {
    // SAFETY: the caller guarantees the contract of `read` in `sb_callback`.
    unsafe { f(opaque, out, size) }
}

unsafe extern "C" fn call_seek(f: Seek, opaque: *mut c_void, offset: u64) -> i64 {
    // SAFETY: the caller guarantees the contract of `seek` in `sb_callback`.
    unsafe { f(opaque, offset) }
}

unsafe extern "C" fn call_pull(
    f: Pull,
    opaque: *mut c_void,
    offset: u64,
    out: *mut c_void,
    size: usize,
    count: *mut usize,
) -> c_int {
    // SAFETY: the caller guarantees the contract of `pull` in `sb_callback`.
    unsafe { f(opaque, offset, out, size, count) }
}

unsafe extern "C" fn call_size(f: Size, opaque: *mut c_void) -> i64 {
    // SAFETY: the caller guarantees the contract of `size` in `sb_callback`.
    unsafe { f(opaque) }
}

unsafe extern "C" fn call_notify(f: Notify, opaque: *mut c_void) {
    // SAFETY: the caller guarantees the contract of this callback in `sb_callback` or `sb_options`.
    unsafe { f(opaque) }
}

unsafe extern "C" fn call_log(f: Log, opaque: *mut c_void, level: u32, message: *const c_char) {
    // SAFETY: the caller guarantees the contract of `sb_log_fn`.
    unsafe { f(opaque, level, message) }
}

unsafe extern "C" fn call_ready(f: ReadyFn, opaque: *mut c_void, buffered: i64) {
    // SAFETY: the caller guarantees the contract of `sb_ready_fn`.
    unsafe { f(opaque, buffered) }
}

unsafe extern "C" fn call_progress(
    f: unsafe extern "C-unwind" fn(*mut c_void, u64, u64) -> c_int,
    opaque: *mut c_void,
    done: u64,
    total: u64,
) -> c_int {
    // SAFETY: the caller guarantees the contract of `sb_progress_fn`.
    unsafe { f(opaque, done, total) }
}
