//! The programs, compiled and run as the pages say.

use std::fs;
use std::path::{Path, PathBuf};

use super::{is_there, printed, prints};
use crate::checkout::{INSTALL, PAGES, block, checkout, install, succeeds, succeeds_with};
use crate::library::root;

#[test]
fn shared_library() {
    let (checkout, _alone) = checkout();
    let commands = block("sh", "cc -std=c99 -I include demo.c -L");
    assert_eq!(succeeds(checkout, &commands), printed());
    prints(checkout, "./demo");
    let strict = "cc -std=c99 -Wall -Wextra -Wpedantic -Werror -I include -c demo.c -o /dev/null";
    succeeds(checkout, strict);
    if is_there("c++") {
        fs::write(checkout.join("demo.cpp"), block("cpp", "int main")).expect("written");
        assert_eq!(succeeds(checkout, &block("sh", "demo.cpp")), printed());
        prints(checkout, "./demo-cpp");
    }
    if is_there("python3") {
        assert_eq!(
            succeeds(checkout, &block("sh", "python3 demo.py")),
            printed()
        );
        prints(checkout, "python3 demo.py");
        let start = block("python", "with StreamBuffer(open");
        fs::write(checkout.join("start.py"), start).expect("written");
        prints(checkout, &format!("{PYTHON} python3 start.py"));
    }
}

/// The Python package without an installation, from the root directory.
const PYTHON: &str =
    "PYTHONPATH=bindings/python/src SPOOLBUF_LIBRARY=target/release/libspoolbuf.so";

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
        install(checkout, prefix);
    }
    if !is_there("pkg-config") {
        return;
    }
    let lines = compile_lines();
    assert_eq!(lines.len(), 4, "{lines:?}");
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

/// The lines are those of a project that `.ci/windows` builds.
#[test]
fn a_dll_beside_the_program() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let project = root().join("tests/consumers/cmake/CMakeLists.txt");
    let project = fs::read_to_string(project).expect("a project");
    let lines = block("cmake", "copy_if_different").replace(":demo>", ":demo-shared>");
    let lines = lines.replace("TARGET demo ", "TARGET demo-shared ");
    assert!(words(&project).contains(&words(&lines)), "{lines}");
}

#[test]
fn rust_program() {
    let (checkout, _alone) = checkout();
    let package = package(checkout, "demo-rust");
    fs::write(package.join("src/main.rs"), block("rust,no_run", "fn main")).expect("written");
    succeeds(&package, "cargo build --quiet");
    prints(checkout, "demo-rust/target/debug/demo");
    fs::create_dir_all(package.join("examples")).expect("a directory");
    fs::copy(
        package.join("src/main.rs"),
        package.join("examples/start.rs"),
    )
    .expect("copied");
    let run = block("sh", "cargo run --example start");
    assert_eq!(succeeds(&package, &run), printed());
}

/// What the library's package refuses, also in a program that is put into its `examples`.
const LINTS: &str = "[lints.rust]\nmissing_docs = \"deny\"\n";

/// A program that depends on the library as the page says, without its code.
fn package(checkout: &Path, name: &str) -> PathBuf {
    let package = checkout.join(name);
    fs::create_dir_all(package.join("src")).expect("a directory");
    let line = "spoolbuf = { path = \"…\" }";
    assert!(INSTALL.contains(&format!("`{line}`")));
    let manifest = format!(
        "[package]\nname = \"demo\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{}\n{LINTS}",
        line.replace('…', concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    );
    fs::write(package.join("Cargo.toml"), manifest).expect("written");
    fs::copy(checkout.join("Cargo.lock"), package.join("Cargo.lock")).expect("copied");
    package
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
        block("cpp", "early = buffer.read(0, 6);\nbuffer.save")
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
        let four = block("python", "buffer = StreamBuffer(open");
        let four = format!("{four}assert (late, early) == (b\"100000\", b\"000000\")\n");
        fs::write(checkout.join("four.py"), four).expect("written");
        runs("Python", "true", &format!("{PYTHON} python3 four.py"));
    }
}

#[test]
fn four_lines_of_rust() {
    let (checkout, _alone) = checkout();
    let package = package(checkout, "four-rust");
    let four = format!(
        "//! Four lines.\nfn main() -> Result<(), Box<dyn std::error::Error>> {{\nlet (mut late, mut early) = ([0; 6], [0; 6]);\n\
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
