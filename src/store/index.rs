//! The index, a radix tree: finds the segment, or the part of the spool file, that holds the byte at an
//! offset.
//!
//! It is a radix tree over the blocks of the resource (256 KiB each, 64 to a node) that grows
//! upwards as offsets grow. A leaf holds the newest segment of each of its blocks, which links to
//! older ones. A stream that is only read forward has one segment per block, except in the first
//! block, where segments start small.
//!
//! Two shortcuts keep the tree small, in memory and in the processor's caches. A block that is
//! entirely in the spool file has a *sentinel* instead of segments, and a leaf of such blocks is
//! *collapsed* to a sentinel too, so that the part of a resource that was spilled long ago takes
//! next to nothing. And if a block is the only one below a slot, as happens where a source jumps
//! about, its segments hang from that slot, without the nodes in between.
//!
//! Blocks that have left a [window](crate::store::window) leave the tree, and so does each node with
//! its last block, so that the tree of an endless stream does not grow.
//!
//! Readers take no lock: they enter the domain, walk the tree, and use what they find until they
//! drop the guard. The one [`Writer`] links and unlinks. The one [`Spiller`] synchronizes before
//! memory is freed.

#![allow(unsafe_code)]

mod node;
pub(super) mod unlinked;

use std::ptr::{NonNull, null_mut};

use crate::error::Result;
use crate::store::memory::BLOCK;
use crate::store::segment::Segment;
use crate::sync::rcu::{DomainRef, ReadGuard};
use crate::sync::shared::Shared;
use crate::sync::{AtomicPtr, Ordering};
use node::{Chain, FANOUT_BITS, LONE, NO_NODE, Node, SPOOLED, segments};
use unlinked::{Collapsed, Dropped, Leaf, Retired, Subtree};

/// The memory that a segment takes besides its bytes.
pub(crate) const SEGMENT: usize = Shared::<Segment>::SIZE;

pub(crate) struct Index {
    domain: DomainRef,
    root: AtomicPtr<Node>,
}

/// The right to change an index. Each index has one.
pub(crate) struct Writer {
    /// The memory that the index takes, in bytes.
    taken: usize,
}

/// The right to remove memory from an index. Each index has one.
pub(crate) struct Spiller(());

/// The memory that an index usually takes more of for one segment.
pub(crate) const GROWTH: usize = SEGMENT + 2 * size_of::<Node>();

/// The location of the byte at an offset, and of the bytes after it.
pub(crate) enum Location<'p> {
    /// In memory. The slice starts at the offset.
    Memory(&'p [u8]),
    /// In the spool file, with that many bytes from the offset on.
    Spool(u64),
    Absent,
}

impl Index {
    pub(crate) fn new(domain: DomainRef) -> (Index, Writer, Spiller) {
        (
            Index {
                domain,
                root: AtomicPtr::new(null_mut()),
            },
            Writer { taken: 0 },
            Spiller(()),
        )
    }

    #[inline]
    pub(crate) fn enter(&self) -> ReadGuard<'_> {
        self.domain.enter()
    }

    /// Looks up `offset`, under a read guard of this index.
    #[inline]
    pub(crate) fn find<'p>(&'p self, offset: u64, guard: &'p ReadGuard<'_>) -> Location<'p> {
        debug_assert!(self.domain.gave(guard));
        let mut segment = self.newest(offset / BLOCK);
        if segment == SPOOLED {
            return Location::Spool(BLOCK - offset % BLOCK);
        }
        // SAFETY: a linked segment lives until `synchronize` has returned after its unlinking, and
        // `synchronize` waits for the guard.
        while let Some(candidate) = unsafe { segment.as_ref() } {
            let skip = offset.wrapping_sub(candidate.start());
            if skip < candidate.filled() as u64 {
                // SAFETY: the guard was taken before the call and lives as long as the slice.
                return match unsafe { candidate.bytes() } {
                    Some(bytes) => Location::Memory(&bytes[skip as usize..]),
                    None => Location::Spool(candidate.filled() as u64 - skip),
                };
            }
            segment = candidate.next.load(Ordering::Acquire);
        }
        Location::Absent
    }

    /// The newest segment of a block, null, or `SPOOLED`. The caller holds a read guard.
    #[inline]
    fn newest(&self, block: u64) -> *mut Segment {
        // SAFETY: the root lives as long as the index. Any other node, also one that was the root,
        // lives until `synchronize` has returned after it was unlinked, and `synchronize` waits for
        // the caller's guard.
        let root = unsafe { self.root.load(Ordering::Acquire).as_ref() };
        let mut node = match root {
            Some(root) if root.reaches(block) => root,
            _ => return null_mut(),
        };
        loop {
            // SeqCst: R3 in `sync::rcu`.
            let child = node.slot(block).load(Ordering::SeqCst);
            if node.height == 0 {
                return child.cast();
            }
            if child.addr() & NO_NODE != 0 {
                // If they are of another block, none of them holds the offset.
                return segments(child);
            }
            // SAFETY: `child` is null or a node, which lives while the caller's guard is held.
            match unsafe { child.cast::<Node>().as_ref() } {
                Some(below) => node = below,
                None => return null_mut(),
            }
        }
    }

    /// Allocates the nodes from which a segment at `offset` will hang, so that `insert` cannot
    /// fail.
    pub(crate) fn prepare(&self, writer: &mut Writer, offset: u64) -> Result<()> {
        self.node(writer, offset / BLOCK, true).map(|_| ())
    }

    /// Links a segment for whose offset `prepare` was called.
    #[inline(always)]
    pub(crate) fn insert(&self, writer: &mut Writer, segment: Shared<Segment>) {
        let block = segment.start() / BLOCK;
        let found = self.node(writer, block, true);
        let (node, _) = found.expect("`prepare` allocated the nodes");
        let slot = node.slot(block);
        let older = segments(slot.load(Ordering::Relaxed));
        debug_assert!(
            older != SPOOLED,
            "a block that is completely buffered gets no new segment"
        );
        segment.next.store(older, Ordering::Relaxed);
        let newest = segment.into_raw().cast::<()>();
        slot.store(node.held(newest), Ordering::SeqCst);
        writer.taken += SEGMENT;
    }

    /// The committed bytes of a segment in memory.
    pub(crate) fn bytes<'s>(&self, _spiller: &'s Spiller, segment: &'s Segment) -> &'s [u8] {
        // SAFETY: only `unlink` releases a linked segment, and it needs the spiller, which is
        // borrowed for as long as the slice. `reclaim` releases only one that nobody else holds.
        unsafe { segment.bytes() }.unwrap_or_default()
    }

    /// Takes the memory of `segment`, whose bytes are in the spool file, away from the readers. If
    /// it was the last segment of its block in memory, the block may collapse.
    pub(crate) fn unlink<'i>(
        &'i self,
        writer: &mut Writer,
        _spiller: &'i mut Spiller,
        segment: &Segment,
    ) -> Option<Retired<'i>> {
        let chunk = segment.release()?;
        let collapsed = self.collapse(writer, segment.start() / BLOCK);
        let collapsed = collapsed.unwrap_or_default();
        Some(Retired {
            domain: &self.domain,
            freed: Some((chunk, collapsed)),
        })
    }

    /// Replaces the segments of a block by the sentinel, if they fill it and none is in memory.
    /// Replaces the leaf too, if it then holds only sentinels. None if nothing was replaced.
    fn collapse(&self, writer: &mut Writer, block: u64) -> Option<Collapsed> {
        let (node, _) = self.node(writer, block, true).ok()?;
        let newest = segments(node.slot(block).load(Ordering::Relaxed));
        debug_assert!(
            newest != SPOOLED,
            "a block with bytes in memory has no sentinel"
        );
        let (mut bytes, mut count, mut segment) = (0, 0, newest);
        // SAFETY: only the writer unlinks segments, and it is borrowed here.
        while let Some(here) = unsafe { segment.as_ref() } {
            if here.is_in_memory() {
                return None;
            }
            bytes += here.filled() as u64;
            count += 1;
            segment = here.next.load(Ordering::Relaxed);
        }
        if bytes < BLOCK {
            return None;
        }
        // A sentinel is in a leaf. If memory for a leaf runs out, the segments stay.
        let (leaf, above) = self.node(writer, block, false).ok()?;
        leaf.slot(block).store(SPOOLED.cast(), Ordering::SeqCst);
        writer.taken -= count * SEGMENT;
        let slots = leaf.slots.iter();
        let is_full = slots
            .map(|slot| slot.load(Ordering::Relaxed))
            .all(|held| held == SPOOLED.cast());
        let leaf = above.filter(|_| is_full).and_then(|above| {
            writer.taken -= size_of::<Node>();
            NonNull::new(above.swap(SPOOLED.cast(), Ordering::SeqCst).cast()).map(Leaf)
        });
        Some((Chain(newest), leaf))
    }

    /// Unlinks a block that has left the window, and the nodes below which nothing is left then. All
    /// blocks before it are unlinked.
    pub(crate) fn drop_block(&self, writer: &mut Writer, block: u64) -> Dropped<'_> {
        let mut dropped = Dropped {
            domain: &self.domain,
            spooled: 0,
            freed: (Chain::default(), Subtree(null_mut())),
            has_readers: false,
        };
        // SAFETY: only the writer removes nodes, and it is borrowed here.
        let root = unsafe { self.root.load(Ordering::Relaxed).as_ref() };
        let Some(mut node) = root.filter(|root| root.reaches(block)) else {
            return dropped;
        };
        // The highest slot below which nothing is left, and the number of nodes there.
        let (mut emptied, mut nodes) = (None, 0);
        loop {
            let slot = node.slot(block);
            let held = slot.load(Ordering::Relaxed);
            let is_last = (block + 1) % (1 << (FANOUT_BITS * node.height)) == 0;
            if node.height == 0 || held.addr() & NO_NODE != 0 {
                dropped.take(writer, slot, block, is_last);
                break;
            }
            // SAFETY: `held` is null or a node, and only the writer, borrowed here, removes nodes.
            let Some(below) = (unsafe { held.cast::<Node>().as_ref() }) else {
                break;
            };
            if is_last {
                emptied = emptied.or(Some(slot));
                nodes += 1;
            }
            node = below;
        }
        if let Some(slot) = emptied {
            dropped.has_readers = true;
            dropped.freed.1 = Subtree(slot.swap(null_mut(), Ordering::SeqCst).cast());
            writer.taken -= nodes * size_of::<Node>();
        }
        dropped
    }

    /// Finds the node whose slot is, or will be, that of a block's segments, and the slot from
    /// which that node hangs unless it is the root. Allocates missing nodes on the way. With
    /// `lone`, the result is the first node below which no other block has segments; else it is the
    /// leaf. For the writer only, and for blocks without a sentinel.
    #[inline]
    fn node(
        &self,
        writer: &mut Writer,
        block: u64,
        lone: bool,
    ) -> Result<(&Node, Option<&AtomicPtr<()>>)> {
        // SAFETY: only the writer removes nodes, and it is borrowed here.
        match unsafe { self.root.load(Ordering::Relaxed).as_ref() } {
            // The root is the only node of a resource below 16 MiB.
            Some(root) if root.height == 0 && root.reaches(block) => Ok((root, None)),
            _ => self.node_below(writer, block, lone),
        }
    }

    /// The same if there are several nodes, or more are needed.
    #[inline(never)]
    fn node_below(
        &self,
        writer: &mut Writer,
        block: u64,
        lone: bool,
    ) -> Result<(&Node, Option<&AtomicPtr<()>>)> {
        let mut root = self.root.load(Ordering::Relaxed);
        // SAFETY: only the writer removes nodes, and it is borrowed here.
        while !unsafe { root.as_ref() }.is_some_and(|root| root.reaches(block)) {
            // SAFETY: only the writer removes nodes, and it is borrowed here.
            let height = unsafe { root.as_ref() }.map_or(0, |root| root.height + 1);
            let above = Node::make(writer, height)?;
            // The old root, which may be null, is the first child of the new one.
            above.slots[0].store(root.cast(), Ordering::Relaxed);
            root = Box::into_raw(above);
            self.root.store(root, Ordering::Release);
        }
        // SAFETY: the loop ended at a node, and only the writer, borrowed here, removes nodes.
        let mut node = unsafe { &*root };
        let mut above = None;
        while node.height > 0 {
            let slot = node.slot(block);
            let mut child = slot.load(Ordering::Relaxed);
            assert!(child != SPOOLED.cast(), "nothing comes to what is held");
            if child.is_null() || child.addr() & LONE != 0 {
                // SAFETY: only the writer unlinks segments, and it is borrowed here.
                let held = unsafe { segments(child).as_ref() }.map(|held| held.start() / BLOCK);
                if lone && held.is_none_or(|held| held == block) {
                    break;
                }
                let below = Node::make(writer, node.height - 1)?;
                if let Some(held) = held {
                    let moved = below.held(segments(child).cast());
                    below.slot(held).store(moved, Ordering::Relaxed);
                }
                child = Box::into_raw(below).cast();
                slot.store(child, Ordering::SeqCst);
            }
            above = Some(slot);
            // SAFETY: `child` is a node, and only the writer, borrowed here, removes nodes.
            node = unsafe { &*child.cast::<Node>() };
        }
        Ok((node, above))
    }
}

impl Writer {
    /// The memory that the index takes, in bytes, not counting the segments' chunks.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // SAFETY: the index is being dropped, so it has no reader and no writer, and its nodes came
        // from `Box::into_raw`.
        unsafe { Node::tear_down(self.root.load(Ordering::Relaxed)) };
    }
}
