//! The examples that push: what they receive from a server is read on another thread, pauses while that
//! one is slow, and is never taken for whole if the transfer fails.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use crate::curl::{Framing, Reply, Server, serve, status};
use crate::library::{HANGS_AFTER, root};
use crate::player::Player;

/// More than memory takes by default.
const SIZE: usize = 8_000_000;

fn body() -> Vec<u8> {
    let byte = |at: u64| ((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (0..SIZE as u64).map(byte).collect()
}

fn whole() -> Reply {
    status("200 OK").of(body())
}

/// How often the threads of the program that `timeout` runs have gone to sleep.
fn sleeps(timeout: u32) -> u64 {
    let children = fs::read_to_string(format!("/proc/{timeout}/task/{timeout}/children"));
    let program = children.expect("procfs").trim().to_owned();
    let threads = fs::read_dir(format!("/proc/{program}/task")).expect("it runs");
    let counts = threads.map(|thread| {
        let status = thread.expect("a thread").path().join("status");
        let status = fs::read_to_string(status).expect("it runs");
        let count = status.split_once("\nvoluntary_ctxt_switches:");
        let count = count.and_then(|(_, rest)| rest.lines().next());
        count.and_then(|count| count.trim().parse::<u64>().ok())
    });
    counts.map(|count| count.expect("a count")).sum()
}

/// A program that is paused and not read comes to rest: no thread of it wakes up to look for space.
fn rests(timeout: u32) {
    let begun = Instant::now();
    let mut before = sleeps(timeout);
    loop {
        sleep(Duration::from_millis(500));
        let after = sleeps(timeout);
        if after == before {
            return;
        }
        assert!(begun.elapsed() < HANGS_AFTER / 3, "it polls");
        before = after;
    }
}

/// What a program printed, what it said, and whether it returned 0. If it should pause, it is not read
/// before it has paused and rests.
fn fetch(program: &Path, server: &Server, pauses: bool) -> (Vec<u8>, String, bool) {
    let mut command = Command::new("timeout");
    command.arg(HANGS_AFTER.as_secs().to_string()).arg(program);
    let mut child = command
        .arg(&server.url)
        .env("no_proxy", "*")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut said = String::new();
    let mut more = |until: &str| {
        for line in lines.by_ref() {
            said += &(line.expect("a line") + "\n");
            if said.lines().any(|line| line == until) {
                break;
            }
        }
    };
    if pauses {
        more("paused");
        rests(child.id());
    }
    let mut out = child.stdout.take().expect("a pipe");
    let printed = spawn(move || {
        let mut printed = Vec::new();
        out.read_to_end(&mut printed).expect("all of it");
        printed
    });
    more("");
    let printed = printed.join().expect("no panic");
    let status = child.wait().expect("it ends");
    assert!(
        status.code().is_some_and(|code| code <= 1),
        "{status} {said}"
    );
    (printed, said, status.success())
}

/// A transfer that pauses, one of each framing that tells its end, and those that fail. `drops`: the
/// network library may not hand over the last bytes before a connection broke.
fn copies(program: &Path, drops: bool) {
    for framing in [Framing::Length, Framing::Chunked] {
        let framing = std::sync::Mutex::new(Some(framing));
        let server = serve(move |_| {
            let framing = framing.lock().expect("once").take();
            whole().framed(framing.expect("one request"))
        });
        let (printed, said, good) = fetch(program, &server, true);
        assert_eq!(said, "paused\nsuccess\n");
        assert!(printed == body() && good, "{} bytes", printed.len());
    }
    const CUT: usize = 300_000;
    let cut = serve(|_| whole().cut(CUT));
    let missing = serve(|_| status("404 Not Found"));
    for (server, count) in [(cut, CUT), (missing, 0)] {
        let (printed, said, good) = fetch(program, &server, false);
        assert_eq!(said, "the source failed\n");
        let length = printed.len();
        let arrived = if drops { length.min(count) } else { count };
        assert!(printed == body()[..arrived] && !good, "{length} bytes");
    }
}

#[test]
fn from_libcurl() {
    if let Some(example) = Player::build("examples/push_curl.c", &["libcurl"]) {
        copies(&example.program, false);
    }
}

#[test]
fn from_qt() {
    if let Some(example) = Player::build("examples/push_qt.cpp", &["Qt6Network"]) {
        copies(&example.program, true);
    }
}

#[test]
fn examples_are_short() {
    for name in ["push_curl.c", "push_qt.cpp", "push_asyncio.py"] {
        let text = fs::read_to_string(root().join("examples").join(name)).expect(name);
        assert!(text.lines().count() <= 60, "{name}");
    }
}
