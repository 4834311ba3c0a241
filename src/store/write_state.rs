//! The write state: the segment that is being filled, those that wait to be spilled, and spare
//! memory.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::store::budget::account::Charge;
use crate::store::extras::Extras;
use crate::store::index::Writer;
use crate::store::membership::Membership;
use crate::store::memory::BLOCK;
use crate::store::memory::chunk::Chunk;
use crate::store::memory::chunk_allocator::ChunkAllocator;
use crate::store::segment::Segment;
use crate::sync::shared::{Shared, try_box};

pub(super) struct WriteState {
    pub(super) writer: Writer,
    /// The segment that is being filled; linked into the index at its first byte.
    pub(super) tail: Option<Shared<Segment>>,
    /// Segments in memory that get no more bytes, oldest first.
    pub(super) sealed: VecDeque<Shared<Segment>>,
    /// Memory taken by `sealed` and the lent segments, in bytes.
    pub(super) sealed_bytes: u64,
    /// The chunk of the last whole block that was spilled.
    pub(super) spare: Option<Chunk>,
    pub(super) chunks: ChunkAllocator,
    /// Dropped last, as its member is.
    pub(super) extras: Option<Box<Extras>>,
}

impl WriteState {
    pub(super) fn new(writer: Writer) -> WriteState {
        WriteState {
            writer,
            tail: None,
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            spare: None,
            chunks: ChunkAllocator::default(),
            extras: None,
        }
    }

    /// The extras, allocated if there are none.
    pub(super) fn extras_or_new(&mut self) -> Result<&mut Extras> {
        if self.extras.is_none() {
            self.extras = Some(try_box(Extras::default())?);
        }
        self.extras.as_deref_mut().ok_or(Error::NoMemory)
    }

    #[inline]
    pub(super) fn member(&mut self) -> Option<&mut Membership> {
        self.extras.as_mut()?.member.as_mut()
    }

    pub(super) fn lent(&self) -> &[Shared<Segment>] {
        self.extras.as_ref().map_or(&[], |extras| &extras.lent)
    }

    pub(super) fn spares(&self) -> &[Chunk] {
        self.extras.as_ref().map_or(&[], |extras| &extras.spares)
    }

    /// Whether there are bytes in memory.
    pub(super) fn has_bytes(&self) -> bool {
        !(self.sealed.is_empty() && self.lent().is_empty()) || self.tail.is_some()
    }

    /// The memory taken: the capacity of the sealed and lent segments, and the bytes in the tail.
    pub(super) fn held(&self) -> u64 {
        self.sealed_bytes + self.tail.as_ref().map_or(0, |tail| tail.filled() as u64)
    }

    /// Whether memory holds more than `max_memory`, and a segment can be spilled.
    pub(super) fn is_over(&self, max: u64) -> bool {
        self.held() > max && !self.sealed.is_empty()
    }

    /// Seals the tail unless `is_fine`. The queue has space for every tail, and the list of lent
    /// segments for every source that was replaced.
    pub(super) fn seal_unless(&mut self, is_fine: impl FnOnce(&Segment) -> bool) {
        if let Some(tail) = self.tail.take_if(|tail| !is_fine(tail)) {
            self.sealed_bytes += tail.capacity() as u64;
            if tail.is_filling() {
                self.lend(tail);
            } else {
                self.sealed.push_back(tail);
            }
        }
    }

    #[cold]
    fn lend(&mut self, tail: Shared<Segment>) {
        let extras = self.extras.as_mut();
        let extras = extras.expect("`expect_orphans` allocated the list");
        extras.lent.push(tail);
        if let Some(member) = &mut extras.member {
            member.lend();
        }
    }

    /// Makes a segment the tail when its first bytes are committed.
    #[inline]
    pub(super) fn begin(&mut self, segment: Shared<Segment>) {
        self.tail = Some(segment);
        if let Some(member) = self.member() {
            member.begin();
        }
    }

    /// Removes the oldest sealed segment, whose memory is free.
    pub(super) fn remove_oldest(&mut self) {
        if let Some(segment) = self.sealed.pop_front() {
            self.sealed_bytes -= segment.capacity() as u64;
        }
        if let Some(member) = self.member() {
            member.remove_oldest();
        }
    }

    /// Removes the segments of a block that has left the window.
    pub(super) fn remove_block(&mut self, block: u64) {
        let gone = |segment: &Segment| segment.start() / BLOCK == block;
        let sealed = self.sealed.iter().filter(|segment| gone(segment));
        self.sealed_bytes -= sealed.map(|it| it.capacity() as u64).sum::<u64>();
        self.sealed.retain(|segment| !gone(segment));
    }

    /// Moves the oldest sealed segment behind all others.
    pub(super) fn defer_oldest(&mut self) {
        // It is empty if all have left the window meanwhile.
        self.sealed.rotate_left(self.sealed.len().min(1));
        if let Some(member) = self.member() {
            member.defer_oldest();
        }
    }

    /// The memory that the index and the queue take, in bytes.
    pub(super) fn index_taken(&self) -> u64 {
        let queue = self.sealed.capacity() * size_of::<Shared<Segment>>();
        (self.writer.taken() + queue) as u64
    }

    /// Charges a member's index. That of the next segment comes out of its `charge`.
    pub(super) fn settle(&mut self, next: u64, charge: Option<&mut Charge>) {
        let taken = self.index_taken() + next;
        let segments = self.sealed.len() + usize::from(self.tail.is_some());
        if let Some(member) = self.member() {
            debug_assert_eq!(member.segments(), segments);
            member.settle(taken, charge);
        }
    }

    /// Seals the lent segments that nobody writes to any more.
    pub(super) fn take_back(&mut self) {
        let Some(extras) = self.extras.as_deref_mut() else {
            return;
        };
        let mut index = 0;
        while let Some(lent) = extras.lent.get(index) {
            let is_left = lent.is_filling() || self.sealed.try_reserve(2).is_err();
            let member = extras.member.as_mut();
            // If memory runs out, the segment stays in memory.
            if is_left || member.is_some_and(|member| member.reserve().is_err()) {
                index += 1;
                continue;
            }
            self.sealed.push_back(extras.lent.swap_remove(index));
            if let Some(member) = &mut extras.member {
                member.begin();
            }
        }
    }
}
