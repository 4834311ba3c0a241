//! A project of which two parts have a copy of the repository each.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::folder;
use crate::foreign::{are_there, command};
use crate::library::{HANGS_AFTER, Outcome, root, run};

/// A project with two parts, `one` and `other`, after some lines of its own.
fn project(name: &str, before: &str) -> PathBuf {
    let project = folder(name);
    let lines = format!(
        "cmake_minimum_required(VERSION 3.16)\nproject(whole C)\n{before}\n\
         add_subdirectory(one)\nadd_subdirectory(other)\n"
    );
    fs::write(project.join("CMakeLists.txt"), lines).expect("written");
    for part in ["one", "other"] {
        let part = project.join(part);
        fs::create_dir_all(&part).expect("a folder");
        symlink(root(), part.join("spoolbuf")).expect("a link");
        let lines = "add_subdirectory(spoolbuf)\nadd_executable(PART demo.c)\n\
                     target_link_libraries(PART PRIVATE spoolbuf::spoolbuf spoolbuf::static)\n";
        let name = part.file_name().and_then(|it| it.to_str()).expect("UTF-8");
        fs::write(part.join("CMakeLists.txt"), lines.replace("PART", name)).expect("written");
        fs::copy(root().join("tests/consumers/demo.c"), part.join("demo.c")).expect("copied");
    }
    project
}

fn configured(project: &Path) -> Outcome {
    let mut cmake = command("cmake", project);
    run(cmake.args(["-S", ".", "-B", "build"]), HANGS_AFTER)
}

/// The first copy serves both.
#[test]
fn two_parts_with_a_copy() {
    if !are_there("two copies", &["cmake", "cc", "make"]) {
        return;
    }
    configured(&project("two copies", "")).expect_success("cmake");
}

/// One that the project has found serves both; an older one is one line.
#[test]
fn an_older_copy_is_one_line() {
    if !are_there("an older copy", &["cmake", "cc", "make"]) {
        return;
    }
    let found = "add_library(spoolbuf::spoolbuf SHARED IMPORTED GLOBAL)\n\
                 add_library(spoolbuf::static STATIC IMPORTED GLOBAL)\n\
                 set_target_properties(spoolbuf::spoolbuf spoolbuf::static PROPERTIES IMPORTED_LOCATION found)";
    configured(&project("a found one", found)).expect_success("cmake");
    // A package may have one of the libraries alone.
    let alone = [
        "add_library(spoolbuf::spoolbuf SHARED IMPORTED GLOBAL)",
        "add_library(spoolbuf::static STATIC IMPORTED GLOBAL)",
    ];
    for found in alone {
        configured(&project("one of them", found)).expect_success(found);
    }
    let older = format!(
        "{found}\nset_target_properties(spoolbuf::spoolbuf PROPERTIES SPOOLBUF_VERSION 0.0.9)"
    );
    let said = configured(&project("an older copy", &older)).output;
    let version = env!("CARGO_PKG_VERSION");
    let line = format!(
        "spoolbuf {version} can't replace 0.0.9, which the project has already: add the newer one first"
    );
    assert!(said.contains(&line), "{said}");
}
