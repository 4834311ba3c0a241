//! Programs of other build systems, of CMake, Meson and make, in C and C++, by gcc and clang. Their library
//! is installed and was moved since, or is a copy of the repository in the project.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::foreign::{
    Dialect, NEW, OLD, Project, all_dialects, are_there, clone, command, files, place, prefix,
};
use crate::library::{HANGS_AFTER, library, root, run, scratch, skipped};

/// Each compiler with another dialect of C and of C++; in `.ci/deep` each with both.
fn builds() -> Vec<(&'static str, Dialect)> {
    let usual = [("gcc", OLD), ("clang", NEW)];
    let others = [("gcc", NEW), ("clang", OLD)];
    let others = others.into_iter().filter(|_| all_dialects());
    usual.into_iter().chain(others).collect()
}

/// Builds a project by some commands in one of its folders, with the installed library.
fn installed(way: &str, tools: &[&str], folder: &str, commands: &str) {
    for (compiler, dialect) in builds() {
        if are_there(way, &[tools, &["cmake", compiler]].concat()) {
            let project = Project::new(way, compiler).speaks(dialect).installed();
            project.runs(folder, commands);
            let libraries = prefix().join("lib");
            let built = format!("{folder}/build");
            project.works(&built, Some(&libraries));
            exports_its_own_functions(&project, &built);
        }
    }
}

/// The plugin that CMake or Meson has linked with the static library, whose functions stay inside.
fn exports_its_own_functions(project: &Project, built: &str) {
    if built.starts_with("make/") {
        return;
    }
    let list = "nm -D --defined-only -f posix libplugin.so | cut -d ' ' -f 1 | sort | xargs";
    let exported = project.runs(built, list);
    let own = "plugin_close plugin_open plugin_reads\n";
    assert_eq!(exported, own, "{}", project.folder.display());
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

/// A build system's folder in `tests/consumers`, and what it is told there.
struct Vendored<'t> {
    way: &'t str,
    tools: &'t [&'t str],
    folder: &'t str,
    /// Where the library's repository is, if the build system does not fetch it.
    at: Option<&'t str>,
    configure: &'t str,
    build: &'t str,
}

impl Vendored<'_> {
    /// Builds a project whose library is a copy of the repository, twice: what is current stays so.
    fn works(&self, project: &Project) {
        if let Some(at) = self.at {
            let at = project.folder.join(self.folder).join(at);
            fs::create_dir_all(at.parent().expect("a folder")).expect("a folder");
            symlink(clone(), at).expect("a link");
        }
        project.runs(self.folder, self.configure);
        project.runs(self.folder, self.build);
        let built = format!("{}/build", self.folder);
        project.works(&built, None);
        exports_its_own_functions(project, &built);
        let time = |name: &str| {
            let file = project.folder.join(&built).join(name).metadata();
            file.and_then(|it| it.modified()).expect("a program")
        };
        let programs = ["demo-shared", "demo-static"];
        let before = programs.map(time);
        project.runs(self.folder, self.build);
        let way = self.way;
        assert_eq!(
            before,
            programs.map(time),
            "{way}: a second build linked them again"
        );
    }

    /// With each compiler. They build the library once.
    fn works_everywhere(&self) {
        for (compiler, dialect) in builds() {
            if are_there(self.way, &[self.tools, &["git", compiler]].concat()) {
                let project = Project::new(self.way, compiler).speaks(dialect);
                self.works(&project.vendored("vendored"));
            }
        }
    }
}

#[test]
fn cmake_subdirectory() {
    Vendored {
        way: "add_subdirectory",
        tools: &["cmake", "ninja"],
        folder: "cmake",
        at: Some("third party"),
        configure: "cmake -G Ninja -S . -B build -DWAY=subdirectory '-DSPOOLBUF=third party'",
        build: "cmake --build build",
    }
    .works_everywhere();
}

/// The first project fetches it. The others take what that has fetched, so that it is built once.
#[test]
fn cmake_fetch_content() {
    let mut fetched = String::new();
    for (number, (compiler, dialect)) in builds().into_iter().enumerate() {
        if !are_there("FetchContent", &["cmake", "git", "make", compiler]) {
            continue;
        }
        let project = Project::new(&format!("fetch {number}"), compiler).speaks(dialect);
        let project = project.vendored("fetched");
        let repository = clone().display();
        Vendored {
            way: "FetchContent",
            tools: &[],
            folder: "cmake",
            at: None,
            configure: &format!(
                "cmake -S . -B build -DWAY=fetch '-DSPOOLBUF={repository}' {fetched}"
            ),
            build: "cmake --build build",
        }
        .works(&project);
        if fetched.is_empty() {
            let source = project.folder.join("cmake/build/_deps/spoolbuf-src");
            assert!(source.join(".git").exists(), "{source:?}");
            fetched = format!("'-DFETCHCONTENT_SOURCE_DIR_SPOOLBUF={}'", source.display());
        }
    }
}

#[test]
fn meson_subproject() {
    Vendored {
        way: "a Meson subproject",
        tools: &["meson", "ninja"],
        folder: "meson",
        at: Some("subprojects/spoolbuf"),
        configure: "meson setup build --prefix=/usr --libdir=lib",
        // A program that is installed has its library.
        build: "ninja -C build && DESTDIR=\"$PWD/installed\" meson install -C build --no-rebuild && \
                head -c 800000 /dev/zero | LD_LIBRARY_PATH=installed/usr/lib installed/usr/bin/demo-shared",
    }
    .works_everywhere();
}

#[test]
fn make_vendored() {
    Vendored {
        way: "a Makefile with a copy",
        tools: &["make"],
        folder: "make",
        at: Some("spoolbuf"),
        configure: "mkdir build",
        build: "make -f vendored.mk BUILD=build",
    }
    .works_everywhere();
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
    let outcome = run(command("cargo", &folder).arg("run"), HANGS_AFTER);
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
        let said = run(&mut command, HANGS_AFTER);
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
    let said = run(program.arg(root().join("Cargo.toml")), HANGS_AFTER);
    said.expect_success("stdio");
    assert!(said.output.ends_with("ended\n"), "{}", said.output);
    // What can't be read is named, with the system's reason.
    for (name, reason) in [
        ("/no/such", "No such file or directory"),
        ("/", "Is a directory"),
    ] {
        let said = run(Command::new(out.join("stdio")).arg(name), HANGS_AFTER).output;
        assert!(said.contains(&format!("{name}: {reason}")), "{said}");
    }
}
