//! The versions that `find_package()` takes, and those that it refuses.

use super::{not_found, shell};
use crate::foreign::{are_there, prefix};
use crate::library::{root, skipped};

fn refusal(wanted: &str) -> Option<String> {
    let lines = format!("find_package(spoolbuf {wanted} REQUIRED)");
    not_found(prefix(), &format!("version {wanted}"), &lines)
}

fn is_found(wanted: &str) {
    assert_eq!(refusal(wanted), None, "{wanted}");
}

/// CMake lists the package with its version, and why: the version, or that there is no such one.
fn is_refused(wanted: &str) {
    let said = refusal(wanted).unwrap_or_else(|| panic!("{wanted} is found"));
    let line = concat!(
        "/spoolbuf-config.cmake, version: ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    );
    assert!(said.contains(line), "{wanted}: {said}");
}

#[test]
fn of_one_major_version_and_not_older() {
    if !are_there("the versions of the package", &["cmake", "cc"]) {
        return;
    }
    for wanted in ["", "0.0.9", "0.1", "0.1.0", "0.1 EXACT"] {
        is_found(wanted);
    }
    for wanted in ["0.1.1", "0.2", "1.0", "0.0.9 EXACT", "0.2 EXACT"] {
        is_refused(wanted);
    }
}

#[test]
fn in_a_range() {
    if !are_there("a range of versions", &["cmake", "cc"]) {
        return;
    }
    let range = "cmake --help-command find_package | grep -c versionMin || true";
    if shell(root(), range) == "0\n" {
        return skipped("a range of versions", "this CMake is older than 3.19");
    }
    for wanted in ["0.1...0.3", "0.0.9...0.1", "0.1...<0.2", "0.1...1.0"] {
        is_found(wanted);
    }
    for wanted in ["0.2...0.3", "0.0.9...<0.1", "1.0...2.0"] {
        is_refused(wanted);
    }
}
