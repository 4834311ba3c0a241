//! The constants.

/// The major version of this header.
pub const SB_VERSION_MAJOR: u32 = 0;

/// The minor version of this header.
pub const SB_VERSION_MINOR: u32 = 1;

/// The patch version of this header.
pub const SB_VERSION_PATCH: u32 = 0;

/// The version of this header as one number, which sb_version() returns for the library.
pub const SB_VERSION_NUMBER: u32 =
    SB_VERSION_MAJOR * 65536 + SB_VERSION_MINOR * 256 + SB_VERSION_PATCH;

/// An unknown size.
pub const SB_SIZE_UNKNOWN: u64 = u64::MAX;

/// The default memory limit: 5 MiB, in bytes.
pub const SB_MAX_DEFAULT: u64 = 5242880;

/// For sb_prefetch(): keep everything buffered, up to the end of the resource.
pub const SB_PREFETCH_ALL: u64 = u64::MAX;

/// A `reach` without a limit: a read fetches everything before its offset, however far it is.
pub const SB_REACH_WHOLE: u64 = u64::MAX;

/// The `reach` that the adapters for media libraries use unless told otherwise, in bytes. A source
/// that cannot seek is read through a short gap, and a look at the end of the resource fails at once.
pub const SB_REACH_AUTO: u64 = 65536;

/// For sb_when(), instead of an offset: bytes to push, and space for them.
pub const SB_WHEN_WANTED: u64 = u64::MAX - 1;
