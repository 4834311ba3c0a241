//! The terms of a reader: what it imposes on each of its reads.

use crate::pull::cancel_token::CancelToken;

pub(crate) struct Terms {
    pub(crate) cancel_token: CancelToken,
    /// The most bytes by which a seek may pass the buffered ones, if the source cannot seek. It does
    /// not limit reads: a source may show only then that it cannot seek, and a player that was
    /// allowed to go there has no other way.
    pub(crate) reach: u64,
}
