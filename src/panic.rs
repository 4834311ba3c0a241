//! The panic boundary: the only place that catches panics, the library's at the C API and those of
//! sources.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Returns the result of `work`, or `fallback` if it panics. The panic hook has then printed its
/// message.
#[inline]
pub(crate) fn catch<T>(fallback: T, work: impl FnOnce() -> T) -> T {
    if cfg!(loom) {
        // A panic in a loom test is its result, so it must surface.
        return work();
    }
    // Unwind safe: locks are taken through `sync::lock`, which ignores poison, and no code that can
    // panic leaves a change half done.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(fallback)
}
