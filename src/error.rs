//! The errors, for Rust and for C.

use std::io;
use std::sync::Arc;

mod operation;
mod text;

pub use operation::Operation;
pub(crate) use text::{meaning, reason, text};

/// The number of each error, the same in Rust and C.
pub(crate) mod code {
    pub(crate) const INVALID: i32 = -1;
    pub(crate) const SOURCE: i32 = -2;
    pub(crate) const IO: i32 = -3;
    pub(crate) const DISK_FULL: i32 = -4;
    pub(crate) const NO_MEMORY: i32 = -5;
    pub(crate) const CANCELED: i32 = -6;
    pub(crate) const TIMEOUT: i32 = -7;
    pub(crate) const REENTRANT: i32 = -8;
    pub(crate) const UNKNOWN_SIZE: i32 = -9;
    pub(crate) const UNSUPPORTED: i32 = -10;
    pub(crate) const EXISTS: i32 = -11;
    pub(crate) const SIZE: i32 = -12;
    pub(crate) const PANIC: i32 = -13;
    pub(crate) const SHORT: i32 = -14;
    pub(crate) const LAPPED: i32 = -15;
}

/// The code of a source that gave up without bytes because it was canceled.
pub(crate) const SOURCE_CANCELED: i64 = -2147483647;

/// The code of a source that cannot do what was requested.
pub(crate) const SOURCE_UNSUPPORTED: i64 = -2147483646;

/// The code of a source that delivers another resource than before.
pub(crate) const SOURCE_MISMATCH: i64 = -2147483645;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed. One variant per status code of the C header.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A freed handle, a missing pointer, or a range that extends past 2^64.
    Invalid,
    /// The source failed. The error persists until [`retry`](crate::StreamBuffer::retry) or
    /// [`resume`](crate::StreamBuffer::resume), except after a failed seek, which the next read
    /// tries again.
    Source {
        /// The source's own code: the return value of the C callback, the OS code of the
        /// `io::Error`, or -1.
        code: i64,
        /// The error itself, if the source or the pusher is written in Rust.
        cause: Option<Arc<io::Error>>,
    },
    /// A file operation failed.
    #[non_exhaustive]
    Io {
        /// What failed.
        operation: Operation,
        /// The system's code, or 0.
        code: i32,
    },
    /// The disk is full, or a quota, a file size limit or the `max_disk` of a cache is reached. The
    /// next call tries again.
    #[non_exhaustive]
    DiskFull {
        /// What failed.
        operation: Operation,
        /// The system's code. 0: a cache has reached its `max_disk` or `min_free`.
        code: i32,
    },
    /// Out of memory, or no thread could be created. The next call tries again.
    NoMemory,
    /// The call was canceled, or the buffer was freed.
    Canceled,
    /// Before the timeout no byte arrived or, in a push, was accepted; or a save was not complete.
    Timeout,
    /// The call would wait for the callback that made it: a source asked its own buffer for bytes
    /// that only the source can deliver, or a log function, a ready function or a thread hook asked any
    /// buffer; or one of these made a push that would block, or an open of a cache that would. Or an
    /// opener opened its own key.
    Reentrant,
    /// The size is not known yet.
    UnknownSize,
    /// The source, the system or the target cannot do this.
    Unsupported,
    /// The target exists and must not be replaced.
    Exists,
    /// The resource does not have the required size, or is not completely buffered. In a push:
    /// bytes past the end, or an end that contradicts what was pushed before.
    Size,
    /// The source panicked; the panic was caught. The error persists until
    /// [`retry`](crate::StreamBuffer::retry) or [`resume`](crate::StreamBuffer::resume).
    Panic,
    /// The source ended below the declared size, and [`OnShort::Error`](crate::OnShort::Error)
    /// makes that an error. It persists until [`retry`](crate::StreamBuffer::retry) or
    /// [`resume`](crate::StreamBuffer::resume), after which the source is called again.
    Short,
    /// The bytes have left the [`window`](crate::Builder::window). They do not come back: continue
    /// at [`tail`](crate::Stats::tail) or with [`seek_live`](crate::Cursor::seek_live).
    Lapped,
}

impl Error {
    /// Returns the status code of the C API.
    pub fn code(&self) -> i32 {
        match self {
            Error::Invalid => code::INVALID,
            Error::Source { .. } => code::SOURCE,
            Error::Io { .. } => code::IO,
            Error::DiskFull { .. } => code::DISK_FULL,
            Error::NoMemory => code::NO_MEMORY,
            Error::Canceled => code::CANCELED,
            Error::Timeout => code::TIMEOUT,
            Error::Reentrant => code::REENTRANT,
            Error::UnknownSize => code::UNKNOWN_SIZE,
            Error::Unsupported => code::UNSUPPORTED,
            Error::Exists => code::EXISTS,
            Error::Size => code::SIZE,
            Error::Panic => code::PANIC,
            Error::Short => code::SHORT,
            Error::Lapped => code::LAPPED,
        }
    }

    /// Returns what failed, as far as the error alone tells.
    pub(crate) fn operation(&self) -> Option<Operation> {
        match *self {
            Error::Io { operation, .. } | Error::DiskFull { operation, .. } => Some(operation),
            Error::Source { .. } | Error::Short => Some(Operation::SourceRead),
            _ => None,
        }
    }

    /// Converts a failed operation on the spool file; a full disk is told apart from other
    /// failures. Whatever the system's code, the error is never attributed to the source or to the
    /// target of a save.
    pub(crate) fn from_file(operation: Operation, error: &io::Error) -> Error {
        let code = error.raw_os_error().unwrap_or(0);
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Error::DiskFull { operation, code },
            io::ErrorKind::OutOfMemory => Error::NoMemory,
            _ => Error::Io { operation, code },
        }
    }

    /// Converts a failed operation on the target of a save. If this library refused the target for
    /// its kind, there is no system code.
    pub(crate) fn from_target(operation: Operation, error: &io::Error) -> Error {
        match (error.kind(), error.raw_os_error()) {
            (io::ErrorKind::AlreadyExists, None) => Error::Exists,
            (io::ErrorKind::Unsupported, None) => Error::Unsupported,
            (io::ErrorKind::InvalidInput, None) => Error::Invalid,
            _ => Error::from_file(operation, error),
        }
    }

    /// Returns whether a write failed because the file system, or a quota, is full.
    pub(crate) fn is_full_disk(&self) -> bool {
        matches!(self, Error::DiskFull { .. }) && !self.depends_on_offset()
    }

    /// Returns whether a write failed because of its offset in the file.
    pub(crate) fn depends_on_offset(&self) -> bool {
        let kind = |code| io::Error::from_raw_os_error(code).kind();
        match *self {
            Error::DiskFull { code, .. } => kind(code) == io::ErrorKind::FileTooLarge,
            Error::Io { code, .. } => kind(code) == io::ErrorKind::InvalidInput,
            _ => false,
        }
    }

    /// Returns whether a source gave up without bytes and is unchanged.
    pub(crate) fn is_cancellation(&self) -> bool {
        match self {
            Error::Source { code, cause } => {
                let kind = cause.as_ref().map(|cause| cause.kind());
                *code == SOURCE_CANCELED || kind == Some(io::ErrorKind::WouldBlock)
            }
            _ => false,
        }
    }

    /// Returns whether a source that was [reopened](crate::StreamBuffer::reopen) delivers another
    /// resource than the one that is buffered. The error persists until another reopen.
    pub fn is_mismatch(&self) -> bool {
        matches!(*self, Error::Source { code, .. } if code == SOURCE_MISMATCH)
    }

    /// Returns the same error without the user's payload, so that dropping it runs no user code.
    pub(crate) fn without_payload(&self) -> Error {
        match self {
            Error::Source { code, cause } => Error::Source {
                code: *code,
                cause: cause.as_ref().map(|cause| {
                    let plain = cause.raw_os_error().map(io::Error::from_raw_os_error);
                    Arc::new(plain.unwrap_or_else(|| cause.kind().into()))
                }),
            },
            other => other.clone(),
        }
    }

    /// Converts a source's error for its readers: a source that gave up although nobody canceled it
    /// has failed.
    pub(crate) fn into_source(self) -> Error {
        match self {
            Error::Canceled => Error::Source {
                code: SOURCE_CANCELED,
                cause: None,
            },
            error => error,
        }
    }

    /// Converts an error of a source written in Rust. One that contains [`Error::Canceled`] means
    /// that the source obeyed a cancel.
    pub(crate) fn from_source(error: io::Error) -> Error {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        if let Some(Error::Canceled) = inner {
            return Error::Canceled;
        }
        Error::caused_by(error)
    }

    /// The failure of a source or a pusher written in Rust, which keeps its error.
    pub(crate) fn caused_by(error: io::Error) -> Error {
        Error::Source {
            code: error.raw_os_error().map_or(-1, i64::from),
            cause: Some(Arc::new(error)),
        }
    }
}

/// Returns whether readers take an error of this kind for more than a failure: std's helpers try
/// again after `Interrupted`, decoders take `UnexpectedEof` for the end, and `WouldBlock` promises
/// a wake-up.
fn means_more(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::Interrupted
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::WriteZero
    )
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match &error {
            Error::Invalid => io::ErrorKind::InvalidInput,
            Error::Source {
                cause: Some(cause), ..
            } if !means_more(cause.kind()) => cause.kind(),
            Error::DiskFull { .. } => io::ErrorKind::StorageFull,
            Error::NoMemory => io::ErrorKind::OutOfMemory,
            Error::Timeout => io::ErrorKind::TimedOut,
            Error::Reentrant => io::ErrorKind::Deadlock,
            Error::Unsupported => io::ErrorKind::Unsupported,
            Error::Exists => io::ErrorKind::AlreadyExists,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
