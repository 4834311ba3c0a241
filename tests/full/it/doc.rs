//! Every example in the Rust documentation compiles and holds.

use std::path::Path;
use std::process::Command;

#[test]
fn examples_hold() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--doc", "--manifest-path", "tests/doc/Cargo.toml"])
        .arg("--target-dir")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("doc"))
        .current_dir(root)
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    // Some ran at all.
    assert!(!said.contains("running 0 tests"), "{said}");
}
