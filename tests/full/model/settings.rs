//! How many cases there are, and where their buffers spill to.

use std::path::PathBuf;

use proptest::prelude::*;

use crate::tempfile::TempDir;

/// 600, or the number in the environment.
pub fn cases() -> u32 {
    let chosen = std::env::var("PROPTEST_CASES").ok();
    chosen.and_then(|cases| cases.parse().ok()).unwrap_or(600)
}

pub fn config() -> ProptestConfig {
    ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        max_shrink_time: 20_000,
        ..ProptestConfig::default()
    }
}

/// Where a buffer spills to; a directory that does not exist if its disk is not to work.
pub fn spool_dir(directory: &TempDir, works: bool) -> PathBuf {
    if works {
        directory.path().to_path_buf()
    } else {
        directory.path().join("missing")
    }
}
