//! What is said when a test can't run here.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Says so past the test harness, which keeps what `eprintln!` prints to itself, and for the summary
/// at the end. Where everything is demanded it is a failure.
#[track_caller]
pub fn skip(what: &str, why: impl std::fmt::Display) {
    let line = format!("SKIPPED: {what} ({why})\n");
    assert!(
        std::env::var_os("SPOOLBUF_REQUIRE_ALL").is_none(),
        "{line}, and SPOOLBUF_REQUIRE_ALL is set"
    );
    tell(&line);
}

/// Says that this build gives up what a test is about. That is a failure nowhere: nothing is missing
/// that could be installed.
pub fn leave_out(what: &str, why: impl std::fmt::Display) {
    tell(&format!("LEFT OUT: {what} ({why})\n"));
}

fn tell(line: &str) {
    let _ = std::io::stderr().write_all(line.as_bytes());
    let file = OpenOptions::new().append(true).create(true).open(log());
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
}

/// Where a test in a process of its own finds the log of the program that started it.
pub const LOG: &str = "SPOOLBUF_TEST_SKIPPED";

/// What was skipped by the test programs that one cargo runs: its children, one after the other.
pub fn log() -> PathBuf {
    if let Some(log) = std::env::var_os(LOG) {
        return log.into();
    }
    #[cfg(unix)]
    let run = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let run = 0;
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    folder.join(format!("skipped-{run}"))
}
