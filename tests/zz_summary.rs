//! The last test program that cargo runs says what the others have skipped, and what to install.

#[path = "support/skip.rs"]
mod skip;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;

/// The packages of the media libraries, tools and languages, by Debian's names.
const INSTALL: &str = "sudo apt-get install --no-install-recommends \
                       $(grep -Ev '^ *(#|$)' .ci/packages | sort -u)";

#[test]
fn summary() {
    let skipped = fs::read_to_string(skip::log()).unwrap_or_default();
    let _ = fs::remove_file(skip::log());
    let mut lines: Vec<_> = skipped.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    let mut text = String::from("\nSummary: ");
    if lines.is_empty() {
        text += "every test of this step ran.\n";
    } else {
        let _ = writeln!(text, "all tests of this step ran, except {}:", lines.len());
        for line in &lines {
            let _ = writeln!(text, "    {}", line.trim_start_matches("SKIPPED: "));
        }
        if lines.iter().any(|line| line.starts_with("SKIPPED: ")) {
            let _ = writeln!(text, "What they need, on Debian or Ubuntu: {INSTALL}");
            text += "Tests that mount file systems also need root.\n";
        }
    }
    if env!("CARGO_PKG_NAME") == "spoolbuf" {
        text += "Bindings, media libraries and tools are tested by `cargo full`.\n";
    }
    // Past the harness, which keeps what a test that passes prints.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
