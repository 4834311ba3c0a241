//! The extras of a write state: what a store needs only if its source was replaced, if its bytes are
//! pushed, or if it is in a budget. Most stores never have any, and pay for a pointer.

use crate::store::membership::Membership;
use crate::store::memory::chunk::Chunk;
use crate::store::segment::Segment;
use crate::sync::shared::Shared;

#[derive(Default)]
pub(super) struct Extras {
    /// Segments to which a source that was replaced may still write. They get no more bytes, and
    /// stay in memory until it has returned.
    pub(super) lent: Vec<Shared<Segment>>,
    /// Chunks that are kept while bytes are pushed, besides the write state's spare.
    pub(super) spares: Vec<Chunk>,
    /// The store's part in a budget. Dropped last, when the memory is free.
    pub(super) member: Option<Membership>,
}
