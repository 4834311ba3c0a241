//! The scripts of a release, without a release.

use std::fs;
use std::process::Command;

use super::folder;
use crate::foreign::{are_there, program};
use crate::library::{HANGS_AFTER, root, run};

/// The functions of a script, then a command; whether that succeeded.
fn with_functions_of(script: &str, command: &str) -> bool {
    let mut shell = Command::new("bash");
    let lines = format!(". {script}\n{command}");
    shell.args(["-ec", &lines]).current_dir(root());
    run(&mut shell, HANGS_AFTER).status.success()
}

/// A list of symbols that could not be made has none too many.
#[test]
fn a_release_does_not_take_a_failure_for_a_list() {
    if !are_there("the functions of a release", &["bash"]) {
        return;
    }
    for (symbols, is_right) in [
        ("echo '1 T sb_free'", true),
        ("echo '1 T sb_free'; false", false),
        ("true", false),
        ("echo '1 T sb_free'; echo '2 T other'", false),
    ] {
        let command = format!("nm() {{ {symbols}; }}\ngcc=\nexports_only_functions library");
        let found = with_functions_of("packaging/release", &command);
        assert_eq!(found, is_right, "{symbols}");
    }
}

/// Each check of a library, by what a tool says of it.
#[test]
fn a_release_refuses_a_library() {
    if !are_there("the checks of a release", &["bash"]) {
        return;
    }
    let table = |names: &str| format!("printf '[Ordinal/Name Pointer] Table\\n{names}\\n'");
    for (check, tool, says, is_right) in [
        (
            "old_enough",
            "objdump",
            "echo 'GLIBC_2.2.5 GLIBC_2.17'".to_owned(),
            true,
        ),
        (
            "old_enough",
            "objdump",
            "echo 'GLIBC_2.2.5 GLIBC_2.18'".to_owned(),
            false,
        ),
        (
            "needs_only_libc",
            "readelf",
            "echo '0 (NEEDED) Shared library: [libc.so]'".to_owned(),
            true,
        ),
        (
            "needs_only_libc",
            "readelf",
            "echo '0 (NEEDED) Shared library: [libgcc_s.so.1]'".to_owned(),
            false,
        ),
        ("needs_only_libc", "readelf", "true".to_owned(), false),
        (
            "exports_only_functions_of_windows",
            "objdump",
            table("\\t[   0] sb_free"),
            true,
        ),
        (
            "exports_only_functions_of_windows",
            "objdump",
            table("\\t[   0] +base[   1]  0000 sb_free"),
            true,
        ),
        (
            "exports_only_functions_of_windows",
            "objdump",
            table("\\t[   0] sb_free\\n\\t[   1] other"),
            false,
        ),
        (
            "exports_only_functions_of_windows",
            "objdump",
            table(""),
            false,
        ),
    ] {
        let command = format!("{tool}() {{ {says}; }}\ngcc=\n{check} library");
        let found = with_functions_of("packaging/release", &command);
        assert_eq!(found, is_right, "{check}: {says}");
    }
}

/// What is shipped names no folder of the machine that built it.
#[test]
fn a_release_refuses_the_builders_paths() {
    if !are_there("the paths in a release", &["bash"]) {
        return;
    }
    let folder = folder("the paths of a builder");
    for (text, is_right) in [
        ("src/lib.rs".to_owned(), true),
        (format!("{}/src/lib.rs", root().display()), false),
    ] {
        fs::write(folder.join("library"), &text).expect("written");
        let command = format!("names_no_folder '{}'", folder.join("library").display());
        let found = with_functions_of("packaging/release", &command);
        assert_eq!(found, is_right, "{text}");
    }
}

/// The SBOM lists no crate of the standard library without its version.
#[test]
fn a_release_knows_what_it_is_made_of() {
    if !are_there("the parts of a release", &["bash", "python3"]) {
        return;
    }
    let folder = folder("the standard library");
    let files =
        "for name in std core alloc hashbrown compiler_builtins; do echo 0 >lib$name-0.rlib; done
        echo /deps/hashbrown-0.15.2/src/lib.rs >libhashbrown-0.rlib";
    for (change, expected) in [
        ("true", "hashbrown 0.15.2\n"),
        (
            "echo /deps/hashbrown-0.16.0/src >libhashbrown-1.rlib",
            "hashbrown 0.15.2\nhashbrown 0.16.0\n",
        ),
        ("rm libstd-0.rlib", "no compiled standard library"),
        ("echo 0 >libother-0.rlib", "of which version?"),
        (
            "echo 'other-1.2.3/src/lib.rs /other-1.2.3/src/lib.rs' >libother-0.rlib",
            "other 1.2.3\n",
        ),
        (
            "echo '/other-0.9.0/src/lib.rs /other-0.10.0/src/lib.rs' >libother-0.rlib",
            "other 0.10.0\n",
        ),
    ] {
        let command = format!(
            "cd '{}'\nrm -f *.rlib\n{files}\n{change}\npython3 '{}' /nowhere . 2>&1 || true",
            folder.display(),
            root().join("packaging/release.d/standard.py").display()
        );
        let outcome = run(Command::new("bash").args(["-ec", &command]), HANGS_AFTER);
        assert!(
            outcome.output.contains(expected),
            "{change}: {}",
            outcome.output
        );
    }
}

/// What the compiler that links brings has a version.
#[test]
fn a_release_names_what_its_compiler_brings() {
    if !are_there("the compiler's parts of a release", &["bash"]) {
        return;
    }
    let found = folder("the parts of a compiler").join("found");
    let zig = |says: &str| format!("kind=musl\nzig() {{ echo '{says}'; }}");
    let mingw = |package: &str, version: &str| {
        format!(
            "kind=windows cc=compiler\ndpkg-query() {{ {package}; }}
            compiler() {{ [ $1 = -E ] && echo 'version {version}' || echo 13.2.1; }}"
        )
    };
    let (number, debian) = ("\"10\" \".\" \"0\"", "echo 12.2.0-14+deb12u1");
    for (tools, expected) in [
        (zig("clang version 22.1.8 (a place)"), "libunwind 22.1.8\n"),
        (zig("clang 22.1.8"), ""),
        (mingw(debian, number), "libgcc 12.2.0\nmingw-w64 10.0\n"),
        (mingw("false", number), "libgcc 13.2.1\nmingw-w64 10.0\n"),
        (mingw("echo", number), ""),
        (mingw(debian, "__MINGW64_VERSION_STR"), ""),
    ] {
        let command = format!("{tools}\nruntime >'{}'", found.display());
        let succeeds = with_functions_of("packaging/release", &command);
        assert_eq!(succeeds, !expected.is_empty(), "{tools}");
        let found = fs::read_to_string(&found).expect("a list");
        assert!(!succeeds || found == expected, "{tools}: {found}");
    }
}

/// The SBOM is the same from the same files, and each of its components is in its graph.
#[test]
fn a_release_has_one_sbom() {
    if !are_there("an SBOM", &["bash", "python3", "git"]) {
        return;
    }
    let folder = folder("an SBOM");
    fs::write(folder.join("parts"), "mingw-w64 10.0.0\n").expect("written");
    let sbom = |bytes: &str| {
        fs::write(folder.join("a file.zip"), bytes).expect("written");
        let mut script = Command::new("python3");
        script.arg(root().join("packaging/sbom.py")).arg("sbom");
        script.arg("a file.zip=parts").current_dir(&folder);
        let outcome = run(&mut script, HANGS_AFTER);
        assert!(outcome.status.success(), "{}", outcome.output);
        fs::read_to_string(folder.join("sbom")).expect("an SBOM")
    };
    let serial = |text: &str| {
        let (_, after) = text.split_once("\"serialNumber\": ").expect(text);
        after.lines().next().map(str::to_owned)
    };
    let first = sbom("bytes");
    assert_eq!(sbom("bytes"), first);
    assert_ne!(serial(&sbom("others")), serial(&first));
    let part = "\"ref\": \"pkg:generic/mingw-w64@10.0.0\"";
    assert!(first.contains(part), "{first}");
}

/// A folder with a space in its name is one argument of the compiler.
#[test]
fn a_release_is_built_in_any_folder() {
    if !are_there("the cargo of a release", &["bash"]) {
        return;
    }
    let folder = folder("the cargo of a release");
    let says = "printf '%s|' \"$CARGO_ENCODED_RUSTFLAGS\" \"$RUSTFLAGS\"";
    program(&folder.join("bin/cargo"), says);
    let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
    let mut cargo = Command::new(root().join("packaging/release.d/cargo"));
    cargo.arg("rustc").env("PATH", path).env("work", "/nowhere");
    cargo.env("machine", "x86_64").env("host", "x86_64");
    cargo.env("kind", "windows").env("rust", "a-target");
    cargo.env("toolchain", "/a b").env("CARGO_HOME", "/c d");
    let outcome = run(&mut cargo, HANGS_AFTER);
    let flags = "--remap-path-prefix=/a b=/rust\u{1f}--remap-path-prefix=/c d=/cargo||";
    assert_eq!(outcome.output, flags);
}
