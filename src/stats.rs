//! Stats: one consistent snapshot of a buffer.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use crate::abi::{sb_spool, sb_state};
use crate::buffer::Buffer;
use crate::error::Error;
use crate::gate::Gate;
use crate::shared::Shared;

/// A snapshot of a [`StreamBuffer`](crate::StreamBuffer); all sizes and offsets in bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// What the size was said to be.
    pub declared: Option<u64>,
    /// What the size is, once the source has ended.
    pub final_size: Option<u64>,
    /// The lowest offset at which the source had nothing: an upper limit of the size.
    pub bound: Option<u64>,
    /// Whether the source ended below the declared size.
    pub ended_short: bool,
    /// How far the resource is buffered without a gap from its start.
    pub frontier: u64,
    /// Buffered bytes in memory.
    pub memory: u64,
    /// Buffered bytes in the spool file.
    pub disk: u64,
    /// Memory that the buffer takes besides the bytes in `memory`: what it knows them by, room that is
    /// not filled yet, and memory kept for bytes to come.
    pub overhead: u64,
    /// How often the source was read.
    pub pulls: u64,
    /// How often the source was made to seek.
    pub seeks: u64,
    /// How often a call slept.
    pub waits: u64,
    /// The source's own code at its last error, else 0.
    pub source_error: i64,
    /// The system's code at the last file operation that failed, else 0.
    pub system_error: i32,
    /// What the source is doing.
    pub state: sb_state,
    /// Why the source is not asked any more.
    pub failure: Option<Error>,
    /// Whether the source is asked to seek.
    pub seekable: bool,
    /// Where the spool file is.
    pub spool: sb_spool,
    /// The directory of the spool file, or the one where it could not be made; None before the first
    /// attempt to make it.
    pub spool_dir: Option<PathBuf>,
    /// Whether a helper thread exists.
    pub helper: bool,
}

impl Buffer {
    /// What a buffer takes without a byte.
    const TAKEN: u64 = (Shared::<Buffer>::SIZE + Shared::<Gate>::SIZE) as u64;

    pub(crate) fn stats(&self) -> Stats {
        // Before the lock of those who wait: whoever has the store's may be asking for memory.
        let taken = self.store.taken() + Buffer::TAKEN;
        let state = self.gate.lock();
        // Spilling moves bytes without this lock; what is held in all is under it.
        let disk = self.store.spooled().min(state.ranges.total());
        let memory = state.ranges.total() - disk;
        let spool = self.store.spool();
        // Where every byte is held, nothing is left to be stopped.
        let failure = if state.canceled && !state.is_complete() {
            Some(Error::Canceled)
        } else {
            state.failure.clone()
        };
        Stats {
            declared: state.declared,
            final_size: state.end,
            bound: state.end.or(state.bound),
            ended_short: state.has_ended_short(),
            frontier: state.frontier(),
            memory,
            disk,
            // Bytes may have come since.
            overhead: (taken + state.ranges.taken() as u64).saturating_sub(memory),
            pulls: state.pulls,
            seeks: state.seeks,
            waits: state.waits,
            source_error: state.source_error,
            system_error: state.system_error,
            state: match (&failure, state.end) {
                (Some(Error::Canceled), _) => sb_state::SB_STATE_CANCELED,
                (Some(_), _) => sb_state::SB_STATE_FAILED,
                (None, Some(_)) => sb_state::SB_STATE_ENDED,
                (None, None) => sb_state::SB_STATE_OPEN,
            },
            failure,
            seekable: state.can_seek,
            spool: match spool {
                None => sb_spool::SB_SPOOL_NONE,
                Some(spool) if spool.is_in_memory() => sb_spool::SB_SPOOL_MEMORY,
                Some(_) => sb_spool::SB_SPOOL_DISK,
            },
            // Not here: the C side asks for no memory.
            spool_dir: None,
            helper: self.has_helper(),
        }
    }
}
