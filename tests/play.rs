//! The example `play`, run as a user runs it: to its end, and stopped in the middle.

#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

/// What a user types after `cargo run --release --example play --`.
fn play(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--release", "--example", "play", "--"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn finished(arguments: &[&str]) -> String {
    let output = play(arguments).output().expect("cargo can be run");
    let text = text(&output);
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(
        text.contains("the same as went in, byte for byte"),
        "{text}"
    );
    assert!(text.contains("\nDone: "), "{text}");
    assert!(!text.contains('\x1b'), "escapes in a pipe: {text}");
    text
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

#[test]
fn plays_its_own_file() {
    let text = finished(&["--rate", "0", "--play", "0", "--stall", "0"]);
    for case in [
        "1  wholly",
        "2  starting",
        "3  past",
        "4  straddling",
        "5  across",
    ] {
        let line = text.lines().find(|line| line.contains(case));
        assert!(
            line.is_some_and(|line| line.ends_with("right")),
            "{case}: {text}"
        );
    }
    assert!(text.contains("Played 40550444 of 40550444 bytes"), "{text}");
}

#[test]
fn plays_any_file() {
    let program = std::env::current_exe().expect("this test's own file");
    let program = program.to_str().expect("a readable path");
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path.to_str().expect("a readable path").to_owned()
    };
    let empty = file("empty", b"");
    let byte = file("byte", b"1");
    let small = file("small", &[7; 5000]);
    let saved = directory.path().join("saved");
    for file in [program, &empty, &byte, &small] {
        let out = saved.to_str().expect("a readable path");
        let fast = ["--rate", "0", "--play", "0", "--stall", "0", "--max", "0.1"];
        finished(&[&fast[..], &["--out", out, file]].concat());
        let [given, saved] = [file, out].map(|path| std::fs::read(path).expect("readable"));
        assert!(given == saved, "{file}");
    }
}

#[test]
fn stops_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("six MiB");
    std::fs::write(&file, vec![6; 6 << 20]).expect("written");
    let file = file.to_str().expect("a readable path");
    // The network falls silent for three minutes after 4 MiB; one that could not be stopped would
    // play on after that.
    let mut child = play(&["--rate", "0", "--play", "0", "--stall", "180000", file])
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut seen = String::new();
    // cargo and the driver have become the program by the time that it prints.
    for line in lines.by_ref() {
        let line = line.expect("readable");
        seen += &line;
        // All that comes before the silence has been played: the player waits.
        if line.starts_with("played   4.2") {
            break;
        }
    }
    let pid = i32::try_from(child.id()).expect("a process");
    // SAFETY: kill() takes numbers only; the child is not waited for yet, so the number is its own.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    for line in lines {
        seen += &line.expect("readable");
        seen += "\n";
    }
    let status = child.wait().expect("waited for");
    assert_eq!(status.code(), Some(128 + libc::SIGINT), "{seen}");
    assert!(seen.contains("answered \"canceled\""), "{seen}");
    assert!(!seen.contains("FAILED"), "{seen}");
}

#[test]
fn refuses_what_it_does_not_understand() {
    for (arguments, message) in [
        (&["--rate", "fast"][..], "--rate: wants a number"),
        (&["--rate"], "--rate: a value is missing"),
        (&["--burst", "0"], "--burst: wants at least one byte"),
        (&["--loud"], "--loud: no such option"),
        (&["one", "two"], "two: one FILE is enough"),
    ] {
        let output = play(arguments).output().expect("cargo can be run");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output).contains(message), "{}", text(&output));
    }
    for (file, message) in [
        ("no such file", "No such file"),
        (".", "not a regular file"),
    ] {
        let output = play(&[file]).output().expect("cargo can be run");
        assert_eq!(output.status.code(), Some(1), "{file}");
        assert!(text(&output).contains(message), "{}", text(&output));
    }
    let output = play(&["--help"]).output().expect("cargo can be run");
    assert!(output.status.success() && text(&output).contains("--rate MIB"));
}
