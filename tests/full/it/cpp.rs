//! `bindings/cpp/spoolbuf.hpp`: each program of `tests/cpp`, by each compiler and standard there is.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::library::{HANGS_AFTER, library, root, run, scratch, skipped};

const SANITIZED: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// A compiler, told to take no nonsense; none, loudly, where there is none.
fn compiler(name: &str, standard: &str) -> Option<Command> {
    if Command::new(name).arg("--version").output().is_err() {
        skipped(name, "there is no such compiler here");
        return None;
    }
    let mut command = Command::new(name);
    command
        .args(["-g", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow"])
        .args(["-Wconversion", "-Wsign-conversion", "-Werror"])
        .arg(format!("-std={standard}"))
        .args(["include", "bindings/cpp", "tests/cpp"].map(include));
    Some(command)
}

fn include(folder: &str) -> String {
    format!("-I{}", root().join(folder).display())
}

fn source(name: &str) -> PathBuf {
    root().join("tests/cpp").join(name)
}

/// Links a program with the library and runs it, in a folder in which it leaves nothing behind.
fn passes(mut command: Command, folder: &str) {
    let folder = scratch().join("cpp").join(folder);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("tmp")).expect("a folder");
    let program = folder.join("program");
    let shared = &library().shared;
    let place = shared.parent().expect("a folder").display();
    command
        .arg("-o")
        .arg(&program)
        .arg(shared)
        .arg(format!("-Wl,-rpath,{place}"))
        .arg("-pthread");
    run(&mut command, HANGS_AFTER).expect_success(&format!("{command:?}"));
    let mut running = Command::new(&program);
    running
        .current_dir(folder.join("tmp"))
        .env("TMPDIR", folder.join("tmp"));
    let outcome = run(&mut running, HANGS_AFTER);
    outcome.expect_success(&format!("{command:?}"));
    assert_eq!(outcome.output, "ok\n", "{command:?}");
    let left = fs::read_dir(folder.join("tmp")).expect("the folder");
    assert_eq!(left.count(), 0, "{command:?} left files behind");
}

/// A program of one file, by a compiler, with more arguments.
fn program(name: &str, by: &str, standard: &str, more: &[&str]) {
    if let Some(mut command) = compiler(by, standard) {
        command.arg(source(name)).args(more);
        passes(command, &format!("{name}-{by}-{standard}"));
    }
}

#[test]
fn a_buffer_and_its_sources() {
    program("buffer.cpp", "g++", "c++17", SANITIZED);
    program("buffer.cpp", "clang++", "c++20", &["-O2", "-fno-rtti"]);
}

/// What one writes from memory compiles.
#[test]
fn calls_from_memory() {
    program("calls.cpp", "g++", "c++17", SANITIZED);
    program("calls.cpp", "clang++", "c++20", &["-O2"]);
}

#[test]
fn a_panic_of_the_library() {
    program("panic.cpp", "g++", "c++17", SANITIZED);
}

/// Sources that fail, by exceptions.
#[test]
fn faults() {
    program("faults.cpp", "g++", "c++17", SANITIZED);
    program("faults.cpp", "clang++", "c++20", &["-O2", "-fno-rtti"]);
}

/// The same without: engines are compiled so. Error codes are there with exceptions as well.
#[test]
fn error_codes() {
    let without = ["-fno-exceptions", "-fno-rtti"];
    program("codes.cpp", "g++", "c++17", &without);
    program("codes.cpp", "g++", "c++20", SANITIZED);
    program(
        "codes.cpp",
        "clang++",
        "c++20",
        &[&without[..], &["-O2"]].concat(),
    );
}

/// A cache: its opener, its readers, and what the opener and the sources throw.
#[test]
fn a_cache() {
    program("cache.cpp", "g++", "c++17", SANITIZED);
    let without = ["-fno-exceptions", "-fno-rtti"];
    program("cache.cpp", "g++", "c++20", &without);
    program("cache.cpp", "clang++", "c++20", &["-O2", "-fno-rtti"]);
}

#[test]
fn streams_on_both_sides() {
    program("stream.cpp", "g++", "c++17", SANITIZED);
    program("stream.cpp", "clang++", "c++17", &["-O2"]);
}

#[test]
fn spans() {
    program("span.cpp", "g++", "c++20", SANITIZED);
    let twice = source("twice.cpp").display().to_string();
    program("span.cpp", "g++", "c++23", &["-O2", "-DELSEWHERE", &twice]);
}

/// A library that hides its symbols and the program that it is linked to have one category.
#[test]
fn one_category_in_a_process() {
    for by in ["g++", "clang++"] {
        let folder = scratch().join(format!("cpp/hidden-{by}"));
        fs::create_dir_all(&folder).expect("a folder");
        let elsewhere = folder.join("libelsewhere.so");
        let hidden = ["-shared", "-fPIC", "-fvisibility=hidden", "-o"];
        let Some(mut command) = compiler(by, "c++17") else {
            continue;
        };
        command
            .args(hidden)
            .arg(&elsewhere)
            .arg(source("twice.cpp"));
        run(&mut command, HANGS_AFTER).expect_success(by);
        let found = format!("-Wl,-rpath,{}", folder.display());
        let linked = elsewhere.display().to_string();
        let more = ["-fvisibility=hidden", &linked, &found];
        program("hidden.cpp", by, "c++17", &more);
    }
}

/// Compiles a text without linking; what the compiler says, if it refuses.
fn compiles(by: &str, standard: &str, flag: &str, text: &str) -> Option<Result<(), String>> {
    let mut command = compiler(by, standard)?;
    let file = scratch().join(format!("cpp/text{flag}-{by}-{standard}.cpp"));
    fs::create_dir_all(scratch().join("cpp")).expect("a folder");
    fs::write(&file, text).expect("a file");
    command.args(["-fsyntax-only", flag]).arg(&file);
    let outcome = run(&mut command, HANGS_AFTER);
    Some(match outcome.status.success() {
        true => Ok(()),
        false => Err(outcome.output),
    })
}

#[test]
fn says_what_it_needs() {
    let header = "#include <spoolbuf.hpp>\n";
    for by in ["g++", "clang++"] {
        if let Some(result) = compiles(by, "c++14", "-O0", header) {
            let said = result.expect_err("it can't be had");
            assert!(said.contains("spoolbuf.hpp needs C++17"), "{said}");
        }
        // What throws is not there without exceptions; a code is.
        let throwing = format!("{header}auto all(spoolbuf::buffer &b) {{ return b.read_all(); }}");
        if let Some(result) = compiles(by, "c++17", "-fno-exceptions", &throwing) {
            result.expect_err("it would throw");
        }
        let wrong =
            format!("{header}void wrong() {{ spoolbuf::buffer none([] {{ return 0; }}); }}");
        if let Some(result) = compiles(by, "c++17", "-O1", &wrong) {
            let said = result.expect_err("no source");
            assert!(
                said.contains("a source takes (void *, std::size_t)"),
                "{said}"
            );
        }
        let wrong = format!("{header}void wrong() {{ spoolbuf::cache none([] {{ return 0; }}); }}");
        if let Some(result) = compiles(by, "c++17", "-O3", &wrong) {
            let said = result.expect_err("no opener");
            let needed = "an opener takes (std::string_view, std::uint64_t)";
            assert!(said.contains(needed), "{said}");
        }
    }
}

/// The macros that windows.h defines are in nobody's way.
#[test]
fn compiles_with_conflicting_macros() {
    let text = "#include <algorithm>\n#include <chrono>\n#include <cmath>\n#include <filesystem>\n\
                #include <functional>\n#include <limits>\n#include <memory>\n#include <mutex>\n\
                #include <optional>\n#include <string>\n#include <vector>\n\
                #define min(a, b) ((a) < (b) ? (a) : (b))\n#define max(a, b) ((a) > (b) ? (a) : (b))\n\
                #define free(p) _free_dbg(p, 1)\n#include <spoolbuf.hpp>\n";
    if let Some(result) = compiles("g++", "c++17", "-O2", text) {
        result.expect("it compiles");
    }
}
