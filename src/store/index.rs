//! The index: which segment, or the spool file, holds the byte at an offset.
//!
//! A radix tree over the blocks of the resource (256 KiB each, 64 to a node) that grows upwards as
//! offsets grow; a leaf holds the newest segment of its block, which links to older ones. A stream
//! that is only read forwards has one segment a block, apart from the first block, where segments
//! start small. A block that is wholly in the spool file is a sentinel instead of segments, and a leaf of
//! such blocks is collapsed to a sentinel too, so that what is far behind takes next to nothing, in
//! memory and in the processor's caches. And where a source jumps about, the segments of a block that is alone
//! under a slot hang from that slot, without the nodes in between.
//!
//! Readers take no lock: they enter the domain, walk, and use what they found until they drop the guard. The one
//! [`Writer`] links and unlinks; the one [`Spiller`] synchronizes before memory goes.

#![allow(unsafe_code)]

use std::ptr::{NonNull, null_mut};

use crate::error::Result;
use crate::store::memory::BLOCK;
use crate::store::memory::chunk::Chunk;
use crate::store::segment::Segment;
use crate::sync::rcu::{Domain, DomainRef, ReadGuard};
use crate::sync::shared::{Shared, try_box};
use crate::sync::{AtomicPtr, Ordering};

const FANOUT_BITS: u32 = if cfg!(loom) { 1 } else { 6 };
const FANOUT: usize = 1 << FANOUT_BITS;

/// Instead of a segment, or of a leaf: all of the block, or of the leaf's, is in the spool file.
const SPOOLED: *mut Segment = std::ptr::without_provenance_mut(SENTINEL);
const SENTINEL: usize = 1;

/// Set in a pointer that a node above the leaves holds: it is to the segments of the one block that
/// has any below.
const LONE: usize = 2;

/// Set in what is no pointer to a node.
const NO_NODE: usize = SENTINEL | LONE;

/// What a segment takes besides its bytes.
const SEGMENT: usize = Shared::<Segment>::SIZE;

pub(crate) struct Index {
    domain: DomainRef,
    root: AtomicPtr<Node>,
}

/// The right to change an index; there is one for each.
pub(crate) struct Writer {
    /// Memory that the index takes, in bytes.
    taken: usize,
}

/// The right to take memory away from an index; there is one for each.
pub(crate) struct Spiller(());

/// Memory that new readers do not find and old ones may still read.
pub(crate) struct Retired<'i> {
    domain: &'i Domain,
    freed: Option<(Chunk, Collapsed)>,
}

impl Retired<'_> {
    /// The memory, once the last reader has left it.
    pub(crate) fn wait(mut self) -> Option<Chunk> {
        self.domain.synchronize();
        self.freed.take().map(|(block, _folded)| block)
    }
}

impl Drop for Retired<'_> {
    fn drop(&mut self) {
        if self.freed.is_some() {
            self.domain.synchronize();
        }
    }
}

struct Node {
    /// Levels below this one; 0 for a leaf.
    height: u32,
    /// Nodes, or in a leaf segments.
    slots: [AtomicPtr<()>; FANOUT],
}

/// The location of the byte at an offset, and of those that follow it there.
pub(crate) enum Location<'p> {
    /// In memory; the slice starts at the offset.
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

    /// Looks `offset` up, with a read guard of this index.
    #[inline]
    pub(crate) fn find<'p>(&'p self, offset: u64, guard: &'p ReadGuard<'_>) -> Location<'p> {
        debug_assert!(self.domain.gave(guard));
        let mut segment = self.newest(offset / BLOCK);
        if segment == SPOOLED {
            return Location::Spool(BLOCK - offset % BLOCK);
        }
        // SAFETY: what is linked is live until `synchronize` has returned after its unlinking.
        while let Some(candidate) = unsafe { segment.as_ref() } {
            let skip = offset.wrapping_sub(candidate.start());
            if skip < candidate.filled() as u64 {
                // SAFETY: the guard was taken before the call.
                return match unsafe { candidate.bytes() } {
                    Some(bytes) => Location::Memory(&bytes[skip as usize..]),
                    None => Location::Spool(candidate.filled() as u64 - skip),
                };
            }
            segment = candidate.next.load(Ordering::Acquire);
        }
        Location::Absent
    }

    /// The newest segment of a block, null, or `SPOOLED`.
    #[inline]
    fn newest(&self, block: u64) -> *mut Segment {
        // SAFETY: here and below: leaves live until `synchronize` has returned after a sentinel replaced them,
        // the nodes above them as long as the index.
        let root = unsafe { self.root.load(Ordering::Acquire).as_ref() };
        let mut node = match root {
            Some(root) if root.reaches(block) => root,
            _ => return null_mut(),
        };
        loop {
            // SeqCst: see `Domain::enter`.
            let child = node.slot(block).load(Ordering::SeqCst);
            if node.height == 0 {
                return child.cast();
            }
            if child.addr() & NO_NODE != 0 {
                // Of another block, they just don't have the offset.
                return segments(child);
            }
            // SAFETY: as above.
            match unsafe { child.cast::<Node>().as_ref() } {
                Some(below) => node = below,
                None => return null_mut(),
            }
        }
    }

    /// Makes the nodes that a segment at `offset` will hang from, so that `insert` can't fail.
    pub(crate) fn prepare(&self, writer: &mut Writer, offset: u64) -> Result<()> {
        self.node(writer, offset / BLOCK, true).map(|_| ())
    }

    /// Links a segment whose place was prepared.
    pub(crate) fn insert(&self, writer: &mut Writer, segment: Shared<Segment>) {
        let block = segment.start() / BLOCK;
        let place = self.node(writer, block, true);
        let (node, _) = place.expect("the place was prepared");
        let slot = node.slot(block);
        let older = segments(slot.load(Ordering::Relaxed));
        debug_assert!(
            older != SPOOLED,
            "a block that is wholly held gets no new segment"
        );
        segment.next.store(older, Ordering::Relaxed);
        let newest = segment.into_raw().cast::<()>();
        slot.store(node.held(newest), Ordering::SeqCst);
        writer.taken += SEGMENT;
    }

    /// The published bytes of a segment in memory.
    pub(crate) fn bytes<'s>(&self, _spiller: &'s Spiller, segment: &'s Segment) -> &'s [u8] {
        // SAFETY: unlinking takes the spiller, which is borrowed for as long as the slice.
        unsafe { segment.bytes() }.unwrap_or_default()
    }

    /// The bytes of `segment` are in the spool file: takes its memory away from the readers, and
    /// the segment itself if that was the last one of its block to go.
    pub(crate) fn unlink<'i>(
        &'i self,
        writer: &mut Writer,
        _spiller: &'i mut Spiller,
        segment: &Segment,
    ) -> Option<Retired<'i>> {
        let block = segment.release()?;
        let collapsed = self.collapse(writer, segment.start() / BLOCK);
        let collapsed = collapsed.unwrap_or_default();
        Some(Retired {
            domain: &self.domain,
            freed: Some((block, collapsed)),
        })
    }

    /// Replaces the segments of a block by the sentinel, if they fill it and none is in memory; and its
    /// leaf, if that holds only sentinels then. None if nothing is to be replaced.
    fn collapse(&self, writer: &mut Writer, block: u64) -> Option<Collapsed> {
        let (node, _) = self.node(writer, block, true).ok()?;
        let newest = segments(node.slot(block).load(Ordering::Relaxed));
        debug_assert!(
            newest != SPOOLED,
            "a block with bytes in memory is no sentinel"
        );
        let (mut bytes, mut count, mut segment) = (0, 0, newest);
        // SAFETY: this is the writer: nobody else unlinks.
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
        // A sentinel is in a leaf. Without memory for one the segments stay.
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

    /// The node whose slot is, or will be, that of a block's segments, with the nodes down to it made
    /// where they are missing; and the slot that it hangs from, if it is not the root. It is the leaf,
    /// or, where `lone` will do, the first node below which no other block has segments. For the
    /// writer, and for blocks without a sentinel.
    fn node(
        &self,
        writer: &mut Writer,
        block: u64,
        lone: bool,
    ) -> Result<(&Node, Option<&AtomicPtr<()>>)> {
        let mut root = self.root.load(Ordering::Relaxed);
        // SAFETY: here and below: this is the writer: nobody else takes nodes away.
        while !unsafe { root.as_ref() }.is_some_and(|root| root.reaches(block)) {
            // SAFETY: as above.
            let height = unsafe { root.as_ref() }.map_or(0, |root| root.height + 1);
            let above = Node::make(writer, height)?;
            // The old root is the first child of the new one; of none, no child.
            above.slots[0].store(root.cast(), Ordering::Relaxed);
            root = Box::into_raw(above);
            self.root.store(root, Ordering::Release);
        }
        // SAFETY: as above, and the loop ended at a node.
        let mut node = unsafe { &*root };
        let mut above = None;
        while node.height > 0 {
            let slot = node.slot(block);
            let mut child = slot.load(Ordering::Relaxed);
            assert!(child != SPOOLED.cast(), "nothing comes to what is held");
            if child.is_null() || child.addr() & LONE != 0 {
                // SAFETY: this is the writer: nobody else unlinks.
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
            // SAFETY: as above.
            node = unsafe { &*child.cast::<Node>() };
        }
        Ok((node, above))
    }
}

/// The segments that a slot holds, if it holds no node: the newest, null, or `SPOOLED`.
fn segments(held: *mut ()) -> *mut Segment {
    held.map_addr(|held| held & !LONE).cast()
}

impl Writer {
    /// Memory that the index takes, in bytes, without that of the segments' own bytes.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }
}

impl Node {
    fn make(writer: &mut Writer, height: u32) -> Result<Box<Node>> {
        let slots = std::array::from_fn(|_| AtomicPtr::new(null_mut()));
        let made = try_box(Node { height, slots })?;
        writer.taken += size_of::<Node>();
        Ok(made)
    }

    /// How a slot of this node holds segments.
    fn held(&self, segments: *mut ()) -> *mut () {
        let lone = if self.height > 0 { LONE } else { 0 };
        segments.map_addr(|segments| segments | lone)
    }

    /// Whether this node, as the root, has a slot for the block.
    fn reaches(&self, block: u64) -> bool {
        block >> (FANOUT_BITS * self.height) < FANOUT as u64
    }

    fn slot(&self, block: u64) -> &AtomicPtr<()> {
        &self.slots[(block >> (FANOUT_BITS * self.height)) as usize % FANOUT]
    }

    /// Drops the node with all below it.
    ///
    /// # Safety
    /// `node` is null or came from `Box::into_raw`, and nobody else can reach it.
    unsafe fn tear_down(node: *mut Node) {
        if node.is_null() {
            return;
        }
        // SAFETY: the caller guarantees that `node` came from `Box::into_raw` and is unreachable.
        let node = unsafe { Box::from_raw(node) };
        for slot in &node.slots {
            let child = slot.load(Ordering::Relaxed);
            if child.is_null() || child == SPOOLED.cast() {
                // Nothing is there, or left of it.
            } else if node.height > 0 && child.addr() & LONE == 0 {
                // SAFETY: children are made by `node` and reached from here only.
                unsafe { Node::tear_down(child.cast()) };
            } else {
                drop(Chain(segments(child)));
            }
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // SAFETY: the index is being dropped: no reader, no writer.
        unsafe { Node::tear_down(self.root.load(Ordering::Relaxed)) };
    }
}

/// What a sentinel has replaced: segments, and the leaf that they were the last of.
type Collapsed = (Chain, Option<Leaf>);

/// A leaf that is linked to nothing any more. Not a box: until `synchronize` has returned, readers see it.
struct Leaf(NonNull<Node>);

impl Drop for Leaf {
    fn drop(&mut self) {
        // SAFETY: put there by `Box::into_raw`, in `node`, and nobody can reach it any more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Segments that are linked to each other and to nothing else; dropped together.
struct Chain(*mut Segment);

impl Default for Chain {
    fn default() -> Chain {
        Chain(null_mut())
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        while !self.0.is_null() {
            // SAFETY: `insert` put the pointer there by into_raw, and nobody can reach it any more.
            let segment = unsafe { Shared::from_raw(self.0) };
            self.0 = segment.next.load(Ordering::Relaxed);
        }
    }
}
