//! A buffer of the C API, for calls that only C has: saves to descriptors.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use spoolbuf::Source;
use spoolbuf::ffi::abi::{sb_buffer, sb_callback, sb_error, sb_save_options};
use spoolbuf::ffi::{sb_error_init, sb_free, sb_new, sb_save_options_init, sb_save_with};

use super::support::Stream;

/// A buffer over a [`Stream`], freed when it is dropped.
pub struct Handle {
    pub raw: *mut sb_buffer,
    stream: Box<Stream>,
}

// SAFETY: a handle may be used from any thread.
unsafe impl Sync for Handle {}

impl Handle {
    pub fn new(size: u64, max: u64) -> Handle {
        let mut stream = Box::new(Stream::new(size, 50_001).0);
        let callback = sb_callback {
            read: Some(read),
            opaque: (&raw mut *stream).cast(),
            seek: None,
            cancel: None,
            close: None,
            pull: None,
            flags: 0,
            reserved_flags: 0,
            size: None,
            reserved: [null_mut(); 7],
        };
        // SAFETY: a whole callback; the stream lives longer than the handle.
        let raw = unsafe { sb_new(&callback, size, max) };
        assert!(!raw.is_null());
        Handle { raw, stream }
    }

    /// Saves to a descriptor; the count, or the code.
    pub fn save(&self, descriptor: c_int, flags: u32) -> i64 {
        self.save_error(descriptor, flags).0
    }

    /// Saves to a descriptor; the count, or the code, and the error.
    pub fn save_error(&self, descriptor: c_int, flags: u32) -> (i64, sb_error) {
        // SAFETY: all zero is a value to be written over; no path, no progress.
        unsafe {
            let mut error: sb_error = std::mem::zeroed();
            assert_eq!(sb_error_init(&mut error, size_of::<sb_error>()), 0);
            let mut options: sb_save_options = std::mem::zeroed();
            let size = size_of::<sb_save_options>();
            assert_eq!(sb_save_options_init(&mut options, size), 0);
            options.fd = descriptor;
            options.flags = flags;
            options.error = &mut error;
            let saved = sb_save_with(self.raw, &options);
            assert_eq!(i64::from(error.status), saved.min(0));
            (saved, error)
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: created by `sb_new`; without a `close` this waits until the stream is no longer
        // used.
        unsafe { sb_free(self.raw) };
    }
}

unsafe extern "C-unwind" fn read(opaque: *mut c_void, out: *mut c_void, capacity: usize) -> i64 {
    // SAFETY: the stream of the handle, one thread at a time; room for `capacity` bytes.
    let (stream, out) = unsafe {
        let out = std::slice::from_raw_parts_mut(out.cast::<u8>(), capacity);
        (&mut *opaque.cast::<Stream>(), out)
    };
    stream.pull(out).map_or(-1, |count| count as i64)
}
