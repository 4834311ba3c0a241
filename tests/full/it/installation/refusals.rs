//! What CMakeLists.txt refuses: without the Rust that is needed, and for another machine.

use std::path::Path;

use super::{configure, folder, shell};
use crate::foreign::{are_there, program};
use crate::library::{HANGS_AFTER, root, run};

pub const OLD_CARGO: &str = "cargo 1.63.0 (fd9c4297c 2022-07-01)";

/// The line that says why it refuses to, without the lines around it.
fn refused(what: &str, more: &[&str]) -> String {
    let folder = folder(what);
    let mut cmake = configure(&folder, more);
    // Cargo is looked for at home as well.
    cmake.env("HOME", &folder).env_remove("CARGO_HOME");
    let outcome = run(&mut cmake, HANGS_AFTER);
    assert!(!outcome.status.success(), "{what}: {}", outcome.output);
    let mut lines = outcome.output.lines();
    let line = lines.find(|line| line.contains("spoolbuf needs"));
    line.unwrap_or_else(|| panic!("{what}: {}", outcome.output))
        .trim()
        .to_owned()
}

/// A program that says what it is told to, as cargo, in a folder.
pub fn cargo_that_says(name: &str, text: &str) -> String {
    let path = folder(name).join("cargo");
    program(&path, &format!("echo '{text}'"));
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_cargo_that_is_missing_or_old_is_one_line() {
    if !are_there("CMake's errors", &["cmake", "cc", "make"]) {
        return;
    }
    let needs = concat!(
        "spoolbuf needs Rust ",
        env!("CARGO_PKG_RUST_VERSION"),
        " or newer (https://rustup.rs)"
    );
    // Where cargo is, the rest may be as well: what else CMake looks for is named.
    let found = |tool: &str| {
        shell(root(), &format!("command -v {tool}"))
            .trim()
            .to_owned()
    };
    let none = [
        "-DCMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH=OFF",
        "-DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF",
        &format!("-DCMAKE_MAKE_PROGRAM={}", found("make")),
        &format!("-DCMAKE_C_COMPILER={}", found("cc")),
    ];
    let line = refused("no cargo", &none);
    assert_eq!(line, format!("{needs}: there is no cargo in PATH"));
    let old = cargo_that_says("1.63", OLD_CARGO);
    let line = refused("old cargo", &[&format!("-DSPOOLBUF_CARGO={old}")]);
    assert_eq!(line, format!("{needs}: {old} is version 1.63.0"));
    let broken = cargo_that_says("no toolchain", "error: no toolchain");
    let line = refused("broken cargo", &[&format!("-DSPOOLBUF_CARGO={broken}")]);
    assert_eq!(
        line,
        format!("{needs}: {broken} says \"error: no toolchain\"")
    );
}

/// Whoever installs a newer Rust and runs the same command again.
#[test]
fn a_cargo_that_was_refused_is_looked_for_again() {
    if !are_there("CMake's cache", &["cmake", "cc", "make"]) {
        return;
    }
    let old = cargo_that_says("1.63 again", OLD_CARGO);
    let place = folder("a newer cargo");
    let path = std::env::var("PATH").expect("PATH");
    let with = format!(
        "{}:{path}",
        Path::new(&old).parent().expect("bin").display()
    );
    let refused = run(
        configure(&place, &[])
            .env("PATH", with)
            .env("HOME", &place)
            .env_remove("CARGO_HOME"),
        HANGS_AFTER,
    );
    assert!(refused.output.contains("1.63.0"), "{}", refused.output);
    run(&mut configure(&place, &[]), HANGS_AFTER).expect_success("cmake");
}

/// A toolchain file alone would install a library of this machine.
#[test]
fn another_machine_is_one_line() {
    if !are_there("another machine", &["cmake", "cc", "make"]) {
        return;
    }
    for (system, processor) in [("Linux", "other"), ("FreeBSD", std::env::consts::ARCH)] {
        let more = [
            &format!("-DCMAKE_SYSTEM_NAME={system}"),
            &format!("-DCMAKE_SYSTEM_PROCESSOR={processor}"),
        ];
        let more = more.map(String::as_str);
        let line = refused("another machine", &more);
        assert!(
            line.starts_with("spoolbuf needs Rust's name of the target: -DSPOOLBUF_RUST_TARGET="),
            "{line}"
        );
        let mut cmake = configure(&folder("its target"), &more);
        cmake.arg("-DSPOOLBUF_RUST_TARGET=aarch64-unknown-linux-gnu");
        run(&mut cmake, HANGS_AFTER).expect_success("cmake");
    }
}
