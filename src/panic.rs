//! The panic boundary: the one place that catches panics, ours at the C border and those of sources.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `work` returns, or `fallback` if it panics. The panic hook has then printed its line.
#[inline]
pub(crate) fn catch<T>(fallback: T, work: impl FnOnce() -> T) -> T {
    if cfg!(loom) {
        // A panic in a model is what the model found, wherever it surfaces.
        return work();
    }
    // Unwind safety: locks are taken through `sync::lock`, which does not mind poison, and nothing
    // is changed in steps that a panic could part.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(fallback)
}
