//! The scripts that make the documentation a site: `docs/site.py` and `docs/headers.py`. `.ci/run` builds it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::foreign::{are_there, command};
use crate::library::{HANGS_AFTER, root, run, scratch};

/// What `docs/headers.py` makes of a header, or what it misses there.
fn shown(path: &str, header: &str) -> Result<String, String> {
    let script = format!(
        "import sys; sys.path.insert(0, \"docs\")
import headers
shown = headers.shown({path:?}, sys.stdin.read())
sys.exit(chr(10).join(headers.problems)) if headers.problems else print(shown)"
    );
    let mut python = command("python3", root());
    python.args(["-B", "-c", &script]);
    python
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = python.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(header.as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let [said, missed] = [output.stdout, output.stderr].map(String::from_utf8);
    if output.status.success() {
        Ok(said.expect("text"))
    } else {
        Err(missed.expect("text"))
    }
}

/// The names in a text that begin like those of the adapters.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("spoolbuf_") || word.starts_with("SPOOLBUF_"))
}

/// The names that the examples and the pages use of an adapter are explained, and nothing of how it works.
#[test]
fn headers_show_what_programs_use() {
    if !are_there("the reference of the headers", &["git", "python3"]) {
        return;
    }
    let listed = |patterns: &[&str]| {
        let output = command("git", root())
            .arg("ls-files")
            .args(patterns)
            .output();
        let listed = String::from_utf8(output.expect("git runs").stdout).expect("UTF-8");
        let read = |path: &str| {
            (
                path.to_owned(),
                fs::read_to_string(root().join(path)).expect("text"),
            )
        };
        listed.lines().map(read).collect::<Vec<_>>()
    };
    let programs = listed(&[
        "examples/*.c",
        "examples/*.h",
        "examples/*.cpp",
        "docs/*.md",
        "README.md",
    ]);
    assert!(programs.len() > 20);
    let mut count = 0;
    for (path, header) in listed(&["bindings/*.h", "bindings/*.hpp"]) {
        let shown = shown(&path, &header).unwrap_or_else(|missed| panic!("{path}: {missed}"));
        assert!(
            !shown.contains("detail::") && !shown.contains("private:"),
            "{path}"
        );
        let body = header.split_once("*/").expect("a comment").1;
        for (program, text) in &programs {
            for name in names(text).filter(|name| {
                body.contains(&format!(" {name}(")) || body.contains(&format!("*{name}("))
            }) {
                count += 1;
                assert!(
                    shown.contains(&format!("{name}(")),
                    "{program} uses {name}, which {path} does not explain"
                );
            }
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn a_header_that_explains_too_little_is_refused() {
    if !are_there("the reference of the headers", &["python3"]) {
        return;
    }
    let use_of_it = "/*\n * spoolbuf_x.h - x.\n *\n *     spoolbuf_x_open(&io, buffer);\n */\n";
    let function = "static inline int spoolbuf_x_open(int io)\n{\n    return io;\n}\n";
    let one = shown(
        "x/spoolbuf_x.h",
        &format!("{use_of_it}/* One star. */\n{function}"),
    );
    assert!(
        one.is_err_and(|missed| missed.contains("spoolbuf_x_open has no comment with two stars"))
    );
    let two = shown(
        "x/spoolbuf_x.h",
        &format!("{use_of_it}/** Two stars. */\n{function}"),
    );
    let two = two.expect("a page");
    assert!(
        two.contains("/** Two stars. */\nint spoolbuf_x_open(int io);\n"),
        "{two}"
    );
    let choice = |members: &str| {
        let text = format!("/*\n * x\n */\n\n/** Which. */\nenum {{{members}}};\n");
        shown("x/spoolbuf_x.h", &text)
    };
    let named = choice("\n    ONE = 1, /**< the first */\n").expect("a page");
    assert!(named.contains("ONE = 1, /**< the first */"), "{named}");
    for members in [
        " ONE = 1 ",
        "\n    TWO, /**< the second */\n    ONE /* hidden */\n",
    ] {
        let missed = choice(members).expect_err("refused");
        assert!(missed.contains("ONE has no comment"), "{missed}");
    }
    let class = |lines: &str| {
        let comment = "/*\n * x\n *\n *   parameter  meaning\n *   at         where\n *   code       set\n */";
        let text = format!(
            "{comment}\nnamespace spoolbuf {{\n\n/// X.\nclass x {{\npublic:\n{lines}private:\n    int y();\n}};\n\n}} // namespace spoolbuf\n"
        );
        shown("x/x.hpp", &text)
    };
    let fine = class("    /// Returns what is there.\n    int get(int at) const { return at; }\n")
        .expect("a page");
    let expected = "/// @param at where\n/// @return what is there.\nint get(int at) const;";
    assert!(fine.contains(expected) && !fine.contains("y()"), "{fine}");
    let alike = class("    /// Returns what is there.\n    int get(int at, int &code);\n    /// Returns all.\n    int get(int &code);\n    int get();\n    int get(int at);\n").expect("a page");
    for overload in [
        "/// Returns all.\n/// @return all.\nint get();",
        "/// Returns what is there.\n/// @param at where\n/// @return what is there.\nint get(int at);",
    ] {
        assert!(alike.contains(overload), "{alike}");
    }
    for (lines, missing) in [
        ("    int get();\n", "without a comment"),
        (
            "    /// An empty one.\n    x() = default;\n    explicit x(int at);\n",
            "without a comment: x(int at)",
        ),
        ("    /// Gets it.\n    int get();\n", "what is returned"),
        (
            "    /// Returns it.\n    int get(int far);\n",
            "far is not among",
        ),
        (
            "    /// Returns what is at `[at, at + 1)`.\n    int get(int at);\n    int get();\n",
            "explains at, which it lacks: int get();",
        ),
    ] {
        assert!(
            class(lines).is_err_and(|missed| missed.contains(missing)),
            "{missing}"
        );
    }
}

/// A key that goes on in a line with a value, and one that does so alone.
#[test]
fn a_row_may_have_a_key_of_two_lines() {
    if !are_there("the reference of the headers", &["python3"]) {
        return;
    }
    let table = "/*\n * x\n *\n *   a source             plays\n *   that can seek, with  after a\n *    a size              seek\n *   any other, as a      late\n *   pipe\n */\n";
    let page = shown("x/spoolbuf_x.h", table).expect("a page");
    let rows = "| a source | plays |\n|---|---|\n| that can seek, with a size | after a seek |\n| any other, as a pipe | late |\n";
    assert!(page.contains(rows), "{page}");
}

/// The list of the files in a folder that a page leads to, in a repository whose paths have spaces and signs of HTML.
#[test]
fn the_site_shows_paths_with_spaces() {
    if !are_there("the site", &["git", "python3"]) {
        return;
    }
    let folder = scratch().join("the site");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("source/a folder & é")).expect("a folder");
    fs::write(folder.join("source/a folder & é/a file.txt"), "text").expect("written");
    let lines = format!(
        "cd '{folder}/source'\ngit init -q .\ngit add .\npython3 -B -c '
import pathlib, runpy, sys
sys.path.insert(0, \"{root}/docs\")
site = runpy.run_path(\"{root}/docs/site.py\")
pages = site[\"Pages\"](pathlib.Path(\"{folder}/site\"))
pages.copy_files.__globals__[\"ROOT\"] = pathlib.Path()
pages.linked.add(pathlib.Path(\"a folder & é\"))
pages.copy_files()'",
        folder = folder.display(),
        root = root().display()
    );
    let outcome = run(Command::new("sh").args(["-euc", &lines]), HANGS_AFTER);
    outcome.expect_success("the site's files");
    let copied = folder.join("site/files/a folder & é");
    let list = fs::read_to_string(copied.join("index.html")).expect("a list");
    assert!(list.contains("href=\"a%20file.txt\""), "{list}");
    assert!(list.contains("<title>a folder &amp; é</title>"), "{list}");
    let text = fs::read_to_string(copied.join("a file.txt")).expect("the file");
    assert_eq!(text, "text");
}
