//! The C API's promises, each a program in `tests/c`, against the shared and the static library.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use crate::library::{
    HANGS_AFTER, Linkage, compile, left_out, library, root, run, scratch, skipped,
};

/// Runs a program both ways.
fn promise(source: &str) {
    both(source, succeeds);
}

fn succeeds(command: &mut Command, what: &str) {
    let outcome = run(command, HANGS_AFTER);
    outcome.expect_success(what);
    for line in outcome.output.lines() {
        if let Some(reason) = line.strip_prefix("SKIPPED: ") {
            skipped(what, reason);
        }
        if let Some(reason) = line.strip_prefix("LEFT OUT: ") {
            left_out(what, reason);
        }
    }
}

fn says_nothing(command: &mut Command, what: &str) {
    let outcome = run(command, HANGS_AFTER);
    outcome.expect_success(what);
    assert_eq!(outcome.output, "", "{what} has printed this");
}

fn both(source: &str, check: impl Fn(&mut Command, &str)) {
    for linkage in [Linkage::Shared, Linkage::Static] {
        with(source, linkage, &check);
    }
}

fn with(source: &str, linkage: Linkage, check: impl Fn(&mut Command, &str)) {
    let program = compile(source, linkage);
    let what = format!("{source}, {linkage:?}");
    // Each has a directory of its own for its temporary files, which must be empty at the end.
    let folder = scratch().join("c/tmp").join(what.replace(", ", "-"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let mut command = Command::new(program);
    command
        .current_dir(&folder)
        .env("TMPDIR", &folder)
        .env("SPOOLBUF_LIBRARY", &library().shared)
        .env_remove("RUST_BACKTRACE");
    if cfg!(feature = "parking_lot") {
        command.env("SPOOLBUF_LOCKS", "parking_lot");
    }
    check(&mut command, &what);
    let left: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert!(left.is_empty(), "{what} left files behind: {left:?}");
}

#[test]
fn every_program_is_run() {
    let listed = fs::read_to_string(root().join("tests/it/c.rs")).expect("this file");
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
fn leaving() {
    promise("leaving.c");
}

#[test]
fn cache_lease() {
    promise("cache_lease.c");
}

#[test]
fn cache_open() {
    promise("cache_open.c");
}

#[test]
fn cache_opener() {
    promise("cache_opener.c");
}

#[test]
fn cache_again() {
    promise("cache_again.c");
}

#[test]
fn cache_budget() {
    promise("cache_budget.c");
}

#[test]
fn cache_end() {
    promise("cache_end.c");
}

#[test]
fn cache_options() {
    promise("cache_options.c");
}

#[test]
fn cache_threads() {
    promise("cache_threads.c");
}

#[test]
fn core_calls() {
    promise("core_calls.c");
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
fn reads_are_repeatable() {
    promise("reads_are_repeatable.c");
}

#[test]
fn declared_size() {
    promise("declared_size.c");
}

#[test]
fn source_size() {
    promise("source_size.c");
}

#[test]
fn known_size() {
    promise("known_size.c");
}

#[test]
fn find_size() {
    promise("find_size.c");
}

#[test]
fn stack_usage() {
    promise("stack_usage.c");
}

#[test]
fn errors_are_not_eof() {
    promise("errors_are_not_eof.c");
}

#[test]
fn pull() {
    promise("pull.c");
}

#[test]
fn push() {
    promise("push.c");
}

#[test]
fn window() {
    promise("window.c");
}

#[test]
fn when() {
    promise("when.c");
}

#[test]
fn when_free() {
    promise("when_free.c");
}

#[test]
fn when_inside() {
    promise("when_inside.c");
}

#[test]
fn when_wanted() {
    promise("when_wanted.c");
}

#[test]
fn short_end() {
    promise("short_end.c");
}

#[test]
fn free_while_spilling() {
    promise("free_while_spilling.c");
}

#[test]
fn handle_before_helper() {
    promise("handle_before_helper.c");
}

#[test]
fn source_error() {
    promise("source_error.c");
}

#[test]
fn error() {
    promise("error.c");
}

#[test]
fn save_options() {
    promise("save_options.c");
}

#[test]
fn lying_source() {
    promise("lying_source.c");
}

#[test]
fn misuse() {
    promise("misuse.c");
}

/// Each function that takes a handle is called with every kind of handle that is none.
#[test]
fn misuse_of_every_function() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect(path);
    let header = crate::library::without_comments(&read("include/spoolbuf.h"));
    let files = ["rows", "calls", "cache", "inside"];
    let rows = files
        .map(|it| read(&format!("tests/c/misuse_{it}.h")))
        .concat();
    for name in crate::symbols::declared() {
        let (_, declaration) = header.split_once(&format!("{name}(")).expect("declared");
        let (parameters, _) = declaration.split_once(')').expect("a declaration");
        let row = match parameters {
            _ if name == "sb_version" => continue,
            _ if parameters.contains("sb_buffer *handle") => format!("BUFFER({name}, "),
            _ if parameters.contains("sb_reader *reader") => format!("READER({name}, "),
            _ if parameters.contains("sb_cache *cache") => format!("CACHE({name}, "),
            _ => format!("{name}("),
        };
        assert!(
            rows.contains(&row),
            "tests/c/misuse_rows.h has no {row}...)"
        );
    }
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
fn reader_options() {
    promise("reader_options.c");
}

#[test]
fn readers() {
    promise("readers.c");
}

#[test]
fn stats() {
    promise("stats.c");
}

#[test]
fn thread_hooks() {
    promise("thread_hooks.c");
}

#[test]
fn memory_limit() {
    promise("memory_limit.c");
}

#[test]
fn log() {
    promise("log.c");
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
fn reopen() {
    promise("reopen.c");
}

#[test]
fn reopen_waiting() {
    promise("reopen_waiting.c");
}

#[test]
fn reopen_inside() {
    promise("reopen_inside.c");
}

#[test]
fn reopen_races() {
    promise("reopen_races.c");
}

#[test]
fn reopen_compare() {
    promise("reopen_compare.c");
}

#[test]
fn reopen_prefetch() {
    promise("reopen_prefetch.c");
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

#[test]
fn unload() {
    with("unload.c", Linkage::Loaded, succeeds);
}

/// A C++ exception that leaves a callback ends the process there, with a message.
#[test]
fn exceptions() {
    if crate::library::compiler(true)
        .arg("--version")
        .output()
        .is_err()
    {
        crate::library::skipped(
            "exceptions that leave a callback",
            "there is no C++ compiler",
        );
        return;
    }
    both("exceptions.cpp", |command, what| {
        succeeds(command, what);
        let callbacks = [
            "read",
            "seek",
            "size",
            "cancel",
            "close",
            "progress",
            "log",
            "ready",
            "thread_begin",
            "thread_end",
        ];
        for throws in callbacks {
            for helper in [false, true] {
                let only_with = throws.starts_with("thread");
                let only_without = matches!(throws, "cancel" | "progress" | "log");
                if (helper && only_without) || (!helper && only_with) {
                    continue;
                }
                let mut command = again(command);
                command.arg(throws).args(helper.then_some("helper"));
                let outcome = run(&mut command, HANGS_AFTER);
                let what = format!("{what}, {throws}: {}", outcome.output);
                assert_eq!(outcome.status.signal(), Some(libc::SIGABRT), "{what}");
                assert!(outcome.output.contains("unwind"), "{what}");
                // The file that it was saving at that moment is left behind, as after any kill.
                clean(command.get_current_dir().expect("set above"));
            }
        }
    });
}

/// The same program in the same environment.
fn again(command: &Command) -> Command {
    let mut again = Command::new(command.get_program());
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    again
        .envs(set)
        .current_dir(command.get_current_dir().expect("set above"));
    again
}

fn clean(folder: &std::path::Path) {
    fs::remove_dir_all(folder).expect("removed");
    fs::create_dir_all(folder).expect("a folder");
}

#[test]
fn progress() {
    promise("progress.c");
}

#[test]
fn options() {
    promise("options.c");
}

#[test]
fn small_stream_memory() {
    promise("small_stream_memory.c");
}

#[test]
fn out_of_memory() {
    promise("out_of_memory.c");
}

#[test]
fn sigxfsz() {
    promise("sigxfsz.c");
}

#[test]
fn no_trace() {
    promise("no_trace.c");
}

#[test]
fn manners() {
    both("manners.c", says_nothing);
}

#[test]
fn loaded() {
    with("loaded.c", Linkage::Loaded, says_nothing);
}
