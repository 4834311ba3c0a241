//! Stats: a consistent snapshot of a buffer.

use std::path::PathBuf;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::error::{Error, Operation};
use crate::pull::gate::Gate;
use crate::sync::shared::Shared;

/// A snapshot of a [`StreamBuffer`](crate::StreamBuffer). All sizes and offsets are in bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// The declared size.
    pub declared: Option<u64>,
    /// The final size, once the source has ended.
    pub final_size: Option<u64>,
    /// The lowest offset at which the source had no bytes, which is an upper bound of the size.
    pub bound: Option<u64>,
    /// Whether the source ended below the declared size.
    pub ended_short: bool,
    /// How far the resource is buffered without a gap from its start.
    pub frontier: u64,
    /// Buffered bytes in memory.
    pub memory: u64,
    /// Buffered bytes in the spool file.
    pub disk: u64,
    /// Memory that the buffer uses besides the bytes in `memory`: bookkeeping, space that is not
    /// filled yet, and memory kept for future bytes.
    pub overhead: u64,
    /// The number of calls of the source's `pull`.
    pub pulls: u64,
    /// The number of seeks of the source.
    pub seeks: u64,
    /// How often a call blocked.
    pub waits: u64,
    /// The number of bytes received from the source. Bytes that it delivered twice count twice.
    pub pulled: u64,
    /// The time spent inside the source's `pull`, `jump` and `size`, without a call that has not
    /// returned.
    pub pull_time: Duration,
    /// The time for which calls blocked, summed over all threads, without calls that still do.
    pub wait_time: Duration,
    /// How often a read, while a prefetch was running, found no byte where the buffered bytes before
    /// it end. Repeated reads at one offset count once.
    pub underruns: u64,
    /// The offset of the oldest byte that is kept. Not 0 only with a
    /// [`window`](crate::Builder::window), if bytes have been dropped.
    pub tail: u64,
    /// The source's own code at its last error, or 0.
    pub source_error: i64,
    /// The system's code at the last failed operation on the spool file, or 0.
    pub system_error: i32,
    /// The operation that failed with `system_error`.
    pub system_operation: Option<Operation>,
    /// The state of the source.
    pub state: SourceState,
    /// Why the source is no longer called.
    pub failure: Option<Error>,
    /// Whether the source can seek.
    pub seekable: bool,
    /// Where the spool file is.
    pub spool: SpoolState,
    /// The directory of the spool file, or the one where it could not be created; None before the
    /// first attempt to create the file.
    pub spool_dir: Option<PathBuf>,
    /// Whether a helper thread exists.
    pub helper: bool,
}

/// The state of a source, as seen by reads that need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceState {
    /// More bytes may arrive.
    Open,
    /// The source has ended; the final size is known.
    Ended,
    /// The source failed; `failure` is the error.
    Failed,
    /// [`cancel`](crate::StreamBuffer::cancel) is in force, or the buffer is an entry of a cache that has
    /// no source.
    Canceled,
}

/// Where the bytes beyond the memory limit are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpoolState {
    /// There is no spool file: nothing has been spilled yet.
    None,
    /// In a file on disk.
    Disk,
    /// In a file on a file system that is kept in memory, such as tmpfs.
    Memory,
}

impl Buffer {
    /// The memory of a buffer without any bytes.
    pub(super) const TAKEN: u64 = (Shared::<Buffer>::SIZE + Shared::<Gate>::SIZE) as u64;

    pub(crate) fn stats(&self) -> Stats {
        // Before the gate's lock: a thread that holds the store's lock may be allocating memory.
        let taken = self.store.taken() + Buffer::TAKEN;
        let state = self.gate.lock();
        let (extent, counters) = (state.extent(), state.counters());
        // Spilling moves bytes without this lock, but the total is only changed under it.
        let held = extent.held();
        let disk = self.store.spooled().min(held);
        let memory = held - disk;
        let spool = self.store.spool();
        // If every byte is buffered, neither has an effect.
        let lacks_source = state.is_unplugged() && state.failure().is_none();
        let failure = if (state.is_canceled() || lacks_source) && !extent.is_complete() {
            Some(Error::Canceled)
        } else {
            state.failure().cloned()
        };
        Stats {
            declared: extent.declared(),
            final_size: extent.end(),
            bound: extent.bound(),
            ended_short: state.has_ended_short(),
            frontier: extent.frontier(),
            memory,
            disk,
            // Saturating: bytes may have arrived since `taken` was computed.
            overhead: (taken + extent.ranges().taken() as u64).saturating_sub(memory),
            pulls: counters.pulls,
            seeks: counters.seeks,
            waits: counters.waits,
            pulled: counters.pulled,
            pull_time: Duration::from_nanos(counters.pull_time),
            wait_time: Duration::from_nanos(counters.wait_time),
            underruns: counters.underruns,
            tail: extent.tail(),
            source_error: counters.source_error,
            system_error: counters.system_error,
            system_operation: counters.system_operation,
            state: match (&failure, extent.end()) {
                (Some(Error::Canceled), _) => SourceState::Canceled,
                (Some(_), _) => SourceState::Failed,
                (None, Some(_)) => SourceState::Ended,
                (None, None) => SourceState::Open,
            },
            failure,
            seekable: state.can_seek(),
            spool: match spool {
                None => SpoolState::None,
                Some(spool) if spool.is_in_memory() => SpoolState::Memory,
                Some(_) => SpoolState::Disk,
            },
            // Left out here, since the path would need an allocation, which the C side avoids.
            spool_dir: None,
            helper: state.has_helper_thread(),
        }
    }
}
