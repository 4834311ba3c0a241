//! A program of 32 bits does not find a library of 64.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{folder, not_found};
use crate::foreign::{are_there, prefix};
use crate::library::root;

/// What CMake tells a project with pointers of this size, in bytes, if it does not find the library in a prefix.
fn refusal(prefix: &Path, bytes: usize) -> Option<String> {
    let lines = format!("set(CMAKE_SIZEOF_VOID_P {bytes})\nfind_package(spoolbuf 0.1 REQUIRED)");
    not_found(prefix, &format!("pointers of {bytes} bytes"), &lines)
}

fn compares_pointers(prefix: &Path) {
    let right = size_of::<usize>();
    assert_eq!(refusal(prefix, right), None);
    let said = refusal(prefix, 12 - right).expect("refused");
    let found = format!("({}bit)", right * 8);
    assert!(said.contains(&found), "{said}");
}

#[test]
fn pointers_of_another_size_are_refused() {
    if !are_there("the size of pointers", &["cmake", "cc"]) {
        return;
    }
    compares_pointers(prefix());
    // By cargo-c: the files as they are in the repository.
    let by_cargo = folder("pointers, by cargo-c");
    for name in ["lib", "include"] {
        symlink(prefix().join(name), by_cargo.join(name)).expect("a link");
    }
    let package = by_cargo.join("share/cmake/spoolbuf");
    fs::create_dir_all(&package).expect("a folder");
    for name in ["spoolbuf-config.cmake", "spoolbuf-config-version.cmake"] {
        fs::copy(root().join("packaging").join(name), package.join(name)).expect("copied");
    }
    compares_pointers(&by_cargo);
}
