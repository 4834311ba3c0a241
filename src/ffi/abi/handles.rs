//! The opaque handles.

/// A buffer: an opaque handle, validated by each call, and not a pointer to dereference.
pub struct sb_buffer {
    _private: [u8; 0],
}

/// A read position in a buffer, with its own cancellation: an opaque handle, validated by each
/// call.
pub struct sb_reader {
    _private: [u8; 0],
}

/// A pending call of an sb_ready_fn, made by sb_when(): an opaque handle, validated by
/// sb_watch_free().
pub struct sb_watch {
    _private: [u8; 0],
}

/// Many buffers under one budget, each known by a key: an opaque handle, validated by each call.
pub struct sb_cache {
    _private: [u8; 0],
}
