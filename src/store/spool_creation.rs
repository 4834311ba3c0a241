//! The creation of the spool file, when the first segment is spilled.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::disk;
use crate::error::{Error, Operation, Result};
use crate::store::Store;
use crate::store::refusals::Refusals;
use crate::store::spool::Spool;

impl Store {
    /// The spool file, which is created if there is none.
    pub(super) fn spool_or_new(&self) -> Result<&Spool> {
        if let Some(spool) = self.spool.get() {
            return Ok(spool);
        }
        match self.create_file() {
            // It is set only here, under the `spilling` lock.
            Ok((file, directory)) => Ok(self.spool.get_or_init(|| Spool::new(file, directory))),
            Err(error) => Err(Error::from_file(Operation::SpoolCreate, &error)),
        }
    }

    /// Creates the spool file in the caller's directory, or else in the first of the default ones
    /// that can be used. Returns the error of the first, which is the one that somebody chose.
    fn create_file(&self) -> io::Result<(File, PathBuf)> {
        let candidates = match &self.spool_dir {
            Some(directory) => [Some(disk::copy_of(directory)?), None, None],
            None => disk::default_directories()?,
        };
        let mut refusals = Refusals::default();
        let mut first = None;
        for directory in candidates.into_iter().flatten() {
            match disk::create_unnamed(&directory) {
                Ok(file) => {
                    let _ = self.refusals.set(refusals);
                    return Ok((file, directory));
                }
                Err(error) => {
                    let goes_on = disk::is_unusable(&error);
                    refusals.add(directory, &error);
                    first.get_or_insert(error);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        let _ = self.refusals.set(refusals);
        Err(first.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }
}
