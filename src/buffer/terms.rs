//! The terms of a reader: what it imposes on each of its reads.

use crate::pull::cancel_token::CancelToken;

pub(crate) struct Terms {
    pub(crate) cancel_token: CancelToken,
    /// The most bytes to go past the buffered ones, if the source cannot seek.
    pub(crate) reach: u64,
}
