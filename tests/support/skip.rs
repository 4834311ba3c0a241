//! What is said when a test can't run here.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Write;

/// Says so past the test harness, which keeps what `eprintln!` prints to itself. Where everything
/// is demanded it is a failure.
#[track_caller]
pub fn skip(what: &str, why: impl std::fmt::Display) {
    let line = format!("SKIPPED: {what} ({why})\n");
    assert!(
        std::env::var_os("SPOOLBUF_REQUIRE_ALL").is_none(),
        "{line}, and SPOOLBUF_REQUIRE_ALL is set"
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
}
