//! A demand: the bytes that a call waits for, or that the helper fetches.

/// Who makes the source deliver the bytes that a waiting call needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Puller {
    /// The call itself, on its own thread, when it is elected.
    Caller,
    /// The helper thread.
    Helper,
    /// The helper thread, or the call itself while the crew has no thread for that: the crew's threads
    /// may be waiting for this one.
    Either,
    /// Nobody on its behalf: it takes what is delivered for others.
    Others,
}

impl Puller {
    /// Whether the helper thread does, if there is one.
    pub(crate) fn is_helper(self) -> bool {
        matches!(self, Puller::Helper | Puller::Either)
    }

    /// Whether the call itself may have to.
    pub(crate) fn may_be_caller(self) -> bool {
        matches!(self, Puller::Caller | Puller::Either)
    }
}

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
