//! A segment: one run of the resource's bytes, in memory first, later in the spool file.
//!
//! Its memory never moves and is filled from the left by one [`Room`] at a time; what is published
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
    /// Bytes published, from `start`. Stored with Release by the room, loaded with Acquire.
    filled: AtomicUsize,
    /// A room exists.
    filling: AtomicBool,
    /// Bytes from the start of the memory that may be shown to the source; the room's business.
    clean: AtomicUsize,
    /// The memory, or null: the bytes are in the spool file.
    data: AtomicPtr<u8>,
    /// What the memory is a part of; goes where `data` goes.
    home: AtomicPtr<Arena>,
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
            clean: AtomicUsize::new(parts.clean),
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

    /// Room for more bytes; None when it is full or being filled.
    pub(crate) fn room(this: &Shared<Segment>) -> Option<Room> {
        if !this.is_in_memory() || this.filling.swap(true, Ordering::AcqRel) {
            return None;
        }
        // Made at once, so that its drop ends the filling.
        let room = Room {
            segment: this.clone(),
            offset: this.filled(),
        };
        room.has_space().then_some(room)
    }

    /// Makes the memory unreachable: from now on the bytes are looked for in the spool file.
    /// The caller waits for the readers that still see it, then drops the block. None while a room
    /// exists: the source may be writing.
    pub(crate) fn release(&self) -> Option<Chunk> {
        if self.is_filling() {
            return None;
        }
        let start = self.data.swap(null_mut(), Ordering::SeqCst);
        let home = self.home.swap(null_mut(), Ordering::Relaxed);
        let clean = self.clean.load(Ordering::Relaxed);
        // SAFETY: made by `into_parts` in `new`; the swaps hand it out once.
        unsafe {
            Chunk::from_parts(RawParts {
                start,
                size: self.capacity,
                clean,
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

/// The unfilled part of a segment, for the source to write to. There is one at a time.
pub(crate) struct Room {
    segment: Shared<Segment>,
    offset: usize,
}

impl Room {
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

    /// Up to `most` bytes to fill: zeroes, or bytes of this same resource, never anyone else's.
    pub(crate) fn bytes(&mut self, most: usize) -> &mut [u8] {
        let data = self.segment.data.load(Ordering::Relaxed);
        let clean = self.segment.clean.load(Ordering::Relaxed).max(self.offset);
        let size = most.min(self.segment.capacity - self.offset);
        let end = self.offset + size;
        // SAFETY: a segment with a room is not released, and this room is the only one: nobody
        // reads or writes past `filled`. What was not initialized before is so now.
        unsafe {
            if clean < end {
                data.add(clean).write_bytes(0, end - clean);
                self.segment.clean.store(end, Ordering::Relaxed);
            }
            std::slice::from_raw_parts_mut(data.add(self.offset), size)
        }
    }

    /// Makes the first `count` bytes of the room readable, which begins after them then.
    pub(crate) fn publish(&mut self, count: usize) {
        assert!(count <= self.segment.capacity - self.offset);
        self.offset += count;
        self.segment.filled.store(self.offset, Ordering::Release);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.segment.filling.store(false, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
