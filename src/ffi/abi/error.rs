//! Why a call failed.

use core::ffi::c_char;

/// Why a call failed. sb_reader_error() fills it for a reader, sb_save_with() for a save, and
/// sb_cache_open() for an open.
///
/// The caller sets `path` and `path_cap`, if it wants the path. The other members are written by
/// the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sb_error {
    /// sizeof(sb_error) in the caller's header; set by sb_error_init().
    pub struct_size: usize,
    /// [in] Space for the path, which is written here: NUL-terminated, and truncated to fit. NULL
    /// if the path is not needed.
    pub path: *mut c_char,
    /// [in] The size of `path` in bytes, including the NUL; 0 if `path` is NULL.
    pub path_cap: usize,
    /// The length of the whole path in bytes, without the NUL, even if it was truncated. The path
    /// is that of a save's target, or the directory of the spool file, whichever `operation`
    /// concerns. 0 if there is none: for the source, say, or for a descriptor.
    pub path_len: usize,
    /// The source's own code (the return value of its callback), or 0. Only for SB_ERR_SOURCE.
    pub source: i64,
    /// The offset in the resource of the first byte that the call could not read or write, or
    /// SB_SIZE_UNKNOWN if the operation has no offset.
    pub offset: u64,
    /// The result of the call: an sb_status. SB_OK if no call has failed.
    pub status: i32,
    /// What failed: an sb_operation.
    pub operation: i32,
    /// The system's code (errno, GetLastError) of a failed file operation, or 0. With
    /// SB_ERR_DISK_FULL, 0 means that a cache has reached its `max_disk` or `min_free`.
    pub system: i32,
    /// Always 0.
    pub reserved: i32,
}
