//! Programs of other build systems, of CMake, Meson and make, with the library as it is installed: shared
//! and static, found by pkg-config alone, also after the whole has been moved.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::checkout::{block, checkout, succeeds_with};
use crate::library::{library, root, run, scratch, skipped};

const LIMIT: Duration = Duration::from_secs(120);

/// Installs the library by the README's commands and no others, then moves it.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let (first, moved) = (scratch().join("a prefix"), scratch().join("prefix moved"));
        for old in [&first, &moved] {
            let _ = fs::remove_dir_all(old);
        }
        let (checkout, _alone) = checkout();
        succeeds_with(checkout, &first, &block("sh", "install -D"));
        fs::rename(&first, &moved).expect("moved");
        moved
    })
}

/// Builds both programs by some commands, in an empty folder of their own, and runs them.
fn builds(tool: &str, needs: &[&str], commands: &[&[&str]]) {
    for name in needs.iter().chain(&["pkg-config"]) {
        if Command::new(name).arg("--version").output().is_err() {
            return skipped(tool, &format!("there is no {name} here"));
        }
    }
    let folder = scratch().join("projects").join(tool);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let place = folder.to_str().expect("UTF-8");
    for arguments in commands {
        let mut command = Command::new(arguments[0]);
        command
            .args(arguments[1..].iter().map(|text| text.replace('%', place)))
            .current_dir(root().join("tests/projects"))
            .env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
        run(&mut command, LIMIT).expect_success(&format!("{command:?}"));
    }
    for (program, needs_it) in [("demo-shared", true), ("demo-static", false)] {
        let said = demo(&folder.join(program), &prefix().join("lib"));
        assert_eq!(said, "100000, 000000\n", "{tool}, {program}");
        let bytes = fs::read(folder.join(program)).expect("a program");
        let name = b"libspoolbuf.so.0";
        let found = bytes.windows(name.len()).any(|window| window == name);
        assert_eq!(found, needs_it, "{tool}, {program}: what it is linked with");
    }
}

fn demo(program: &Path, libraries: &Path) -> String {
    let mut child = Command::new(program)
        .env("LD_LIBRARY_PATH", libraries)
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

#[test]
fn cmake() {
    let commands: [&[&str]; 2] = [
        &["cmake", "-S", ".", "-B", "%"],
        &["cmake", "--build", "%", "--verbose"],
    ];
    builds("cmake", &["cmake"], &commands);
}

#[test]
fn meson() {
    let commands: [&[&str]; 2] = [&["meson", "setup", "%"], &["ninja", "-C", "%"]];
    builds("meson", &["meson", "ninja"], &commands);
}

#[test]
fn make() {
    builds("make", &["make"], &[&["make", "BUILD=%"]]);
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
