//! The directories in which the spool file could not be created.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Operation};

/// One directory for each place that is tried, the best first.
#[derive(Default)]
pub(super) struct Refusals([Option<(PathBuf, Error)>; 3]);

impl Refusals {
    pub(super) fn add(&mut self, directory: PathBuf, error: &io::Error) {
        if let Some(free) = self.0.iter_mut().find(|refusal| refusal.is_none()) {
            *free = Some((directory, Error::from_file(Operation::SpoolCreate, error)));
        }
    }

    /// The directory that somebody chose, if it was refused.
    pub(super) fn first(&self) -> Option<&Path> {
        self.0[0].as_ref().map(|(directory, _)| directory.as_path())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &Error)> {
        let refusals = self.0.iter().flatten();
        refusals.map(|(directory, error)| (directory.as_path(), error))
    }
}
