//! What is installed, by CMake and by cargo-c. The static library in plugins, and beside another one of
//! Rust. The headers, by strict compilers. What CMake refuses.

mod apple;
mod archive;
mod cargo;
mod cargo_c;
mod folders;
mod headers;
mod lists;
mod needs;
mod paths;
mod pointers;
mod refusals;
mod twice;
mod versions;
mod windows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::foreign::command;
use crate::library::{HANGS_AFTER, root, run, scratch};

fn folder(name: &str) -> PathBuf {
    let folder = scratch().join("installation").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Runs a shell's commands in a folder; what they say.
fn shell(folder: &Path, commands: &str) -> String {
    let outcome = run(command("sh", folder).args(["-euc", commands]), HANGS_AFTER);
    outcome.expect_success(commands);
    outcome.output
}

/// What configures without building.
fn configure(folder: &Path, more: &[&str]) -> Command {
    let mut cmake = command("cmake", folder);
    cmake.arg("-S").arg(root()).args(["-B", "build"]).args(more);
    cmake
}

/// What CMake tells a project of these lines if it does not find the library in a prefix.
fn not_found(prefix: &Path, project: &str, lines: &str) -> Option<String> {
    let project = folder(project);
    let lines =
        format!("cmake_minimum_required(VERSION 3.16...3.30)\nproject(user NONE)\n{lines}\n");
    fs::write(project.join("CMakeLists.txt"), lines).expect("written");
    let mut cmake = command("cmake", &project);
    cmake
        .args(["-S", ".", "-B", "build"])
        .env("CMAKE_PREFIX_PATH", prefix);
    let outcome = run(&mut cmake, HANGS_AFTER);
    (!outcome.status.success()).then_some(outcome.output)
}
