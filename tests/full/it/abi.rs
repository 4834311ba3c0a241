//! Header and Rust declarations agree, by a C compiler's word: see `tests/abi`. The library's debug
//! information agrees with that of the first version, by abidiff's word: see docs/abi.md.

use std::fs;
use std::process::Command;

use crate::library::{library, root, scratch, skipped};

/// The generator of the comparison needs a newer Rust than the library does.
const NEEDS: u32 = 88;

#[test]
fn header_and_rust_agree() {
    let version = Command::new("rustc")
        .arg("-V")
        .output()
        .expect("rustc runs");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let minor = version
        .split('.')
        .nth(1)
        .and_then(|minor| minor.parse().ok());
    if minor.is_none_or(|minor: u32| minor < NEEDS) {
        return skipped("header against Rust", "it needs Rust 1.88");
    }
    let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["run", "--locked", "--target-dir"])
        .arg(scratch().join("abi"))
        .current_dir(root().join("tests/abi"))
        // A package of its own, which the flags of this build don't concern.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("PASSED"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The functions, types and structs that the first version's library had. Only what was added to it
/// has changed: functions, and members at the end of structs that tell their size.
#[test]
fn the_library_is_compatible_with_the_first() {
    if Command::new("abidiff").arg("--version").output().is_err() {
        return skipped(
            "abidiff",
            "there is no abidiff here (Debian: abigail-tools)",
        );
    }
    let (folder, library) = (root().join("tests/abi/first"), &library().shared);
    let first = folder.join("spoolbuf.abi");
    if std::env::var_os("BLESS").is_some_and(|what| what == "first") {
        fs::write(&first, described(library)).expect("written");
    }
    let place = scratch().join("abidiff");
    fs::create_dir_all(&place).expect("a folder");
    let files = [place.join("first.abi"), place.join("now.abi")];
    let before = fs::read_to_string(first).expect("the first description");
    fs::write(&files[0], without_modules(&before)).expect("written");
    fs::write(&files[1], without_modules(&described(library))).expect("written");
    let output = Command::new("abidiff")
        .args(["--no-added-syms", "--suppressions"])
        .arg(folder.join("appended.suppr"))
        .args(files)
        .output()
        .expect("abidiff runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A description without the modules of Rust, which C does not see.
fn without_modules(description: &str) -> String {
    let mut plain = String::new();
    for line in description.lines() {
        if line.contains("namespace-decl") {
            continue;
        }
        let mut parts = line.split("spoolbuf::");
        plain += parts.next().unwrap_or_default();
        for path in parts {
            let name = path.find("sb_").unwrap_or_default();
            plain += &path[name..];
        }
        plain.push('\n');
    }
    plain
}

/// What abidw makes of a library, without the names of files, which are those of this machine.
fn described(library: &std::path::Path) -> String {
    let output = Command::new("abidw")
        .args(["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs"])
        .args([
            "--no-elf-needed",
            "--no-parameter-names",
            "--type-id-style",
            "hash",
        ])
        .arg(library)
        .output()
        .expect("abidw runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let begins = |line: &str| line.trim_start().starts_with("<abi-instr ");
    let lines: Vec<&str> = text.lines().collect();
    let mut described = String::new();
    for (number, line) in lines.iter().enumerate() {
        let is_empty = |at: usize| begins(lines[at]) && lines[at + 1].trim() == "</abi-instr>";
        if begins(line) && !is_empty(number) {
            described +=
                &format!("<abi-instr address-size='64' path='{number}' language='LANG_UNKNOWN'>\n");
        } else if !begins(line) && (number == 0 || !is_empty(number - 1)) {
            described = described + line.trim_start() + "\n";
        }
    }
    described
}
