//! The calls that the pages name.

use crate::checkout::{CALLS, PAGES};

/// The names in a text that begin with `sb_`.
fn names(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("sb_"))
        .collect()
}

#[test]
fn names_every_call_and_nothing_else() {
    let header = include_str!("../../../../include/spoolbuf.h");
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
