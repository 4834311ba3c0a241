//! What several files say, each for its own tool: the version, the oldest Rust, the headers.

use std::fs;

use crate::foreign::files;
use crate::library::root;

/// One version everywhere, and one oldest Rust.
#[test]
fn versions_agree() {
    let version = env!("CARGO_PKG_VERSION");
    let rust = env!("CARGO_PKG_RUST_VERSION");
    for (file, lines) in [
        (
            "packaging/spoolbuf-config-version.cmake",
            vec![format!("set(PACKAGE_VERSION \"{version}\")")],
        ),
        ("meson.build", vec![format!("version: '{version}'")]),
        (
            "packaging/debian/changelog",
            vec![format!("spoolbuf ({version}-")],
        ),
        (
            "packaging/debian/control",
            vec![format!("cargo (>= {rust}),")],
        ),
        (
            "packaging/vcpkg/vcpkg.json",
            vec![format!("\"version\": \"{version}\"")],
        ),
    ] {
        let text = fs::read_to_string(root().join(file)).expect("a file");
        for line in lines {
            assert!(text.contains(&line), "{file}: {line}");
        }
    }
}

/// cargo-c and Meson can't look for them, as CMakeLists.txt does.
#[test]
fn cargo_c_and_meson_are_told_every_header() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("a file");
    let (manifest, meson) = (read("Cargo.toml"), read("meson.build"));
    let headers = files(&root().join("bindings"));
    let headers = headers
        .iter()
        .filter(|it| it.ends_with(".h") || it.ends_with(".hpp"));
    for header in headers {
        let line = format!("{{ from = \"bindings/{header}\" }}");
        assert!(manifest.contains(&line), "Cargo.toml: no {line}");
        let (folder, _) = header.split_once('/').expect("a folder");
        let name = format!("'bindings/{folder}'");
        assert!(meson.contains(&name), "meson.build: no {name}");
    }
}
