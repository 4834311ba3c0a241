//! `Shared`: a counted pointer whose making can fail, which std's `Arc` cannot.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::sync::{AtomicUsize, Ordering};

pub(crate) struct Shared<T> {
    counted: NonNull<Counted<T>>,
    owns: PhantomData<Counted<T>>,
}

struct Counted<T> {
    count: AtomicUsize,
    value: T,
}

// SAFETY: as for Arc: the value is reached from, and may be dropped on, any holder's thread.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The memory that one takes, in bytes.
    pub(crate) const SIZE: usize = size_of::<Counted<T>>();

    pub(crate) fn try_new(value: T) -> Result<Shared<T>> {
        let counted = Counted {
            count: AtomicUsize::new(1),
            value,
        };
        Ok(Shared {
            counted: place(counted)?,
            owns: PhantomData,
        })
    }

    /// The pointer, with the count it stands for; given back to `from_raw`.
    pub(crate) fn into_raw(self) -> *mut T {
        let counted = std::mem::ManuallyDrop::new(self).counted.as_ptr();
        // SAFETY: `counted` points to a live Counted.
        unsafe { &raw mut (*counted).value }
    }

    /// # Safety
    /// `value` came from `into_raw` and is given back once.
    pub(crate) unsafe fn from_raw(value: *mut T) -> Shared<T> {
        let offset = std::mem::offset_of!(Counted<T>, value);
        // SAFETY: into_raw pointed at this field of a live Counted.
        let counted = unsafe { NonNull::new_unchecked(value.byte_sub(offset).cast()) };
        Shared {
            counted,
            owns: PhantomData,
        }
    }

    /// Another count of a pointer that `into_raw` gave.
    ///
    /// # Safety
    /// The count that `value` stands for is held throughout the call.
    pub(crate) unsafe fn clone_raw(value: *mut T) -> Shared<T> {
        // SAFETY: the caller's count keeps it alive; ManuallyDrop leaves that count alone.
        let held = std::mem::ManuallyDrop::new(unsafe { Shared::from_raw(value) });
        Shared::clone(&held)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        // SAFETY: this count keeps the value alive.
        let count = unsafe { &self.counted.as_ref().count };
        // So many holders there can't be: their counts were leaked, and would come round to 0.
        if count.fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            std::process::abort();
        }
        Shared {
            counted: self.counted,
            owns: PhantomData,
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this count keeps the value alive.
        unsafe { &self.counted.as_ref().value }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Release: this holder's uses happen before the drop; Acquire: after all the others'. Not by a
        // fence, which ThreadSanitizer does not see.
        if self.count().fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        // SAFETY: the last count is gone, so nobody else can reach it.
        unsafe {
            self.counted.drop_in_place();
            dealloc(self.counted.as_ptr().cast(), Layout::new::<Counted<T>>());
        }
    }
}

impl<T> Shared<T> {
    fn count(&self) -> &AtomicUsize {
        // SAFETY: called only while a count is held.
        unsafe { &self.counted.as_ref().count }
    }
}

/// A box whose making can fail.
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>> {
    // SAFETY: `place` wrote a T, into memory that it allocated with the layout of T, as Box does.
    Ok(unsafe { Box::from_raw(place(value)?.as_ptr()) })
}

fn place<T>(value: T) -> Result<NonNull<T>> {
    let room = if size_of::<T>() == 0 {
        // As Box has it: a value without a size is in no memory.
        NonNull::dangling()
    } else {
        // SAFETY: the layout is not of size zero.
        let room = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
        NonNull::new(room).ok_or(Error::NoMemory)?
    };
    // SAFETY: fresh memory of T's layout, or none where T takes none.
    unsafe { room.write(value) };
    Ok(room)
}
