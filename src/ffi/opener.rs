//! An opener that is a C function. As in [`callback`](super::callback), its call cannot unwind.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use super::argument::known;
use super::callback::{CallbackSource, Opaque, error_of};
use crate::cache::{Opened, Opener};
use crate::error::{Error, Result};
use crate::ffi::abi::{SB_SIZE_UNKNOWN, sb_callback, sb_opened, sb_opener_fn};
use crate::source::Source;

type Open =
    unsafe extern "C-unwind" fn(*mut c_void, *const c_void, usize, u64, *mut sb_opened) -> c_int;

pub(super) struct CallbackOpener {
    open: Open,
    opaque: Opaque,
}

impl CallbackOpener {
    pub(super) fn new(open: sb_opener_fn, opaque: *mut c_void) -> Result<CallbackOpener> {
        Ok(CallbackOpener {
            open: open.ok_or(Error::Invalid)?,
            opaque: Opaque(opaque),
        })
    }
}

impl Opener for CallbackOpener {
    fn open(&self, key: &[u8], old_tag: u64) -> Result<Opened> {
        let mut out = sb_opened {
            struct_size: size_of::<sb_opened>(),
            size: SB_SIZE_UNKNOWN,
            tag: 0,
            // SAFETY: zeros are valid for each member: no function, no flag, NULL.
            source: unsafe { std::mem::zeroed() },
        };
        let (start, size, opaque) = (key.as_ptr().cast(), key.len(), self.opaque.0);
        // SAFETY: `key` and `out` live until after the call. The host guarantees that the opener may
        // be called with `opaque` until sb_cache_free() has returned, which waits for this call.
        match unsafe { call_open(self.open, opaque, start, size, old_tag, &mut out) } {
            0 => Ok(Opened {
                source: source(&out.source)?,
                size: known(out.size),
                tag: out.tag,
            }),
            code => Err(error_of(code.into())),
        }
    }
}

/// Takes possession of the source that an opener has returned, if it is valid.
fn source(callback: &sb_callback) -> Result<Option<Box<dyn Source>>> {
    if is_empty(callback) {
        return Ok(None);
    }
    if callback.close.is_none() {
        return Err(Error::Invalid);
    }
    CallbackSource::boxed(callback).map(Some)
}

fn is_empty(callback: &sb_callback) -> bool {
    let &sb_callback {
        read,
        opaque,
        seek,
        cancel,
        close,
        pull,
        flags,
        reserved_flags,
        size,
        reserved,
    } = callback;
    let has_function = read.is_some() || pull.is_some() || seek.is_some() || size.is_some();
    let has_notice = cancel.is_some() || close.is_some();
    let mut pointers = std::iter::once(opaque).chain(reserved);
    !has_function
        && !has_notice
        && (flags | reserved_flags) == 0
        && pointers.all(|pointer| pointer.is_null())
}

// Not "C-unwind": an unwind that leaves this function is defined to abort the process.
unsafe extern "C" fn call_open(
    f: Open,
    opaque: *mut c_void,
    key: *const c_void,
    key_size: usize,
    old_tag: u64,
    out: *mut sb_opened,
) -> c_int {
    // SAFETY: the caller guarantees the contract of `sb_opener_fn`.
    unsafe { f(opaque, key, key_size, old_tag, out) }
}
