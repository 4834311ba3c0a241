//! The ABI as a committed list: `tests/abi/list` is what a C compiler makes of the header, on a machine
//! with 64 bits. `BLESS=1 cargo test --test it abi::` renews it. What the first header promised is not
//! taken back: see docs/abi.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::library::{HANGS_AFTER, compiler, library, root, run, scratch, without_comments};

/// Structs that are passed without a size, so that theirs never changes.
const WITHOUT_SIZE: [&str; 2] = ["sb_callback", "sb_range"];

/// What a header declares; a C compiler adds the numbers.
#[derive(Default)]
struct Declared {
    /// Lines about what has no number: functions, callbacks, opaque types.
    lines: Vec<String>,
    /// Enumerators and macros.
    constants: Vec<String>,
    /// The name of each struct and its members: their names and declarations.
    structs: Vec<(String, Vec<(String, String)>)>,
}

impl Declared {
    fn in_header(folder: &Path) -> Declared {
        let text = fs::read_to_string(folder.join("spoolbuf.h")).expect("a header");
        let mut declared = Declared::default();
        let (code, macros) = parted(&without_comments(&text));
        for name in macros {
            declared.constants.push(name);
        }
        for statement in statements(&code) {
            declared.take(&statement);
        }
        declared
    }

    fn take(&mut self, statement: &str) {
        if let Some(function) = statement.strip_prefix("SB_API ") {
            self.lines
                .push(format!("function {}", types_only(function)));
        } else if let Some(body) = statement.strip_prefix("typedef enum {") {
            let (members, _) = body.rsplit_once('}').expect("an enum's end");
            let names = members.split(',').filter_map(|it| it.split('=').next());
            let names = names.map(str::trim).filter(|name| !name.is_empty());
            self.constants.extend(names.map(str::to_owned));
        } else if let Some(body) = statement.strip_prefix("typedef struct {") {
            let (members, name) = body.rsplit_once('}').expect("a struct's end");
            let members = members.split(';').map(str::trim);
            let members = members.filter(|it| !it.is_empty()).map(member);
            self.structs
                .push((name.trim().to_owned(), members.collect()));
        } else if let Some(name) = statement.strip_prefix("typedef struct ") {
            self.lines.push(format!("opaque {name}"));
        } else if let Some(callback) = statement.strip_prefix("typedef ") {
            self.lines
                .push(format!("callback {}", types_only(callback)));
        } else {
            panic!("what is this: {statement}");
        }
    }

    /// A C program that prints the numbers.
    fn program(&self) -> String {
        let mut code = String::from("#include \"spoolbuf.h\"\n#include <stdio.h>\n");
        code.push_str(
            "struct aligned { char c; union { uint64_t u; void *p; } m; };\nint main(void) {\n",
        );
        for name in &self.constants {
            let sign = format!(
                "({name}) < 0 ? \"-\" : \"\", (unsigned long long)(({name}) < 0 ? 0 - ({name}) : ({name}))"
            );
            code.push_str(&format!("printf(\"constant {name} %s%llu\\n\", {sign});\n"));
        }
        for (name, members) in &self.structs {
            code.push_str(&format!(
                "{{ struct aligned_{name} {{ char c; {name} m; }};\n\
                 printf(\"struct {name} size %zu align %zu\\n\", sizeof({name}), offsetof(struct aligned_{name}, m)); }}\n"
            ));
            for (member, declaration) in members {
                code.push_str(&format!(
                    "printf(\"member {name}.{member} offset %zu size %zu: {declaration}\\n\", \
                     offsetof({name}, {member}), sizeof((({name} *)0)->{member}));\n"
                ));
            }
        }
        code + "return 0;\n}\n"
    }
}

/// The code without the preprocessor's lines, and the names of the constants that those define.
fn parted(text: &str) -> (String, Vec<String>) {
    let (mut code, mut macros, mut in_cpp) = (String::new(), Vec::new(), false);
    for line in text.lines() {
        match line.trim() {
            "#ifdef __cplusplus" => in_cpp = true,
            "#endif" => in_cpp = false,
            line if line.starts_with('#') => macros.extend(constant(line)),
            line if !in_cpp => code = code + line + " ",
            _ => {}
        }
    }
    (code, macros)
}

/// The name of a macro that is a constant of the library.
fn constant(line: &str) -> Option<String> {
    let mut words = line.strip_prefix("#define ")?.split_whitespace();
    let name = words.next()?;
    let is_constant = name.starts_with("SB_") && name != "SB_API" && words.next().is_some();
    is_constant.then(|| name.to_owned())
}

/// Declarations up to their semicolons, with single spaces.
fn statements(code: &str) -> Vec<String> {
    let (mut depth, mut found, mut statement) = (0, Vec::new(), String::new());
    for character in code.chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        if character == ';' && depth == 0 {
            let words: Vec<&str> = statement.split_whitespace().collect();
            found.push(words.join(" "));
            statement.clear();
        } else {
            statement.push(character);
        }
    }
    assert_eq!(statement.trim(), "", "a declaration has no end");
    found
}

/// A declaration of a function, or of a pointer to one, without its parameters' names.
fn types_only(declaration: &str) -> String {
    let Some((before, parameters)) = declaration.rsplit_once('(') else {
        return declaration.to_owned();
    };
    let parameters = parameters
        .trim_end_matches(')')
        .split(',')
        .map(|parameter| {
            let parameter = parameter.trim();
            let name = parameter.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            name.map_or(parameter, |end| parameter[..=end].trim_end())
        });
    format!("{before}({})", parameters.collect::<Vec<_>>().join(", "))
}

/// A member's name and its declaration.
fn member(declaration: &str) -> (String, String) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let declarator = match declaration.split_once("(*") {
        Some((_, rest)) => rest.split(')').next(),
        None => declaration.split('[').next(),
    };
    let declarator = declarator.expect("a declarator");
    let start = declarator.rfind(|c| !is_name(c)).map_or(0, |end| end + 1);
    (declarator[start..].to_owned(), types_only(declaration))
}

fn c_compiler(headers: &Path, program: &Path) -> Command {
    let usual = compiler(false).get_program().to_owned();
    let mut command = Command::new(usual);
    command
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(headers)
        .arg("-o")
        .arg(program);
    command
}

fn compiles(command: &mut Command) {
    let output = command.output().expect("the compiler runs");
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// All that a header promises, a line each.
fn list(name: &str, headers: &Path) -> Vec<String> {
    let declared = Declared::in_header(headers);
    let folder = scratch().join("abi list");
    fs::create_dir_all(&folder).expect("a folder");
    let (code, program) = (folder.join(format!("{name}.c")), folder.join(name));
    fs::write(&code, declared.program()).expect("written");
    // Comparisons of what is unsigned with 0.
    compiles(
        c_compiler(headers, &program)
            .arg("-Wno-type-limits")
            .arg(&code),
    );
    let output = Command::new(&program).output().expect("it runs");
    let numbers = String::from_utf8(output.stdout).expect("text");
    let mut lines = declared.lines;
    lines.sort();
    lines.extend(numbers.lines().map(str::to_owned));
    lines
}

fn first_header() -> PathBuf {
    root().join("tests/abi/first")
}

/// Once: tests that run at the same time would write one program.
fn present() -> &'static [String] {
    static LIST: OnceLock<Vec<String>> = OnceLock::new();
    LIST.get_or_init(|| list("present", &root().join("include")))
}

/// Once, as well.
fn first() -> &'static [String] {
    static LIST: OnceLock<Vec<String>> = OnceLock::new();
    LIST.get_or_init(|| list("first", &first_header()))
}

#[test]
fn the_list_is_current() {
    let path = root().join("tests/abi/list");
    let now = present().join("\n") + "\n";
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &now).expect("written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let [old, new] = [&committed, &now].map(|text| text.lines().collect::<BTreeSet<_>>());
    assert!(
        committed == now,
        "gone: {:#?}\nnew: {:#?}\nBLESS=1 cargo test --test it abi:: renews the list, if docs/abi.md allows it",
        old.difference(&new),
        new.difference(&old)
    );
}

/// What the first header has that this one does not allow, or says otherwise.
fn broken(first: &[String], now: &[String]) -> Vec<String> {
    let now: BTreeSet<&str> = now.iter().map(String::as_str).collect();
    let may_change = |line: &str| {
        line.starts_with("constant SB_VERSION_") || line.contains(".reserved") || grew(line, &now)
    };
    let lost = first
        .iter()
        .filter(|line| !now.contains(line.as_str()) && !may_change(line));
    lost.cloned().collect()
}

/// Whether a line is about a struct that tells its size, and is larger now.
fn grew(line: &str, now: &BTreeSet<&str>) -> bool {
    let Some((name, size, align)) = size_of(line).filter(|it| !WITHOUT_SIZE.contains(&it.0)) else {
        return false;
    };
    let mut structs = now.iter().filter_map(|line| size_of(line));
    structs.any(|it| it.0 == name && it.1 >= size && it.2 == align)
}

/// The name, size and alignment in a line about a struct.
fn size_of(line: &str) -> Option<(&str, usize, &str)> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["struct", name, "size", size, "align", align] => {
            Some((name, size.parse().expect("a number"), align))
        }
        _ => None,
    }
}

#[test]
fn nothing_of_the_first_header_has_changed() {
    let broken = broken(first(), present());
    assert!(
        broken.is_empty(),
        "not as in tests/abi/first/spoolbuf.h: {broken:#?}"
    );
}

/// The check itself: a larger struct is found where its size is not told, and a member that moved.
#[test]
fn changes_are_found() {
    let first = first();
    let changed = |from: &str, to: &str| {
        let now: Vec<String> = first.iter().map(|line| line.replace(from, to)).collect();
        assert_ne!(first, now, "no line has {from}");
        broken(first, &now).len()
    };
    assert_eq!(
        changed("struct sb_options size 1", "struct sb_options size 9"),
        0
    );
    assert_eq!(
        changed("struct sb_range size 16", "struct sb_range size 24"),
        1
    );
    assert_eq!(
        changed(
            "sb_options.prefetch offset",
            "sb_options.prefetch offset 8, not"
        ),
        1
    );
    assert_eq!(changed("SB_ERR_IO -3", "SB_ERR_IO -4"), 1);
    assert_eq!(
        changed(
            "function void sb_free(sb_buffer *)",
            "function int sb_free(sb_buffer *)"
        ),
        1
    );
    assert_eq!(changed("SB_VERSION_MINOR ", "SB_VERSION_MINOR 9"), 0);
}

/// A member that is appended later is not where padding was, whose bytes are anything.
#[test]
fn structs_have_no_padding() {
    let mut end = (String::new(), 0, 0);
    for line in present() {
        if let Some((name, size, _)) = size_of(line) {
            assert_eq!(end.1, end.2, "{} has padding at its end", end.0);
            assert_eq!(size % 8, 0, "{name}");
            end = (name.to_owned(), 0, size);
        } else if let Some(member) = line.strip_prefix("member ") {
            let words: Vec<&str> = member.split([' ', ':']).collect();
            let number = |index: usize| words[index].parse::<usize>().expect("a number");
            assert_eq!(number(2), end.1, "padding before {}", words[0]);
            end.1 += number(4);
        }
    }
    assert!(
        end.1 == end.2 && end.2 > 0,
        "{} has padding at its end",
        end.0
    );
}

/// A program that was compiled against the first header, and links and runs with this library.
#[test]
fn a_program_of_the_first_header_runs() {
    let library = library();
    let program = scratch().join("abi list/program");
    fs::create_dir_all(program.parent().expect("a folder")).expect("a folder");
    let mut rpath = std::ffi::OsString::from("-Wl,-rpath,");
    rpath.push(library.shared.parent().expect("a folder"));
    compiles(
        c_compiler(&first_header(), &program)
            .arg(first_header().join("program.c"))
            .arg(&library.shared)
            .arg(rpath)
            .arg("-lpthread"),
    );
    let folder = scratch().join("abi list/run");
    fs::create_dir_all(&folder).expect("a folder");
    let outcome = run(Command::new(&program).current_dir(&folder), HANGS_AFTER);
    outcome.expect_success("the program of the first header");
    assert_eq!(outcome.output, "ok\n");
}
