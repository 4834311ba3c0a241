//! Writes the files of a report.

use std::path::Path;

pub fn put(path: &Path, text: String) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
