//! What the log is told about spilling: where the spool file is and why, and when it takes no bytes.

use std::path::Path;

use crate::disk;
use crate::error::{Error, Result};
use crate::log::{self, LogLevel};
use crate::options::OnFull;
use crate::store::Store;
use crate::store::spool::Spool;
use crate::sync::Ordering;

impl Store {
    /// Logs where the spool file is, once, and when it stops taking bytes, or takes them again.
    pub(super) fn log_spill(&self, spilled: &Result<()>) {
        if !log::is_on(LogLevel::Error) {
            return;
        }
        if let (Ok(()), Some(spool)) = (spilled, self.spool.get()) {
            if !self.announced.swap(true, Ordering::Relaxed) {
                self.log_refusals(spool.directory());
                self.log_directory(spool);
            }
        }
        let stuck = spilled.is_err();
        if self.stuck.swap(stuck, Ordering::Relaxed) == stuck {
            return;
        }
        match (spilled, self.spool.get(), self.refusals.get()) {
            (Ok(()), ..) => {
                let directory = self.spool_directory().unwrap_or(Path::new("?")).display();
                log!(Info, self.number, "{directory} takes bytes again");
            }
            (Err(_), None, Some(refusals)) => refusals
                .iter()
                .for_each(|(directory, error)| self.log_stuck(directory, error)),
            (Err(error), ..) => {
                self.log_stuck(self.spool_directory().unwrap_or(Path::new("?")), error);
            }
        }
    }

    fn log_stuck(&self, directory: &Path, error: &Error) {
        let (directory, error) = (directory.display(), error.plain());
        match self.on_full {
            OnFull::Fail => log!(Error, self.number, "cannot spill to {directory}: {error}"),
            OnFull::Memory => log!(
                Warn,
                self.number,
                "cannot spill to {directory}, so memory grows: {error}"
            ),
        }
    }

    /// Logs each directory that was tried before the one of the spool file.
    fn log_refusals(&self, used: &Path) {
        let refusals = self.refusals.get().into_iter().flat_map(|it| it.iter());
        for (refused, _) in refusals.take_while(|(refused, _)| *refused != used) {
            let (shown, refused) = (used.display(), refused.display());
            log!(
                Warn,
                self.number,
                "the spool file is in {shown}, since {refused} cannot be used"
            );
        }
    }

    fn log_directory(&self, spool: &Spool) {
        let directory = spool.directory();
        let shown = directory.display();
        if spool.is_in_memory() {
            log!(
                Warn,
                self.number,
                "the spool file is in {shown}, which is kept in memory: spilling frees none"
            );
        } else if self.spool_dir.is_none() && disk::is_fallback(directory) {
            log!(
                Info,
                self.number,
                "the spool file is in {shown}, since the usual directory is kept in memory"
            );
        } else {
            log!(Info, self.number, "the spool file is in {shown}");
        }
    }
}
