//! ARCHITECTURE.md names only things that exist, every file has a page, and every type has a name of
//! its own.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The code's files with their text, and all words in them.
struct Code {
    files: Vec<(PathBuf, String)>,
    words: HashSet<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            files.push((path, text));
        }
    }
}

impl Code {
    fn read() -> Code {
        let mut files = Vec::new();
        for folder in ["src", "include", "tests", "examples"] {
            collect(&root().join(folder), &mut files);
        }
        files.retain(|(path, _)| path.file_stem().is_some_and(|stem| stem != "architecture"));
        let all = files.iter().flat_map(|(_, text)| words(text));
        let words = all.map(str::to_owned).collect();
        Code { files, words }
    }

    /// Whether this names a file or folder, a function of a type or module, or any word of the
    /// code.
    fn has(&self, name: &str) -> bool {
        let is_part = |path: &Path| path.ends_with(name);
        let mut paths = self.files.iter().flat_map(|(path, _)| path.ancestors());
        if root().join(name).exists() || paths.any(is_part) {
            return true;
        }
        let mut files = self.files.iter();
        match name.rsplit_once("::") {
            Some((owner, function)) => files.any(|(path, text)| {
                let is_module = path.file_stem().is_some_and(|stem| stem == owner);
                has_function(text, function) && (is_module || has_impl(text, owner))
            }),
            None => self.words.contains(name),
        }
    }
}

fn has_function(text: &str, name: &str) -> bool {
    let start = format!("fn {name}");
    let mut after = text.split(&start).skip(1);
    after.any(|rest| rest.starts_with(['(', '<']))
}

fn has_impl(text: &str, name: &str) -> bool {
    let mut heads = text.lines().filter(|line| line.trim().starts_with("impl"));
    heads.any(|head| words(head).any(|word| word == name))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The functions and files in a call tree: those of its first column, and all that look like one.
fn calls(tree: &str) -> impl Iterator<Item = &str> {
    let is_name = |name: &&str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_:./".contains(c);
        name.chars().all(is_part) && *name != "..."
    };
    let first = |line| str::split(str::trim(line), "  ").next().unwrap_or_default();
    let columns = tree.lines().map(first).map(|column| column.split(", "));
    let columns = columns.filter(move |names| names.clone().all(|name| is_name(&name)));
    let words = tree.split_whitespace();
    let words = words.map(|word| word.trim_matches(['[', ']', ',', ':']));
    let words = words.filter(|word| word.contains("::") || word.ends_with(".rs"));
    columns
        .flatten()
        .chain(words)
        .filter(|name| !name.is_empty())
}

/// The tests that prove the promises, by the last column of that table.
fn proofs(page: &str) -> impl Iterator<Item = &str> {
    let table = page
        .split("\n## Which function keeps which promise\n")
        .nth(1);
    let table = table.and_then(|rest| rest.split("\n## ").next());
    let lines = table.expect("a section").lines();
    let rows = lines.filter(|line| line.starts_with('|'));
    let columns = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    columns.flat_map(spans)
}

/// The names on the page. Of the table of libraries, which names other people's code, only those in
/// the first column.
fn names(page: &str) -> Vec<&str> {
    let (ours, table) = page
        .split_once("\n## Written by hand\n")
        .expect("a section");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let mut names: Vec<_> = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(spans)
        .collect();
    for (number, part) in ours.split("```").enumerate() {
        match number % 2 {
            0 => names.extend(part.lines().flat_map(spans)),
            _ => names.extend(calls(part)),
        }
    }
    names
}

#[test]
fn every_name_exists() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    let (code, names) = (Code::read(), names(&page));
    assert!(names.len() > 200, "{} names", names.len());
    let missing: BTreeSet<_> = names.into_iter().filter(|name| !code.has(name)).collect();
    assert!(missing.is_empty(), "not in the code: {missing:?}");
}

#[test]
fn every_proof_is_a_test() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    let (code, proofs) = (Code::read(), proofs(&page).collect::<Vec<_>>());
    assert!(proofs.len() > 50, "{} proofs", proofs.len());
    let is_test = |name: &&str| {
        let mut files = code.files.iter();
        files.any(|(path, text)| path.ends_with(name) || has_function(text, name))
    };
    let missing: BTreeSet<_> = proofs.iter().filter(|name| !is_test(name)).collect();
    assert!(missing.is_empty(), "not a test: {missing:?}");
}

/// The library's own files, without those of its tests.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.retain(|(path, _)| path.extension().is_some_and(|kind| kind == "rs"));
    files
}

#[test]
fn every_file_has_a_page() {
    let pages = ["//! ", "#![cfg_attr(doc, doc = "];
    let missing: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !pages.iter().any(|page| text.starts_with(page)))
        .map(|(path, _)| path)
        .collect();
    assert!(missing.is_empty(), "without a page: {missing:?}");
}

/// Except that each system has its own types of `disk`.
#[test]
fn every_type_has_a_name_of_its_own() {
    let kinds = ["struct ", "enum ", "trait ", "union "];
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (path, text) in sources() {
        let systems = ["linux.rs", "macos.rs", "windows.rs", "windows"];
        let tests = [
            "tests.rs",
            "fault_tests.rs",
            "fault_tests",
            "loom_tests",
            "architecture.rs",
            "layers.rs",
        ];
        let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
        if [&systems[..], &tests]
            .concat()
            .iter()
            .any(|name| parts.contains(name))
        {
            continue;
        }
        for line in text.lines().filter(|line| !line.starts_with([' ', '/'])) {
            let kind = kinds.iter().find_map(|kind| line.split_once(kind));
            let Some((before, rest)) = kind else { continue };
            let name = words(rest).next().unwrap_or_default();
            if before.is_empty() || before.starts_with("pub") {
                let other = seen.insert(name.to_owned(), path.clone());
                assert!(other.is_none(), "{name} is in {path:?} and in {other:?}");
            }
        }
    }
}
