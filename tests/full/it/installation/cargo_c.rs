//! `cargo cinstall` installs what CMake does, and a script removes it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{folder, shell};
use crate::checkout::FASTER;
use crate::foreign::{Project, are_there, clone, command, files, place, prefix};
use crate::library::{HANGS_AFTER, root, run};

/// `cargo cinstall`, whose cargo may be older and know only a folder of crates.
#[test]
fn cargo_c_installs_the_same_files() {
    if Command::new("cargo-cinstall")
        .arg("--version")
        .output()
        .is_err()
    {
        return crate::library::skipped("cargo cinstall", "there is no cargo-c here");
    }
    if !are_there("cargo cinstall", &["cmake", "git", "gcc", "pkg-config"]) {
        return;
    }
    let home = folder("cargo home");
    let crates = home.join("crates");
    let mut vendor = command("cargo", clone());
    vendor.args(["vendor", "--quiet", "--locked"]).arg(&crates);
    // The crates of other systems, too, which no build here has fetched.
    vendor.env("CARGO_NET_OFFLINE", "false");
    run(&mut vendor, HANGS_AFTER).expect_success("cargo vendor");
    let configuration = format!(
        "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = {:?}\n",
        crates.to_str().expect("UTF-8")
    );
    fs::write(home.join("config.toml"), configuration).expect("written");
    let by_cargo = folder("by cargo-c");
    let mut install = command("cargo-cinstall", clone());
    install
        .args(["cinstall", "--locked", "--offline", "--release", "--prefix"])
        .arg(&by_cargo)
        // Debian's has another default.
        .arg("--libdir")
        .arg(by_cargo.join("lib"))
        .arg("--target-dir")
        .arg(place().join("cargo-c"))
        .env("CARGO_HOME", &home)
        // It is about the files.
        .env(FASTER.0, FASTER.1);
    run(&mut install, HANGS_AFTER).expect_success("cargo cinstall");
    assert_eq!(files(&by_cargo), files(prefix()));
    let symbols = shell(&by_cargo, "nm lib/libspoolbuf.so 2>&1");
    assert!(symbols.contains("no symbols"), "not stripped: {symbols}");
    for name in ["libspoolbuf.so", "libspoolbuf.so.0"] {
        let link = Path::new("lib").join(name);
        let [here, there] = [prefix(), &by_cargo].map(|it| fs::read_link(it.join(&link)));
        assert_eq!(here.expect("a link"), there.expect("a link"));
    }
    let project = Project::new("cargo-c", "gcc");
    let commands = format!(
        "cmake -S . -B build -DWAY=package '-DCMAKE_PREFIX_PATH={}' && cmake --build build",
        by_cargo.display()
    );
    project.runs("cmake", &commands);
    project.works("cmake/build", Some(&by_cargo.join("lib")));
    is_uninstalled(&by_cargo);
}

/// By the script, since cargo-c makes no list. What is not the library's stays.
fn is_uninstalled(prefix: &Path) {
    let mine = "share/doc/spoolbuf/mine";
    fs::write(prefix.join(mine), "not the library's").expect("written");
    let uninstall = |stage: &Path, arguments: &[&str]| {
        let mut script = command("sh", &place());
        script.arg(root().join("packaging/uninstall.sh"));
        script.args(arguments).env("DESTDIR", stage);
        run(&mut script, HANGS_AFTER).expect_success("uninstall.sh");
        files(prefix)
    };
    // As if it were staged, without its libraries; then those.
    let whole = prefix.to_str().expect("UTF-8");
    let (stage, name) = whole.rsplit_once('/').expect("a folder");
    let left = uninstall(Path::new(stage), &[&format!("/{name}"), "/no/such"]);
    let others: Vec<_> = left.iter().filter(|it| !it.starts_with("lib/")).collect();
    assert_eq!(others, [mine]);
    assert_eq!(left.len(), 6, "{left:?}");
    assert_eq!(uninstall(Path::new(""), &[whole]), [mine.to_owned()].into());
    assert!(!prefix.join("share/cmake/spoolbuf").exists());
}
