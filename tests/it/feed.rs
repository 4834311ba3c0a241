//! The example `feed`, run as a user runs it.

use std::process::{Command, Output};

/// The arguments that a user types after `cargo run --release --example feed --`.
fn feed(arguments: &[&str]) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--release", "--example", "feed"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if cfg!(feature = "parking_lot") {
        command.args(["--features", "parking_lot"]);
    }
    command.arg("--").args(arguments);
    command.output().expect("cargo can be run")
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

/// What the users visit does not depend on the time, and is more than the budgets hold.
#[test]
fn holds_its_budgets() {
    let output = feed(&["--delay", "0"]);
    let text = text(&output);
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(text.contains("\nok\n"), "{text}");
    assert!(!text.contains('\r'), "a line is overwritten in a pipe");
    let mut lines = text.lines();
    let last = lines.rfind(|line| line.ends_with(" evicted"));
    let last = last.unwrap_or_else(|| panic!("no line of statistics: {text}"));
    assert!(last.trim_start().starts_with("640 visits "), "{text}");
    assert!(!last.ends_with(" 0 evicted"), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() < 80, "too long: {line}\n{text}");
    }
}

#[test]
fn refuses_what_it_does_not_understand() {
    for arguments in [
        &["--users", "0"][..],
        &["--users"],
        &["--delay", "1s"],
        &["--loud", "1"],
    ] {
        let output = feed(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output).contains("Usage: feed"), "{}", text(&output));
    }
    let output = feed(&["--help"]);
    assert!(output.status.success() && text(&output).contains("--visits N"));
}
