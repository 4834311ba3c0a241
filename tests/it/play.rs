//! The example `play`, run as a user runs it: to its end, and stopped in the middle.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

/// The arguments that a user types after `cargo run --release --example play --`.
fn play(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--release", "--example", "play"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if cfg!(feature = "parking_lot") {
        command.args(["--features", "parking_lot"]);
    }
    command.arg("--").args(arguments);
    command
}

fn finished(arguments: &[&str]) -> String {
    let output = play(arguments).output().expect("cargo can be run");
    let text = text(&output);
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(text.contains("the same as sent, byte for byte"), "{text}");
    assert!(text.contains("\nDone: "), "{text}");
    assert!(!text.contains('\x1b'), "escapes in a pipe: {text}");
    fits(&text);
    text
}

/// Nothing wraps on a terminal of 80 columns. A path is as long as it is.
fn fits(text: &str) {
    for line in text.lines().filter(|line| !line.starts_with("  in ")) {
        assert!(line.chars().count() < 80, "too long: {line}\n{text}");
    }
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

/// Without a pace, and without silences.
const FAST: [&str; 6] = ["--rate", "0", "--play", "0", "--silence", "0"];

/// The numbers in the line about one side that follows a line with `about`.
fn numbers(text: &str, about: &str, side: &str) -> Vec<f64> {
    let rest = text.split(about).nth(1).unwrap_or_else(|| panic!("{text}"));
    let line = rest
        .lines()
        .find(|line| line.trim_start().starts_with(side));
    let line = line.unwrap_or_else(|| panic!("no {side}: {text}"));
    line.split([' ', ','])
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[test]
fn plays_its_own_file() {
    let text = finished(&FAST);
    assert!(text.contains("spoolbuf 40.6\n"), "{text}");
    assert!(text.contains("Saved 40550444 bytes"), "{text}");
}

/// A silence of 1.5 s: the players reach bytes that were not sent before it, and both want to seek
/// back meanwhile.
#[test]
fn only_the_other_side_freezes() {
    let text = finished(&["--rate", "0", "--play", "0", "--silence", "1500"]);
    let about = "The network was silent for 1500 ms:";
    assert_eq!(text.matches(about).count(), 2, "{text}");
    let (theirs, ours) = (
        numbers(&text, about, "mutex"),
        numbers(&text, about, "spoolbuf"),
    );
    // Megabytes, seeks, milliseconds.
    assert!(theirs[2] > 1000.0, "{text}");
    assert!(ours[1] > theirs[1], "{text}");
}

#[test]
fn nothing_wraps_on_a_terminal() {
    let command = play(&["--rate", "0", "--play", "0", "--silence", "400"]);
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    let words: Vec<String> = words
        .map(|word| format!("'{}'", word.to_str().expect("a readable path")))
        .collect();
    let shell = format!("stty cols 80 rows 24; TERM=xterm {}", words.join(" "));
    let output = Command::new("script")
        .args(["-qefc", &shell, "/dev/null"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        return crate::skip::skip("play on a terminal", "there is no `script` here");
    };
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("\x1b["), "nothing was redrawn: {text}");
    let plain: Vec<&str> = text
        .split('\x1b')
        .map(|part| part.strip_prefix('[').unwrap_or(part))
        .map(|part| {
            part.trim_start_matches(|sign: char| sign.is_ascii_digit() || "?;".contains(sign))
        })
        .collect();
    // The last letter of an escape sequence remains.
    let plain = plain[0].to_owned() + &plain[1..].iter().map(|part| &part[1..]).collect::<String>();
    fits(&plain.replace('\r', ""));
}

#[test]
fn plays_any_file() {
    let program = std::env::current_exe().expect("this test's own file");
    let program = program.to_str().expect("a readable path");
    let directory = crate::tempfile::tempdir().expect("a directory");
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
        finished(&[&FAST[..], &["--max", "0.1", "--out", out, file]].concat());
        let [given, saved] = [file, out].map(|path| std::fs::read(path).expect("readable"));
        assert!(given == saved, "{file}");
    }
}

#[test]
fn stops_at_once() {
    // The network falls silent for three minutes after a third; a program that could not be stopped
    // would play on after that.
    let mut child = play(&["--rate", "0", "--play", "0", "--silence", "180000"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut seen = String::new();
    // cargo and the driver have become the program by the time that it prints.
    for line in lines.by_ref() {
        let line = line.expect("readable");
        seen += &line;
        // Everything before the silence has been played, however much that is: the player waits.
        let ours = line.rsplit("spoolbuf").next().unwrap_or_default();
        if line.contains(" SILENT ") && ours.contains("waits for more") {
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
    assert!(seen.contains("returned \"canceled\""), "{seen}");
    assert!(!seen.contains("FAILED"), "{seen}");
}

#[test]
fn refuses_what_it_does_not_understand() {
    for (arguments, message) in [
        (&["--rate", "fast"][..], "--rate: wants a number"),
        (&["--rate"], "--rate: a value is missing"),
        (&["--silence", "-1"], "--silence: wants a number"),
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
    // Not a directory of the source tree, which may be read-only: that is reported first.
    let made = crate::tempfile::tempdir().expect("a directory");
    let directory = made.path().join("a directory");
    std::fs::create_dir(&directory).expect("a directory");
    let directory = directory.to_str().expect("a readable path");
    for (out, message) in [
        ("no/such/x", "--out: the directory no/such: No such file"),
        ("/no-such/x", "--out: the directory /no-such: No such file"),
        (
            "Cargo.toml/x",
            "--out: the directory Cargo.toml: Not a directory",
        ),
        (directory, ": Is a directory"),
        ("", "--out: the name is empty"),
    ] {
        let output = play(&["--out", out]).output().expect("cargo can be run");
        assert_eq!(output.status.code(), Some(1), "{out}");
        assert!(text(&output).contains(message), "{}", text(&output));
    }
    let output = play(&["--help"]).output().expect("cargo can be run");
    assert!(output.status.success() && text(&output).contains("--rate MIB"));
}

#[test]
fn names_what_to_install() {
    let output = play(&[]).env("CC", "/no such/cc").output();
    let output = output.expect("cargo can be run");
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("play: no C compiler (/no) is in the PATH: install gcc"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}
