//! Memory for the resource's bytes: never moved, and released to the system when unused.
//!
//! A [chunk](chunk::Chunk) is the memory of one segment. It is [mapped](map), or a part of an
//! [arena], which [`ChunkAllocator`](chunk_allocator::ChunkAllocator) hands out a block's
//! worth at a time.

pub(crate) mod arena;
pub(crate) mod chunk;
pub(crate) mod chunk_allocator;
pub(crate) mod map;

/// The resource is divided into blocks of this many bytes; no segment is larger.
#[cfg(not(loom))]
pub(crate) const BLOCK: u64 = 256 * 1024;
// As small as possible: each slot is one more object that loom has to follow.
#[cfg(loom)]
pub(crate) const BLOCK: u64 = 4;
