//! The symbols that the shared library exports: its functions and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::library::{library, root};

fn read_with(tool: &str, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(tool)
        .args(arguments)
        .arg(file)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("{tool}: {error}"));
    assert!(output.status.success(), "{tool} {arguments:?} failed");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The functions that the header declares.
pub(crate) fn declared() -> BTreeSet<String> {
    let header =
        std::fs::read_to_string(root().join("include/spoolbuf.h")).expect("include/spoolbuf.h");
    // Outside comments, a name before a parenthesis is a function; a callback's name is in
    // parentheses.
    let code = crate::library::without_comments(&header);
    let mut names = BTreeSet::new();
    for (place, _) in code.match_indices("sb_") {
        let before = code[..place].chars().next_back();
        let name: String = code[place..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let is_word = before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
        if is_word && code[place + name.len()..].starts_with('(') {
            names.insert(name);
        }
    }
    assert!(
        names.len() >= 20,
        "the header has more functions: {names:?}"
    );
    names
}

#[test]
fn exports_are_the_header_s_functions() {
    let arguments = ["-D", "--defined-only", "-f", "posix"];
    let listed = read_with("nm", &arguments, &library().shared);
    let exported: BTreeSet<String> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert_eq!(exported, declared());
}

/// Not by nm: where LLVM's plugin for it is installed and older than rustc, nm shows nothing of an
/// object that holds LLVM's own code as well, which a release build's do.
#[test]
fn the_archive_has_them_too() {
    let listed = read_with("readelf", &["--symbols", "-W"], &library().archive);
    let global: BTreeSet<&str> = listed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|line| line.len() == 8 && line[3..5] == ["FUNC", "GLOBAL"] && line[6] != "UND")
        .map(|line| line[7])
        .filter(|name| name.starts_with("sb_"))
        .collect();
    let declared = declared();
    assert_eq!(global, declared.iter().map(String::as_str).collect());
}

#[test]
fn soname_and_nodelete() {
    let dynamic = read_with("readelf", &["-d", "-W"], &library().shared);
    let line = |kind: &str| {
        let found = dynamic.lines().find(|line| line.contains(kind));
        found.unwrap_or_else(|| panic!("no {kind} in\n{dynamic}"))
    };
    let soname = concat!("[libspoolbuf.so.", env!("CARGO_PKG_VERSION_MAJOR"), "]");
    assert!(line("(SONAME)").contains(soname), "{}", line("(SONAME)"));
    // A thread may be inside, or have thread-locals to clean up, after a dlclose.
    assert!(
        line("(FLAGS_1)").contains("NODELETE"),
        "{}",
        line("(FLAGS_1)")
    );
    // It needs only the C library and its companions, nothing that a user would have to install.
    for needed in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        let known = [
            "libc.so",
            "libgcc_s.so",
            "ld-linux",
            "libm.so",
            "libpthread.so",
            "libdl.so",
        ];
        assert!(known.iter().any(|name| needed.contains(name)), "{needed}");
    }
}

#[test]
fn version_is_the_package_s() {
    use spoolbuf::ffi::abi::{SB_VERSION_MAJOR, SB_VERSION_MINOR, SB_VERSION_PATCH};
    let version = format!("{SB_VERSION_MAJOR}.{SB_VERSION_MINOR}.{SB_VERSION_PATCH}");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}

/// Debian's list, which the package's build compares with the library, has them. A function that is
/// missing is added by `BLESS=1 cargo test --test it symbols::`, since this version; what is gone is not
/// taken away.
#[test]
fn debian_lists_them() {
    let path = root().join("packaging/debian/libspoolbuf0.symbols");
    let mut lines: Vec<String> = std::fs::read_to_string(&path)
        .expect("the list")
        .lines()
        .map(str::to_owned)
        .collect();
    let functions = lines.split_off(2);
    let name = |line: &str| line.trim().split('@').next().map(str::to_owned);
    let mut listed: BTreeSet<String> = functions.iter().filter_map(|line| name(line)).collect();
    if std::env::var_os("BLESS").is_some() {
        let missing = declared().into_iter().filter(|it| !listed.contains(it));
        let added = missing.map(|it| format!(" {it}@Base {}", env!("CARGO_PKG_VERSION")));
        let all: BTreeSet<String> = functions.into_iter().chain(added).collect();
        listed = all.iter().filter_map(|line| name(line)).collect();
        lines.extend(all);
        std::fs::write(&path, lines.join("\n") + "\n").expect("written");
    }
    assert_eq!(listed, declared());
}
