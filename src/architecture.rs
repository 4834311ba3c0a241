//! ARCHITECTURE.md names only things that exist.

use std::collections::{BTreeSet, HashSet};
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

/// The functions and files in a call tree.
fn calls(tree: &str) -> impl Iterator<Item = &str> {
    let words = tree.split_whitespace();
    let words = words.map(|word| word.trim_matches(['[', ']', ',', ':']));
    words.filter(|word| word.contains("::") || word.ends_with(".rs"))
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
