//! Finds the library that cargo has built, and the C compiler; compiles a C program with both, and
//! becomes it.
//!
//! It needs std, cargo and a C compiler, and no other crate, so that the first try is quick.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};

/// The name of the example.
const NAME: &str = env!("CARGO_BIN_NAME");

/// Compiles C sources, the example's own first, and becomes the program.
pub fn start(sources: &[&str]) {
    if !cfg!(unix) {
        give_up("it needs POSIX threads and signals, which this system lacks");
    }
    let compiler = compiler();
    let directory = shared_library();
    let program = directory.join(NAME);
    compile(&compiler, sources, &program, &directory);
    let mut command = Command::new(&program);
    command.args(env::args_os().skip(1));
    run(command);
}

/// Becomes the program, so that Ctrl-C and the exit code are its own.
#[cfg(unix)]
fn run(mut command: Command) {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    let program = command.get_program().to_string_lossy();
    give_up(&format!("{program}: {error}"));
}

#[cfg(not(unix))]
fn run(_command: Command) {}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Ends the program with a line that says what is wrong.
fn give_up(why: &str) -> ! {
    eprintln!("{NAME}: {why}");
    exit(1);
}

/// Asks cargo where the shared library is, and returns a directory that holds it under both its
/// names: the linker's and the loader's.
///
/// The layout of cargo's target directory is not stable, so cargo is asked, which builds the library if it
/// has not yet.
fn shared_library() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(&cargo)
        .args([
            "rustc",
            "--quiet",
            "--release",
            "--lib",
            "--crate-type",
            "cdylib",
        ])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(root().join("Cargo.toml"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| give_up(&format!("{}: {error}", Path::new(&cargo).display())));
    if !output.status.success() {
        give_up("the library does not build");
    }
    let end = env::consts::DLL_EXTENSION;
    let plain = OsString::from(format!("libspoolbuf.{end}"));
    let library = strings(&String::from_utf8_lossy(&output.stdout))
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.file_name() == Some(&plain))
        .unwrap_or_else(|| give_up("cargo builds no shared library on this system"));
    let directory = library.parent().unwrap_or(root()).join("spoolbuf-c");
    let versioned = if cfg!(target_os = "macos") {
        concat!("libspoolbuf.", env!("CARGO_PKG_VERSION_MAJOR"), ".dylib")
    } else {
        concat!("libspoolbuf.so.", env!("CARGO_PKG_VERSION_MAJOR"))
    };
    tried(&directory, fs::create_dir_all(&directory));
    for name in [plain.as_os_str(), OsStr::new(versioned)] {
        in_one_step(&directory.join(name), |path| {
            tried(path, fs::copy(&library, path));
        });
    }
    directory
}

/// The strings in a JSON text.
fn strings(json: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = json.chars();
    while rest.any(|sign| sign == '"') {
        let mut text = String::new();
        while let Some(sign) = rest.next().filter(|sign| *sign != '"') {
            // Only quotes and backslashes are escaped in a path.
            text.extend(if sign == '\\' {
                rest.next()
            } else {
                Some(sign)
            });
        }
        found.push(text);
    }
    found
}

/// The C compiler: the variable CC, which may have arguments, else the first one found.
fn compiler() -> Vec<String> {
    let chosen = env::var("CC").unwrap_or_default();
    let mut candidates = vec![vec!["cc"], vec!["gcc"], vec!["clang"]];
    let words: Vec<&str> = chosen.split_whitespace().collect();
    if !words.is_empty() {
        candidates = vec![words];
    }
    for words in &candidates {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("--version");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if !command
            .status()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            return words.iter().map(|word| (*word).to_owned()).collect();
        }
    }
    let names: Vec<&str> = candidates.iter().map(|words| words[0]).collect();
    give_up(&format!(
        "no C compiler ({}) is in the PATH: install gcc ({HOW})",
        names.join(", ")
    ));
}

/// How to install a C compiler and its headers.
const HOW: &str = if cfg!(target_os = "macos") {
    "xcode-select --install"
} else {
    "Debian, Ubuntu: apt install gcc libc6-dev"
};

/// Compiles C sources against the header and links them to the shared library in `directory`.
fn compile(compiler: &[String], sources: &[&str], program: &Path, directory: &Path) {
    in_one_step(program, |path| {
        let status = Command::new(&compiler[0])
            .args(&compiler[1..])
            .args(["-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-I"])
            .arg(root().join("include"))
            .args(sources.iter().map(|source| root().join(source)))
            .arg("-o")
            .arg(path)
            .arg("-L")
            .arg(directory)
            .args(["-lspoolbuf", "-lpthread"])
            // In this form a comma or a space in its name is harmless.
            .args(["-Xlinker", "-rpath", "-Xlinker"])
            .arg(directory)
            .status();
        if !tried(Path::new(&compiler[0]), status).success() {
            give_up(&format!(
                "{} does not compile {}; if a header is missing, install it ({HOW})",
                compiler.join(" "),
                sources[0]
            ));
        }
    });
}

/// The result of an operation on a path; an error ends the program.
fn tried<T>(path: &Path, result: std::io::Result<T>) -> T {
    result.unwrap_or_else(|error| give_up(&format!("{}: {error}", path.display())))
}

/// Creates a file under another name and renames it, since another process may be using the old
/// one.
fn in_one_step(path: &Path, make: impl FnOnce(&Path)) {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(name);
    make(&new);
    tried(path, fs::rename(&new, path));
}
