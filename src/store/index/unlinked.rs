//! What is unlinked from the tree, but not freed yet: earlier readers may still be there.

#![allow(unsafe_code)]

use std::ptr::{NonNull, null_mut};

use super::node::{Chain, Node, SPOOLED, segments};
use super::{SEGMENT, Writer};
use crate::store::memory::BLOCK;
use crate::store::memory::chunk::Chunk;
use crate::sync::rcu::Domain;
use crate::sync::{AtomicPtr, Ordering};

/// Memory that new readers do not find and earlier readers may still read.
pub(crate) struct Retired<'i> {
    pub(super) domain: &'i Domain,
    pub(super) freed: Option<(Chunk, Collapsed)>,
}

impl Retired<'_> {
    /// Returns the memory once the last reader has left it.
    pub(crate) fn wait(mut self) -> Option<Chunk> {
        self.domain.synchronize();
        self.freed.take().map(|(chunk, _collapsed)| chunk)
    }
}

impl Drop for Retired<'_> {
    fn drop(&mut self) {
        if self.freed.is_some() {
            self.domain.synchronize();
        }
    }
}

/// What has been unlinked because it left the window. Earlier readers may still read it.
pub(crate) struct Dropped<'i> {
    pub(super) domain: &'i Domain,
    /// The number of bytes that were in the spool file.
    pub(super) spooled: u64,
    pub(super) freed: (Chain, Subtree),
    /// Readers may still be there.
    pub(super) has_readers: bool,
}

impl Dropped<'_> {
    pub(crate) fn spooled(&self) -> u64 {
        self.spooled
    }

    /// Frees the memory once the last reader has left it. Returns it if it was one segment that nobody
    /// is spilling.
    pub(crate) fn wait(mut self) -> Option<Chunk> {
        self.synchronize();
        self.freed.0.reclaim()
    }

    fn synchronize(&mut self) {
        if std::mem::take(&mut self.has_readers) {
            self.domain.synchronize();
        }
    }

    /// Unlinks what a slot holds of a block. A collapsed leaf goes with its last block.
    pub(super) fn take(
        &mut self,
        writer: &mut Writer,
        slot: &AtomicPtr<()>,
        block: u64,
        is_last: bool,
    ) {
        let held = slot.load(Ordering::Relaxed);
        if held == SPOOLED.cast() {
            self.spooled = BLOCK;
            if is_last {
                slot.store(null_mut(), Ordering::SeqCst);
            }
            return;
        }
        let newest = segments(held);
        let mut segment = newest;
        // SAFETY: only the writer unlinks segments, and it is borrowed here.
        while let Some(here) = unsafe { segment.as_ref() } {
            if here.start() / BLOCK != block {
                return;
            }
            if !here.is_in_memory() {
                self.spooled += here.filled() as u64;
            }
            writer.taken -= SEGMENT;
            segment = here.next.load(Ordering::Relaxed);
        }
        slot.store(null_mut(), Ordering::SeqCst);
        self.has_readers = !newest.is_null();
        self.freed.0 = Chain(newest);
    }
}

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        // Before the fields are dropped, unless `wait` did.
        self.synchronize();
    }
}

/// What a sentinel has replaced: the segments of a block, and the leaf if it was collapsed too.
pub(super) type Collapsed = (Chain, Option<Leaf>);

/// A leaf that is no longer linked. Not a Box, since readers may see it until `synchronize` has
/// returned.
pub(super) struct Leaf(pub(super) NonNull<Node>);

impl Drop for Leaf {
    fn drop(&mut self) {
        // SAFETY: `Index::node` made the leaf with `Box::into_raw`. It is unlinked, and `Retired`
        // has synchronized, so nobody else can reach it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// A node, and everything below it, that is no longer linked; or null.
pub(super) struct Subtree(pub(super) *mut Node);

impl Drop for Subtree {
    fn drop(&mut self) {
        // SAFETY: `Index::node` made the node with `Box::into_raw`. It is unlinked, and `Dropped` has
        // synchronized, so nobody else can reach it.
        unsafe { Node::tear_down(self.0) };
    }
}
