//! The index: which segment, or the spool file, holds the byte at an offset.
//!
//! A radix tree over the blocks of the resource (256 KiB each, 64 to a node) that grows upwards as
//! offsets grow; a leaf holds the newest segment of its block, which links to older ones. A stream
//! that is only read forwards has one segment a block, apart from the first block, where segments
//! start small. A block that is wholly in the spool file is a mark instead of segments.
//!
//! Readers take no lock: they pin, walk, and use what they found until the pin is dropped. The one
//! [`Writer`] links and unlinks; the one [`Spiller`] waits for the pins before memory goes.

use std::ptr::null_mut;

use crate::error::Result;
use crate::memory::Block;
use crate::pins::{Keeper, Pin, Pins};
use crate::segment::Segment;
use crate::shared::{Shared, try_box};
use crate::sync::{AtomicPtr, Ordering};

/// The size of a block and so of the largest segment, in bytes.
#[cfg(not(loom))]
pub(crate) const BLOCK: u64 = 256 * 1024;
// As small as can be: every slot is one more object that a model has to follow.
#[cfg(loom)]
pub(crate) const BLOCK: u64 = 4;

const FANOUT_BITS: u32 = if cfg!(loom) { 1 } else { 6 };
const FANOUT: usize = 1 << FANOUT_BITS;

/// In a leaf: all of the block is in the spool file.
const SPOOLED: *mut Segment = std::ptr::without_provenance_mut(1);

pub(crate) struct Index {
    pins: Keeper,
    root: AtomicPtr<Node>,
}

/// The right to change an index; there is one for each.
pub(crate) struct Writer(());

/// The right to take memory away from an index; there is one for each.
pub(crate) struct Spiller(());

/// Memory that new readers don't find, and old ones may still read.
pub(crate) struct Unlinked<'i> {
    pins: &'i Pins,
    freed: Option<(Block, Chain)>,
}

impl Unlinked<'_> {
    /// The memory, once the last reader has left it.
    pub(crate) fn wait(mut self) -> Option<Block> {
        self.pins.wait();
        self.freed.take().map(|(block, _segments)| block)
    }
}

impl Drop for Unlinked<'_> {
    fn drop(&mut self) {
        if self.freed.is_some() {
            self.pins.wait();
        }
    }
}

struct Node {
    /// Levels below this one; 0 for a leaf.
    height: u32,
    /// Nodes, or in a leaf segments.
    slots: [AtomicPtr<()>; FANOUT],
}

/// Where the byte at an offset is, and what follows it there.
pub(crate) enum Place<'p> {
    /// In memory; the slice starts at the offset.
    Memory(&'p [u8]),
    /// In the spool file, with so many bytes from the offset on.
    Spool(u64),
    Absent,
}

impl Index {
    pub(crate) fn new(pins: Keeper) -> (Index, Writer, Spiller) {
        (
            Index {
                pins,
                root: AtomicPtr::new(null_mut()),
            },
            Writer(()),
            Spiller(()),
        )
    }

    #[inline]
    pub(crate) fn pin(&self) -> Pin<'_> {
        self.pins.enter()
    }

    /// Looks `offset` up, with a pin of this index.
    #[inline]
    pub(crate) fn find<'p>(&'p self, offset: u64, pin: &'p Pin<'_>) -> Place<'p> {
        debug_assert!(self.pins.gave(pin));
        let mut segment = self.newest(offset / BLOCK);
        if segment == SPOOLED {
            return Place::Spool(BLOCK - offset % BLOCK);
        }
        // SAFETY: what is linked is live until the pins are waited for after its unlinking.
        while let Some(candidate) = unsafe { segment.as_ref() } {
            let skip = offset.wrapping_sub(candidate.start());
            if skip < candidate.filled() as u64 {
                // SAFETY: the pin was taken before the call.
                return match unsafe { candidate.bytes() } {
                    Some(bytes) => Place::Memory(&bytes[skip as usize..]),
                    None => Place::Spool(candidate.filled() as u64 - skip),
                };
            }
            segment = candidate.next.load(Ordering::Acquire);
        }
        Place::Absent
    }

    /// The newest segment of a block, null, or `SPOOLED`.
    #[inline]
    fn newest(&self, block: u64) -> *mut Segment {
        // SAFETY: here and below: nodes live as long as the index.
        let root = unsafe { self.root.load(Ordering::Acquire).as_ref() };
        let mut node = match root {
            Some(root) if root.reaches(block) => root,
            _ => return null_mut(),
        };
        loop {
            // SeqCst for the sake of the leaf: see `Pins::enter`.
            let child = node.slot(block).load(Ordering::SeqCst);
            if node.height == 0 {
                return child.cast();
            }
            // SAFETY: as above.
            match unsafe { child.cast::<Node>().as_ref() } {
                Some(below) => node = below,
                None => return null_mut(),
            }
        }
    }

    /// Makes the nodes that a segment at `offset` will hang from, so that `insert` can't fail.
    pub(crate) fn prepare(&self, _writer: &mut Writer, offset: u64) -> Result<()> {
        self.leaf(offset / BLOCK).map(|_| ())
    }

    /// Links a segment whose place was prepared.
    pub(crate) fn insert(&self, _writer: &mut Writer, segment: Shared<Segment>) {
        let slot = self
            .leaf(segment.start() / BLOCK)
            .expect("the place was prepared");
        let older = slot.load(Ordering::Relaxed).cast::<Segment>();
        debug_assert!(
            older != SPOOLED,
            "a block that is wholly held gets no new segment"
        );
        segment.next.store(older, Ordering::Relaxed);
        slot.store(segment.into_raw().cast(), Ordering::SeqCst);
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
        _writer: &mut Writer,
        _spiller: &'i mut Spiller,
        segment: &Segment,
    ) -> Option<Unlinked<'i>> {
        let block = segment.release()?;
        let segments = self.fold(segment.start() / BLOCK);
        Some(Unlinked {
            pins: &self.pins,
            freed: Some((block, segments)),
        })
    }

    /// Replaces the segments of a block by the mark, if they fill it and none is in memory.
    fn fold(&self, block: u64) -> Chain {
        let Ok(slot) = self.leaf(block) else {
            return Chain(null_mut());
        };
        let newest = slot.load(Ordering::Relaxed).cast::<Segment>();
        if newest == SPOOLED {
            return Chain(null_mut());
        }
        let (mut bytes, mut segment) = (0, newest);
        // SAFETY: this is the writer: nobody else unlinks.
        while let Some(here) = unsafe { segment.as_ref() } {
            if here.is_in_memory() {
                return Chain(null_mut());
            }
            bytes += here.filled() as u64;
            segment = here.next.load(Ordering::Relaxed);
        }
        if bytes < BLOCK {
            return Chain(null_mut());
        }
        slot.store(SPOOLED.cast(), Ordering::SeqCst);
        Chain(newest)
    }

    /// The slot of a block, with the nodes down to it made where they are missing. For the writer.
    fn leaf(&self, block: u64) -> Result<&AtomicPtr<()>> {
        let mut root = self.root.load(Ordering::Relaxed);
        // SAFETY: here and below: nodes live as long as the index.
        while !unsafe { root.as_ref() }.is_some_and(|root| root.reaches(block)) {
            // SAFETY: as above.
            let height = unsafe { root.as_ref() }.map_or(0, |root| root.height + 1);
            let above = Node::make(height)?;
            // The old root is the first child of the new one; of none, no child.
            above.slots[0].store(root.cast(), Ordering::Relaxed);
            root = Box::into_raw(above);
            self.root.store(root, Ordering::Release);
        }
        // SAFETY: as above, and the loop ended at a node.
        let mut node = unsafe { &*root };
        while node.height > 0 {
            let slot = node.slot(block);
            let mut child = slot.load(Ordering::Relaxed).cast::<Node>();
            if child.is_null() {
                child = Box::into_raw(Node::make(node.height - 1)?);
                slot.store(child.cast(), Ordering::Release);
            }
            // SAFETY: as above.
            node = unsafe { &*child };
        }
        Ok(node.slot(block))
    }
}

impl Node {
    fn make(height: u32) -> Result<Box<Node>> {
        let slots = std::array::from_fn(|_| AtomicPtr::new(null_mut()));
        try_box(Node { height, slots })
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
        // SAFETY: the caller's.
        let node = unsafe { Box::from_raw(node) };
        for slot in &node.slots {
            let child = slot.load(Ordering::Relaxed);
            if node.height > 0 {
                // SAFETY: children are made by `leaf` and reached from here only.
                unsafe { Node::tear_down(child.cast()) };
            } else if child.cast() != SPOOLED {
                drop(Chain(child.cast()));
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

/// Segments that are linked to each other and to nothing else; dropped together.
struct Chain(*mut Segment);

impl Drop for Chain {
    fn drop(&mut self) {
        while !self.0.is_null() {
            // SAFETY: `insert` put the pointer there by into_raw, and nobody can reach it any more.
            let segment = unsafe { Shared::from_raw(self.0) };
            self.0 = segment.next.load(Ordering::Relaxed);
        }
    }
}
