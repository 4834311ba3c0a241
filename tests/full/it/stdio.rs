//! `bindings/stdio`: descriptors of every kind as sources, places of a FILE, and the FILE of the systems
//! that are not here.

use std::process::Command;

use crate::library::{HANGS_AFTER, run};
use crate::player::Player;

fn passes(source: &str) {
    let name = source.rsplit('/').next().expect("a name");
    passes_as(name.trim_end_matches(".c"), source, "-D_GNU_SOURCE");
}

/// The same under a name of its own, with another flag.
fn passes_as(name: &str, source: &str, flag: &str) {
    let flags = ["-D_GNU_SOURCE", flag];
    let program = Player::build_as(name, source, &[], &flags).expect("needs no library");
    let outcome = run(&mut Command::new(program.program), HANGS_AFTER);
    outcome.expect_success(name);
    assert_eq!(outcome.output, "ok\n");
}

#[test]
fn descriptors() {
    passes("tests/stdio/descriptors.c");
}

/// No program that is executed inherits a descriptor of a source's: also where the headers show strict
/// POSIX only.
#[test]
fn inheritance() {
    for (name, mode) in [
        ("inherit-gnu", "-D_GNU_SOURCE"),
        ("inherit-posix", "-D_POSIX_C_SOURCE=200809L"),
    ] {
        let program = Player::build_as(name, "tests/stdio/inherit.c", &[], &[mode]);
        let program = program.expect("needs no library").program;
        let outcome = run(&mut Command::new(program), HANGS_AFTER);
        outcome.expect_success(name);
        assert_eq!(outcome.output, "ok\n");
    }
}

/// Sources that fail: at their first call, in the middle, at the last byte, during a cancel.
#[test]
fn faults() {
    passes("tests/stdio/faults.c");
}

#[test]
fn follow() {
    passes("tests/stdio/follow.c");
}

#[test]
fn cancel() {
    passes("tests/stdio/cancel.c");
}

#[test]
fn places() {
    passes("tests/stdio/places.c");
}

#[test]
fn funopen() {
    passes("tests/stdio/funopen.c");
    passes_as("funopen-narrow", "tests/stdio/funopen.c", "-DNARROW");
}

#[test]
fn narrow() {
    passes("tests/stdio/narrow.c");
}
