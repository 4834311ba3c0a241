//! The examples of event loops: they print what has arrived while the stream blocks, and go on meanwhile.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::spawn;

use crate::library::{HANGS_AFTER, root};
use crate::player::Player;

/// More than memory takes by default.
const SIZE: usize = 8_000_000;
/// What has arrived when the stream blocks.
const FIRST: usize = 100_000;

fn bytes() -> Vec<u8> {
    let byte = |at: u64| ((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (0..SIZE as u64).map(byte).collect()
}

fn command(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg(HANGS_AFTER.as_secs().to_string()).arg(program);
    command
}

/// A stream that blocks in the middle, until the first half was printed and the loop went on.
fn prints_as_it_arrives(program: &Path) {
    let mut child = command(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut out = child.stdout.take().expect("a pipe");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut printed = vec![0; FIRST];
    let feeding = spawn(move || {
        input.write_all(&bytes()[..FIRST]).expect("a reader");
        input
    });
    out.read_exact(&mut printed).expect("the first part");
    let mut input = feeding.join().expect("no panic");
    let mut line = || said.next().expect("a line").expect("UTF-8");
    assert_eq!(line(), "the event loop goes on");
    let feeding = spawn(move || input.write_all(&bytes()[FIRST..]).expect("a reader"));
    out.read_to_end(&mut printed).expect("all of it");
    feeding.join().expect("no panic");
    assert!(printed == bytes(), "{} bytes", printed.len());
    assert_eq!(line(), "success");
    assert!(child.wait().expect("it ends").success());
}

/// A stream that fails.
fn fails(program: &Path) {
    let folder = File::open(root()).expect("a folder");
    let output = command(program).stdin(folder).output().expect("it runs");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.ends_with("the source failed\n"), "{said}");
    assert!(output.stdout.is_empty() && output.status.code() == Some(1));
}

fn runs(name: &str, packages: &[&str]) {
    let source = format!("examples/{name}.c");
    // libuv's header does not know plain C99.
    if let Some(example) = Player::build_with(&source, packages, &["-std=gnu99"]) {
        prints_as_it_arrives(&example.program);
        fails(&example.program);
    }
}

#[test]
fn in_a_poll_loop() {
    runs("ready_eventfd", &[]);
}

#[test]
fn in_a_libuv_loop() {
    runs("ready_libuv", &["libuv"]);
}

#[test]
fn examples_are_short() {
    for name in ["ready_eventfd.c", "ready_libuv.c"] {
        let text = fs::read_to_string(root().join("examples").join(name)).expect(name);
        assert!(text.lines().count() <= 60, "{name}");
    }
}
