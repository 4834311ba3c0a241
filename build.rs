//! How the shared library is linked: its SONAME and version, and that it stays once it is loaded.

use std::env::var;

fn main() {
    // With one colon: a cargo-c may contain a cargo that does not know the form with two.
    println!("cargo:rerun-if-changed=build.rs");
    let system = var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let major = var("CARGO_PKG_VERSION_MAJOR").unwrap_or_default();
    // For all that is linked, which changes no program: Cargo.toml names no shared library, so cargo would
    // take what is for one alone as a mistake. Apple's linker takes a name for nothing else.
    let argument = |text: &str| println!("cargo:rustc-link-arg={text}");
    match system.as_str() {
        "macos" | "ios" => {
            // Apple's linker refuses a version that is more than numbers, such as 0.2.0-rc.1.
            let [minor, patch] = ["MINOR", "PATCH"]
                .map(|part| var(format!("CARGO_PKG_VERSION_{part}")).unwrap_or_default());
            // As with the SONAME, any version of this major one will do.
            let names = format!("-install_name,@rpath/libspoolbuf.{major}.dylib");
            let versions = format!(
                "-compatibility_version,{major}.0.0,-current_version,{major}.{minor}.{patch}"
            );
            println!("cargo:rustc-cdylib-link-arg=-Wl,{names},{versions}");
        }
        "windows" => {}
        _ => {
            argument(&format!("-Wl,-soname,libspoolbuf.so.{major}"));
            // A thread may be inside, or have thread-locals of it to clean up, after a dlclose.
            argument("-Wl,-z,nodelete");
        }
    }
}
