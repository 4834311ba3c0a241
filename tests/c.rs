//! The C API's promises, each a program in `tests/c`, against the shared and the static library.

#![cfg(target_os = "linux")]

mod library;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use library::{Linkage, compile, library, root, run, scratch, skipped};

/// Far more than any program takes on a busy machine; what takes longer hangs.
const LIMIT: Duration = Duration::from_secs(100);

/// Runs a program both ways.
fn promise(source: &str) {
    both(source, |command, what| {
        let outcome = run(command, LIMIT);
        outcome.expect_success(what);
        for line in outcome.output.lines() {
            if let Some(reason) = line.strip_prefix("SKIPPED: ") {
                skipped(what, reason);
            }
        }
    });
}

fn both(source: &str, check: impl Fn(&mut Command, &str)) {
    for linkage in [Linkage::Shared, Linkage::Static] {
        with(source, linkage, &check);
    }
}

fn with(source: &str, linkage: Linkage, check: impl Fn(&mut Command, &str)) {
    let program = compile(source, linkage);
    let what = format!("{source}, {linkage:?}");
    // Each has a folder of its own for its temporary files, which it is to leave empty.
    let folder = scratch().join("c/tmp").join(what.replace(", ", "-"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let mut command = Command::new(program);
    command
        .current_dir(&folder)
        .env("TMPDIR", &folder)
        .env("SPOOLBUF_LIBRARY", &library().shared);
    check(&mut command, &what);
    let left: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert!(left.is_empty(), "{what} left files behind: {left:?}");
}

#[test]
fn every_program_is_run() {
    let listed = fs::read_to_string(root().join("tests/c.rs")).expect("this file");
    for entry in fs::read_dir(root().join("tests/c")).expect("tests/c") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("UTF-8");
        if !name.ends_with(".h") {
            assert!(
                listed.contains(&format!("\"{name}\"")),
                "no test runs tests/c/{name}"
            );
        }
    }
}

#[test]
fn the_four() {
    promise("the_four.c");
}

#[test]
fn reads() {
    promise("reads.c");
}

#[test]
fn past_frontier() {
    promise("past_frontier.c");
}

#[test]
fn same_twice() {
    promise("same_twice.c");
}

#[test]
fn wrong_size() {
    promise("wrong_size.c");
}

#[test]
fn source_error() {
    promise("source_error.c");
}

#[test]
fn lying_source() {
    promise("lying_source.c");
}

#[test]
fn invalid() {
    promise("invalid.c");
}

#[test]
fn buffered_never_waits() {
    promise("buffered_never_waits.c");
}

#[test]
fn cancel() {
    promise("cancel.c");
}

#[test]
fn timeout() {
    promise("timeout.c");
}

#[test]
fn readers() {
    promise("readers.c");
}

#[test]
fn prefetch() {
    promise("prefetch.c");
}

#[test]
fn free_anytime() {
    promise("free_anytime.c");
}

#[test]
fn reentry() {
    promise("reentry.c");
}

#[test]
fn fork() {
    promise("fork.c");
}

#[test]
fn exit_with_waiters() {
    promise("exit_with_waiters.c");
}

#[test]
fn wakeups() {
    promise("wakeups.c");
}

#[test]
fn threads_many() {
    promise("threads_many.c");
}
