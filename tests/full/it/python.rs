//! The Python package's own tests, in a venv under the target directory. `bindings/python`.

use std::path::Path;
use std::process::Command;

#[test]
fn python_package() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let found = ["python3", "python"].into_iter().find(|name| fits(name));
    let Some(python) = found else {
        crate::skip::skip(
            "the Python tests",
            "there is no Python from 3.10 on with venv",
        );
        return;
    };
    let venvs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-venvs");
    let status = Command::new(python)
        .arg(root.join("bindings/python/run_tests.py"))
        .arg("--venvs")
        .arg(venvs)
        // Its cargo is its own, without what this one's run put into the environment.
        .env(
            "CARGO",
            std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        )
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .expect("python runs");
    assert!(status.success(), "the Python tests failed: {status}");
}

/// Whether an interpreter is there, new enough for the runner, and can make a venv.
fn fits(name: &str) -> bool {
    Command::new(name)
        .args([
            "-c",
            "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))",
        ])
        .status()
        .is_ok_and(|status| status.success())
}
