//! Tests that need a process of their own: the test program runs itself again, for one test.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::Path;
use std::process::{Child, Command, Stdio};

const MARK: &str = "SPOOLBUF_TEST_ALONE";
/// A test's process that hangs is ended after this many seconds, where the system has a timer for
/// that.
#[cfg(unix)]
const PATIENCE: u32 = 600;

/// True in the process that runs only `test`. Elsewhere it starts that process, checks that it
/// succeeded, and is false.
#[track_caller]
pub fn alone(test: &str) -> bool {
    alone_with(test, &[])
}

/// As [`alone`], with variables of the environment set, or removed where there is no value.
#[track_caller]
pub fn alone_with(test: &str, variables: &[(&str, Option<&str>)]) -> bool {
    if is_alone(test) {
        return true;
    }
    let mut command = command(test);
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // Its output about a panic, or about what it skips, is for everybody.
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = command.output().expect("a process");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{test}: {}\n{said}", output.status);
    // A name that matches no test succeeds, too.
    assert!(said.contains("1 passed"), "{test} did not run:\n{said}");
    false
}

/// Whether this is the process that runs only `test`.
pub fn is_alone(test: &str) -> bool {
    let alone = std::env::var_os(MARK).is_some_and(|name| name == test);
    #[cfg(unix)]
    if alone {
        // SAFETY: sets a timer that ends this process.
        unsafe { libc::alarm(PATIENCE) };
    }
    alone
}

/// A process for `test` that the caller ends.
pub fn spawn(test: &str, variables: &[(&str, &std::ffi::OsStr)]) -> Child {
    let mut command = command(test);
    command.envs(variables.iter().copied());
    command.stdout(Stdio::piped()).spawn().expect("a process")
}

fn command(test: &str) -> Command {
    let program = std::env::current_exe().expect("this program");
    // An emulator that the system does not start by itself: see .ci/machines.
    let runner = std::env::var("SPOOLBUF_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let mut command = Command::new(words.next().map_or(program.as_path(), Path::new));
    if !runner.is_empty() {
        command.args(words).arg(&program);
    }
    command
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .env(MARK, test)
        .env(crate::skip::LOG, crate::skip::log());
    command
}
