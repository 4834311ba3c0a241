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
const PROGRAMS: [(&str, &str); 12] = [
    (
        "c",
        "late_count = sb_read(buffer, 700000, sizeof late, late), early_count",
    ),
    ("c", "sb_cache_new"),
    ("c", "int main"),
    ("cmake", "find_package"),
    ("cmake", "copy_if_different"),
    ("cpp", "early = buffer.read(0, 6);\nbuffer.save"),
    ("cpp", "int main"),
    ("python", "ctypes"),
    ("python", "buffer = StreamBuffer(open"),
    ("python", "with StreamBuffer(open"),
    ("rust,ignore", "StreamBuffer"),
    ("rust,no_run", "fn main"),
];

/// The other blocks of the pages, by a part of each: a file that runs the commands or has the same lines, and
/// what it has.
const OTHERS: [(&str, &str, &str, &str); 19] = [
    (
        "ARCHITECTURE.md",
        "| stream_buffer |",
        "src/architecture.rs",
        "fn every_name_exists",
    ),
    (
        "ARCHITECTURE.md",
        "\nsb_read  ",
        "src/architecture.rs",
        "fn every_name_exists",
    ),
    (
        "ARCHITECTURE.md",
        "\nStore::reserve  ",
        "src/architecture.rs",
        "fn every_name_exists",
    ),
    (
        "ARCHITECTURE.md",
        "\nsb_free  ",
        "src/architecture.rs",
        "fn every_name_exists",
    ),
    (
        "CONTRIBUTING.md",
        "git clone",
        "README.md",
        "\ncargo run --release --example play\ncargo test\n",
    ),
    (
        "README.md",
        "\ncargo run --release --example feed\n",
        "tests/it/feed.rs",
        "\"--example\", \"feed\"",
    ),
    (
        "README.md",
        "\ncargo run --release --example play\n",
        "tests/it/play.rs",
        "\"--example\", \"play\"",
    ),
    (
        "README.md",
        "SILENT for 1.0 s",
        "tests/it/play.rs",
        "\" SILENT \"",
    ),
    (
        "bindings/python/README.md",
        "pip install",
        "bindings/python/tests/test_package.py",
        "def test_install_as_the_readme_says",
    ),
    (
        "docs/abi.md",
        "BLESS=first",
        "tests/full/it/abi.rs",
        "what == \"first\"",
    ),
    (
        "docs/install.md",
        "cmake --install build",
        "tests/full/it/checkout.rs",
        "block(\"sh\", \"cmake --install build\\n\")",
    ),
    (
        "docs/install.md",
        "demo-static",
        "tests/full/it/readme/programs.rs",
        "block(\"sh\", \"demo-static\")",
    ),
    (
        "docs/start.md",
        "cc -std=c99",
        "tests/full/it/readme/programs.rs",
        "block(\"sh\", \"cc -std=c99 -I include demo.c -L\")",
    ),
    (
        "docs/start.md",
        "bytes saved",
        "tests/full/it/readme.rs",
        "block(\"text\", \"bytes saved\")",
    ),
    (
        "docs/start.md",
        "demo.cpp",
        "tests/full/it/readme/programs.rs",
        "block(\"sh\", \"demo.cpp\")",
    ),
    (
        "docs/start.md",
        "python start.py",
        "bindings/python/tests/test_package.py",
        "python start.py",
    ),
    (
        "docs/start.md",
        "python3 demo.py",
        "tests/full/it/readme/programs.rs",
        "block(\"sh\", \"python3 demo.py\")",
    ),
    (
        "docs/start.md",
        "cargo run --example start",
        "tests/full/it/readme/programs.rs",
        "block(\"sh\", \"cargo run --example start\")",
    ),
    ("examples/media/README.md", "ln -sf", "docs/start.md", ""),
];

/// Pages whose commands measure for minutes, or fuzz: they have no fences.
const MEASURED: [&str; 3] = [
    "bench/EXPERIMENTS.md",
    "bench/README.md",
    "tests/fuzz/README.md",
];

/// The pages of the repository, and their texts.
fn pages() -> Vec<(String, String)> {
    let listed = command("git", root()).args(["ls-files", "*.md"]).output();
    let listed = String::from_utf8(listed.expect("git runs").stdout).expect("UTF-8");
    assert!(listed.lines().count() > 20, "{listed}");
    let read = |page: &str| {
        (
            page.to_owned(),
            fs::read_to_string(root().join(page)).expect("a page"),
        )
    };
    listed.lines().map(read).collect()
}

/// The blocks of a page: the language, and the lines with a newline before them.
fn fences(text: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = text.split("\n```").collect();
    assert!(
        parts.len() % 2 == 1 && !text.contains("~~~"),
        "fences take turns: {text}"
    );
    assert_eq!(
        text.matches("```").count(),
        parts.len() - 1,
        "a fence that is indented: {text}"
    );
    let blocks = parts.chunks_exact(2).map(|pair| pair[1]);
    blocks
        .map(|block| block.split_at(block.find('\n').expect("a line")))
        .collect()
}

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
    let mut found = 0;
    for (page, text) in pages() {
        let blocks = fences(&text);
        let programs = blocks
            .iter()
            .filter(|(language, _)| !["", "sh", "text"].contains(language));
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

/// Nor has a page commands that nothing runs, or what they print without a look at it.
#[test]
fn every_command_is_tested() {
    let mut left = OTHERS.to_vec();
    for (page, text) in pages() {
        if page.starts_with("docs/guides/") || MEASURED.contains(&page.as_str()) {
            continue;
        }
        for (language, code) in fences(&text) {
            if !["", "sh", "text"].contains(&language) {
                continue;
            }
            let code = format!("{code}\n");
            let at = left
                .iter()
                .position(|(of, part, ..)| *of == page && code.contains(part));
            let Some(at) = at else {
                panic!("{page} has a block that no test runs:{code}");
            };
            let (_, _, by, what) = left.swap_remove(at);
            // The lines that a page repeats, or a part of a test.
            let what = if what.is_empty() { code.as_str() } else { what };
            let there = fs::read_to_string(root().join(by)).expect("a file");
            assert!(there.contains(what), "{by} does not have {what}");
        }
        // Blocks without a fence, which would be overlooked. A list has indented lines as well.
        let mut before = "";
        for line in text.lines() {
            let is_code = line.starts_with("    ") && before.is_empty() && page != "CHANGELOG.md";
            assert!(!is_code, "{page} has a block without a fence: {line}");
            before = line;
        }
    }
    assert!(left.is_empty(), "no page has {left:?}");
}
