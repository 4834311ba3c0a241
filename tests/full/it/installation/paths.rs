//! Paths that CMake, make, Ninja or pkg-config can't take are refused in one line.

use std::fs;
use std::os::unix::fs::symlink;

use super::{configure, folder, shell};
use crate::foreign::{are_there, command, files, prefix};
use crate::library::{HANGS_AFTER, root, run};

#[test]
fn a_path_that_cmake_can_not_take() {
    if !are_there("CMake's paths", &["cmake", "cc", "make"]) {
        return;
    }
    let signs = [
        "\"", "#", "$(", "${", "*", ":", ";", "<", ">", "?", "[", "]", "|",
    ];
    for (number, sign) in signs.iter().enumerate() {
        let place = folder(&format!("sign {number}"));
        let source = place.join(format!("a{sign}b"));
        symlink(root(), &source).expect("a link");
        let mut cmake = command("cmake", &place);
        cmake.arg("-S").arg(&source).args(["-B", "build"]);
        let said = run(&mut cmake, HANGS_AFTER).output;
        let line = format!(
            "spoolbuf can't be built in a path with one of \" # $( ${{ * : ; < > ? [ ] |: {}",
            source.display()
        );
        assert!(said.contains(&line), "{sign}: {said}");
    }
}

/// What is installed there, CMake's package finds; where nothing can be, nothing is.
#[test]
fn a_prefix_with_quotes() {
    if !are_there("quotes in a prefix", &["cmake", "cc", "make"]) {
        return;
    }
    let place = folder("quotes");
    run(&mut configure(&place, &[]), HANGS_AFTER).expect_success("cmake");
    let commands = format!(
        "mkdir -p build/lib && cp -a '{}'/libspoolbuf.* build/lib",
        prefix().join("lib").display()
    );
    shell(&place, &commands);
    let install = |name: &str| {
        let mut cmake = command("cmake", &place);
        cmake
            .args(["--install", "build", "--prefix"])
            .arg(place.join(name));
        run(&mut cmake, HANGS_AFTER)
    };
    let outcome = install("a;b");
    assert!(!outcome.status.success(), "{}", outcome.output);
    let line = format!(
        "spoolbuf can't be installed into a prefix with ;: {}/a;b",
        place.display()
    );
    assert!(outcome.output.contains(&line), "{}", outcome.output);
    assert!(!place.join("a;b").exists() && !place.join("a").exists());
    for name in ["a'b", "a\"b", "a$b"] {
        let outcome = install(name);
        outcome.expect_success(name);
        let line = format!("(find_package can): {}", place.join(name).display());
        assert!(outcome.output.contains(&line), "{}", outcome.output);
        let project = place.join("user");
        fs::create_dir_all(&project).expect("a folder");
        let lines = "cmake_minimum_required(VERSION 3.16)\nproject(user C)\nfind_package(spoolbuf 0.1 REQUIRED)\n";
        fs::write(project.join("CMakeLists.txt"), lines).expect("written");
        let mut cmake = command("cmake", &project);
        cmake
            .args(["-S", ".", "-B", "build", "--fresh"])
            .env("CMAKE_PREFIX_PATH", place.join(name));
        run(&mut cmake, HANGS_AFTER).expect_success("find_package");
        let mut uninstall = command("cmake", &place);
        uninstall
            .arg("-DMANIFEST=build/install_manifest.txt")
            .arg("-P");
        uninstall.arg(root().join("packaging/uninstall.cmake"));
        run(&mut uninstall, HANGS_AFTER).expect_success("uninstall");
        assert_eq!(files(&place.join(name)).len(), 0, "{name}");
    }
}
