//! Into any folders, and away again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{configure, folder, shell};
use crate::checkout::checkout;
use crate::foreign::{Project, are_there, files, prefix};
use crate::library::{HANGS_AFTER, root, run};

/// Runs commands in the build folder of the prefix.
fn in_the_build(commands: &str) {
    prefix();
    let (checkout, _alone) = checkout();
    shell(&checkout.join("build"), commands);
}

#[test]
fn destdir_and_uninstall() {
    if !are_there("DESTDIR", &["cmake", "cc"]) {
        return;
    }
    // Brackets are a pattern to CMake, and one that is left open joins what follows: in the list of what
    // was installed, which has the prefix, and in what is made of that.
    let place = "opt/a b [prefix] [open";
    let stage = folder("a [stage] [open");
    let with = format!("DESTDIR='{}' cmake", stage.display());
    let install = format!("{with} --install . --prefix '/{place}'");
    let uninstall = format!("{with} --build . --target uninstall");
    in_the_build(&install);
    assert_eq!(files(&stage.join(place)), files(prefix()));
    let documents = stage.join(place).join("share/doc/spoolbuf");
    fs::write(documents.join("mine"), "not the library's").expect("written");
    in_the_build(&uninstall);
    let mine = format!("{place}/share/doc/spoolbuf/mine");
    assert_eq!(files(&stage), BTreeSet::from([mine]));
    fs::remove_file(documents.join("mine")).expect("removed");
    in_the_build(&install);
    in_the_build(&uninstall);
    assert_eq!(files(&stage), BTreeSet::new());
    assert!(!documents.exists());
    assert!(stage.join(place).join("share/doc").exists());
}

/// Folders of other names, with spaces, are found from wherever the whole is.
#[test]
fn other_folders() {
    if !are_there("other folders", &["cmake", "pkg-config", "gcc"]) {
        return;
    }
    let place = folder("other folders");
    other_folders_in(&place, "");
    // As packagers give them.
    let place = folder("absolute folders");
    other_folders_in(&place, &format!("{}/first/", place.display()));
}

fn other_folders_in(place: &Path, from: &str) {
    let more = [
        &format!("-DCMAKE_INSTALL_PREFIX={}/first", place.display()),
        &format!("-DCMAKE_INSTALL_LIBDIR={from}lib s/deep"),
        &format!("-DCMAKE_INSTALL_INCLUDEDIR={from}head ers"),
        &format!("-DCMAKE_INSTALL_DATADIR={from}da ta"),
    ];
    run(
        &mut configure(place, &more.map(String::as_str)),
        HANGS_AFTER,
    )
    .expect_success("cmake");
    // The libraries are those of the prefix: this is about the folders.
    let commands = format!(
        "mkdir -p build/lib && cp -a '{}'/libspoolbuf.* build/lib
        cmake --install build && mv first 'then moved'",
        prefix().join("lib").display()
    );
    shell(place, &commands);
    let moved = place.join("then moved");
    let installed = files(&moved);
    for name in [
        "lib s/deep/libspoolbuf.so",
        "head ers/spoolbuf.h",
        "da ta/cmake/spoolbuf/spoolbuf-config.cmake",
    ] {
        assert!(installed.contains(name), "{name}: {installed:?}");
    }
    let project = Project::new("other folders", "gcc");
    let libraries = moved.join("lib s/deep");
    for (way, variable) in [
        (
            "package",
            format!("-Dspoolbuf_DIR='{}/da ta/cmake/spoolbuf'", moved.display()),
        ),
        ("pkg-config", String::new()),
    ] {
        let pkg_config = format!("PKG_CONFIG_PATH='{}/pkgconfig'", libraries.display());
        let commands = format!(
            "rm -rf build; {pkg_config} cmake -S . -B build -DWAY={way} {variable} && cmake --build build"
        );
        project.runs("cmake", &commands);
        project.works("cmake/build", Some(&libraries));
    }
}

/// The file and the links of a shared library, the archive, and what else makes an installation whole.
#[test]
fn the_prefix_is_whole() {
    if !are_there("the prefix", &["cmake", "cc"]) {
        return;
    }
    let version = env!("CARGO_PKG_VERSION");
    let library = prefix().join("lib");
    for link in ["libspoolbuf.so", "libspoolbuf.so.0"] {
        let to = fs::read_link(library.join(link)).expect("a link");
        assert_eq!(to, Path::new(&format!("libspoolbuf.so.{version}")));
    }
    let symbols = shell(
        &library,
        "nm libspoolbuf.so 2>&1; readelf -dW libspoolbuf.so",
    );
    assert!(symbols.contains("no symbols"), "not stripped: {symbols}");
    assert!(
        symbols.contains("[libspoolbuf.so.0]") && symbols.contains("NODELETE"),
        "{symbols}"
    );
    let found = files(prefix());
    for page in files(&root().join("packaging/man")) {
        let name = format!("share/man/man3/{page}");
        assert!(found.contains(&name), "{name}: {found:?}");
    }
    for adapter in files(&root().join("bindings")) {
        let name = adapter.rsplit('/').next().expect("a name");
        if name.ends_with(".h") || name.ends_with(".hpp") {
            assert!(
                found.contains(&format!("include/{name}")),
                "{name}: {found:?}"
            );
        }
    }
    for name in [
        "lib/pkgconfig/spoolbuf.pc",
        "share/doc/spoolbuf/LICENSE-MIT",
        "share/doc/spoolbuf/LICENSE-APACHE",
        "share/man/man3/spoolbuf.3",
    ] {
        assert!(found.contains(name), "{name}: {found:?}");
    }
}
