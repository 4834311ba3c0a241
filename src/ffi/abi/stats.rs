//! What a buffer tells of itself.

/// A range of buffered bytes: from `start` up to, but not including, `end`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct sb_range {
    /// The offset of the first byte.
    pub start: u64,
    /// The offset after the last byte.
    pub end: u64,
}

/// A consistent snapshot of a buffer, taken by sb_stat(). New members are only added at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_stats {
    /// The declared size in bytes, or the one that the source's `size` returned, or
    /// SB_SIZE_UNKNOWN.
    pub declared: u64,
    /// The final size in bytes, or SB_SIZE_UNKNOWN until the source has ended.
    pub final_size: u64,
    /// The lowest offset at which the source had no bytes, which is an upper bound of the size, or
    /// SB_SIZE_UNKNOWN.
    pub bound: u64,
    /// How far the resource is buffered without a gap, in bytes from its start, or from `tail` on.
    pub frontier: u64,
    /// Buffered bytes in memory.
    pub memory: u64,
    /// Buffered bytes in the spool file.
    pub disk: u64,
    /// Memory that the buffer uses besides the bytes in `memory`: bookkeeping, space that is not
    /// filled yet, and memory kept for future bytes.
    pub overhead: u64,
    /// The number of calls of the source's `read` or `pull`.
    pub pulls: u64,
    /// The number of seeks of the source to another offset. With `pull`, a seek is not a call of
    /// its own.
    pub seeks: u64,
    /// How often a call blocked to wait for bytes that another call was fetching.
    pub waits: u64,
    /// The source's own code at its last error (the return value of its callback), or 0. An obeyed
    /// `cancel` is not recorded.
    pub source_error: i64,
    /// The system's code (errno, GetLastError) at the last failed operation on the spool file, or
    /// 0. A failed save of its target is not recorded: see sb_error.
    pub system_error: i32,
    /// An sb_state. Once every byte is buffered it is SB_STATE_ENDED, even after sb_cancel().
    pub state: i32,
    /// Why the source is no longer called: an sb_status. SB_OK if it is still called or has ended.
    pub status: i32,
    /// 1 if the source can seek; 0 if it cannot, or returned SB_SOURCE_UNSUPPORTED.
    pub seekable: i32,
    /// Where the spool file is: an sb_spool.
    pub spool: i32,
    /// 1 while a helper thread of the library exists, else 0.
    pub helper: i32,
    /// 1 if the source ended below the declared size, or had no bytes at an offset below it,
    /// regardless of `on_short`; else 0.
    pub ended_short: i32,
    /// The operation that failed with `system_error`: an sb_operation.
    pub system_operation: i32,
    /// The number of bytes received from the source. Bytes that it delivered twice count twice.
    pub pulled: u64,
    /// The time spent inside the source's `read`, `seek`, `pull` and `size`, in microseconds,
    /// without a call that has not returned.
    pub pull_us: u64,
    /// The time for which calls blocked (see `waits`), in microseconds, summed over all threads,
    /// without calls that still do.
    pub wait_us: u64,
    /// How often a read, while a prefetch was running, found no byte where the buffered bytes before
    /// it end. Repeated reads at one offset count once.
    pub underruns: u64,
    /// The offset of the oldest byte that is kept. Not 0 only with the option `window`, if bytes have
    /// been dropped: reading below it returns SB_ERR_LAPPED.
    pub tail: u64,
}
