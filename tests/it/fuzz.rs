//! A short run of the fuzzer in `tests/fuzz`: the seeds that found something, and a few hundred
//! fixed cases. `.ci/fuzz` runs it for longer, under a sanitizer, `.ci/deep` for as long as wanted.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::library::{compiler, library, root, run, scratch};

fn build() -> PathBuf {
    let program = scratch().join("fuzz");
    let mut command = compiler(false);
    command.arg("-std=c11");
    for entry in fs::read_dir(root().join("tests/fuzz")).expect("tests/fuzz") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "c") {
            command.arg(path);
        }
    }
    command.arg(&library().archive).arg("-o").arg(&program);
    command.args(["-lpthread", "-ldl", "-lm", "-lrt", "-lutil"]);
    let output = command.output().expect("a C compiler runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

#[test]
fn finds_nothing() {
    let seeds = root().join("tests/fuzz/seeds");
    let mut command = Command::new(build());
    command
        .arg("--seeds")
        .arg(seeds)
        .args(["--from", "10001", "--cases", "100"])
        .env("TMPDIR", scratch());
    run(&mut command, Duration::from_secs(100)).expect_success("tests/fuzz");
}
