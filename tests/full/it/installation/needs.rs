//! What the shared library needs, and what programs need of it.

use std::fs;
use std::path::Path;

use super::{folder, shell};
use crate::foreign::{are_there, prefix};
use crate::library::root;

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
