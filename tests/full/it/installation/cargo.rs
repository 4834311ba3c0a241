//! Which cargo builds the library, without CMakeLists.txt, and the line that says that there is none.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::folder;
use super::refusals::{OLD_CARGO, cargo_that_says};
use crate::foreign::{are_there, command, program};
use crate::library::{HANGS_AFTER, root, run};

const NEEDS: &str = concat!(
    "spoolbuf needs Rust ",
    env!("CARGO_PKG_RUST_VERSION"),
    " or newer (https://rustup.rs)"
);

/// A command whose PATH begins with these folders, and what is in a home.
fn at_home(mut command: Command, home: &Path, path: &str) -> Command {
    command.env("PATH", path).env("HOME", home);
    command.env_remove("CARGO_HOME");
    command
}

/// A folder of programs that a build needs beside cargo.
fn tools(name: &str, more: &[&str]) -> String {
    let bin = folder(name);
    for tool in ["sh", "sed", "head", "sort", "dirname", "printf"]
        .iter()
        .chain(more)
    {
        let found = super::shell(root(), &format!("command -v {tool} || true"));
        if found.starts_with('/') {
            symlink(found.trim(), bin.join(tool)).expect("a link");
        }
    }
    bin.to_str().expect("UTF-8").to_owned()
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').expect("a folder").0
}

fn script(name: &str, home: &Path, path: &str) -> Command {
    let mut script = at_home(command("sh", home), home, path);
    script.arg(root().join("packaging").join(name));
    script
}

/// Nothing is built, and one line says why.
#[test]
fn a_script_without_cargo_says_one_line() {
    let home = folder("no cargo at home");
    let bin = tools("tools without cargo", &[]);
    let old = cargo_that_says("1.63 for a script", OLD_CARGO);
    let with = format!("{}:{bin}", parent(&old));
    for (path, reason) in [
        (&bin, "there is no cargo in PATH".to_owned()),
        (&with, format!("{old} is version 1.63.0")),
    ] {
        let outcome = run(
            script("libraries.sh", &home, path).arg("built"),
            HANGS_AFTER,
        );
        assert!(!outcome.status.success(), "{}", outcome.output);
        assert_eq!(outcome.output, format!("{NEEDS}: {reason}\n"));
        assert!(!home.join("built").exists());
    }
    let mut named = script("libraries.sh", &home, &bin);
    let outcome = run(named.arg("built").env("CARGO", "/no/such"), HANGS_AFTER);
    assert_eq!(outcome.output, format!("{NEEDS}: there is no /no/such\n"));
}

/// rustup's, which PATH does not have, and a distribution's old one, which it has.
#[test]
fn a_newer_cargo_at_home_is_taken() {
    let home = folder("a newer cargo at home");
    let old = cargo_that_says("1.63 in PATH", OLD_CARGO);
    let newer = cargo_that_says("newer at home/.cargo/bin", "cargo 1.99.0");
    symlink(parent(parent(&newer)), home.join(".cargo")).expect("a link");
    let newer = home.join(".cargo/bin/cargo");
    let path = format!("{}:{}", parent(&old), tools("tools with an old cargo", &[]));
    let outcome = run(&mut script("cargo.sh", &home, &path), HANGS_AFTER);
    assert_eq!(outcome.output, format!("{}\n", newer.display()));
    if !are_there("CMake's cargo", &["cmake", "cc", "make"]) {
        return;
    }
    let path = format!(
        "{}:{}",
        parent(&old),
        std::env::var("PATH").expect("a path")
    );
    let mut cmake = at_home(super::configure(&home, &[]), &home, &path);
    run(&mut cmake, HANGS_AFTER).expect_success("cmake");
    let cache = fs::read_to_string(home.join("build/CMakeCache.txt")).expect("a cache");
    let line = format!("SPOOLBUF_CARGO:FILEPATH={}\n", newer.display());
    assert!(cache.contains(&line), "{cache}");
}

/// A shell's CDPATH, which some export: `cd` takes its folders first, and prints where it went.
#[test]
fn a_search_path_for_cd_changes_nothing() {
    let home = folder("search path for cd");
    for name in ["other/spoolbuf/packaging", "other/packaging", "other/built"] {
        fs::create_dir_all(home.join(name)).expect("a folder");
    }
    symlink(root(), home.join("spoolbuf")).expect("a link");
    let cargo = |script: &str, at: &Path| {
        let mut command = command("sh", at);
        command.arg(script).arg("built").env("CARGO", "/no/such");
        run(command.env("CDPATH", home.join("other")), HANGS_AFTER).output
    };
    let line = format!("{NEEDS}: there is no /no/such\n");
    for name in ["libraries.sh", "cargo.sh"] {
        assert_eq!(cargo(&format!("spoolbuf/packaging/{name}"), &home), line);
        assert_eq!(cargo(&format!("packaging/{name}"), root()), line);
    }
}

/// The environment's CARGO comes first, for CMake as well, and is not replaced by another one.
#[test]
fn a_cargo_that_the_environment_names() {
    if !are_there("CMake's CARGO", &["cmake", "cc", "make"]) {
        return;
    }
    let place = folder("a named cargo");
    let named = cargo_that_says("named", "cargo 1.99.0");
    let old = cargo_that_says("named, old", OLD_CARGO);
    let configured = |cargo: &str| {
        let mut cmake = super::configure(&place, &["-USPOOLBUF_CARGO"]);
        run(cmake.env("CARGO", cargo), HANGS_AFTER)
    };
    for (cargo, reason) in [
        ("/no/such", "there is no /no/such".to_owned()),
        ("cargo-none", "there is no cargo-none".to_owned()),
        (&old, format!("{old} is version 1.63.0")),
    ] {
        let outcome = configured(cargo);
        assert!(!outcome.status.success(), "{}", outcome.output);
        let line = format!(" {NEEDS}: {reason}\n");
        assert!(outcome.output.contains(&line), "{}", outcome.output);
    }
    configured(&named).expect_success("cmake");
    let cache = fs::read_to_string(place.join("build/CMakeCache.txt")).expect("a cache");
    let line = format!("SPOOLBUF_CARGO:FILEPATH={named}\n");
    assert!(cache.contains(&line), "{cache}");
}

/// A distribution may have several, as cargo-1.85 and rustc-1.85.
#[test]
fn the_compiler_beside_a_cargo_is_taken() {
    let place = folder("a compiler beside");
    let bin = tools("tools of a build", &["mkdir"]);
    for (cargo, compiler) in [("cargo", "rustc"), ("cargo-1.99", "rustc-1.99")] {
        let at = place.join("bin").join(cargo);
        let lines = "[ \"$1\" = --version ] || { echo \"by $RUSTC\"; exit 1; }\necho cargo 1.99.0";
        program(&at, lines);
        let compiler = place.join("bin").join(compiler);
        program(&compiler, "");
        let mut named = script("libraries.sh", &place, &bin);
        let outcome = run(named.arg("built").env("CARGO", &at), HANGS_AFTER);
        assert_eq!(outcome.output, format!("by {}\n", compiler.display()));
    }
}

#[test]
fn meson_without_cargo_says_one_line() {
    if !are_there("Meson's cargo", &["meson", "ninja", "cc"]) {
        return;
    }
    let home = folder("Meson without cargo");
    let old = cargo_that_says("1.63 for Meson", OLD_CARGO);
    let path = format!(
        "{}:{}",
        parent(&old),
        std::env::var("PATH").expect("a path")
    );
    let mut meson = at_home(command("meson", &home), &home, &path);
    meson.args(["setup", "build"]).arg(root());
    let outcome = run(&mut meson, HANGS_AFTER);
    let line = format!("{NEEDS}: {old} is version 1.63.0\n");
    assert!(outcome.output.contains(&line), "{}", outcome.output);
}
