//! The library for C programs: built by cargo, found, compiled against, run.

// Each test program uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How a program gets the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    Shared,
    Static,
    /// Not linked: the program loads it.
    Loaded,
}

/// Where the built library is.
pub struct Library {
    /// The shared library under its plain name, with its SONAME beside it.
    pub shared: PathBuf,
    pub archive: PathBuf,
}

/// The repository's root.
pub fn root() -> &'static Path {
    // These tests run from two packages, one of them inside `tests/`.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = package.ancestors();
    let root = folders.find(|folder| folder.join("include/spoolbuf.h").exists());
    root.expect("the header is in the repository")
}

/// A directory for the tests' files, on a disk, inside the target directory.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Prints a line about something that cannot be tested here; fails if it must be.
pub fn skipped(what: &str, why: &str) {
    crate::skip::skip(what, why);
}

/// The same for something that this build of the library does not promise.
pub fn left_out(what: &str, why: &str) {
    crate::skip::leave_out(what, why);
}

/// Builds the library, once for all tests of this program.
pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(build)
}

fn build() -> Library {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .args(["rustc", "--lib", "--crate-type", "cdylib,staticlib"])
        .args(["--message-format=json", "--target-dir"])
        .arg(scratch().join("library"))
        .current_dir(root());
    if cfg!(feature = "parking_lot") {
        cargo.args(["--features", "parking_lot"]);
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo rustc --lib failed");
    // File names are quoted and contain no quotes; no more of JSON is needed.
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let artifact = |name: &str| {
        let built = messages.split('"').find(|text| text.ends_with(name));
        PathBuf::from(built.unwrap_or_else(|| panic!("cargo built no {name}")))
    };
    let built = artifact("/libspoolbuf.so");
    let folder = built.parent().expect("a file has a folder");
    let versioned = folder.join(concat!("libspoolbuf.so.", env!("CARGO_PKG_VERSION_MAJOR")));
    // Other test programs do the same at the same time.
    let _ = std::os::unix::fs::symlink("libspoolbuf.so", &versioned);
    assert!(versioned.exists(), "{} is missing", versioned.display());
    Library {
        shared: built,
        archive: artifact("/libspoolbuf.a"),
    }
}

/// C code without its comments.
pub fn without_comments(code: &str) -> String {
    let mut rest = code;
    let mut plain = String::new();
    loop {
        // Whichever begins first.
        let (block, line) = (rest.find("/*"), rest.find("//"));
        let Some(start) = block.into_iter().chain(line).min() else {
            return plain + rest;
        };
        plain.push_str(&rest[..start]);
        plain.push(' ');
        let end = if block == Some(start) { "*/" } else { "\n" };
        let Some(length) = rest[start + 2..].find(end) else {
            return plain;
        };
        rest = &rest[start + 2 + length + end.len()..];
    }
}

/// What a Rust static library needs of the system, as rustc's native-static-libs names it.
const SYSTEM_LIBRARIES: [&str; 5] = ["-lpthread", "-ldl", "-lm", "-lrt", "-lutil"];

/// The compiler with all warnings as errors: C99, or C++17.
pub fn compiler(cpp: bool) -> Command {
    let (variable, usual) = if cpp { ("CXX", "c++") } else { ("CC", "cc") };
    let mut command = Command::new(std::env::var_os(variable).unwrap_or(usual.into()));
    command.args([
        "-O1",
        "-g",
        "-fPIC",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
    ]);
    if cpp {
        command.arg("-std=c++17");
    } else {
        command.args(["-std=c99", "-Wstrict-prototypes"]);
    }
    command.arg("-I").arg(root().join("include"));
    command
}

/// Compiles the C files of a folder of `tests`, with the static library, into a program.
pub fn compile_folder(name: &str) -> PathBuf {
    let program = scratch().join(name);
    let mut command = compiler(false);
    command.arg("-std=c11");
    for entry in fs::read_dir(root().join("tests").join(name)).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "c") {
            command.arg(path);
        }
    }
    command.arg(&library().archive).arg("-o").arg(&program);
    command.args(SYSTEM_LIBRARIES);
    let output = command.output().expect("a C compiler runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tests/{name}: {said}");
    program
}

/// Compiles one source file of `tests/c` into a program.
pub fn compile(source: &str, linkage: Linkage) -> PathBuf {
    let library = library();
    let name = source.split('.').next().expect("a name");
    let folder = scratch().join("c").join(format!("{linkage:?}"));
    fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join(name);
    let mut command = compiler(source.ends_with(".cpp"));
    command
        .arg(root().join("tests/c").join(source))
        .arg("-o")
        .arg(&program);
    match linkage {
        Linkage::Shared => {
            let folder = library.shared.parent().expect("a file has a folder");
            let mut path = std::ffi::OsString::from("-Wl,-rpath,");
            path.push(folder);
            command.arg(&library.shared).arg(path);
        }
        Linkage::Static => {
            command.arg(&library.archive);
        }
        Linkage::Loaded => {}
    }
    command.args(SYSTEM_LIBRARIES);
    let output = command.output().unwrap_or_else(|error| {
        let name = command.get_program();
        panic!("the compiler {name:?} does not run ({error}): install gcc, or g++ for C++");
    });
    assert!(
        output.status.success(),
        "{source} does not compile: {command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

/// The result of a program.
pub struct Outcome {
    pub status: ExitStatus,
    pub output: String,
}

/// Far more than any program takes on a busy machine, where tests/c/out_of_memory.c took minutes: one that
/// takes longer hangs.
pub const HANGS_AFTER: Duration = Duration::from_secs(1200);

/// Runs a program to its end. One that hangs is killed with its children, and is an error.
pub fn run(command: &mut Command, limit: Duration) -> Outcome {
    run_with(command, limit, |_| ())
}

/// The same. `meanwhile` gets the number of the process.
pub fn run_with(command: &mut Command, limit: Duration, meanwhile: impl FnOnce(u32)) -> Outcome {
    // A file takes any amount of output, and nobody needs to empty it.
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let path = scratch().join(format!("output-{}-{number}", std::process::id()));
    let file = fs::File::create(&path).expect("a file");
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a descriptor"))
        .stderr(file)
        .process_group(0);
    let mut child = command.spawn().expect("the program starts");
    meanwhile(child.id());
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            break Some(status);
        }
        if start.elapsed() > limit {
            break None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    // Its children are killed, too.
    // SAFETY: a plain call; the group is the child's own.
    unsafe { libc::kill(-(child.id() as i32), libc::SIGKILL) };
    let _ = child.wait();
    let output = fs::read(&path).expect("the output");
    let output = String::from_utf8_lossy(&output).into_owned();
    let _ = fs::remove_file(&path);
    match status {
        Some(status) => Outcome { status, output },
        None => panic!("{command:?} hangs: killed after {limit:?}. Its output:\n{output}"),
    }
}

impl Outcome {
    /// Panics unless the program ended well.
    pub fn expect_success(&self, what: &str) {
        assert!(
            self.status.success(),
            "{what}: exit code {:?}, signal {:?}. Its output:\n{}",
            self.status.code(),
            self.status.signal(),
            self.output
        );
    }
}
