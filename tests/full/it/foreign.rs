//! What a foreign project finds: the library as it is installed, or its repository; and the project,
//! which is a copy of `tests/consumers` in a folder with a space in its name.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::checkout::{FASTER, checkout, install};
use crate::library::{HANGS_AFTER, root, run, scratch, skipped};

/// Where all of it is. Not in this package, which an older cargo, of a cargo-c, can't read.
pub fn place() -> PathBuf {
    root().join("target/foreign")
}

/// Whether all tools are there; says so loudly if one is not.
pub fn are_there(what: &str, tools: &[&str]) -> bool {
    let missing = tools.iter().find(|name| {
        let found = Command::new(name).arg("--version").output();
        found.is_err()
    });
    if let Some(name) = missing {
        skipped(what, &format!("there is no {name} here"));
    }
    missing.is_none()
}

/// Installs the library by the README's commands, once, then moves it.
pub fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let (first, moved) = (scratch().join("a prefix"), scratch().join("prefix moved"));
        for old in [&first, &moved] {
            let _ = fs::remove_dir_all(old);
        }
        let (checkout, _alone) = checkout();
        install(checkout, &first);
        fs::rename(&first, &moved).expect("moved");
        moved
    })
}

/// A clone of the repository as it is here, with what is not committed yet; its branch is main.
pub fn clone() -> &'static Path {
    static CLONE: OnceLock<PathBuf> = OnceLock::new();
    CLONE.get_or_init(|| {
        let clone = place().join("a clone");
        let listed = command("git", root())
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .output();
        let listed = String::from_utf8(listed.expect("git runs").stdout).expect("UTF-8");
        let names: BTreeSet<&str> = listed.lines().filter(|it| root().join(it).exists()).collect();
        assert!(names.contains("CMakeLists.txt"), "{names:?}");
        for old in files(&clone) {
            if !old.starts_with(".git/") && !names.contains(old.as_str()) {
                fs::remove_file(clone.join(old)).expect("removed");
            }
        }
        for name in names {
            update(&root().join(name), &clone.join(name));
        }
        let commit = "git init -q -b main . && git add -A && git -c user.name=t -c user.email=t@localhost \
                      commit -q --allow-empty -m state";
        run(command("sh", &clone).args(["-euc", commit]), HANGS_AFTER).expect_success(commit);
        clone
    })
}

/// Copies a file only if it has changed, since cargo rebuilds what depends on a newer file.
fn update(from: &Path, to: &Path) {
    let bytes = fs::read(from).expect("a file");
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return;
    }
    fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    fs::copy(from, to).expect("copied");
}

/// The paths of the files and links in a folder, relative to it.
pub fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                let name = path.strip_prefix(folder).expect("inside");
                found.insert(name.to_str().expect("UTF-8").to_owned());
            }
        }
    }
    found
}

/// A command in a folder, with nothing of the cargo that runs the tests.
pub fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("CARGO_NET_OFFLINE", "true");
    for name in [
        "CARGO",
        "CARGO_TARGET_DIR",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "DESTDIR",
    ] {
        command.env_remove(name);
    }
    command
}

/// A program of these lines of shell.
pub fn program(path: &Path, lines: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, format!("#!/bin/sh\n{lines}\n")).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
}

/// The flags for a dialect of C, and of C++.
pub type Dialect = (&'static str, &'static str);
pub const OLD: Dialect = ("-std=c99", "-std=c++17");
pub const NEW: Dialect = ("-std=c2x", "-std=c++20 -fno-exceptions -fno-rtti");

/// Whether the others are to be tried as well.
pub fn all_dialects() -> bool {
    std::env::var_os("SPOOLBUF_ALL_DIALECTS").is_some()
}

/// A project that uses the library.
pub struct Project {
    pub folder: PathBuf,
    /// gcc or clang.
    compiler: &'static str,
    dialect: Dialect,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Project {
    /// A copy of `tests/consumers` by a name of its own.
    pub fn new(name: &str, compiler: &'static str) -> Project {
        let folder = place().join(format!("project {name} {compiler}"));
        let _ = fs::remove_dir_all(&folder);
        let from = root().join("tests/consumers");
        for name in files(&from) {
            update(&from.join(&name), &folder.join(&name));
        }
        Project {
            folder,
            compiler,
            dialect: OLD,
            variables: Vec::new(),
        }
    }

    /// In another dialect.
    pub fn speaks(self, dialect: Dialect) -> Project {
        Project { dialect, ..self }
    }

    /// With the library that is installed.
    pub fn installed(mut self) -> Project {
        self.variables
            .push(("CMAKE_PREFIX_PATH", prefix().to_owned()));
        self.variables
            .push(("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")));
        self
    }

    /// With a repository alone, which all projects that use it in its place build once.
    pub fn vendored(mut self, target: &str) -> Project {
        self.variables
            .push(("PKG_CONFIG_LIBDIR", self.folder.clone()));
        self.variables
            .push(("CARGO_TARGET_DIR", place().join(target)));
        self.variables.push((FASTER.0, FASTER.1.into()));
        self
    }

    /// Runs a shell's commands in one of the project's folders.
    pub fn runs(&self, folder: &str, commands: &str) -> String {
        let mut shell = command("sh", &self.folder.join(folder));
        shell.args(["-euc", commands]).env("CC", self.compiler);
        shell.env(
            "CXX",
            if self.compiler == "gcc" {
                "g++"
            } else {
                "clang++"
            },
        );
        shell.env("CFLAGS", self.dialect.0);
        shell.env("CXXFLAGS", self.dialect.1);
        shell.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let outcome = run(&mut shell, HANGS_AFTER);
        outcome.expect_success(commands);
        outcome.output
    }

    /// Runs its four programs, which two libraries are linked to.
    pub fn works(&self, folder: &str, libraries: Option<&Path>) {
        for name in [
            "demo-shared",
            "demo-static",
            "demo-cpp-shared",
            "demo-cpp-static",
        ] {
            let program = self.folder.join(folder).join(name);
            let said = demo(&program, libraries);
            assert_eq!(said, "100000, 000000\n", "{}", program.display());
            let bytes = fs::read(&program).expect("a program");
            let soname = b"libspoolbuf.so.0";
            let found = bytes.windows(soname.len()).any(|window| window == soname);
            assert_eq!(
                found,
                name.ends_with("shared"),
                "{}: what it needs",
                program.display()
            );
        }
    }
}

fn demo(program: &Path, libraries: Option<&Path>) -> String {
    let mut command = Command::new(program);
    command.env_remove("LD_LIBRARY_PATH");
    if let Some(folder) = libraries {
        command.env("LD_LIBRARY_PATH", folder);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines: String = (0..150_000).map(|line| format!("{line:06}\n")).collect();
    let mut input = child.stdin.take().expect("a pipe");
    // It reads no more than it needs.
    let _ = input.write_all(lines.as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program:?}");
    String::from_utf8(output.stdout).expect("text")
}
