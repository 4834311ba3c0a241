//! Programs of other build systems, of CMake, Meson and make, in C and C++, by gcc and clang. Their library
//! is installed and was moved since, or is a copy of the repository in the project.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::foreign::{LIMIT, Project, are_there, clone, command, files, place, prefix};
use crate::library::{library, root, run, scratch, skipped};

const COMPILERS: [&str; 2] = ["gcc", "clang"];

/// Builds a project by some commands in one of its folders, with the installed library.
fn installed(way: &str, tools: &[&str], folder: &str, commands: &str) {
    for compiler in COMPILERS {
        if are_there(way, &[tools, &["cmake", compiler]].concat()) {
            let project = Project::new(way, compiler).installed();
            project.runs(folder, commands);
            let libraries = prefix().join("lib");
            project.works(&format!("{folder}/build"), Some(&libraries));
        }
    }
}

#[test]
fn cmake_package() {
    let commands = "cmake -S . -B build -DWAY=package && cmake --build build --verbose";
    installed("package", &[], "cmake", commands);
}

#[test]
fn cmake_pkg_config() {
    let commands = "cmake -S . -B build -DWAY=pkg-config && cmake --build build --verbose";
    installed("pkg-config", &["pkg-config"], "cmake", commands);
}

#[test]
fn meson() {
    let commands = "meson setup build && ninja -C build";
    let tools = ["meson", "ninja", "pkg-config"];
    installed("meson", &tools, "meson", commands);
}

#[test]
fn make() {
    let commands = "mkdir build && make BUILD=build";
    installed("make", &["make", "pkg-config"], "make", commands);
}

/// Builds a project whose library is a copy of the repository, twice: what is current stays so.
fn vendored(way: &str, project: &Project, folder: &str, commands: [&str; 2]) {
    project.runs(folder, commands[0]);
    project.runs(folder, commands[1]);
    project.works(&format!("{folder}/build"), None);
    let time = |name: &str| {
        let file = project.folder.join(folder).join("build").join(name);
        file.metadata()
            .and_then(|it| it.modified())
            .expect("a program")
    };
    let programs = ["demo-shared", "demo-static"];
    let before = programs.map(time);
    project.runs(folder, commands[1]);
    assert_eq!(
        before,
        programs.map(time),
        "{way}: a second build linked them again"
    );
}

#[test]
fn cmake_subdirectory() {
    if are_there("add_subdirectory", &["cmake", "git", "gcc", "ninja"]) {
        let project = Project::new("subdirectory", "gcc").vendored("vendored");
        symlink(clone(), project.folder.join("cmake/third party")).expect("a link");
        let configure = "cmake -G Ninja -S . -B build -DWAY=subdirectory '-DSPOOLBUF=third party'";
        let commands = [configure, "cmake --build build"];
        vendored("add_subdirectory", &project, "cmake", commands);
    }
}

#[test]
fn cmake_fetch_content() {
    if are_there("FetchContent", &["cmake", "git", "make", "clang"]) {
        let project = Project::new("fetch", "clang").vendored("fetched");
        let configure = format!(
            "cmake -S . -B build -DWAY=fetch '-DSPOOLBUF={}'",
            clone().display()
        );
        let commands = [configure.as_str(), "cmake --build build"];
        vendored("FetchContent", &project, "cmake", commands);
    }
}

#[test]
fn meson_subproject() {
    if are_there("a Meson subproject", &["meson", "ninja", "git", "gcc"]) {
        let project = Project::new("subproject", "gcc").vendored("vendored");
        fs::create_dir(project.folder.join("meson/subprojects")).expect("a folder");
        symlink(clone(), project.folder.join("meson/subprojects/spoolbuf")).expect("a link");
        let commands = ["meson setup build", "ninja -C build"];
        vendored("Meson", &project, "meson", commands);
    }
}

#[test]
fn make_vendored() {
    if are_there("a Makefile with a copy", &["make", "git", "clang"]) {
        let project = Project::new("copy", "clang").vendored("vendored");
        symlink(clone(), project.folder.join("make/spoolbuf")).expect("a link");
        let commands = ["mkdir build", "make -f vendored.mk BUILD=build"];
        vendored("make", &project, "make", commands);
    }
}

/// Nothing that C would need is built for it, and nothing is said about that.
#[test]
fn a_rust_program_builds_one_rlib() {
    let folder = place().join("a rust program");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("src")).expect("a folder");
    let manifest = format!(
        "[package]\nname = \"program\"\nedition = \"2021\"\n[workspace]\n[dependencies]\n\
         spoolbuf = {{ path = {:?} }}\n",
        clone().to_str().expect("UTF-8")
    );
    let program = "fn main() {\n    let buffer = spoolbuf::StreamBuffer::new(&b\"bytes\"[..]);\n    \
                   let mut out = [0; 5];\n    assert_eq!(buffer.unwrap().read_at(0, &mut out).unwrap(), 5);\n}\n";
    for (name, text) in [("Cargo.toml", manifest.as_str()), ("src/main.rs", program)] {
        fs::write(folder.join(name), text).expect("written");
    }
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("copied");
    let outcome = run(command("cargo", &folder).arg("run"), LIMIT);
    outcome.expect_success("cargo run");
    assert!(!outcome.output.contains("warning"), "{}", outcome.output);
    let built = files(&folder.join("target/debug"));
    let libraries: Vec<&str> = built
        .iter()
        .filter_map(|path| path.rsplit('/').next())
        .filter(|name| name.contains("libspoolbuf") && !name.ends_with(".d"))
        .collect();
    let [rlib, rmeta] = libraries[..] else {
        panic!("{libraries:?}");
    };
    assert!(
        rlib.ends_with(".rlib") && rmeta.ends_with(".rmeta"),
        "{libraries:?}"
    );
}

/// The examples' own Makefile, with the library where cargo has put it.
#[test]
fn examples() {
    if Command::new("make").arg("--version").output().is_err() {
        return skipped("the examples' Makefile", "there is no make here");
    }
    let out = scratch().join("projects/examples");
    let built = library().shared.parent().expect("a folder");
    let make = |arguments: &[&str]| {
        let mut command = Command::new("make");
        command
            .current_dir(root().join("examples/media"))
            .args(arguments)
            .arg(format!("OUT={}", out.display()))
            .arg(format!("BUILT={}", built.display()));
        let said = run(&mut command, LIMIT);
        said.expect_success("make");
        said.output
    };
    make(&["-B", "stdio"]);
    // One line says why each program is left out, and what is needed by none is built.
    let said = make(&["MINIAUDIO=/no/such", "PKG_CONFIG=/no/such"]);
    for line in [
        "ffmpeg: left out: no /no/such (Debian: pkg-config)",
        "miniaudio: left out: no miniaudio.h (name its folder: MINIAUDIO=folder)",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(said.contains("\nstdio: "), "{said}");
    let mut program = Command::new(out.join("stdio"));
    let said = run(program.arg(root().join("Cargo.toml")), LIMIT);
    said.expect_success("stdio");
    assert!(said.output.ends_with("ended\n"), "{}", said.output);
    // What can't be read is named, with the system's reason.
    for (name, reason) in [
        ("/no/such", "No such file or directory"),
        ("/", "Is a directory"),
    ] {
        let said = run(Command::new(out.join("stdio")).arg(name), LIMIT).output;
        assert!(said.contains(&format!("{name}: {reason}")), "{said}");
    }
}
