//! The size of the stripped shared library, and its contents.

use crate::machine::said;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The size of the stripped library in bytes, and its contents: sections, and code by crate.
pub struct Size {
    pub stripped: u64,
    pub sections: Vec<(String, u64)>,
    pub crates: Vec<(String, u64)>,
}

/// Sections that take no space in the file.
const EMPTY: [&str; 3] = [".bss", ".tbss", ".relro_padding"];

/// Of the library at `path`; None without the tools (strip, size and nm).
pub fn of(path: &Path, dir: &Path) -> Option<Size> {
    let copy = dir.join("stripped.so");
    let (from, to) = (path.display().to_string(), copy.display().to_string());
    said("strip", &["--strip-all", "-o", &to, &from]);
    let stripped = fs::metadata(&copy).ok()?.len();
    let sections = said("size", &["-A", &to]);
    let _ = fs::remove_file(copy);
    let section = |line: &str| {
        let mut parts = line.split_whitespace();
        let (name, size) = (parts.next()?, parts.next()?.parse().ok()?);
        (name.starts_with('.') && !EMPTY.contains(&name)).then(|| (name.to_owned(), size))
    };
    let sections = sections.lines().filter_map(section).collect();
    let mut crates = BTreeMap::<String, u64>::new();
    for line in said(
        "nm",
        &["--print-size", "--defined-only", "--demangle", &from],
    )
    .lines()
    {
        let parts: Vec<_> = line.splitn(4, ' ').collect();
        if let [_, size, kind, name] = parts[..]
            && "tTwW".contains(kind)
        {
            let size = u64::from_str_radix(size, 16).unwrap_or(0);
            *crates.entry(owner(name)).or_default() += size;
        }
    }
    Some(Size {
        stripped,
        sections: largest(sections),
        crates: largest(crates.into_iter().collect()),
    })
}

fn largest(mut parts: Vec<(String, u64)>) -> Vec<(String, u64)> {
    parts.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    parts.retain(|(_, size)| *size >= 1024);
    parts
}

/// The crate of a function, by its name.
fn owner(name: &str) -> String {
    if name.starts_with("sb_") {
        return "spoolbuf".to_owned();
    }
    let plain = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let plain = plain.trim_start_matches("dyn ").trim_start_matches("mut ");
    match plain.split_once("::") {
        Some((first, _)) if first.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
            first.to_owned()
        }
        _ => "other".to_owned(),
    }
}
