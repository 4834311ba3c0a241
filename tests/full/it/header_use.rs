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
fn sb_api_can_be_overridden() {
    let code = "#include <stdint.h>\n#include <stddef.h>\n\
        #define SB_API static inline __attribute__((unused))\n\
        #include \"spoolbuf.h\"\n\
        uint32_t sb_version(void) { return 0; }\n";
    let mut command = compiler(false);
    command.args(["-Wno-error", "-w"]);
    compiles(command, "api.c", code);
}

/// A host that includes the header where symbols are hidden, as plugins do, can still link it.
#[test]
fn functions_stay_visible() {
    let code = "#pragma GCC visibility push(hidden)\n#include \"spoolbuf.h\"\n\
        uint32_t version(void) { return sb_version(); }\n";
    let file = folder("sources").join("hidden.c");
    fs::write(&file, code).expect("written");
    let object = folder("sources").join("hidden.o");
    let output = compiler(false)
        .args(["-fPIC", "-c", "-o"])
        .arg(&object)
        .arg(&file)
        .output();
    assert!(output.expect("a compiler runs").status.success());
    let symbols = Command::new("readelf").args(["-sW"]).arg(&object).output();
    let symbols = String::from_utf8(symbols.expect("readelf runs").stdout).expect("text");
    let line = symbols.lines().find(|line| line.ends_with("sb_version"));
    let line = line.expect("the call's symbol");
    assert!(line.contains("DEFAULT"), "{line}");
}

#[test]
fn stretchy_buffer_is_told_apart() {
    let code = "#define sb_free(a) ((a) ? 0 : 0)\n#include \"spoolbuf.h\"\n";
    let file = folder("sources").join("stretchy.c");
    fs::write(&file, code).expect("written");
    let output = compiler(false).arg("-fsyntax-only").arg(&file).output();
    let output = output.expect("a compiler runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("NO_STRETCHY_BUFFER_SHORT_NAMES"), "{text}");
}

#[test]
fn queries_take_const_handles() {
    let code = "#include \"spoolbuf.h\"\n\
        int64_t all(const sb_buffer *b, sb_range *r, sb_stats *s, char *d);\n\
        int64_t all(const sb_buffer *b, sb_range *r, sb_stats *s, char *d) {\n\
        return sb_size(b) + sb_buffered(b, 0) + sb_ranges(b, r, 1) + sb_stat(b, s, sizeof *s)\n\
        + sb_spool_dir(b, d, 1); }\n";
    compiles(compiler(false), "constant.c", code);
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

/// The programs of the overview compile, in a function that has what they use.
#[test]
fn examples_compile() {
    let text = text();
    let overview = text.split("*/").next().expect("the overview");
    let mut examples = vec![String::new()];
    for line in overview.lines() {
        match line.strip_prefix(" *       ") {
            Some(code) if !code.starts_with(' ') => {
                *examples.last_mut().expect("one") += &format!("{code}\n")
            }
            _ if examples.last().expect("one").is_empty() => {}
            _ => examples.push(String::new()),
        }
    }
    examples.retain(|example| example.contains(';'));
    assert_eq!(examples.len(), 2, "{examples:?}");
    let mut code = "#include <string.h>\n#include \"spoolbuf.h\"\n\
        int64_t my_read(void *opaque, void *out, size_t capacity);\n\
        int my_open(void *opaque, const void *key, size_t key_size, uint64_t old_tag, sb_opened *out);\n\
        extern char my_state[1];\n"
        .to_owned();
    for (number, example) in examples.iter().enumerate() {
        let unused = if number == 0 { "(void)n;" } else { "" };
        code += &format!(
            "void example_{number}(char *url);\nvoid example_{number}(char *url)\n{{\nchar bytes[10];\n\
             sb_cache_options options;\nsb_cache *cache;\nsb_reader *reader;\n{example}\n{unused}\n\
             (void)url, (void)options, (void)cache, (void)reader;\n}}\n"
        );
    }
    let mut command = compiler(false);
    command.args([
        "-Wno-missing-field-initializers",
        "-Wno-uninitialized",
        "-Wno-maybe-uninitialized",
    ]);
    compiles(command, "examples.c", &code);
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
        let declaration = declaration
            .trim_start()
            .trim_start_matches("SB_API")
            .trim_start();
        let returns = !declaration.starts_with("void ");
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
