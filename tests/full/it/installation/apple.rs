//! How the library is linked on macOS, as far as another system can tell: what its build script says.

use super::{folder, shell};
use crate::library::root;

/// Programs find it by an rpath, under the name that every version of one major version has. Apple's linker refuses
/// a version that is more than numbers.
#[test]
fn the_library_has_a_name_and_versions() {
    let folder = folder("a build script");
    let script = root().join("build.rs");
    let build = format!("rustc --edition 2021 -o script '{}'", script.display());
    shell(&folder, &build);
    for version in ["3.14.15", "3.14.15-rc.1"] {
        let said = shell(
            &folder,
            &format!(
                "CARGO_CFG_TARGET_OS=macos CARGO_PKG_VERSION={version} CARGO_PKG_VERSION_MAJOR=3 \
                 CARGO_PKG_VERSION_MINOR=14 CARGO_PKG_VERSION_PATCH=15 ./script"
            ),
        );
        let line = "cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libspoolbuf.3.dylib,\
                    -compatibility_version,3.0.0,-current_version,3.14.15\n";
        assert!(said.contains(line), "{version}: {said}");
    }
}
