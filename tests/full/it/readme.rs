//! The README and the pages in `docs`, word for word: their programs are compiled and run, their commands
//! are executed.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::checkout::{
    CALLS, INSTALL, PAGES, README, block, checkout, shell, succeeds, succeeds_with,
};
use crate::foreign::{LIMIT, command, installation};
use crate::library::{root, run};

/// What the README says that its programs print.
fn printed() -> String {
    block("text", "bytes saved")
}

/// Runs a program on the README's stream, and checks what it prints and what it saved.
#[track_caller]
fn prints(directory: &Path, program: &str) {
    let _ = fs::remove_file(directory.join("copy"));
    let out = succeeds(directory, &format!("seq -w 0 300000 | {program}"));
    assert_eq!(out, printed(), "{program}");
    let stream = succeeds(directory, "seq -w 0 300000");
    let copy = fs::read_to_string(directory.join("copy")).expect("saved");
    assert!(copy == stream, "{program} saved something else");
}

/// Whether a tool is there; says so loudly if it is not.
fn is_there(tool: &str) -> bool {
    let output = Command::new("sh")
        .args(["-c", &format!("command -v {tool}")])
        .output();
    let there = output.is_ok_and(|output| output.status.success());
    if !there {
        crate::skip::skip("a part of the README", format!("{tool} is not there"));
    }
    there
}

#[test]
fn shared_library_in_c_and_python() {
    let (checkout, _alone) = checkout();
    let commands = block("sh", "cc -std=c99 -I include demo.c -L");
    assert_eq!(succeeds(checkout, &commands), printed());
    prints(checkout, "./demo");
    let strict = "cc -std=c99 -Wall -Wextra -Wpedantic -Werror -I include -c demo.c -o /dev/null";
    succeeds(checkout, strict);
    if is_there("python3") {
        prints(checkout, "python3 demo.py");
    }
}

/// Where Ctrl-C arrives in the source of the README's Python program, as what runs before it.
const INTERRUPTS: [(&str, &str); 3] = [
    ("before the bytes are read", "os.read = later(os.read)"),
    (
        "before they are handed over",
        "c.memmove = later(c.memmove)",
    ),
    (
        "once they have been read",
        "read = os.read\nos.read = lambda *a: (read(*a), soon())[0]",
    ),
];

/// Raises KeyboardInterrupt at the 60th call, as the handler of SIGINT does.
const INTERRUPTED: &str = r#"
import ctypes as c, os
calls = 0
def soon():
    global calls
    calls += 1
    if calls == 60:
        raise KeyboardInterrupt
def later(real):
    return lambda *arguments: (soon(), real(*arguments))[1]
"#;

#[test]
fn an_interrupt_is_an_error_in_python() {
    let (checkout, _alone) = checkout();
    if !is_there("python3") {
        return;
    }
    succeeds(checkout, &block("sh", "cc -std=c99 -I include demo.c -L"));
    let program = block("python", "ctypes");
    for (when, lines) in INTERRUPTS {
        let text = format!("{INTERRUPTED}{lines}\n{program}");
        fs::write(checkout.join("interrupted.py"), text).expect("written");
        let _ = fs::remove_file(checkout.join("copy"));
        let output = shell(checkout, "seq -w 0 300000 | python3 interrupted.py");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("KeyboardInterrupt"), "{when}: {said}");
        assert!(said.contains("the source failed"), "{when}: {said}");
        assert_eq!(output.status.code(), Some(1), "{when}: {said}");
        assert!(!checkout.join("copy").exists(), "{when}: a file was saved");
    }
}

fn await_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process with one thread sleeps, with nothing left in the pipe that it reads from: in its
/// read, then.
fn sleeps_at_an_empty_pipe(pid: i32, pipe: &impl AsRawFd) -> bool {
    let mut left: libc::c_int = -1;
    // SAFETY: FIONREAD writes one int, which is there.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut left) };
    let status = fs::read_to_string(format!("/proc/{pid}/stat"));
    result == 0 && left == 0 && status.is_ok_and(|text| text.contains(") S "))
}

/// Ctrl-C itself, while the program waits for a pipe that stays open.
#[test]
fn a_signal_is_an_error_in_python() {
    let (checkout, _alone) = checkout();
    if !is_there("python3") {
        return;
    }
    succeeds(checkout, &block("sh", "cc -std=c99 -I include demo.c -L"));
    let _ = fs::remove_file(checkout.join("copy"));
    let mut child = Command::new("python3")
        .arg("demo.py")
        .current_dir(checkout)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut input = child.stdin.take().expect("a pipe");
    // More than it needs for its reads and the pipe holds, so that it is in its save when all of
    // that has been written.
    input.write_all(&[b'7'; 2 << 20]).expect("written");
    let pid = i32::try_from(child.id()).expect("a process");
    await_until("it waits for the pipe", || {
        sleeps_at_an_empty_pipe(pid, &input)
    });
    // SAFETY: kill() takes numbers only; the child is not waited for yet, so the number is its own.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    await_until("it ends", || child.try_wait().expect("a child").is_some());
    let output = child.wait_with_output().expect("waited for");
    drop(input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("KeyboardInterrupt"), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(!checkout.join("copy").exists(), "a file was saved");
}

#[test]
fn static_library() {
    let (checkout, _alone) = checkout();
    let commands = block("sh", "demo-static");
    assert_eq!(succeeds(checkout, &commands), printed());
    prints(checkout, "./demo-static");
}

/// The commands within the text of the pages that compile a program.
fn compile_lines() -> Vec<&'static str> {
    let texts = PAGES
        .iter()
        .flat_map(|(_, page)| page.split("```").step_by(2));
    let spans = texts.flat_map(|text| text.split('`').skip(1).step_by(2));
    let compiles = |span: &&str| ["cc ", "eval \"cc "].iter().any(|it| span.starts_with(it));
    spans.filter(compiles).collect()
}

#[test]
fn installed_library() {
    let (checkout, _alone) = checkout();
    let spaced = checkout.join("a prefix with spaces");
    for prefix in [&checkout.join("prefix"), &spaced] {
        let _ = fs::remove_dir_all(prefix);
        succeeds_with(checkout, prefix, &installation());
    }
    if !is_there("pkg-config") {
        return;
    }
    let lines = compile_lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        succeeds(checkout, &format!("rm -f demo; {line}"));
        prints(checkout, "./demo");
        // The page says so of this one.
        if !line.starts_with("cc demo.c $(pkg-config") {
            succeeds_with(checkout, &spaced, &format!("rm -f demo; {line}"));
            succeeds_with(checkout, &spaced, "seq -w 0 300000 | ./demo");
        }
    }
    if is_there("cmake") {
        let project = checkout.join("cmake");
        fs::create_dir_all(&project).expect("a directory");
        let lines = format!(
            "cmake_minimum_required(VERSION 3.16)\nproject(demo C)\n\
             add_executable(demo ../demo.c)\n{}",
            block("cmake", "find_package")
        );
        fs::write(project.join("CMakeLists.txt"), lines).expect("written");
        succeeds(
            checkout,
            "cd cmake; rm -rf build; cmake -B build; cmake --build build",
        );
        prints(checkout, "cmake/build/demo");
    }
}

#[test]
fn rust_program() {
    let (checkout, _alone) = checkout();
    let package = package(checkout, "demo-rust");
    fs::write(package.join("src/main.rs"), block("rust,no_run", "fn main")).expect("written");
    succeeds(&package, "cargo build --quiet");
    prints(checkout, "demo-rust/target/debug/demo");
}

/// A program that depends on the library as the page says, without its code.
fn package(checkout: &Path, name: &str) -> PathBuf {
    let package = checkout.join(name);
    fs::create_dir_all(package.join("src")).expect("a directory");
    let line = "spoolbuf = { path = \"…\" }";
    assert!(INSTALL.contains(&format!("`{line}`")));
    let manifest = format!(
        "[package]\nname = \"demo\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{}\n",
        line.replace('…', concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    );
    fs::write(package.join("Cargo.toml"), manifest).expect("written");
    fs::copy(checkout.join("Cargo.lock"), package.join("Cargo.lock")).expect("copied");
    package
}

/// The names in a text that begin with `sb_`.
fn names(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("sb_"))
        .collect()
}

#[test]
fn names_every_call_and_nothing_else() {
    let header = include_str!("../../../include/spoolbuf.h");
    // The functions are what stands between the brackets of `extern "C"`, comments apart.
    let functions = header.split("extern \"C\" {").nth(1).expect("functions");
    let functions: Vec<&str> = functions
        .lines()
        .filter(|line| !line.starts_with([' ', '/']))
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| names(before).last().copied())
        .collect();
    assert!(functions.len() >= 20, "{functions:?}");
    let table = names(CALLS.split("\n## ").next().expect("the calls"));
    for function in &functions {
        assert!(
            table.contains(function),
            "{function} is not in docs/calls.md"
        );
    }
    let known = names(header);
    for (page, text) in PAGES {
        for name in names(text) {
            assert!(known.contains(&name), "{page}: {name} is not in the header");
        }
    }
}

/// The links of the README, by name. They are defined at its end, so that the crate's page, which is at another
/// place, can define them before (see `packaging/crate-links.md`).
fn links() -> Vec<(&'static str, &'static str)> {
    let lines = README.lines().filter(|line| line.starts_with('['));
    let links: Vec<_> = lines
        .filter_map(|line| line[1..].split_once("]: "))
        .collect();
    assert!(links.len() >= 20, "{links:?}");
    links
}

#[test]
fn links_lead_somewhere() {
    for (name, link) in links() {
        // The headings are checked by `.ci/quick`.
        let file = link.split('#').next().expect("a part");
        assert!(root().join(file).exists(), "{link}");
        assert!(README.contains(&format!("][{name}]")), "{name} is not used");
    }
    let inline = README.split("](").skip(1);
    for link in inline.filter_map(|text| text.split(')').next()) {
        assert!(
            link.contains("://"),
            "{link} leads nowhere on the crate's page"
        );
    }
}

/// What comes before the README on the crate's page: the same links, to the files of the published crate, and
/// the picture itself. `BLESS=1 cargo full --test it readme::` rewrites it.
#[test]
fn links_of_the_crate_are_current() {
    let mut page = String::new();
    for (name, link) in links() {
        let target = if name == "picture" {
            let bytes = fs::read(root().join(link)).expect("a picture");
            format!("data:image/svg+xml;base64,{}", base64(&bytes))
        } else {
            format!("https://docs.rs/crate/spoolbuf/latest/source/{link}")
        };
        page += &format!("[{name}]: {target}\n");
    }
    let path = root().join("packaging/crate-links.md");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &page).expect("written");
    }
    let stale = "packaging/crate-links.md is not what README.md says; BLESS=1 cargo full --test it readme:: rewrites it";
    assert!(
        fs::read_to_string(&path).is_ok_and(|old| old == page),
        "{stale}"
    );
}

fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = letters[(word >> (18 - 6 * at) & 63) as usize];
            text.push(if at > three.len() { '=' } else { letter.into() });
        }
    }
    text
}

/// Every file that the README leads to is in the crate that is published.
#[test]
fn links_lead_into_the_crate() {
    let listed = command("cargo", root())
        .args(["package", "--list", "--allow-dirty"])
        .output();
    let listed = String::from_utf8(listed.expect("cargo runs").stdout).expect("UTF-8");
    let listed: Vec<&str> = listed.lines().collect();
    for (_, link) in links() {
        let file = link.split('#').next().expect("a part");
        assert!(
            listed.contains(&file),
            "{file} is not in the crate: see `include` in Cargo.toml"
        );
    }
}

/// The README's four lines in C and C++, as a program, and those of Python and Rust.
#[test]
fn four_lines() {
    let (checkout, _alone) = checkout();
    succeeds(checkout, &block("sh", "cc -std=c99 -I include demo.c -L"));
    let function = block("c", "int main")
        .split("int main")
        .next()
        .expect("a function")
        .to_owned();
    let four = block(
        "c",
        "late_count = sb_read(buffer, 700000, sizeof late, late), early_count",
    );
    let four = format!(
        "{function}int main(void)\n{{\nchar late[6], early[6];\n{four}\
         sb_free(buffer);\nreturn late_count != 6 || early_count != 6 || saved != 2100007 || late[0] != '1';\n}}\n"
    );
    fs::write(checkout.join("four.c"), four).expect("written");
    let four = format!(
        "#include <spoolbuf.hpp>\n#include <fstream>\nint main()\n{{\n{}\
         return late.size() != 6 || late[0] != std::byte('1') || early.size() != 6;\n}}\n",
        block("cpp", "spoolbuf::buffer")
    );
    fs::write(checkout.join("four.cpp"), four).expect("written");
    let flags = "-Wall -Wextra -Werror -I include -I bindings/cpp -L target/release -lspoolbuf \
                 -Wl,-rpath,\"$PWD/target/release\"";
    let stream = succeeds(checkout, "seq -w 0 300000");
    let runs = |what: &str, compile: &str, run: &str| {
        let _ = fs::remove_file(checkout.join("copy"));
        succeeds(checkout, &format!("{compile}; seq -w 0 300000 | {run}"));
        let copy = fs::read_to_string(checkout.join("copy")).expect("saved");
        assert!(copy == stream, "{what} saved something else");
    };
    runs(
        "C",
        &format!("cc -std=c99 four.c {flags} -o four-c"),
        "./four-c",
    );
    if is_there("c++") {
        runs(
            "C++",
            &format!("c++ -std=c++17 four.cpp {flags} -o four-cpp"),
            "./four-cpp",
        );
    }
    if is_there("python3") {
        let four = block("python", "open(0, \"rb\")");
        let four = format!("{four}assert (late, early) == (b\"100000\", b\"000000\")\n");
        fs::write(checkout.join("four.py"), four).expect("written");
        let variables =
            "PYTHONPATH=bindings/python/src SPOOLBUF_LIBRARY=target/release/libspoolbuf.so";
        runs("Python", "true", &format!("{variables} python3 four.py"));
    }
}

#[test]
fn four_lines_of_rust() {
    let (checkout, _alone) = checkout();
    let package = package(checkout, "four-rust");
    let four = format!(
        "fn main() -> Result<(), Box<dyn std::error::Error>> {{\nlet (mut late, mut early) = ([0; 6], [0; 6]);\n\
         {}assert_eq!((&late, &early), (b\"100000\", b\"000000\"));\nOk(())\n}}\n",
        block("rust,ignore", "StreamBuffer")
    );
    fs::write(package.join("src/main.rs"), four).expect("written");
    succeeds(&package, "cargo build --quiet");
    succeeds(checkout, "seq -w 0 300000 | four-rust/target/debug/demo");
}

/// The README's lines about the cache compile.
#[test]
fn cache_in_c() {
    let (checkout, _alone) = checkout();
    let lines = block("c", "sb_cache_new");
    let program = format!(
        "#include <spoolbuf.h>\n#include <string.h>\nvoid use(sb_cache_options options, const char *url);\n\
         void use(sb_cache_options options, const char *url)\n{{\nsb_cache *cache;\nsb_reader *reader;\n\
         sb_cache_stats stats;\nchar bytes[100];\n{lines}(void)count;\n}}\n"
    );
    fs::write(checkout.join("cache.c"), program).expect("written");
    let strict = "cc -std=c99 -Wall -Wextra -Wpedantic -Werror -I include -c cache.c -o /dev/null";
    succeeds(checkout, strict);
}

/// The README's rows are those of the bench, with their names there.
const ROWS: [(&str, &str); 6] = [
    (
        "longest read of buffered bytes while the source sleeps for 950 ms, ms",
        "longest buffered read, source asleep 950 ms, ms",
    ),
    (
        "two threads compared with one, 4 KiB reads from disk, times",
        "4 KiB from disk, two threads over one, times",
    ),
    ("read 4 KiB from disk, ns", "read 4 KiB from disk, ns"),
    ("read 4 KiB from memory, ns", "read 4 KiB from memory, ns"),
    (
        "pull 256 MiB through 5 MiB of memory, MiB/s",
        "pull through 256 MiB, 64 KiB chunks, MiB/s",
    ),
    ("save 256 MiB, ms", "save 256 MiB, copied, no fsync, ms"),
];

/// The cells of the one row of a table that begins like this.
fn row(page: &str, name: &str) -> Vec<String> {
    let start = format!("| {name} |");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with(&start))
        .collect();
    assert_eq!(rows.len(), 1, "{start}");
    let cells = rows[0][start.len()..].split('|');
    cells
        .map(|cell| cell.trim().trim_matches('*').to_owned())
        .collect()
}

#[test]
fn rows_are_those_of_the_bench() {
    let bench = include_str!("../../../bench/README.md");
    let rows = README
        .lines()
        .filter(|line| line.starts_with("| ") && line.matches('|').count() == 7);
    assert_eq!(rows.count(), ROWS.len() + 1, "a row that is not compared");
    for (here, there) in ROWS {
        let (here, there) = (row(README, here), row(bench, there));
        // spoolbuf, mutexed-spool, ffmpeg-cache, gst-queue2, stream-download.
        let expected = [0, 1, 4, 5, 2].map(|column: usize| there[column].clone());
        assert_eq!(here[..5], expected);
    }
}

#[test]
fn the_picture_of_first_frames_is_that_of_their_tables() {
    if !is_there("python3") {
        return;
    }
    let docs = root().join("docs");
    let copy = crate::library::scratch().join("first-frame.md");
    fs::copy(docs.join("first-frame.md"), &copy).expect("a copy");
    let mut draw = command("python3", &docs);
    draw.args(["-B", "first_frame.py", "--picture", "--out"]);
    assert!(draw.arg(&copy).status().expect("python3 runs").success());
    let drawn = fs::read_to_string(copy.with_extension("svg")).expect("a picture");
    let kept = fs::read_to_string(docs.join("first-frame.svg")).expect("a picture");
    assert!(drawn == kept, "python3 docs/first_frame.py --picture");
}

/// What measures and what does not are not asked for together.
#[test]
fn a_picture_measures_nothing() {
    if !is_there("python3") {
        return;
    }
    for more in ["--part", "--library=none", "ffmpeg"] {
        let mut draw = command("python3", &root().join("docs"));
        draw.args(["-B", "first_frame.py", "--picture", more]);
        let said = run(&mut draw, LIMIT);
        assert_eq!(said.status.code(), Some(2), "{more}: {}", said.output);
        assert!(
            said.output.contains("--picture measures nothing"),
            "{}",
            said.output
        );
    }
}

/// The programs of the pages, by a part of each. Each is compiled or run by a test of this file.
const PROGRAMS: [(&str, &str); 9] = [
    (
        "c",
        "late_count = sb_read(buffer, 700000, sizeof late, late), early_count",
    ),
    ("c", "sb_cache_new"),
    ("c", "int main"),
    ("cmake", "find_package"),
    ("cpp", "spoolbuf::buffer"),
    ("python", "ctypes"),
    ("python", "open(0, \"rb\")"),
    ("rust,ignore", "StreamBuffer"),
    ("rust,no_run", "fn main"),
];

/// No page has a program that nothing compiles or runs. Those of the guides are followed by `guides.rs`, and
/// those of the Python package by its own tests.
#[test]
fn every_program_is_tested() {
    let here = include_str!("readme.rs");
    for (language, what) in PROGRAMS {
        block(language, what);
        // Here, and in a test.
        let uses = here.matches(&format!("{what:?}")).count();
        assert!(uses > 1, "no test has the block of {language} with {what}");
    }
    let listed = command("git", root()).args(["ls-files", "*.md"]).output();
    let listed = String::from_utf8(listed.expect("git runs").stdout).expect("UTF-8");
    assert!(listed.lines().count() > 20, "{listed}");
    let mut found = 0;
    for page in listed.lines() {
        let text = fs::read_to_string(root().join(page)).expect("a page");
        let fences = text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("```"));
        let programs = fences.filter(|language| !["", "sh", "text"].contains(language));
        if !page.starts_with("docs/guides/") && page != "bindings/python/README.md" {
            let count = programs.count();
            let is_known = PAGES.iter().any(|(name, _)| *name == page);
            assert!(
                count == 0 || is_known,
                "{page} has programs that no test compiles"
            );
            found += count;
        }
    }
    assert_eq!(found, PROGRAMS.len(), "a program that no test compiles");
}
