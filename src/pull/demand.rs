//! A demand: the bytes that a call waits for, or that the helper fetches.

/// The bytes that a call waits for.
#[derive(Clone, Copy)]
pub(crate) struct Demand {
    /// The first byte that is missing.
    pub(crate) offset: u64,
    /// How many bytes to wait for; 1 or more.
    pub(crate) length: u64,
    /// How many bytes the call has room for: what the source may be asked for.
    pub(crate) room: u64,
    /// `cancels` when the call began.
    pub(crate) cancels: u64,
}
