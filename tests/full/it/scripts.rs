//! The scripts of `.ci` and `packaging`, with programs that only look like those that they run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::foreign::{are_there, program};
use crate::library::{HANGS_AFTER, Outcome, root, run, scratch};

mod release;

/// An empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = scratch().join("scripts").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Whether a process runs, as the system says; one that has ended may still be listed.
fn runs(process: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = state.rsplit(") ").next().and_then(|it| it.chars().next());
    state.is_some_and(|it| it != 'Z')
}

/// `.ci/run` in a folder where all that it runs does nothing, except for some programs.
fn run_all(folder: &Path, programs: &[(&str, &str)]) -> String {
    for name in [
        "miniaudio",
        "sdl3",
        "tools",
        "quick",
        "setup-toolchain",
        "fresh",
        "cross",
    ] {
        program(&folder.join(".ci").join(name), "");
    }
    fs::copy(root().join(".ci/run"), folder.join(".ci/run")).expect("copied");
    for name in ["cargo", "npm"] {
        program(&folder.join("bin").join(name), "");
    }
    for (name, lines) in programs {
        program(&folder.join(name), lines);
    }
    // Not in the session that `run` ends.
    let mut script = Command::new("setsid");
    let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
    script.args(["--wait", "bash"]).arg(folder.join(".ci/run"));
    script.env_clear().env("PATH", path).env("HOME", folder);
    run(&mut script, HANGS_AFTER).output
}

/// What runs beside other steps ends with them, and so does what it has started, in whatever group.
#[test]
fn a_failing_step_ends_what_runs_beside_it() {
    if !are_there("a failing step", &["bash", "setsid"]) {
        return;
    }
    let folder = folder("a failing step");
    // The tests start another process and don't end; the next step fails once they run.
    let python = "case $1 in
        *run_tests.py) exec bash -c 'set -m; sleep 600 & echo $$ $! >running.new; mv running.new running; wait' ;;
        *) until [ -e running ]; do sleep 0.1; done; exit 1 ;;
    esac";
    let said = run_all(&folder, &[("bin/python3", python)]);
    assert!(said.contains("FAILED: documentation"), "{said}");
    let running = fs::read_to_string(folder.join("running")).expect("two numbers");
    let begun = Instant::now();
    for process in running.split_whitespace() {
        while runs(process) {
            assert!(begun.elapsed() < HANGS_AFTER, "{process} runs");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// It is noticed after the step beside which it failed, and its output is the last that is printed.
#[test]
fn what_fails_beside_a_step_ends_the_run() {
    if !are_there("a failing step", &["bash", "setsid"]) {
        return;
    }
    let folder = folder("a step beside others");
    // The tests end once it has.
    let cross = "echo $PPID >parent; echo it is broken; exit 4";
    let cargo = "[ $1 != full ] || {
        until [ -s parent ]; do sleep 0.1; done
        while kill -0 $(cat parent) 2>/dev/null; do sleep 0.1; done
    }";
    let said = run_all(&folder, &[(".ci/cross", cross), ("bin/cargo", cargo)]);
    let end = "DONE: all tests (";
    let (_, after) = said.split_once(end).expect(&said);
    let (_, after) = after.split_once('\n').expect("a line");
    let last = "END: other systems\nit is broken\nFAILED: other systems (status 4, ";
    assert!(after.starts_with(last), "{said}");
}

/// `packaging/libraries.sh` with what cargo has built, and an nm that fails.
fn libraries_without_nm(folder: &Path, built: &[&str]) -> Outcome {
    // A folder for each target: what cargo's configuration says of it is not asked.
    for name in built {
        let library = folder.join("cargo/this-machine/release").join(name);
        fs::create_dir_all(library.parent().expect("a folder")).expect("a folder");
        fs::write(library, "built").expect("written");
    }
    let cargo = folder.join("cargo that builds nothing");
    program(&cargo, "echo 'cargo 9.0.0'");
    let (rustc, objcopy) = (folder.join("rustc"), folder.join("objcopy"));
    program(&rustc, "echo 'host: this-machine'");
    program(&objcopy, "for to; do :; done; echo local >\"$to\"");
    let mut script = Command::new("sh");
    script
        .arg(root().join("packaging/libraries.sh"))
        .arg(folder);
    script.env("CARGO", &cargo).env("RUSTC", &rustc);
    script.env("NM", "false").env("OBJCOPY", objcopy);
    script.env_remove("CARGO_TARGET_DIR");
    script.env_remove("CARGO_BUILD_TARGET");
    run(&mut script, HANGS_AFTER)
}

/// An archive of no function is none.
#[test]
fn libraries_need_a_list_of_functions() {
    let folder = folder("no functions");
    let outcome = libraries_without_nm(&folder, &["libspoolbuf.so", "libspoolbuf.a"]);
    assert!(!outcome.status.success(), "{}", outcome.output);
    let why = "false finds no function";
    assert!(outcome.output.contains(why), "{}", outcome.output);
    assert!(!folder.join("libspoolbuf.a").exists());
}

/// On Windows, too, a list that could not be made does not say that Rust's symbols are gone.
#[test]
fn an_archive_of_windows_needs_a_list_of_symbols() {
    let folder = folder("no symbols");
    let outcome = libraries_without_nm(&folder, &["spoolbuf.dll", "libspoolbuf.a"]);
    let why = "libspoolbuf.a keeps the symbols of Rust";
    assert!(outcome.output.contains(why), "{}", outcome.output);
    let archive = fs::read_to_string(folder.join("libspoolbuf.a"));
    assert_eq!(archive.expect("an archive"), "built");
}

/// What was run on another machine is said, with how it ended.
#[test]
fn a_machine_is_not_said_to_pass_what_failed() {
    if !are_there("a machine", &["bash", "timeout"]) {
        return;
    }
    let folder = folder("a machine");
    program(&folder.join(".ci/setup-toolchain"), "");
    fs::copy(root().join(".ci/machines"), folder.join(".ci/machines")).expect("copied");
    for name in ["tests/c/one.c", "tests/c/two.c", "toolchain/env.sh"] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "").expect("written");
    }
    let built = folder.join("target/cross/i686-unknown-linux-gnu/debug");
    fs::create_dir_all(built).expect("a folder");
    program(
        &folder.join("bin/cargo"),
        "case $* in *api::*) exit 1 ;; esac",
    );
    // A program that succeeds if its name is one.
    let compiler = "while [ \"$1\" != -o ]; do shift; done
        printf '#!/bin/sh\\n[ \"${0##*/}\" = one ]\\n' >\"$2\" && chmod +x \"$2\"";
    program(&folder.join("bin/i686-linux-gnu-gcc"), compiler);
    let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
    let mut script = Command::new("bash");
    script
        .arg(folder.join(".ci/machines"))
        .args(["toolchain", "i686"])
        .env("PATH", path);
    let outcome = run(&mut script, HANGS_AFTER);
    assert!(!outcome.status.success(), "{}", outcome.output);
    let line = "tested: i686: cargo test --lib -- --skip architecture:: --skip layers:: passed, \
                cargo test --test it api:: failed, 2 C programs run, 1 failed (";
    assert!(outcome.output.contains(line), "{}", outcome.output);
}

/// Where the repository is hosted, each part of the long script is a job.
#[test]
fn each_part_of_deep_is_a_job() {
    let words = |file: &str, before: &str, after: char| {
        let text = fs::read_to_string(root().join(file)).expect("a file");
        let (_, list) = text.split_once(before).expect("a list");
        let list = list.split(after).next().expect("its end").replace(',', " ");
        list.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let parts = words(".ci/deep", "|| parts=(", ')');
    assert!(parts.len() > 2, "{parts:?}");
    assert_eq!(
        words(".github/workflows/ci.yml", "part:\n          [", ']'),
        parts
    );
}
