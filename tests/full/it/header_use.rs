//! `include/spoolbuf.h` as its users' tools see it: C compilers, C++ compilers, readers, Doxygen.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::library::{compiler, root, scratch, skipped, without_comments};

fn text() -> String {
    fs::read_to_string(root().join("include/spoolbuf.h")).expect("include/spoolbuf.h")
}

fn folder(name: &str) -> PathBuf {
    let folder = scratch().join("header").join(name);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn compiles(mut command: Command, name: &str, code: &str) {
    let file = folder("sources").join(name);
    fs::write(&file, code).expect("written");
    let output = command
        .arg("-fsyntax-only")
        .arg(&file)
        .output()
        .expect("a compiler runs");
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn compiles_alone_as_c99() {
    let code = "#include \"spoolbuf.h\"\ntypedef int something;\n";
    compiles(compiler(false), "alone.c", code);
}

#[test]
fn compiles_twice_as_cpp17() {
    let code = "#include \"spoolbuf.h\"\n#include \"spoolbuf.h\"\n\
        static_assert(SB_ERR_PANIC == -13, \"\");\n";
    compiles(compiler(true), "twice.cpp", code);
}

#[test]
fn compiles_with_clang() {
    if Command::new("clang").arg("--version").output().is_err() {
        return skipped("the header with clang", "clang is not installed");
    }
    let ways = [
        ("c99.c", "-std=c99"),
        ("c23.c", "-std=c2x"),
        ("cpp.cpp", "-std=c++17"),
    ];
    for (name, standard) in ways {
        let mut command = Command::new("clang");
        command
            .args([
                "-Wall",
                "-Wextra",
                "-Wpedantic",
                "-Wdocumentation",
                "-Werror",
            ])
            .args([standard, "-I"])
            .arg(root().join("include"));
        let code = "#include \"spoolbuf.h\"\ntypedef int something;\n";
        compiles(command, name, code);
    }
}

/// Every `sb_` and `SB_` word of a text.
fn words(text: &str) -> BTreeSet<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !part(c))
        .filter(|word| word.starts_with("sb_") || word.starts_with("SB_"))
        .collect()
}

#[test]
fn every_name_in_a_comment_exists() {
    let text = text();
    let code = without_comments(&text);
    let known = words(&code);
    let named = words(&text);
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "named in a comment, declared nowhere: {unknown:?}"
    );
}

#[test]
fn lines_are_plain() {
    for (number, line) in text().lines().enumerate() {
        assert!(
            line.is_ascii(),
            "line {} is not plain ASCII: {line}",
            number + 1
        );
        assert!(
            line.trim_end() == line,
            "line {} ends in spaces",
            number + 1
        );
        for rust in [
            "Arc<", "# Safety", "usize", "Option<", "[`", "crate::", "unsafe",
        ] {
            assert!(
                !line.contains(rust),
                "line {}: {rust} is Rust: {line}",
                number + 1
            );
        }
    }
}

/// Each function's comment has what the house style asks for.
#[test]
fn every_function_is_described() {
    let text = text();
    let code_at = text.find("extern \"C\" {").expect("the functions");
    for part in text[code_at..].split("/**").skip(1) {
        let (comment, rest) = part.split_once("*/").expect("a comment's end");
        let declaration = rest.split(';').next().expect("a declaration");
        let (_, arguments) = declaration.split_once('(').expect("arguments");
        for must in ["Threads:", "Since:"] {
            assert!(comment.contains(must), "no {must} for {declaration}");
        }
        let returns = !declaration.trim_start().starts_with("void ");
        assert_eq!(
            comment.contains("@return"),
            returns,
            "@return for {declaration}"
        );
        for argument in arguments.trim_end_matches(')').split(',') {
            let part = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            let name = argument.trim().rsplit(part).next().expect("a name");
            if name != "void" {
                let described = comment.contains(&format!("@param {name} "));
                assert!(described, "no @param {name} for {declaration}");
            }
        }
    }
}

#[test]
fn doxygen_has_no_complaints() {
    let output = folder("doxygen");
    // Without EXTRACT_ALL it would look at nothing: the header has no @file.
    let configuration = format!(
        "PROJECT_NAME = spoolbuf\nINPUT = {}\nOUTPUT_DIRECTORY = {}\nGENERATE_LATEX = NO\n\
         QUIET = YES\nWARN_AS_ERROR = FAIL_ON_WARNINGS\nEXTRACT_ALL = YES\nWARN_NO_PARAMDOC = YES\n\
         OPTIMIZE_OUTPUT_FOR_C = YES\nJAVADOC_AUTOBRIEF = YES\nHAVE_DOT = NO\n",
        root().join("include/spoolbuf.h").display(),
        output.display()
    );
    let file = output.join("Doxyfile");
    fs::write(&file, configuration).expect("written");
    let Ok(result) = Command::new("doxygen").arg(&file).output() else {
        return skipped("Doxygen on the header", "doxygen is not installed");
    };
    assert!(
        result.status.success(),
        "{}",
        String::from_utf8_lossy(&result.stderr)
    );
}
