//! A node of the tree, and the segments that hang from its slots.

#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ptr::null_mut;

use super::Writer;
use crate::error::Result;
use crate::store::memory::chunk::Chunk;
use crate::store::segment::Segment;
use crate::sync::shared::{Shared, try_box};
use crate::sync::{AtomicPtr, Ordering};

pub(super) const FANOUT_BITS: u32 = if cfg!(loom) { 1 } else { 6 };
const FANOUT: usize = 1 << FANOUT_BITS;

/// The sentinel, in place of a segment or a leaf: the whole block, or all blocks of the leaf, are
/// in the spool file.
pub(super) const SPOOLED: *mut Segment = std::ptr::without_provenance_mut(SENTINEL);
const SENTINEL: usize = 1;

/// Set in a pointer in a node above the leaves: it points to the segments of the only block below
/// that has any.
pub(super) const LONE: usize = 2;

/// Set in a pointer that does not point to a node.
pub(super) const NO_NODE: usize = SENTINEL | LONE;

pub(super) struct Node {
    /// The number of levels below this one; 0 for a leaf.
    pub(super) height: u32,
    /// Pointers to nodes or, in a leaf, to segments.
    pub(super) slots: [AtomicPtr<()>; FANOUT],
}

impl Node {
    pub(super) fn make(writer: &mut Writer, height: u32) -> Result<Box<Node>> {
        let slots = std::array::from_fn(|_| AtomicPtr::new(null_mut()));
        let made = try_box(Node { height, slots })?;
        writer.taken += size_of::<Node>();
        Ok(made)
    }

    /// The pointer with which a slot of this node holds segments.
    pub(super) fn held(&self, segments: *mut ()) -> *mut () {
        let lone = if self.height > 0 { LONE } else { 0 };
        segments.map_addr(|segments| segments | lone)
    }

    /// Whether this node, as the root, has a slot for the block.
    pub(super) fn reaches(&self, block: u64) -> bool {
        block >> (FANOUT_BITS * self.height) < FANOUT as u64
    }

    pub(super) fn slot(&self, block: u64) -> &AtomicPtr<()> {
        &self.slots[(block >> (FANOUT_BITS * self.height)) as usize % FANOUT]
    }

    /// Drops the node and everything below it.
    ///
    /// # Safety
    /// `node` is null or came from `Box::into_raw`, and nobody else can reach it.
    #[inline]
    pub(super) unsafe fn tear_down(node: *mut Node) {
        if !node.is_null() {
            // SAFETY: `node` is not null, so the caller guarantees that it came from
            // `Box::into_raw` and that nobody else can reach it.
            unsafe { Box::from_raw(node) }.drop_all();
        }
    }

    #[inline(never)]
    fn drop_all(self: Box<Node>) {
        // Most slots are empty, so several are looked at together.
        for slots in self.slots.chunks_exact(FANOUT.min(8)) {
            let held = |all, slot: &AtomicPtr<()>| all | slot.load(Ordering::Relaxed).addr();
            if slots.iter().fold(0, held) > SENTINEL {
                // SAFETY: the slots are of this node, which is being dropped.
                unsafe { self.tear_down_slots(slots) };
            }
        }
    }

    /// # Safety
    /// `slots` are some of this node's, which is being dropped. They are not used any more.
    unsafe fn tear_down_slots(&self, slots: &[AtomicPtr<()>]) {
        for slot in slots {
            let child = slot.load(Ordering::Relaxed);
            if child.is_null() || child == SPOOLED.cast() {
                // The slot is empty, or its block or leaf was replaced by a sentinel.
            } else if self.height > 0 && child.addr() & LONE == 0 {
                // SAFETY: `Index::node` made the child with `Box::into_raw`, and only this node,
                // which is being dropped, points to it.
                unsafe { Node::tear_down(child.cast()) };
            } else {
                drop(Chain(segments(child)));
            }
        }
    }
}

/// The segments in a slot that holds no node: the newest, null, or `SPOOLED`.
pub(super) fn segments(held: *mut ()) -> *mut Segment {
    held.map_addr(|held| held & !LONE).cast()
}

/// Segments that are linked only to each other. They are dropped together.
pub(super) struct Chain(pub(super) *mut Segment);

impl Chain {
    /// The memory of the only segment, if nobody else holds that. The chain is unlinked, and
    /// synchronized.
    pub(super) fn reclaim(&self) -> Option<Chunk> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: `insert` got the pointer from `into_raw`. ManuallyDrop leaves its count to the drop
        // of the chain.
        let only = ManuallyDrop::new(unsafe { Shared::from_raw(self.0) });
        let is_only = only.next.load(Ordering::Relaxed).is_null();
        // A thread that spills it still reads its memory, without a guard.
        (is_only && only.is_unique()).then(|| only.release())?
    }
}

impl Default for Chain {
    fn default() -> Chain {
        Chain(null_mut())
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        while !self.0.is_null() {
            // SAFETY: `insert` got the pointer from `into_raw`. The chain is unlinked and
            // synchronized, or its index is being dropped, so its count is taken back once.
            let segment = unsafe { Shared::from_raw(self.0) };
            self.0 = segment.next.load(Ordering::Relaxed);
        }
    }
}
