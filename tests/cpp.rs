//! `bindings/cpp/spoolbuf.hpp`: each program of `tests/cpp`, by each compiler and standard there is.

#![cfg(target_os = "linux")]

#[allow(dead_code)]
mod library;

use std::fs;
use std::process::Command;
use std::time::Duration;

use library::{library, root, run, scratch, skipped};

/// Far more than any program takes on a busy machine; what takes longer hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// Compiles and runs a program of `tests/cpp`, with what else it is made of.
fn passes(compiler: &str, standard: &str, sources: &[&str], extra: &[&str]) {
    if Command::new(compiler).arg("--version").output().is_err() {
        return skipped(compiler, "there is no such compiler here");
    }
    let name = sources[0].split('.').next().expect("a name");
    let folder = scratch().join(format!("cpp/{name}-{compiler}-{standard}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("tmp")).expect("a folder");
    let program = folder.join(name);
    let shared = &library().shared;
    let mut command = Command::new(compiler);
    command
        .args([
            "-g",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wshadow",
            "-Werror",
        ])
        .arg(format!("-std={standard}"))
        .args(extra)
        .arg("-I")
        .arg(root().join("include"))
        .arg("-I")
        .arg(root().join("bindings/cpp"))
        .args(
            sources
                .iter()
                .map(|source| root().join("tests/cpp").join(source)),
        )
        .arg("-o")
        .arg(&program)
        .arg(shared)
        .arg(format!(
            "-Wl,-rpath,{}",
            shared.parent().expect("a folder").display()
        ))
        .arg("-pthread");
    let what = format!("{name}, {compiler} -std={standard} {extra:?}");
    run(&mut command, LIMIT).expect_success(&format!("compiling {what}"));
    let mut command = Command::new(&program);
    command
        .current_dir(folder.join("tmp"))
        .env("TMPDIR", folder.join("tmp"));
    let outcome = run(&mut command, LIMIT);
    outcome.expect_success(&what);
    assert_eq!(outcome.output, "ok\n", "{what}");
    let left = fs::read_dir(folder.join("tmp"))
        .expect("the folder")
        .count();
    assert_eq!(left, 0, "{what} left files behind");
}

const SANITIZED: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

#[test]
fn a_buffer_and_its_sources() {
    passes("g++", "c++17", &["buffer.cpp"], SANITIZED);
    passes("clang++", "c++20", &["buffer.cpp"], &["-O2"]);
}

#[test]
fn streams_on_both_sides() {
    passes("g++", "c++17", &["stream.cpp"], SANITIZED);
    passes("clang++", "c++17", &["stream.cpp"], &["-O2"]);
}

#[test]
fn spans() {
    passes("g++", "c++20", &["span.cpp"], SANITIZED);
    passes("g++", "c++23", &["span.cpp", "twice.cpp"], &["-O2"]);
}
