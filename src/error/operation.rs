//! What failed.

use std::fmt;

/// What a call was doing when it failed.
///
/// As text it is a phrase, such as "open the target".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
// Not one byte: the tag of `Error` beside it would be one byte too, which takes two instructions more
// to check in every read.
#[repr(i32)]
pub enum Operation {
    /// Reading the source.
    SourceRead = 1,
    /// Seeking the source.
    SourceSeek = 2,
    /// Creating the spool file.
    SpoolCreate = 3,
    /// Writing the spool file.
    SpoolWrite = 4,
    /// Reading the spool file.
    SpoolRead = 5,
    /// Opening the directory of a save's target, or creating the file there.
    TargetOpen = 6,
    /// Writing the target.
    TargetWrite = 7,
    /// Setting the target's permission bits.
    TargetMode = 8,
    /// Finding out whether the system has accepted what was written, which some file systems only
    /// report when a file is closed.
    TargetClose = 9,
    /// Flushing the target or its directory to disk.
    TargetSync = 10,
    /// Giving the complete file the target's name.
    TargetRename = 11,
    /// Making the spool file the target.
    TargetLink = 12,
    /// Opening the source of an entry of a cache.
    SourceOpen = 13,
}

/// Each operation, in the order of the numbers, which start at 1 and are the same in C. The text
/// follows "cannot".
const OPERATIONS: [(Operation, &str); 13] = [
    (Operation::SourceRead, "read the source"),
    (Operation::SourceSeek, "seek the source"),
    (Operation::SpoolCreate, "create the spool file"),
    (Operation::SpoolWrite, "write the spool file"),
    (Operation::SpoolRead, "read the spool file"),
    (Operation::TargetOpen, "open the target"),
    (Operation::TargetWrite, "write the target"),
    (Operation::TargetMode, "set the mode of the target"),
    (Operation::TargetClose, "close the target"),
    (Operation::TargetSync, "sync the target"),
    (Operation::TargetRename, "rename the new file to the target"),
    (Operation::TargetLink, "link the spool file to the target"),
    (Operation::SourceOpen, "open the source"),
];

impl Operation {
    /// The operation with this number in C.
    pub(crate) fn from_number(number: i32) -> Option<Operation> {
        let mut all = OPERATIONS.iter().map(|(operation, _)| *operation);
        all.find(|operation| *operation as i32 == number)
    }

    /// Whether it is one on the spool file.
    pub(crate) fn is_of_spool(self) -> bool {
        use Operation::{SpoolCreate, SpoolRead, SpoolWrite};
        matches!(self, SpoolCreate | SpoolWrite | SpoolRead)
    }

    /// Whether it is one of the source.
    pub(crate) fn is_of_source(self) -> bool {
        use Operation::{SourceOpen, SourceRead, SourceSeek};
        matches!(self, SourceRead | SourceSeek | SourceOpen)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, text) = OPERATIONS[*self as usize - 1];
        f.write_str(text)
    }
}
