//! A demand: the bytes that a call waits for, or that the helper fetches.

/// The bytes that a call waits for.
#[derive(Clone, Copy)]
pub(crate) struct Demand {
    /// The offset of the first missing byte.
    pub(crate) offset: u64,
    /// The number of bytes to wait for; at least 1.
    pub(crate) length: u64,
    /// The number of bytes that the call can take, for which the source may be asked.
    pub(crate) capacity: u64,
    /// The state's `cancels` when the call began.
    pub(crate) cancels: u64,
}
