//! A failure: why a call failed, and what it was doing then.

use std::io;

use crate::error::{Error, Operation};

/// An error with what is known about it where it occurred.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// None if no operation failed: the call was canceled, say.
    pub(crate) operation: Option<Operation>,
    /// The offset of the first byte that the call could not read or write.
    pub(crate) offset: Option<u64>,
}

/// `Result` with a [`Failure`].
pub(crate) type Attempt<T> = std::result::Result<T, Failure>;

impl Failure {
    /// An error that concerns one call alone. If it comes from the source, a seek failed: any other
    /// failure of the source is recorded in the state.
    pub(crate) fn of_step(error: Error) -> Failure {
        match error {
            Error::Source { .. } | Error::Unsupported => {
                Failure::during(Operation::SourceSeek, error)
            }
            error => error.into(),
        }
    }

    /// A failed operation on the target of a save.
    pub(crate) fn of_target(operation: Operation, error: &io::Error) -> Failure {
        Failure::during(operation, Error::from_target(operation, error))
    }

    pub(crate) fn during(operation: Operation, error: Error) -> Failure {
        Failure {
            error,
            operation: Some(operation),
            offset: None,
        }
    }

    pub(crate) fn at(self, offset: u64) -> Failure {
        Failure {
            offset: Some(offset),
            ..self
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure {
            operation: error.operation(),
            error,
            offset: None,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        failure.error
    }
}
