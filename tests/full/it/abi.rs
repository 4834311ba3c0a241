//! Header and Rust declarations agree, by a C compiler's word: see `tests/abi`.

use std::process::Command;

use crate::library::{root, scratch, skipped};

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
