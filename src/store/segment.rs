//! A segment: one run of the resource's bytes, in memory first, later in the spool file.
//!
//! Its memory never moves and is filled from the left by one [`WriteGrant`] at a time. Committed
//! bytes never change again, so readers copy without a lock. A segment decides nothing: the store
//! decides when it is filled and when it leaves memory.

#![allow(unsafe_code)]

use std::ptr::null_mut;

use crate::error::Result;
use crate::store::memory::chunk::{Chunk, Home, RawParts};
use crate::sync::shared::Shared;
use crate::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

pub(crate) struct Segment {
    start: u64,
    capacity: usize,
    /// The number of readable bytes, from `start`. The grant stores it with Release; readers load
    /// it with Acquire.
    filled: AtomicUsize,
    /// A grant exists.
    filling: AtomicBool,
    /// The number of bytes, from the start of the memory, that may be shown to the source. Only the
    /// grant uses it.
    initialized: AtomicUsize,
    /// The memory, or null if the bytes are in the spool file.
    data: AtomicPtr<u8>,
    /// What the memory is a part of, or null. Taken together with `data`.
    home: AtomicPtr<Home>,
    /// The next older segment in the same block of the index, owned by the index.
    pub(crate) next: AtomicPtr<Segment>,
}

impl Segment {
    #[inline]
    pub(crate) fn new(start: u64, chunk: Chunk) -> Result<Shared<Segment>> {
        let parts = chunk.into_parts();
        // On failure the chunk is dropped with the segment.
        Shared::try_new(Segment {
            start,
            capacity: parts.size,
            filled: AtomicUsize::new(0),
            filling: AtomicBool::new(false),
            initialized: AtomicUsize::new(parts.initialized),
            data: AtomicPtr::new(parts.start),
            home: AtomicPtr::new(parts.home),
            next: AtomicPtr::new(null_mut()),
        })
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline]
    pub(crate) fn filled(&self) -> usize {
        self.filled.load(Ordering::Acquire)
    }

    /// The offset after the last committed byte.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.filled() as u64
    }

    /// Whether the byte at `position` would be the next one, and there is memory for it.
    pub(crate) fn has_space_at(&self, position: u64) -> bool {
        self.end() == position && self.filled() < self.capacity && self.is_in_memory()
    }

    pub(crate) fn is_filling(&self) -> bool {
        self.filling.load(Ordering::Acquire)
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        !self.data.load(Ordering::SeqCst).is_null()
    }

    /// The committed bytes, if they are in memory.
    ///
    /// # Safety
    /// While the slice lives, the caller holds a read guard of the index that it took before the
    /// call, or is the only one that could `release` the memory.
    #[inline]
    pub(crate) unsafe fn bytes(&self) -> Option<&[u8]> {
        let filled = self.filled();
        // SeqCst: R3 in `sync::rcu`.
        let data = self.data.load(Ordering::SeqCst);
        if data.is_null() {
            return None;
        }
        // SAFETY: the first `filled` bytes are initialized and never written again. The caller
        // guarantees a guard, for which the memory's owner waits, or that nobody releases the
        // memory.
        Some(unsafe { std::slice::from_raw_parts(data, filled) })
    }

    /// Grants the unfilled part. None if the segment is full, is being filled, or is not in memory.
    pub(crate) fn grant(this: &Shared<Segment>) -> Option<WriteGrant> {
        if !this.is_in_memory() || this.filling.swap(true, Ordering::AcqRel) {
            return None;
        }
        // Built at once, so that dropping it ends the filling.
        let grant = WriteGrant {
            segment: this.clone(),
            offset: this.filled(),
        };
        grant.has_space().then_some(grant)
    }

    /// Makes the memory unreachable: from now on readers look for the bytes in the spool file. The
    /// caller waits for the readers that still see the memory, then drops the chunk. None while a
    /// grant exists: the source may be writing.
    pub(crate) fn release(&self) -> Option<Chunk> {
        if self.is_filling() {
            return None;
        }
        let start = self.data.swap(null_mut(), Ordering::SeqCst);
        let home = self.home.swap(null_mut(), Ordering::Relaxed);
        let initialized = self.initialized.load(Ordering::Relaxed);
        // SAFETY: the parts came from `into_parts` in `new`, with `initialized` updated by the
        // grant, and the swaps take the pointers once. If they were taken before, both are null,
        // which gives None.
        unsafe {
            Chunk::from_parts(RawParts {
                start,
                size: self.capacity,
                initialized,
                home,
            })
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        drop(self.release());
    }
}

/// The unfilled part of a segment, for the source to write to. At most one exists at a time.
pub(crate) struct WriteGrant {
    segment: Shared<Segment>,
    offset: usize,
}

impl WriteGrant {
    pub(crate) fn segment(&self) -> &Shared<Segment> {
        &self.segment
    }

    /// Whether the segment has no bytes yet.
    pub(crate) fn is_first(&self) -> bool {
        self.offset == 0
    }

    pub(crate) fn has_space(&self) -> bool {
        self.offset < self.segment.capacity
    }

    /// The offset in the resource of the next byte.
    pub(crate) fn position(&self) -> u64 {
        self.segment.start + self.offset as u64
    }

    /// At most `most` bytes to fill. They hold zeros or bytes of this same resource, never others.
    pub(crate) fn bytes(&mut self, most: usize) -> &mut [u8] {
        let data = self.segment.data.load(Ordering::Relaxed);
        let initialized = self
            .segment
            .initialized
            .load(Ordering::Relaxed)
            .max(self.offset);
        let size = most.min(self.segment.capacity - self.offset);
        let end = self.offset + size;
        // SAFETY: a segment is not released while a grant exists, so `data` is valid for `capacity`
        // bytes. This grant is the only one, and readers stop at `filled`, so nobody else uses the
        // bytes after it. Those that were uninitialized have just been zeroed.
        unsafe {
            if initialized < end {
                data.add(initialized).write_bytes(0, end - initialized);
                self.segment.initialized.store(end, Ordering::Relaxed);
            }
            std::slice::from_raw_parts_mut(data.add(self.offset), size)
        }
    }

    /// Writes as many of `bytes` as fit. Returns their number.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let data = self.segment.data.load(Ordering::Relaxed);
        let count = bytes.len().min(self.segment.capacity - self.offset);
        // SAFETY: a segment is not released while a grant exists, so `data` is valid for `capacity`
        // bytes, and `count` of them follow `offset`. This grant is the only one, and readers stop
        // at `filled`, so nobody else uses them. `bytes` is the caller's and cannot overlap them.
        unsafe {
            data.add(self.offset)
                .copy_from_nonoverlapping(bytes.as_ptr(), count);
        }
        let initialized = &self.segment.initialized;
        let end = (self.offset + count).max(initialized.load(Ordering::Relaxed));
        initialized.store(end, Ordering::Relaxed);
        count
    }

    /// Makes the first `count` bytes of the grant readable. The grant then begins after them.
    pub(crate) fn commit(&mut self, count: usize) {
        assert!(count <= self.segment.capacity - self.offset);
        self.offset += count;
        self.segment.filled.store(self.offset, Ordering::Release);
    }
}

impl Drop for WriteGrant {
    fn drop(&mut self) {
        self.segment.filling.store(false, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
