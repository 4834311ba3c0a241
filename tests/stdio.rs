//! `bindings/stdio`: descriptors of every kind as sources, places of a FILE, and the FILE of the systems
//! that are not here.

#![cfg(target_os = "linux")]

mod library;
#[allow(dead_code)]
mod player;

use std::process::Command;
use std::time::Duration;

use library::run;
use player::{Player, media};

const LIMIT: Duration = Duration::from_secs(90);

fn passes(source: &str) {
    let program = Player::build_with(source, &[], &["-D_GNU_SOURCE"]).expect("needs no library");
    let outcome = run(&mut Command::new(program.program), LIMIT);
    outcome.expect_success(source);
    assert_eq!(outcome.output, "ok\n");
}

#[test]
fn descriptors() {
    passes("tests/stdio/descriptors.c");
}

#[test]
fn places() {
    passes("tests/stdio/places.c");
}

#[test]
fn funopen() {
    passes("tests/stdio/funopen.c");
}
