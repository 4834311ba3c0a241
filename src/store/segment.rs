//! A segment: one run of the resource's bytes, in memory first, later in the spool file.
//!
//! Its memory never moves and is filled from the left by one [`WriteGrant`] at a time; what is published
//! never changes again, so readers copy without a lock. A segment decides nothing: when it is filled
//! and when it leaves memory is the store's business.

#![allow(unsafe_code)]

use std::ptr::null_mut;

use crate::error::Result;
use crate::store::memory::arena::Arena;
use crate::store::memory::chunk::{Chunk, RawParts};
use crate::sync::shared::Shared;
use crate::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

pub(crate) struct Segment {
    start: u64,
    capacity: usize,
    /// Bytes that are readable, from `start`. The grant stores it with Release, readers load it with
    /// Acquire.
    filled: AtomicUsize,
    /// A grant exists.
    filling: AtomicBool,
    /// Bytes from the start of the memory that may be shown to the source. Only the grant uses it.
    initialized: AtomicUsize,
    /// The memory, or null: the bytes are in the spool file.
    data: AtomicPtr<u8>,
    /// The arena that the memory is a part of, or null; goes where `data` goes.
    arena: AtomicPtr<Arena>,
    /// The segment before this one in the same block of the index, owned by the index.
    pub(crate) next: AtomicPtr<Segment>,
}

impl Segment {
    pub(crate) fn new(start: u64, block: Chunk) -> Result<Shared<Segment>> {
        let parts = block.into_parts();
        // On failure the block is dropped with the segment.
        Shared::try_new(Segment {
            start,
            capacity: parts.size,
            filled: AtomicUsize::new(0),
            filling: AtomicBool::new(false),
            initialized: AtomicUsize::new(parts.initialized),
            data: AtomicPtr::new(parts.start),
            arena: AtomicPtr::new(parts.arena),
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

    /// The offset after the last published byte.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.filled() as u64
    }

    /// Whether more can be filled in at `position`.
    pub(crate) fn has_room_at(&self, position: u64) -> bool {
        self.end() == position && self.filled() < self.capacity && self.is_in_memory()
    }

    pub(crate) fn is_filling(&self) -> bool {
        self.filling.load(Ordering::Acquire)
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        !self.data.load(Ordering::SeqCst).is_null()
    }

    /// The published bytes, if they are in memory.
    ///
    /// # Safety
    /// While the slice lives, either a read guard of the index is held that was taken before the call, or
    /// the caller is the one that could `release` the memory.
    #[inline]
    pub(crate) unsafe fn bytes(&self) -> Option<&[u8]> {
        let filled = self.filled();
        // SeqCst: see `Domain::enter`.
        let data = self.data.load(Ordering::SeqCst);
        if data.is_null() {
            return None;
        }
        // SAFETY: `filled` bytes are initialized and never written again; the memory lives as long
        // as the caller's guard, or until the caller releases it.
        Some(unsafe { std::slice::from_raw_parts(data, filled) })
    }

    /// A grant for more bytes; None when it is full or being filled.
    pub(crate) fn grant(this: &Shared<Segment>) -> Option<WriteGrant> {
        if !this.is_in_memory() || this.filling.swap(true, Ordering::AcqRel) {
            return None;
        }
        // Made at once, so that its drop ends the filling.
        let grant = WriteGrant {
            segment: this.clone(),
            offset: this.filled(),
        };
        grant.has_space().then_some(grant)
    }

    /// Makes the memory unreachable: from now on the bytes are looked for in the spool file.
    /// The caller waits for the readers that still see it, then drops the chunk. None while a grant
    /// exists: the source may be writing.
    pub(crate) fn release(&self) -> Option<Chunk> {
        if self.is_filling() {
            return None;
        }
        let start = self.data.swap(null_mut(), Ordering::SeqCst);
        let arena = self.arena.swap(null_mut(), Ordering::Relaxed);
        let initialized = self.initialized.load(Ordering::Relaxed);
        // SAFETY: made by `into_parts` in `new`; the swaps hand it out once.
        unsafe {
            Chunk::from_parts(RawParts {
                start,
                size: self.capacity,
                initialized,
                arena,
            })
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        drop(self.release());
    }
}

/// The unfilled part of a segment, for the source to write to. There is one at a time.
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

    /// The offset in the resource of the first byte to come.
    pub(crate) fn position(&self) -> u64 {
        self.segment.start + self.offset as u64
    }

    /// Up to `most` bytes to fill: they hold zeroes, or bytes of this same resource, never others.
    pub(crate) fn bytes(&mut self, most: usize) -> &mut [u8] {
        let data = self.segment.data.load(Ordering::Relaxed);
        let initialized = self
            .segment
            .initialized
            .load(Ordering::Relaxed)
            .max(self.offset);
        let size = most.min(self.segment.capacity - self.offset);
        let end = self.offset + size;
        // SAFETY: a segment with a room is not released, and this room is the only one: nobody
        // reads or writes past `filled`. What was not initialized before is so now.
        unsafe {
            if initialized < end {
                data.add(initialized).write_bytes(0, end - initialized);
                self.segment.initialized.store(end, Ordering::Relaxed);
            }
            std::slice::from_raw_parts_mut(data.add(self.offset), size)
        }
    }

    /// Makes the first `count` bytes of the grant readable; the grant then begins after them.
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
