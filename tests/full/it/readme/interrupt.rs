//! Ctrl-C in the Python program of the README.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::is_there;
use crate::checkout::{block, checkout, shell, succeeds};

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
    let end = Instant::now() + Duration::from_secs(300);
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

/// A shell makes what it runs in the background ignore Ctrl-C, and Python leaves it at that.
fn heed_interrupts() -> io::Result<()> {
    // SAFETY: the default action is no function.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    Ok(())
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
    let mut python = Command::new("python3");
    python.arg("demo.py").current_dir(checkout);
    python.stdin(Stdio::piped());
    python.stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: signal() may be called between fork() and exec().
    unsafe { python.pre_exec(heed_interrupts) };
    let mut child = python.spawn().expect("python3 starts");
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
