//! Structs of C that carry their size, so that later versions of the header can append members.
//!
//! The caller may have been compiled with a smaller struct than this version's, or with a larger one.
//! What it does not have is 0, the default. What only it has must be 0.

#![allow(unsafe_code)]

use std::mem::{MaybeUninit, offset_of};

use crate::error::{Error, Result};
use crate::ffi::abi::{sb_cache_options, sb_error, sb_options, sb_reader_options, sb_save_options};

/// A struct whose first member is its size in bytes, a `usize`.
///
/// # Safety
/// Each member may be 0, and there is no padding.
pub(super) unsafe trait Versioned: Copy {
    /// The size in the first version, which is accepted forever.
    const FIRST_SIZE: usize;
}

/// The end of a member.
const fn end_of<T, M>(offset: usize, _: fn(&T) -> &M) -> usize {
    offset + size_of::<M>()
}

/// The structs, each with the last member that it had in the first version: a member that is appended
/// changes nothing here.
macro_rules! first_versions {
    ($($name:ident up to $last:ident;)*) => {
        $(
            // SAFETY: the members are numbers, pointers, and functions that may be NULL. A test reads
            // in the header that there is no padding.
            unsafe impl Versioned for $name {
                const FIRST_SIZE: usize = end_of(offset_of!($name, $last), |it: &$name| &it.$last);
            }
        )*
    };
}

first_versions! {
    sb_cache_options up to thread_end;
    sb_error up to reserved;
    sb_options up to window;
    sb_reader_options up to reserved_pointer;
    sb_save_options up to reserved;
}

/// Whether a struct that has the type `T` in this version can have this size in bytes in any
/// version, earlier or later.
fn is_of_a_version<T: Versioned>(struct_size: usize) -> bool {
    (T::FIRST_SIZE..=4096).contains(&struct_size)
}

/// Sets a struct to its defaults.
///
/// # Safety
/// `out` is NULL or has `struct_size` bytes.
pub(super) unsafe fn init<T: Versioned>(
    out: *mut T,
    struct_size: usize,
    defaults: T,
) -> Result<()> {
    if out.is_null() || !is_of_a_version::<T>(struct_size) {
        return Err(Error::Invalid);
    }
    // SAFETY: the caller guarantees that `out` has `struct_size` bytes. `T` has no padding.
    unsafe { write(out, struct_size, &defaults) };
    Ok(())
}

/// The members that this version knows, of a struct of any version.
///
/// # Safety
/// `given` is NULL or points to as many bytes as its first member says.
pub(super) unsafe fn known<T: Versioned>(given: *const T) -> Result<T> {
    if given.is_null() {
        return Err(Error::Invalid);
    }
    // SAFETY: the caller guarantees that the first member is there.
    let struct_size = unsafe { given.cast::<usize>().read() };
    if !is_of_a_version::<T>(struct_size) {
        return Err(Error::Invalid);
    }
    let mut known = MaybeUninit::<T>::zeroed();
    // SAFETY: the caller guarantees that `given` has `struct_size` bytes. Where those end, zeros are
    // valid.
    unsafe {
        let count = struct_size.min(size_of::<T>());
        known
            .as_mut_ptr()
            .cast::<u8>()
            .copy_from_nonoverlapping(given.cast(), count);
        Ok(known.assume_init())
    }
}

/// Checks that the members that only later versions know are 0.
///
/// # Safety
/// As for `known`, which has returned the struct.
pub(super) unsafe fn check_rest<T: Versioned>(given: *const T) -> Result<()> {
    // SAFETY: the caller guarantees that the struct has as many bytes as its first member says, of
    // which those of this version come first.
    let rest = unsafe {
        let struct_size = given.cast::<usize>().read();
        let ours = size_of::<T>().min(struct_size);
        std::slice::from_raw_parts(given.cast::<u8>().add(ours), struct_size - ours)
    };
    match rest.iter().any(|byte| *byte != 0) {
        true => Err(Error::Unsupported),
        false => Ok(()),
    }
}

/// The options that the caller has given, if any.
///
/// # Safety
/// As for `known`.
pub(super) unsafe fn options<T: Versioned>(given: *const T) -> Result<Option<T>> {
    if given.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller guarantees the same.
    unsafe {
        let options = known(given)?;
        check_rest(given)?;
        Ok(Some(options))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A struct that had one member, and has two now.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Grown {
        struct_size: usize,
        first: usize,
        second: usize,
    }

    first_versions! { Grown up to first; }

    const OLD: usize = 2 * size_of::<usize>();
    const DEFAULTS: Grown = Grown {
        struct_size: OLD,
        first: 7,
        second: 8,
    };

    #[test]
    fn a_smaller_struct_is_not_left() {
        let mut old = [1, 2, 3];
        let out = old.as_mut_ptr().cast::<Grown>();
        // SAFETY: `old` has more than `OLD` bytes.
        unsafe { init(out, OLD, DEFAULTS) }.expect("the first size");
        assert_eq!(old, [OLD, 7, 3]);
        // SAFETY: as above.
        let known = unsafe { options(old.as_ptr().cast::<Grown>()) };
        let expected = Grown {
            second: 0,
            ..DEFAULTS
        };
        assert_eq!(known.expect("the first size"), Some(expected));
        // SAFETY: as above.
        let smaller = unsafe { init(out, OLD - 8, DEFAULTS) };
        assert_eq!(
            smaller.map_err(|error| error.code()),
            Err(Error::Invalid.code())
        );
    }

    #[test]
    fn a_larger_struct_has_zeros() {
        let mut larger = [1; 4];
        let out = larger.as_mut_ptr().cast::<Grown>();
        let size = size_of_val(&larger);
        let defaults = Grown {
            struct_size: size,
            ..DEFAULTS
        };
        // SAFETY: `larger` has `size` bytes.
        unsafe { init(out, size, defaults) }.expect("a larger size");
        assert_eq!(larger, [size, 7, 8, 0]);
        // SAFETY: as above.
        assert_eq!(unsafe { options(out) }.expect("zeros"), Some(defaults));
        larger[3] = 1;
        // SAFETY: as above.
        let refused = unsafe { options(larger.as_ptr().cast::<Grown>()) };
        assert_eq!(
            refused.map_err(|error| error.code()),
            Err(Error::Unsupported.code())
        );
    }
}
