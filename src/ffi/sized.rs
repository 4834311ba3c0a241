//! Structs of C that carry their size, so that later versions of the header can append members.
//!
//! The caller may have been compiled with a larger struct than this version's. It is then read and
//! written as this version's struct, followed by members that must be 0, their default.

#![allow(unsafe_code)]

use crate::error::{Error, Result};

/// Whether a struct that has the type `T` in this version can have this size in bytes in any
/// version, earlier or later.
///
/// No struct has grown yet: `T` is that of the first version, whose size is the smallest.
pub(super) fn is_of_a_version<T>(struct_size: usize) -> bool {
    (size_of::<T>()..=4096).contains(&struct_size)
}

/// Sets a struct to its defaults.
///
/// # Safety
/// `out` is NULL or has `struct_size` bytes.
pub(super) unsafe fn init<T>(out: *mut T, struct_size: usize, defaults: T) -> Result<()> {
    if out.is_null() || !is_of_a_version::<T>(struct_size) {
        return Err(Error::Invalid);
    }
    // SAFETY: the caller guarantees that `out` has `struct_size` bytes; `is_of_a_version` has
    // checked that this version's struct is no larger.
    unsafe {
        out.cast::<u8>().write_bytes(0, struct_size);
        out.write(defaults);
    }
    Ok(())
}

/// Checks the size of options, and that the members that only later versions know are 0.
///
/// # Safety
/// `options` points to `struct_size` bytes.
pub(super) unsafe fn check_size<T>(options: *const T, struct_size: usize) -> Result<()> {
    if !is_of_a_version::<T>(struct_size) {
        return Err(Error::Invalid);
    }
    let ours = size_of::<T>();
    // SAFETY: the caller guarantees that the struct has `struct_size` bytes, of which `ours` come
    // first.
    let theirs = unsafe {
        let start = options.cast::<u8>().add(ours);
        std::slice::from_raw_parts(start, struct_size - ours)
    };
    if theirs.iter().any(|byte| *byte != 0) {
        return Err(Error::Unsupported);
    }
    Ok(())
}

/// Writes a snapshot as far as the caller's struct reaches, and sets the rest of that to 0.
///
/// # Safety
/// `out` is writable for `out_size` bytes, and `snapshot` has no padding.
pub(super) unsafe fn write<T>(out: *mut T, out_size: usize, snapshot: &T) {
    let known = out_size.min(size_of::<T>());
    let from = std::ptr::from_ref(snapshot).cast::<u8>();
    let out = out.cast::<u8>();
    // SAFETY: the caller guarantees that `out` is writable for `out_size` bytes, and that the
    // `known` bytes of `snapshot` are initialized.
    unsafe {
        out.copy_from_nonoverlapping(from, known);
        if known < out_size {
            out.add(known).write_bytes(0, out_size - known);
        }
    }
}
