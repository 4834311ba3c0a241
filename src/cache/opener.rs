//! The opener: how the cache gets the resource of a key.

use crate::error::Result;
use crate::source::Source;

/// What an opener returns: the resource of a key, now.
pub(crate) struct Opened {
    /// None if the bytes that the cache has are the same and need no source.
    pub(crate) source: Option<Box<dyn Source>>,
    pub(crate) size: Option<u64>,
    /// Equal tags, except 0, mean equal bytes.
    pub(crate) tag: u64,
}

/// Opens the resource of a key. Called without a lock, on a thread that opens the key or on one of the
/// library's.
pub(crate) trait Opener: Send + Sync {
    /// `old_tag` is the tag of the bytes that the cache has, if it needs no source for them. 0: it
    /// needs one.
    fn open(&self, key: &[u8], old_tag: u64) -> Result<Opened>;
}
