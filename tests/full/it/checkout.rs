//! The blocks of code of the README and of the pages in `docs`, and a directory in which their commands are run.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, OnceLock};

pub const README: &str = include_str!("../../../README.md");

/// The pages that a user reads, from the repository's root; the guides are in `guides.rs`.
pub const PAGES: [(&str, &str); 6] = [
    ("README.md", README),
    (
        "docs/bindings.md",
        include_str!("../../../docs/bindings.md"),
    ),
    ("docs/calls.md", CALLS),
    ("docs/install.md", INSTALL),
    ("docs/speed.md", include_str!("../../../docs/speed.md")),
    ("docs/start.md", include_str!("../../../docs/start.md")),
];
pub const CALLS: &str = include_str!("../../../docs/calls.md");
pub const INSTALL: &str = include_str!("../../../docs/install.md");

/// The one block of code in a language that contains `what`.
pub fn block(language: &str, what: &str) -> String {
    let fence = format!("\n```{language}\n");
    let blocks: Vec<&str> = PAGES
        .iter()
        .flat_map(|(_, page)| page.split(&fence).skip(1))
        .map(|text| text.split("```").next().expect("a block"))
        .filter(|text| text.contains(what))
        .collect();
    assert_eq!(blocks.len(), 1, "blocks of {language} with {what:?}");
    blocks[0].to_owned()
}

/// A directory that looks like the repository, with a `target` of its own, and nobody else in it.
/// The same one at each run, so that cargo finds what it has built.
pub fn checkout() -> (&'static Path, MutexGuard<'static, ()>) {
    static CHECKOUT: OnceLock<PathBuf> = OnceLock::new();
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
    let path = CHECKOUT.get_or_init(|| {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
        fs::create_dir_all(&path).expect("a directory");
        for name in [
            "Cargo.toml",
            "Cargo.lock",
            "CMakeLists.txt",
            "README.md",
            "build.rs",
            "src",
        ] {
            link(&root.join(name), &path.join(name));
        }
        for name in ["include", "bindings", "examples", "packaging", "tests"] {
            link(&root.join(name), &path.join(name));
        }
        for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
            link(&root.join(name), &path.join(name));
        }
        for (name, text) in [
            ("demo.c", block("c", "int main")),
            ("demo.py", block("python", "ctypes")),
        ] {
            fs::write(path.join(name), text).expect("written");
        }
        path
    });
    (path, alone)
}

/// Other test programs do the same at the same time.
fn link(to: &Path, at: &Path) {
    if fs::read_link(at).is_ok_and(|old| old == to) {
        return;
    }
    let _ = fs::remove_file(at);
    let _ = symlink(to, at);
    assert_eq!(fs::read_link(at).expect("a link"), to);
}

/// Runs commands as a user's shell does, with the prefix of the installation beside them.
pub fn shell(directory: &Path, commands: &str) -> Output {
    shell_with(directory, &directory.join("prefix"), commands)
}

/// The same, with the prefix given.
pub fn shell_with(directory: &Path, prefix: &Path, commands: &str) -> Output {
    let mut shell = user_shell(directory, prefix, commands);
    // What the pages build for one program is not what is shipped.
    shell.env(FASTER.0, FASTER.1).output().expect("a shell")
}

/// For a build whose test is not about what is shipped: without link-time optimization, in two thirds of the time.
pub const FASTER: (&str, &str) = ("CARGO_PROFILE_RELEASE_LTO", "off");

/// Installs the library as it is shipped, by the pages' commands.
pub fn install(directory: &Path, prefix: &Path) {
    let commands = installation();
    let output = user_shell(directory, prefix, &commands).output();
    expect_success(&commands, &output.expect("a shell"));
}

/// The pages' three commands, into a prefix.
fn installation() -> String {
    let commands = block("sh", "cmake --install build\n");
    commands.replace(
        "cmake --install build\n",
        "cmake --install build --prefix \"$PREFIX\"\n",
    )
}

fn user_shell(directory: &Path, prefix: &Path, commands: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-euc", commands])
        .current_dir(directory)
        .env_remove("CARGO_TARGET_DIR")
        .env("CARGO_NET_OFFLINE", "true")
        .env("PREFIX", prefix)
        .env("CMAKE_PREFIX_PATH", prefix)
        .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
        .env("LD_LIBRARY_PATH", prefix.join("lib"));
    shell
}

#[track_caller]
pub fn succeeds(directory: &Path, commands: &str) -> String {
    succeeds_with(directory, &directory.join("prefix"), commands)
}

#[track_caller]
pub fn succeeds_with(directory: &Path, prefix: &Path, commands: &str) -> String {
    let output = shell_with(directory, prefix, commands);
    expect_success(commands, &output);
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn expect_success(commands: &str, output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{commands}: {error}");
}
