//! The errors in words.

use std::fmt;
use std::io;

use super::{Error, Operation, SOURCE_MISMATCH, code};

impl Error {
    /// The kind of error in words. The system's code is left out.
    fn reason(&self) -> &'static str {
        let operation = match self {
            Error::DiskFull { operation, code: 0 } => Some(*operation),
            _ => None,
        };
        reason(self.code(), operation)
    }

    /// The error in words, without the system's or the user's message, which would allocate.
    pub(crate) fn plain(&self) -> impl fmt::Display + '_ {
        Plain(self)
    }
}

/// What a source's code means, as a continuation of "the source failed"; empty if only the source
/// knows.
pub(crate) fn meaning(code: i64) -> &'static str {
    match code {
        SOURCE_MISMATCH => ": it delivers another resource than the one that is buffered",
        _ => "",
    }
}

/// Describes a status code in one line, for people. Accepts any value.
pub(crate) fn text(status: i32) -> &'static std::ffi::CStr {
    match status {
        0 => c"success",
        -1 => c"invalid handle or argument",
        -2 => c"the source failed",
        -3 => c"a file operation failed",
        -4 => c"no space left for the spool file or the saved file",
        -5 => c"out of memory or threads",
        -6 => c"canceled",
        -7 => c"timed out",
        -8 => c"the call would wait for the callback that made it",
        -9 => c"the size is not known yet",
        -10 => c"not supported by the source, the system or the target",
        -11 => c"the target already exists",
        -12 => c"the size is not the required one",
        -13 => c"a panic was caught",
        -14 => c"the source ended before the declared size",
        -15 => c"the bytes have left the window",
        _ => c"not a status code of spoolbuf",
    }
}

/// Why a call failed for which the system has no code.
pub(crate) fn reason(status: i32, operation: Option<Operation>) -> &'static str {
    match (status, operation) {
        (code::DISK_FULL, Some(Operation::SpoolWrite)) => {
            "the cache has reached its max_disk or min_free"
        }
        _ => text(status).to_str().unwrap_or_default(),
    }
}

struct Plain<'e>(&'e Error);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.reason())?;
        match self.0 {
            Error::Source { code, .. } => {
                f.write_str(meaning(*code))?;
                write!(f, " (code {code})")
            }
            Error::Io { code, .. } | Error::DiskFull { code, .. } if *code != 0 => {
                write!(f, " (system error {code})")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.reason();
        match self {
            Error::Source {
                cause: Some(cause), ..
            } => write!(f, "{line}: {cause}"),
            Error::Source { code, .. } => write!(f, "{line}{} (code {code})", meaning(*code)),
            Error::Io { operation, code } | Error::DiskFull { operation, code } => {
                write!(f, "cannot {operation}: ")?;
                match *code {
                    0 => f.write_str(line),
                    code => io::Error::from_raw_os_error(code).fmt(f),
                }
            }
            _ => f.write_str(line),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Source {
                cause: Some(cause), ..
            } => Some(cause.as_ref()),
            _ => None,
        }
    }
}
