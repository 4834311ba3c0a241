//! Header and Rust declarations agree, by a C compiler's word: see `tests/abi`.

#![cfg(target_os = "linux")]

mod library;

use std::process::Command;

use library::{root, scratch};

#[test]
fn header_and_rust_agree() {
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
