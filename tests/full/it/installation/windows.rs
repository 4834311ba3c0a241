//! What CMake does on Windows, as far as another system can tell. `.ci/windows` builds with mingw-w64 there.

use std::fs;
use std::path::Path;

use super::{folder, shell};
use crate::foreign::{are_there, command};
use crate::library::{HANGS_AFTER, Outcome, root, run};

/// What CMake knows of a clang that compiles for Visual Studio.
const CLANG: &str = "set(CMAKE_C_COMPILER_ID Clang)\nset(CMAKE_C_SIMULATE_ID MSVC)";

/// What CMake says in a project that believes that this is Windows, with more lines of its own.
fn configured(project: &Path, lines: &str, variables: &[(&str, &str)]) -> Outcome {
    let lines = format!(
        "cmake_minimum_required(VERSION 3.16)\nproject(whole C)\nset(WIN32 1)\n{lines}\n\
         add_subdirectory(\"{}\" spoolbuf)\nadd_custom_target(whole ALL)\n\
         add_dependencies(whole spoolbuf_libraries)\n",
        root().display()
    );
    fs::write(project.join("CMakeLists.txt"), lines).expect("written");
    let mut cmake = command("cmake", project);
    cmake.args(["-G", "Unix Makefiles", "-S", ".", "-B", "build"]);
    cmake.env_remove("CARGO_BUILD_TARGET");
    cmake.envs(variables.iter().copied());
    run(&mut cmake, HANGS_AFTER)
}

/// The commands of the build.
fn commands(name: &str, lines: &str, variables: &[(&str, &str)]) -> String {
    let project = folder(name);
    configured(&project, lines, variables).expect_success("cmake");
    let rules = "build/spoolbuf/CMakeFiles/spoolbuf_libraries.dir/build.make";
    fs::read_to_string(project.join(rules)).expect("rules")
}

/// A cargo of a Rust that was installed for another compiler, for one test.
fn cargo_for(host: &str, test: &str) -> String {
    let script = format!("#!/bin/sh\nprintf 'cargo 1.95.0\\nhost: {host}\\n'\n");
    let cargo = folder(test).join("cargo");
    fs::write(&cargo, script).expect("written");
    shell(root(), &format!("chmod +x '{}'", cargo.display()));
    cargo.display().to_string()
}

/// cargo's configuration can name another target, whose files are in another folder.
#[test]
fn cargo_is_told_the_target() {
    if !are_there("the target on Windows", &["cmake", "cc", "make"]) {
        return;
    }
    let host = shell(root(), "cargo -vV | sed -n 's/^host: //p'");
    let named = [("CARGO_BUILD_TARGET", "other-target")];
    for (variables, target) in [(&[][..], host.trim()), (&named[..], "other-target")] {
        let said = commands("as on Windows", "", variables);
        assert!(said.contains(&format!("-DTARGET={target} ")), "{said}");
    }
}

/// Rust is for Visual Studio where gcc of MSYS2 compiles, or the other way round.
#[test]
fn the_library_is_for_the_compiler_of_the_build() {
    if !are_there("the compiler on Windows", &["cmake", "cc", "make"]) {
        return;
    }
    for (host, lines, target, import) in [
        (
            "x86_64-pc-windows-msvc",
            "",
            "x86_64-pc-windows-gnu",
            "libspoolbuf.dll.a",
        ),
        (
            "x86_64-pc-windows-gnu",
            "",
            "x86_64-pc-windows-gnu",
            "libspoolbuf.dll.a",
        ),
        (
            "aarch64-pc-windows-msvc",
            "",
            "aarch64-pc-windows-gnullvm",
            "libspoolbuf.dll.a",
        ),
        (
            "x86_64-pc-windows-gnu",
            "set(MSVC 1)",
            "x86_64-pc-windows-msvc",
            "spoolbuf.dll.lib",
        ),
        (
            "x86_64-pc-windows-msvc",
            "set(MSVC 1)\nset(CMAKE_SIZEOF_VOID_P 4)",
            "i686-pc-windows-msvc",
            "spoolbuf.dll.lib",
        ),
        (
            "x86_64-pc-windows-msvc",
            "set(MSVC 1)\nset(CMAKE_C_COMPILER_ARCHITECTURE_ID ARM64)",
            "aarch64-pc-windows-msvc",
            "spoolbuf.dll.lib",
        ),
        (
            "aarch64-pc-windows-msvc",
            "set(MSVC 1)\nset(CMAKE_C_COMPILER_ARCHITECTURE_ID x64)",
            "x86_64-pc-windows-msvc",
            "spoolbuf.dll.lib",
        ),
        (
            "aarch64-pc-windows-msvc",
            "set(MSVC 1)\nset(CMAKE_C_COMPILER_ARCHITECTURE_ID X86)",
            "i686-pc-windows-msvc",
            "spoolbuf.dll.lib",
        ),
        (
            "x86_64-pc-windows-msvc",
            CLANG,
            "x86_64-pc-windows-msvc",
            "spoolbuf.dll.lib",
        ),
    ] {
        let said = commands(
            "another compiler",
            lines,
            &[("CARGO", &cargo_for(host, "a cargo of Windows"))],
        );
        assert!(
            said.contains(&format!("-DTARGET={target} ")),
            "{host}: {said}"
        );
        assert!(
            said.contains(&format!("-DIMPORT={import} ")),
            "{host}: {said}"
        );
    }
    let named = [("CARGO_BUILD_TARGET", "x86_64-pc-windows-msvc")];
    let refused = configured(&folder("refused on Windows"), "", &named);
    assert!(!refused.status.success());
    let why = " spoolbuf for x86_64-pc-windows-msvc can't be linked by ";
    assert!(refused.output.contains(why), "{}", refused.output);
}

/// cargo would link with a gcc from PATH, which need not be the compiler of the build; Visual Studio's it finds.
#[test]
fn the_compiler_of_the_build_links() {
    if !are_there("the linker on Windows", &["cmake", "cc", "make"]) {
        return;
    }
    let cargo = cargo_for("x86_64-pc-windows-msvc", "a cargo that links");
    let variable = "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=/";
    let said = commands("gcc links", "", &[("CARGO", &cargo)]);
    assert!(said.contains(variable), "{said}");
    for lines in [
        "set(MSVC 1)",
        CLANG,
        "set(MSVC 1)\nset(SPOOLBUF_RUST_TARGET x86_64-pc-windows-msvc)",
    ] {
        let said = commands("cargo finds a linker", lines, &[("CARGO", &cargo)]);
        assert!(!said.contains("_LINKER="), "{lines}: {said}");
    }
}

/// With Visual Studio, `-lspoolbuf` is spoolbuf.lib, the static library.
#[test]
fn pkg_config_names_the_shared_library() {
    if !are_there("pkg-config on Windows", &["cmake", "cc", "make"]) {
        return;
    }
    let cargo = cargo_for("x86_64-pc-windows-msvc", "a cargo for pkg-config");
    for (compiler, name) in [("", "spoolbuf"), ("set(MSVC 1)", "spoolbuf.dll")] {
        let project = folder("a file for pkg-config");
        let lines = format!("set(SPOOLBUF_INSTALL ON)\n{compiler}");
        configured(&project, &lines, &[("CARGO", &cargo)]).expect_success("cmake");
        let file = fs::read_to_string(project.join("build/spoolbuf/spoolbuf.pc")).expect("a file");
        let libraries = format!("\nLibs: -L${{libdir}} -l{name}\n");
        assert!(file.contains(&libraries), "{compiler}: {file}");
    }
}
