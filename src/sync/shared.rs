//! `Shared`: a reference-counted pointer whose allocation can fail, unlike that of std's `Arc`.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::sync::{AtomicUsize, Ordering};

pub(crate) struct Shared<T: ?Sized> {
    counted: NonNull<Counted<T>>,
    owns: PhantomData<Counted<T>>,
}

pub(crate) struct Counted<T: ?Sized> {
    count: AtomicUsize,
    value: T,
}

// SAFETY: T is Send and Sync, which is what Arc requires too: any holder's thread may use the
// value, and the last one drops it.
unsafe impl<T: Send + Sync + ?Sized> Send for Shared<T> {}
// SAFETY: T is Send and Sync, so a shared `Shared` gives no more access than an owned one.
unsafe impl<T: Send + Sync + ?Sized> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The size of one allocation, in bytes.
    pub(crate) const SIZE: usize = size_of::<Counted<T>>();

    pub(crate) fn try_new(value: T) -> Result<Shared<T>> {
        let counted = Counted {
            count: AtomicUsize::new(1),
            value,
        };
        Ok(Shared {
            counted: allocate(counted)?,
            owns: PhantomData,
        })
    }

    /// Whether both point to the same value.
    pub(crate) fn is_same(one: &Shared<T>, other: &Shared<T>) -> bool {
        one.counted == other.counted
    }

    /// Turns the pointer into a raw one, which keeps its count. `from_raw` takes the count back.
    pub(crate) fn into_raw(self) -> *mut T {
        let counted = std::mem::ManuallyDrop::new(self).counted.as_ptr();
        // SAFETY: this count keeps the Counted alive, so `counted` points to a live one.
        unsafe { &raw mut (*counted).value }
    }

    /// # Safety
    /// `value` came from `into_raw`, and no other call takes that count back.
    pub(crate) unsafe fn from_raw(value: *mut T) -> Shared<T> {
        let offset = std::mem::offset_of!(Counted<T>, value);
        // SAFETY: the caller guarantees that `value` came from `into_raw`, which pointed it at this
        // field of a Counted that the count keeps alive.
        let counted = unsafe { NonNull::new_unchecked(value.byte_sub(offset).cast()) };
        Shared {
            counted,
            owns: PhantomData,
        }
    }

    /// Adds a count to a pointer that `into_raw` returned.
    ///
    /// # Safety
    /// `value` came from `into_raw`, and its count is held throughout the call.
    pub(crate) unsafe fn clone_raw(value: *mut T) -> Shared<T> {
        // SAFETY: the caller guarantees that the count of `value` is held; ManuallyDrop leaves that
        // count alone.
        let held = std::mem::ManuallyDrop::new(unsafe { Shared::from_raw(value) });
        Shared::clone(&held)
    }

    /// The allocation, for a [`Backlink`].
    pub(crate) fn allocation(this: &Shared<T>) -> NonNull<Counted<T>> {
        this.counted
    }
}

/// A reference that does not keep the value alive. The value itself must take it back when it is
/// dropped.
pub(crate) struct Backlink<T: ?Sized>(NonNull<Counted<T>>);

// SAFETY: as for Shared, which is all that a Backlink gives.
unsafe impl<T: Send + Sync + ?Sized> Send for Backlink<T> {}
// SAFETY: as for Shared, which is all that a Backlink gives.
unsafe impl<T: Send + Sync + ?Sized> Sync for Backlink<T> {}

impl<T: ?Sized> Backlink<T> {
    pub(crate) fn new(allocation: NonNull<Counted<T>>) -> Backlink<T> {
        Backlink(allocation)
    }

    /// Another reference to the same value.
    pub(crate) fn copy(&self) -> Backlink<T> {
        Backlink(self.0)
    }

    /// Whether both refer to the same value.
    pub(crate) fn is_same(&self, other: &Backlink<T>) -> bool {
        std::ptr::addr_eq(self.0.as_ptr(), other.0.as_ptr())
    }

    /// The value, unless it is being dropped.
    ///
    /// # Safety
    /// The drop of the value has not returned.
    pub(crate) unsafe fn upgrade(&self) -> Option<Shared<T>> {
        // SAFETY: the caller guarantees that the value's drop has not returned, so that its memory
        // is allocated.
        let count = unsafe { &self.0.as_ref().count };
        // Once it is 0 it stays 0. Relaxed, as in `clone`: whoever made the link holds, or passed
        // on, a count.
        let more = |count: usize| (count > 0).then(|| count + 1);
        count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Shared {
            counted: self.0,
            owns: PhantomData,
        })
    }
}

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        // SAFETY: this count keeps the value alive.
        let count = unsafe { &self.counted.as_ref().count };
        // That many holders cannot exist: their counts were leaked, and would wrap around to 0.
        if count.fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            std::process::abort();
        }
        Shared {
            counted: self.counted,
            owns: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this count keeps the value alive.
        unsafe { &self.counted.as_ref().value }
    }
}

impl<T: ?Sized> Drop for Shared<T> {
    fn drop(&mut self) {
        // Release: this holder's uses happen before the drop. Acquire: the drop happens after all
        // other holders' uses. A fence would do for the latter, but ThreadSanitizer does not see
        // fences.
        if self.count().fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        // SAFETY: this was the last count, so nobody else can reach the value. `allocate` allocated it
        // as Box does, and Box frees it also if the value panics.
        drop(unsafe { Box::from_raw(self.counted.as_ptr()) });
    }
}

impl<T: ?Sized> Shared<T> {
    /// Whether nobody else holds the value.
    pub(crate) fn is_unique(&self) -> bool {
        // Acquire: pairs with the drops of the other holders, whose uses are over.
        self.count().load(Ordering::Acquire) == 1
    }

    fn count(&self) -> &AtomicUsize {
        // SAFETY: `self` holds a count while this is called, which keeps the value alive.
        unsafe { &self.counted.as_ref().count }
    }
}

/// A box whose allocation can fail.
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>> {
    // SAFETY: `allocate` wrote a T to memory that it allocated with T's layout, as Box does.
    Ok(unsafe { Box::from_raw(allocate(value)?.as_ptr()) })
}

fn allocate<T>(value: T) -> Result<NonNull<T>> {
    let memory = if size_of::<T>() == 0 {
        // As in Box: a value of size zero occupies no memory.
        NonNull::dangling()
    } else {
        // SAFETY: T's size is not zero here, so neither is the layout's.
        let memory = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
        NonNull::new(memory).ok_or(Error::NoMemory)?
    };
    // SAFETY: `memory` is fresh memory of T's layout, or dangling and aligned if T's size is zero.
    unsafe { memory.write(value) };
    Ok(memory)
}
