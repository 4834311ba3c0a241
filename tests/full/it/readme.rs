//! The README, word for word: its programs are compiled and run, its commands are executed.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::checkout::{README, block, checkout, shell, succeeds, succeeds_with};
use crate::foreign::installation;

/// What the README says that its programs print.
fn printed() -> String {
    block("text", "bytes saved")
}

/// Runs a program on the README's stream, and checks what it prints and what it saved.
#[track_caller]
fn prints(directory: &Path, program: &str) {
    let _ = fs::remove_file(directory.join("copy"));
    let out = succeeds(directory, &format!("seq -w 0 300000 | {program}"));
    assert_eq!(out, printed(), "{program}");
    let stream = succeeds(directory, "seq -w 0 300000");
    let copy = fs::read_to_string(directory.join("copy")).expect("saved");
    assert!(copy == stream, "{program} saved something else");
}

/// Whether a tool is there; says so loudly if it is not.
fn is_there(tool: &str) -> bool {
    let output = Command::new("sh")
        .args(["-c", &format!("command -v {tool}")])
        .output();
    let there = output.is_ok_and(|output| output.status.success());
    if !there {
        crate::skip::skip("a part of the README", format!("{tool} is not there"));
    }
    there
}

#[test]
fn shared_library_in_c_and_python() {
    let (checkout, _alone) = checkout();
    let commands = block("sh", "cc -std=c99 -I include demo.c -L");
    assert_eq!(succeeds(checkout, &commands), printed());
    prints(checkout, "./demo");
    let strict = "cc -std=c99 -Wall -Wextra -Wpedantic -Werror -I include -c demo.c -o /dev/null";
    succeeds(checkout, strict);
    if is_there("python3") {
        prints(checkout, "python3 demo.py");
    }
}

/// Where Ctrl-C arrives in the source of the README's Python program, as what runs before it.
const INTERRUPTS: [(&str, &str); 3] = [
    ("before the bytes are read", "os.read = later(os.read)"),
    (
        "before they are handed over",
        "c.memmove = later(c.memmove)",
    ),
    (
        "once they have been read",
        "read = os.read\nos.read = lambda *a: (read(*a), soon())[0]",
    ),
];

/// Raises KeyboardInterrupt at the 60th call, as the handler of SIGINT does.
const INTERRUPTED: &str = r#"
import ctypes as c, os
calls = 0
def soon():
    global calls
    calls += 1
    if calls == 60:
        raise KeyboardInterrupt
def later(real):
    return lambda *arguments: (soon(), real(*arguments))[1]
"#;

#[test]
fn an_interrupt_is_an_error_in_python() {
    let (checkout, _alone) = checkout();
    if !is_there("python3") {
        return;
    }
    succeeds(checkout, &block("sh", "cc -std=c99 -I include demo.c -L"));
    let program = block("python", "ctypes");
    for (when, lines) in INTERRUPTS {
        let text = format!("{INTERRUPTED}{lines}\n{program}");
        fs::write(checkout.join("interrupted.py"), text).expect("written");
        let _ = fs::remove_file(checkout.join("copy"));
        let output = shell(checkout, "seq -w 0 300000 | python3 interrupted.py");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("KeyboardInterrupt"), "{when}: {said}");
        assert!(said.contains("the source failed"), "{when}: {said}");
        assert_eq!(output.status.code(), Some(1), "{when}: {said}");
        assert!(!checkout.join("copy").exists(), "{when}: a file was saved");
    }
}

fn await_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process with one thread sleeps, with nothing left in the pipe that it reads from: in its
/// read, then.
fn sleeps_at_an_empty_pipe(pid: i32, pipe: &impl AsRawFd) -> bool {
    let mut left: libc::c_int = -1;
    // SAFETY: FIONREAD writes one int, which is there.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut left) };
    let status = fs::read_to_string(format!("/proc/{pid}/stat"));
    result == 0 && left == 0 && status.is_ok_and(|text| text.contains(") S "))
}

/// Ctrl-C itself, while the program waits for a pipe that stays open.
#[test]
fn a_signal_is_an_error_in_python() {
    let (checkout, _alone) = checkout();
    if !is_there("python3") {
        return;
    }
    succeeds(checkout, &block("sh", "cc -std=c99 -I include demo.c -L"));
    let _ = fs::remove_file(checkout.join("copy"));
    let mut child = Command::new("python3")
        .arg("demo.py")
        .current_dir(checkout)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut input = child.stdin.take().expect("a pipe");
    // More than it needs for its reads and the pipe holds, so that it is in its save when all of
    // that has been written.
    input.write_all(&[b'7'; 2 << 20]).expect("written");
    let pid = i32::try_from(child.id()).expect("a process");
    await_until("it waits for the pipe", || {
        sleeps_at_an_empty_pipe(pid, &input)
    });
    // SAFETY: kill() takes numbers only; the child is not waited for yet, so the number is its own.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    await_until("it ends", || child.try_wait().expect("a child").is_some());
    let output = child.wait_with_output().expect("waited for");
    drop(input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("KeyboardInterrupt"), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(!checkout.join("copy").exists(), "a file was saved");
}

#[test]
fn static_library() {
    let (checkout, _alone) = checkout();
    let commands = block("sh", "demo-static");
    assert_eq!(succeeds(checkout, &commands), printed());
    prints(checkout, "./demo-static");
}

#[test]
fn installed_library() {
    let (checkout, _alone) = checkout();
    let spaced = checkout.join("a prefix with spaces");
    for prefix in [&checkout.join("prefix"), &spaced] {
        let _ = fs::remove_dir_all(prefix);
        succeeds_with(checkout, prefix, &installation());
    }
    if !is_there("pkg-config") {
        return;
    }
    let compile = "cc demo.c $(pkg-config --cflags --libs spoolbuf) -o demo";
    assert!(README.contains(compile));
    succeeds(checkout, &format!("rm -f demo; {compile}"));
    prints(checkout, "./demo");
    let compile = "eval \"cc demo.c $(pkg-config --cflags --libs spoolbuf) -o demo\"";
    assert!(README.contains(compile));
    succeeds_with(
        checkout,
        &spaced,
        &format!("rm -f demo; {compile}; ldd demo"),
    );
    succeeds_with(checkout, &spaced, "seq -w 0 300000 | ./demo");
    if is_there("cmake") {
        let project = checkout.join("cmake");
        fs::create_dir_all(&project).expect("a directory");
        let lines = format!(
            "cmake_minimum_required(VERSION 3.16)\nproject(demo C)\n\
             add_executable(demo ../demo.c)\n{}",
            block("cmake", "find_package")
        );
        fs::write(project.join("CMakeLists.txt"), lines).expect("written");
        succeeds(
            checkout,
            "cd cmake; rm -rf build; cmake -B build; cmake --build build",
        );
        prints(checkout, "cmake/build/demo");
    }
}

#[test]
fn rust_program() {
    let (checkout, _alone) = checkout();
    let package = checkout.join("demo-rust");
    fs::create_dir_all(package.join("src")).expect("a directory");
    let line = "spoolbuf = { path = \"…\" }";
    assert!(README.contains(&format!("`{line}`")));
    let manifest = format!(
        "[package]\nname = \"demo\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{}\n",
        line.replace('…', concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    );
    fs::write(package.join("Cargo.toml"), manifest).expect("written");
    fs::copy(checkout.join("Cargo.lock"), package.join("Cargo.lock")).expect("copied");
    fs::write(package.join("src/main.rs"), block("rust,no_run", "fn main")).expect("written");
    succeeds(&package, "cargo build --quiet");
    prints(checkout, "demo-rust/target/debug/demo");
}

/// The names in a text that begin with `sb_`.
fn names(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("sb_"))
        .collect()
}

#[test]
fn names_every_call_and_nothing_else() {
    let header = include_str!("../../../include/spoolbuf.h");
    // The functions are what stands between the brackets of `extern "C"`, comments apart.
    let functions = header.split("extern \"C\" {").nth(1).expect("functions");
    let functions: Vec<&str> = functions
        .lines()
        .filter(|line| !line.starts_with([' ', '/']))
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| names(before).last().copied())
        .collect();
    assert!(functions.len() >= 20, "{functions:?}");
    let table = README.split("\n## The calls\n").nth(1).expect("the calls");
    let table = names(table.split("\n## ").next().expect("the calls"));
    for function in &functions {
        assert!(table.contains(function), "{function} is not in the README");
    }
    let known = names(header);
    for name in names(README) {
        assert!(known.contains(&name), "{name} is not in the header");
    }
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let links = README.split("](").skip(1);
    let links: Vec<&str> = links.filter_map(|text| text.split(')').next()).collect();
    assert!(links.len() >= 5, "{links:?}");
    for link in links.iter().filter(|link| !link.contains("://")) {
        // The headings are checked by `.ci/quick`.
        let file = link.split('#').next().expect("a part");
        assert!(root.join(file).exists(), "{link}");
    }
}
