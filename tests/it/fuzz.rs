//! A short run of the fuzzer in `tests/fuzz`: the seeds that found something, and a few hundred
//! fixed cases. `.ci/fuzz` runs it for longer, under a sanitizer, `.ci/deep` for as long as wanted.

use std::process::Command;

use crate::library::{HANGS_AFTER, compile_folder, root, run, scratch};

#[test]
fn finds_nothing() {
    let seeds = root().join("tests/fuzz/seeds");
    let mut command = Command::new(compile_folder("fuzz"));
    command
        .arg("--seeds")
        .arg(seeds)
        .args(["--from", "10001", "--cases", "100"])
        .env("TMPDIR", scratch());
    run(&mut command, HANGS_AFTER).expect_success("tests/fuzz");
}
