//! The README and the pages in `docs`, word for word: their programs are compiled and run, their commands
//! are executed.

mod calls;
mod figures;
mod interrupt;
mod links;
mod programs;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::checkout::{PAGES, block, succeeds};
use crate::foreign::command;
use crate::library::root;

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

/// The programs of the pages, by a part of each. Each is compiled or run by a test of this module.
const PROGRAMS: [(&str, &str); 11] = [
    (
        "c",
        "late_count = sb_read(buffer, 700000, sizeof late, late), early_count",
    ),
    ("c", "sb_cache_new"),
    ("c", "int main"),
    ("cmake", "find_package"),
    ("cpp", "early = buffer.read(0, 6);\nbuffer.save"),
    ("cpp", "int main"),
    ("python", "ctypes"),
    ("python", "buffer = StreamBuffer(open"),
    ("python", "with StreamBuffer(open"),
    ("rust,ignore", "StreamBuffer"),
    ("rust,no_run", "fn main"),
];

/// No page has a program that nothing compiles or runs. Those of the guides are followed by `guides.rs`, and
/// those of the Python package by its own tests.
#[test]
fn every_program_is_tested() {
    let here = [
        include_str!("readme.rs"),
        include_str!("readme/programs.rs"),
        include_str!("readme/interrupt.rs"),
    ]
    .concat();
    for (language, what) in PROGRAMS {
        block(language, what);
        // Here, and in a test.
        let uses = here.matches(&format!("{what:?}")).count();
        assert!(uses > 1, "no test has the block of {language} with {what}");
    }
    let listed = command("git", root()).args(["ls-files", "*.md"]).output();
    let listed = String::from_utf8(listed.expect("git runs").stdout).expect("UTF-8");
    assert!(listed.lines().count() > 20, "{listed}");
    let mut found = 0;
    for page in listed.lines() {
        let text = fs::read_to_string(root().join(page)).expect("a page");
        let fences = text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("```"));
        let programs = fences.filter(|language| !["", "sh", "text"].contains(language));
        if !page.starts_with("docs/guides/") && page != "bindings/python/README.md" {
            let count = programs.count();
            let is_known = PAGES.iter().any(|(name, _)| *name == page);
            assert!(
                count == 0 || is_known,
                "{page} has programs that no test compiles"
            );
            found += count;
        }
    }
    assert_eq!(found, PROGRAMS.len(), "a program that no test compiles");
}
