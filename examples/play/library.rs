//! Builds the library and C programs that use it. Shared by the example and by tests.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Has cargo build the shared library, and returns a directory of its own under cargo's target
/// directory that holds it under both its names: the linker's and the loader's.
///
/// Where cargo puts what it builds is cargo's own business, so it is asked.
pub fn shared_library() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--lib", "--message-format"])
        .args(["json-render-diagnostics", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "the library does not build");
    let library = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "spoolbuf")
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|name| {
            name.extension()
                .is_some_and(|end| end == env::consts::DLL_EXTENSION)
        })
        .expect("cargo built a shared library");
    let directory = library.parent().expect("a directory").join("spoolbuf-c");
    fs::create_dir_all(&directory).expect("a directory for the library");
    let (end, major) = (env::consts::DLL_EXTENSION, env!("CARGO_PKG_VERSION_MAJOR"));
    let names = if cfg!(target_os = "macos") {
        [
            format!("libspoolbuf.{end}"),
            format!("libspoolbuf.{major}.{end}"),
        ]
    } else {
        [
            format!("libspoolbuf.{end}"),
            format!("libspoolbuf.{end}.{major}"),
        ]
    };
    for name in names {
        in_one_step(&directory.join(name), |path| {
            fs::copy(&library, path).expect("the library can be copied");
        });
    }
    directory
}

/// Compiles C sources against the header and links them to the shared library in `directory`.
pub fn compile(sources: &[&str], program: &Path, directory: &Path) {
    let host = host();
    let compiler = cc::Build::new()
        .target(&host)
        .host(&host)
        .opt_level(2)
        .cargo_metadata(false)
        .get_compiler();
    let mut rpath = OsString::from("-Wl,-rpath,");
    rpath.push(directory);
    in_one_step(program, |path| {
        let status = compiler
            .to_command()
            .args([
                "-std=c99",
                "-Wall",
                "-Wextra",
                "-Wpedantic",
                "-Werror",
                "-I",
            ])
            .arg(root().join("include"))
            .args(sources.iter().map(|source| root().join(source)))
            .arg("-o")
            .arg(path)
            .arg("-L")
            .arg(directory)
            .args(["-lspoolbuf", "-lpthread"])
            .arg(&rpath)
            .status();
        let status = status.unwrap_or_else(|error| panic!("{:?}: {error}", compiler.path()));
        assert!(status.success(), "{} does not compile", sources[0]);
    });
}

/// The system that cargo builds for when it is told nothing.
fn host() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .expect("rustc can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc knows its host").to_owned()
}

/// Makes a file under another name and moves it to its own, since another process may be using
/// what is there.
fn in_one_step(path: &Path, make: impl FnOnce(&Path)) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{process}.{count}"));
    let new = PathBuf::from(name);
    make(&new);
    fs::rename(&new, path).expect("the file can be moved");
}
