//! The window: of a stream without an end, only the newest bytes are kept.
//!
//! ```text
//!           tail                        frontier
//!  dropped   |  spool file  |  memory      |   not there yet
//! -----------+--------------+--------------+---------------->
//!  SB_ERR_LAPPED
//! ```
//!
//! The *tail* is the offset of the oldest byte that is kept. It moves by whole blocks, before the source
//! gets memory for more bytes: first in the [extent](crate::pull::extent), under the gate's lock, which
//! decides what calls are told; then here, where [`lap`](crate::store::lap) removes the blocks from the queue
//! of sealed segments and from the index. Their memory is used again once no reader is left in it.
//!
//! The spool file is a ring: a block is written to the slot `block % slots`, over a block that was
//! dropped before. There is a slot for each block that can be kept at a time, so that the file does not
//! grow past them on any file system.
//!
//! # Why no reader gets other bytes
//!
//! In memory, because of the read guard: a chunk is not used again before every reader has left that
//! could have found it. In the file there is no such guard, since a read of a file may take any time.
//! It is enough to check afterwards:
//!
//! ```text
//! reader                            writer
//! R1  find: it is in the file       W1  tail.store
//! R2  read the slot                 W2  write the next block to the slot
//! R3  tail.load
//! ```
//!
//! If R2 reads a byte of W2, then W1 came before, and R3 sees it: the bytes are discarded, and the read
//! is lapped. A check before R2 alone would be wrong, since both W1 and W2 may come between the two.
//!
//! # Dropping and spilling
//!
//! A push that drops a block must not wait for the helper, which may be writing that very block. So it
//! does not take the `spilling` lock: the thread that spills holds a count of its segment, which keeps the
//! memory, and finds out under the `writing` lock that the block was dropped meanwhile. What it wrote is in
//! a slot that is free then, because only one thread at a time writes.

use crate::store::memory::BLOCK;
use crate::sync::{AtomicU64, Ordering, fence};

pub(super) struct Window {
    /// The number of bytes to keep behind the newest; 0 for all.
    size: u64,
    /// The offset of the oldest byte that is kept.
    tail: AtomicU64,
}

impl Window {
    pub(super) fn new(size: u64) -> Window {
        Window {
            size,
            tail: AtomicU64::new(0),
        }
    }

    /// Whether only the newest bytes are kept.
    pub(super) fn exists(&self) -> bool {
        self.size > 0
    }

    /// The size of the ring: one slot more than the blocks of the window, for the newest one.
    pub(super) fn ring(&self) -> u64 {
        let slots = self.size.div_ceil(BLOCK).saturating_add(1);
        slots.saturating_mul(BLOCK)
    }

    /// The place of a byte in the spool file.
    pub(super) fn place(&self, offset: u64) -> u64 {
        match self.exists() {
            true => offset % self.ring(),
            false => offset,
        }
    }

    /// The limit of what is in memory: none if all of the window fits.
    pub(super) fn limit(&self, max_memory: u64) -> u64 {
        match self.exists() && self.size <= max_memory {
            true => u64::MAX,
            false => max_memory,
        }
    }

    /// The most bytes that are likely to be in memory under this limit.
    pub(super) fn most(&self, limit: u64) -> u64 {
        match self.exists() {
            true => limit.min(self.size),
            false => limit,
        }
    }

    pub(super) fn tail(&self) -> u64 {
        self.tail.load(Ordering::Relaxed)
    }

    /// Moves the tail, before the slots of the blocks before it are written again.
    pub(super) fn move_tail(&self, tail: u64) {
        // W1.
        self.tail.store(tail, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Whether a byte has been dropped. Called after it was read.
    pub(super) fn has_dropped(&self, offset: u64) -> bool {
        // R3. Pairs with the fence after W1.
        fence(Ordering::SeqCst);
        offset < self.tail.load(Ordering::SeqCst)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
