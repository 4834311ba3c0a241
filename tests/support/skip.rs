//! The message of a test that cannot run here.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Prints it past the test harness, which captures `eprintln!`, and logs it for the summary at the
/// end. If everything is required, it is a failure.
#[track_caller]
pub fn skip(what: &str, why: impl std::fmt::Display) {
    let line = format!("SKIPPED: {what} ({why})\n");
    assert!(
        std::env::var_os("SPOOLBUF_REQUIRE_ALL").is_none(),
        "{line}, and SPOOLBUF_REQUIRE_ALL is set"
    );
    tell(&line);
}

/// Reports that this build does not promise what a test is about. That is never a failure: nothing
/// is missing that could be installed.
pub fn leave_out(what: &str, why: impl std::fmt::Display) {
    tell(&format!("LEFT OUT: {what} ({why})\n"));
}

fn tell(line: &str) {
    let _ = std::io::stderr().write_all(line.as_bytes());
    let file = OpenOptions::new().append(true).create(true).open(log());
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
}

/// The variable that names the log of the program that started this process.
pub const LOG: &str = "SPOOLBUF_TEST_SKIPPED";

/// The log of the test programs that one cargo runs: its children, one after the other.
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
