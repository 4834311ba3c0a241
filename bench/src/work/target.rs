//! The target of a save.

use std::path::PathBuf;

/// A file that is deleted when the work is done or has failed.
pub struct Target(pub PathBuf);

impl Drop for Target {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
