//! What CMake does on Windows, as far as another system can tell.

use std::fs;

use super::{folder, shell};
use crate::foreign::{are_there, command};
use crate::library::{HANGS_AFTER, root, run};

/// The commands of the build, in a project that believes that this is Windows.
fn commands(target: Option<&str>) -> String {
    let project = folder("as on Windows");
    let lines = format!(
        "cmake_minimum_required(VERSION 3.16)\nproject(whole C)\nset(WIN32 1)\n\
         add_subdirectory(\"{}\" spoolbuf)\nadd_custom_target(whole ALL)\n\
         add_dependencies(whole spoolbuf_libraries)\n",
        root().display()
    );
    fs::write(project.join("CMakeLists.txt"), lines).expect("written");
    let mut cmake = command("cmake", &project);
    cmake.args(["-G", "Unix Makefiles", "-S", ".", "-B", "build"]);
    cmake.env_remove("CARGO_BUILD_TARGET");
    cmake.envs(target.map(|it| ("CARGO_BUILD_TARGET", it)));
    run(&mut cmake, HANGS_AFTER).expect_success("cmake");
    let rules = "build/spoolbuf/CMakeFiles/spoolbuf_libraries.dir/build.make";
    fs::read_to_string(project.join(rules)).expect("rules")
}

/// cargo's configuration can name another target, whose files are in another folder.
#[test]
fn cargo_is_told_the_target() {
    if !are_there("the target on Windows", &["cmake", "cc", "make"]) {
        return;
    }
    let host = shell(root(), "cargo -vV | sed -n 's/^host: //p'");
    for (named, target) in [(None, host.trim()), (Some("other-target"), "other-target")] {
        let said = commands(named);
        assert!(said.contains(&format!("--target {target}\n")), "{said}");
        let file = format!("/lib/cargo/{target}/release/spoolbuf.dll");
        assert!(said.contains(&file), "{file}: {said}");
    }
}
