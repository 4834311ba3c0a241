//! What is installed: by CMake and by cargo-c, into other folders, and away again. The static library: in
//! plugins, beside another one of Rust, in a Rust program. The headers, by strict compilers.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::checkout::checkout;
use crate::foreign::{LIMIT, NEW, OLD, Project, are_there, clone, command, files, place, prefix};
use crate::library::{root, run, scratch};

const OLD_CARGO: &str = "cargo 1.63.0 (fd9c4297c 2022-07-01)";

fn folder(name: &str) -> PathBuf {
    let folder = scratch().join("installation").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Runs a shell's commands in a folder; what they say.
fn shell(folder: &Path, commands: &str) -> String {
    let outcome = run(command("sh", folder).args(["-euc", commands]), LIMIT);
    outcome.expect_success(commands);
    outcome.output
}

/// What configures without building.
fn configure(folder: &Path, more: &[&str]) -> Command {
    let mut cmake = command("cmake", folder);
    cmake.arg("-S").arg(root()).args(["-B", "build"]).args(more);
    cmake
}

/// The line that says why it refuses to, without the lines around it.
fn refused(what: &str, more: &[&str]) -> String {
    let folder = folder(what);
    let mut cmake = configure(&folder, more);
    // Cargo is looked for at home as well.
    cmake.env("HOME", &folder).env_remove("CARGO_HOME");
    let outcome = run(&mut cmake, LIMIT);
    assert!(!outcome.status.success(), "{what}: {}", outcome.output);
    let mut lines = outcome.output.lines();
    let line = lines.find(|line| line.contains("spoolbuf needs"));
    line.unwrap_or_else(|| panic!("{what}: {}", outcome.output))
        .trim()
        .to_owned()
}

/// A program that says what it is told to, as cargo, in a folder.
fn cargo_that_says(name: &str, text: &str) -> String {
    let path = folder(name).join("cargo");
    fs::write(&path, format!("#!/bin/sh\necho '{text}'\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_cargo_that_is_missing_or_old_is_one_line() {
    if !are_there("CMake's errors", &["cmake", "cc", "make"]) {
        return;
    }
    let needs = concat!(
        "spoolbuf needs Rust ",
        env!("CARGO_PKG_RUST_VERSION"),
        " or newer (https://rustup.rs)"
    );
    // Where cargo is, the rest may be as well: what else CMake looks for is named.
    let found = |tool: &str| {
        shell(root(), &format!("command -v {tool}"))
            .trim()
            .to_owned()
    };
    let none = [
        "-DCMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH=OFF",
        "-DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF",
        &format!("-DCMAKE_MAKE_PROGRAM={}", found("make")),
        &format!("-DCMAKE_C_COMPILER={}", found("cc")),
    ];
    let line = refused("no cargo", &none);
    assert_eq!(line, format!("{needs}: there is no cargo in PATH"));
    let old = cargo_that_says("1.63", OLD_CARGO);
    let line = refused("old cargo", &[&format!("-DSPOOLBUF_CARGO={old}")]);
    assert_eq!(line, format!("{needs}: {old} is version 1.63.0"));
    let broken = cargo_that_says("no toolchain", "error: no toolchain");
    let line = refused("broken cargo", &[&format!("-DSPOOLBUF_CARGO={broken}")]);
    assert_eq!(
        line,
        format!("{needs}: {broken} says \"error: no toolchain\"")
    );
}

/// Whoever installs a newer Rust and runs the same command again.
#[test]
fn a_cargo_that_was_refused_is_looked_for_again() {
    if !are_there("CMake's cache", &["cmake", "cc", "make"]) {
        return;
    }
    let old = cargo_that_says("1.63 again", OLD_CARGO);
    let place = folder("a newer cargo");
    let path = std::env::var("PATH").expect("PATH");
    let with = format!(
        "{}:{path}",
        Path::new(&old).parent().expect("bin").display()
    );
    let refused = run(configure(&place, &[]).env("PATH", with), LIMIT);
    assert!(refused.output.contains("1.63.0"), "{}", refused.output);
    run(&mut configure(&place, &[]), LIMIT).expect_success("cmake");
}

/// A toolchain file alone would install a library of this machine.
#[test]
fn another_machine_is_one_line() {
    if !are_there("another machine", &["cmake", "cc", "make"]) {
        return;
    }
    let more = [
        "-DCMAKE_SYSTEM_NAME=Linux",
        "-DCMAKE_SYSTEM_PROCESSOR=other",
    ];
    let line = refused("another machine", &more);
    assert!(
        line.starts_with("spoolbuf needs Rust's name of the target: -DSPOOLBUF_RUST_TARGET="),
        "{line}"
    );
    let mut cmake = configure(&folder("its target"), &more);
    cmake.arg("-DSPOOLBUF_RUST_TARGET=aarch64-unknown-linux-gnu");
    run(&mut cmake, LIMIT).expect_success("cmake");
}

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
        (
            "meson.build",
            vec![
                format!("version: '{version}'"),
                format!("Rust {rust} or"),
                format!("'<{rust}'"),
            ],
        ),
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
    // Brackets are a pattern to CMake, and one that is left open joins what follows.
    let stage = folder("a [stage] [open");
    let with = format!("DESTDIR='{}' cmake", stage.display());
    let install = format!("{with} --install . --prefix '/opt/a b'");
    let uninstall = format!("{with} --build . --target uninstall");
    in_the_build(&install);
    assert_eq!(files(&stage.join("opt/a b")), files(prefix()));
    let documents = stage.join("opt/a b/share/doc/spoolbuf");
    fs::write(documents.join("mine"), "not the library's").expect("written");
    in_the_build(&uninstall);
    let mine = "opt/a b/share/doc/spoolbuf/mine".to_owned();
    assert_eq!(files(&stage), BTreeSet::from([mine]));
    fs::remove_file(documents.join("mine")).expect("removed");
    in_the_build(&install);
    in_the_build(&uninstall);
    assert_eq!(files(&stage), BTreeSet::new());
    assert!(!documents.exists());
    assert!(stage.join("opt/a b/share/doc").exists());
}

/// Folders of other names are found from wherever the whole is.
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
        &format!("-DCMAKE_INSTALL_LIBDIR={from}libs/deep"),
        &format!("-DCMAKE_INSTALL_INCLUDEDIR={from}headers"),
        &format!("-DCMAKE_INSTALL_DATADIR={from}data"),
    ];
    run(&mut configure(place, &more.map(String::as_str)), LIMIT).expect_success("cmake");
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
        "libs/deep/libspoolbuf.so",
        "headers/spoolbuf.h",
        "data/cmake/spoolbuf/spoolbuf-config.cmake",
    ] {
        assert!(installed.contains(name), "{name}: {installed:?}");
    }
    let project = Project::new("other folders", "gcc");
    let libraries = moved.join("libs/deep");
    for (way, variable) in [
        (
            "package",
            format!("-Dspoolbuf_DIR='{}/data/cmake/spoolbuf'", moved.display()),
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
    run(&mut vendor, LIMIT).expect_success("cargo vendor");
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
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    run(&mut install, LIMIT).expect_success("cargo cinstall");
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
}

/// Its functions, and what C++ and Rust call the personality's pointer, of which a program keeps one.
#[test]
fn the_archive_defines_only_the_functions() {
    if !are_there("the archive", &["cmake", "cc"]) {
        return;
    }
    let list =
        "nm -g --defined-only -f posix libspoolbuf.a | cut -d ' ' -f 1 | grep -v ':$' | sort -u";
    let listed = shell(&prefix().join("lib"), list);
    let names: BTreeSet<&str> = listed.lines().filter(|name| !name.ends_with(']')).collect();
    let list = "nm -D --defined-only -f posix libspoolbuf.so | cut -d ' ' -f 1";
    let shared = shell(&prefix().join("lib"), list);
    let mut expected: BTreeSet<&str> = shared.lines().collect();
    assert!(expected.len() > 20 && expected.iter().all(|name| name.starts_with("sb_")));
    expected.insert("DW.ref.rust_eh_personality");
    assert_eq!(names, expected);
}

#[test]
fn beside_another_archive_of_rust() {
    if !are_there("another archive of Rust", &["cmake", "cc", "rustc"]) {
        return;
    }
    let place = folder("two archives");
    let other = "#[unsafe(no_mangle)]\npub extern \"C\" fn other(n: i32) -> i32 {\n    \
        std::panic::catch_unwind(|| if n > 1 { panic!(\"{n}\") } else { n }).unwrap_or(-1)\n}\n";
    fs::write(place.join("other.rs"), other).expect("written");
    // Before and after what needs them, since a linker takes the first that it finds.
    let program = "#include <spoolbuf.h>\nint other(int n);\n\
        static int64_t none(void *opaque, void *out, size_t capacity) { (void)opaque; (void)out; (void)capacity; return 0; }\n\
        int main(void) { sb_callback source = { .read = none }; char out[4];\n\
        sb_buffer *buffer = sb_new(&source, 0, SB_MAX_DEFAULT);\n\
        int bad = other(1) != 1 || other(2) != -1 || sb_read(buffer, 0, 4, out) != 0 || sb_save(buffer, \"saved\") != 0;\n\
        sb_free(buffer); return bad; }\n";
    fs::write(place.join("program.c"), program).expect("written");
    shell(
        &place,
        "rustc --edition 2024 --crate-type staticlib -C lto=fat -C opt-level=2 -o libother.a other.rs",
    );
    let installed = prefix().display();
    for order in ["libother.a libspoolbuf.a", "libspoolbuf.a libother.a"] {
        let commands = format!(
            "ln -sf '{installed}/lib/libspoolbuf.a' .; \
             cc -std=c99 -Wall -Wextra -Werror -I '{installed}/include' program.c {order} -lpthread -ldl -lm -o program; \
             ./program 2>/dev/null"
        );
        shell(&place, &commands);
    }
}

#[test]
fn a_copy_in_each_plugin() {
    for compiler in ["gcc", "clang"] {
        for (dialect, _) in [OLD, NEW] {
            if are_there("plugins", &["cmake", compiler]) {
                a_copy_in_each_plugin_by(&format!("{compiler} {dialect}"));
            }
        }
    }
}

fn a_copy_in_each_plugin_by(compiler: &str) {
    let place = folder("two plugins");
    let (installed, sources) = (prefix().display(), root().join("tests/consumers/plugin"));
    let commands = format!(
        "ln -sf '{installed}/lib/libspoolbuf.a' .
        for name in first second; do
            {compiler} -Wall -Wextra -Werror -fPIC -fvisibility=hidden -shared -I '{installed}/include' \\
                '{sources}/plugin.c' libspoolbuf.a -lpthread -ldl -lm \\
                -Wl,--exclude-libs,libspoolbuf.a -Wl,-z,nodelete -o $name.so
        done
        {compiler} -D_GNU_SOURCE -Wall -Wextra -Werror '{sources}/host.c' -ldl -o host",
        sources = sources.display()
    );
    shell(&place, &commands);
    let exported = shell(
        &place,
        "nm -D --defined-only -f posix first.so | cut -d ' ' -f 1 | sort | xargs",
    );
    assert_eq!(exported, "plugin_close plugin_open plugin_reads\n");
    assert_eq!(shell(&place, "./host ./first.so ./second.so"), "ok\n");
}

/// The headers as they are installed, without a warning.
#[test]
fn strict_compilers() {
    if !are_there("the headers", &["cmake", "gcc", "g++", "clang", "clang++"]) {
        return;
    }
    let place = folder("strict");
    let commands = format!(
        "flags='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only'
        echo '#include <spoolbuf.h>\nint main(void) {{ return 0; }}' >c.c
        echo '#include <spoolbuf_fd.h>\n#include <spoolbuf_stdio.h>\nint main(void) {{ return 0; }}' >system.c
        echo '#include <spoolbuf.hpp>\nint main() {{ }}' >cpp.cpp
        ln -s '{}' include
        for by in gcc clang; do for std in c99 c2x; do
            $by $flags -Iinclude -std=$std c.c
            $by $flags -Iinclude -std=$std -D_GNU_SOURCE system.c
        done; done
        for by in g++ clang++; do for std in c++17 c++20; do
            $by $flags -Iinclude -std=$std cpp.cpp
            $by $flags -Iinclude -std=$std -fno-exceptions -fno-rtti cpp.cpp
            $by $flags -Iinclude -std=$std -x c++ c.c
        done; done",
        prefix().join("include").display()
    );
    shell(&place, &commands);
}

/// What a file needs to be loaded, as its dynamic section lists it.
fn needed(place: &Path, file: &str) -> Vec<String> {
    let listed = shell(place, &format!("readelf -dW '{file}'"));
    let lines = listed.lines().filter(|line| line.contains("(NEEDED)"));
    let names = lines.filter_map(|line| line.split(['[', ']']).nth(1));
    names.map(str::to_owned).collect()
}

/// Only what a system has anyway, as docs/platforms.md says, and the size that it says.
#[test]
fn what_the_library_needs_is_documented() {
    if !are_there("what the library needs", &["cmake", "cc", "readelf"]) {
        return;
    }
    let library = prefix().join("lib/libspoolbuf.so");
    let page = fs::read_to_string(root().join("docs/platforms.md")).expect("docs/platforms.md");
    let names = needed(&prefix().join("lib"), "libspoolbuf.so").join("`, `");
    assert!(
        page.contains(&format!("needs `{names}`")),
        "docs/platforms.md: {names}"
    );
    let size = fs::metadata(library).expect("the library").len();
    let documented = page.split("shared library has ").nth(1);
    let documented = documented.and_then(|it| it.split(' ').next()?.parse::<u64>().ok());
    let documented = documented.expect("docs/platforms.md: the shared library has N KB") * 1000;
    let range = documented * 9 / 10..documented * 11 / 10;
    assert!(
        range.contains(&size),
        "docs/platforms.md: {documented}; the library: {size}"
    );
}

/// A program that uses the library needs it by its SONAME and nothing else of it, wherever the linker
/// is told of it; one that doesn't use it does not.
#[test]
fn as_needed() {
    if !are_there("--as-needed", &["cmake", "cc", "pkg-config", "readelf"]) {
        return;
    }
    let place = folder("as needed");
    let (installed, sources) = (prefix().display(), root().join("tests/consumers"));
    let commands = format!(
        "echo 'int main(void) {{ return 0; }}' >none.c
        export PKG_CONFIG_PATH='{installed}/lib/pkgconfig'
        flags=$(pkg-config --cflags --libs spoolbuf)
        eval \"cc -Wl,--as-needed '{sources}/demo.c' $flags -o used\"
        eval \"cc -Wl,--as-needed none.c $flags -o unused\"
        export LD_LIBRARY_PATH='{installed}/lib'
        seq -w 0 300000 | ./used && ./unused",
        sources = sources.display()
    );
    assert_eq!(shell(&place, &commands), "100000, 000000\n");
    assert_eq!(needed(&place, "used"), ["libspoolbuf.so.0", "libc.so.6"]);
    assert_eq!(needed(&place, "unused"), ["libc.so.6"]);
}

/// Each adapter's header, where its library is.
#[test]
fn strict_compilers_and_adapters() {
    if !are_there(
        "the adapters",
        &["gcc", "g++", "clang", "clang++", "pkg-config"],
    ) {
        return;
    }
    for (name, packages) in [
        ("spoolbuf_archive.h", "libarchive"),
        ("spoolbuf_curl.h", "libcurl"),
        ("spoolbuf_ffmpeg.h", "libavformat libavutil"),
        ("spoolbuf_gst.h", "gstreamer-1.0 gstreamer-base-1.0"),
        ("spoolbuf_mpv.h", "mpv"),
        ("spoolbuf_sdl.h", "sdl2"),
        ("spoolbuf_sndfile.h", "sndfile"),
        ("spoolbuf_fd_follow.h", ""),
        ("spoolbuf_vlc.h", "libvlc"),
    ] {
        let mut found = Command::new("pkg-config");
        found.arg("--exists").args(packages.split_whitespace());
        if !packages.is_empty() && !found.status().is_ok_and(|it| it.success()) {
            crate::library::skipped(name, &format!("{packages} is missing"));
            continue;
        }
        // The warnings of the other library's headers are not of this project.
        let commands = format!(
            "flags='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only -D_GNU_SOURCE'
            flags=\"$flags $(test -z '{packages}' || pkg-config --cflags {packages} | sed 's/-I/-isystem /g')\"
            for folder in '{root}'/include '{root}'/bindings/*; do set -- \"$@\" -I\"$folder\"; done
            printf '#include <{name}>\nint main(void) {{ return 0; }}\n' >main.c
            cp main.c main.cpp
            for std in c99 c2x; do
                gcc $flags \"$@\" -std=$std main.c
                clang $flags \"$@\" -std=$std main.c
            done
            for std in c++17 c++20; do
                g++ $flags \"$@\" -std=$std -fno-exceptions -fno-rtti main.cpp
                clang++ $flags \"$@\" -std=$std -fno-exceptions -fno-rtti main.cpp
            done",
            root = root().display()
        );
        shell(&folder(name), &commands);
    }
}
