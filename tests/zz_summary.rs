//! The last test program that cargo runs reports what the others have skipped, and what to install.

#[path = "support/skip.rs"]
mod skip;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;

/// The packages that the tests of `spoolbuf` need beyond Rust and gcc, by Debian's names.
const FIRST_STEP: &str = "bsdutils e2fsprogs g++ libfuse3-dev mount pkg-config xfsprogs";
/// The packages that all tests need: media libraries, tools and languages.
const ALL: &str = "$(grep -Ev '^ *(#|$)' .ci/packages | sort -u)";
const NEEDS_ROOT: &str = "(it needs root)";

#[test]
fn summary() {
    let skipped = fs::read_to_string(skip::log()).unwrap_or_default();
    let _ = fs::remove_file(skip::log());
    let mut lines: Vec<_> = skipped.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    let is_first = env!("CARGO_PKG_NAME") == "spoolbuf";
    let mut text = String::from("\nSummary: ");
    if lines.is_empty() {
        text += "every test of this step ran.\n";
    } else {
        text += "every test of this step ran, except for these parts:\n";
        for line in &lines {
            let _ = writeln!(text, "    {}", line.trim_start_matches("SKIPPED: "));
        }
    }
    let lacks = |line: &&str| line.starts_with("SKIPPED: ") && !line.ends_with(NEEDS_ROOT);
    if lines.iter().any(lacks) {
        let packages = if is_first { FIRST_STEP } else { ALL };
        text += "To install what is missing, on Debian or Ubuntu:\n";
        let install = "sudo apt-get install --no-install-recommends";
        let _ = writeln!(text, "    {install} {packages}");
    }
    if is_first {
        text += "Bindings, media libraries and tools are tested by `cargo full`.\n";
    }
    // Past the harness, which captures the output of tests that pass.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
