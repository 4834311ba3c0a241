//! The manual pages are what `include/spoolbuf.h` says, and their readers have no complaints.
//! `BLESS=1 cargo full --test it man::` rewrites them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::foreign::{are_there, command, files};
use crate::library::{root, scratch};

fn pages() -> PathBuf {
    root().join("packaging/man")
}

/// The pages that a page leads to: names in bold with a section, and the list at its end.
fn links(page: &str) -> BTreeSet<String> {
    let plain = page.replace("\\fP", "").replace("\\fB", "\n.BR ");
    let tags = plain.lines().filter_map(|line| line.strip_prefix(".BR "));
    tags.filter_map(|tag| tag.split_once("(3)"))
        .map(|(name, _)| name.trim().to_owned() + ".3")
        .collect()
}

/// What a program says of a page; it must succeed.
fn said(program: &str, arguments: &[&str], last: &Path) -> String {
    let mut command = command(program, root());
    command.args(arguments).arg(last).env("LC_ALL", "C.UTF-8");
    let output = command.output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{program} {}: {error}",
        last.display()
    );
    String::from_utf8_lossy(&output.stdout).into_owned() + &error
}

#[test]
fn pages_are_current() {
    if !are_there("the manual pages", &["python3"]) {
        return;
    }
    let fresh = scratch().join("man");
    let _ = fs::remove_dir_all(&fresh);
    let generator = root().join("packaging/man.py");
    let python = generator.to_str().expect("UTF-8");
    if std::env::var_os("BLESS").is_some() {
        said("python3", &[python], &pages());
    }
    said("python3", &[python], &fresh);
    let stale =
        "packaging/man is not what the header says; BLESS=1 cargo full --test it man:: rewrites it";
    assert_eq!(files(&fresh), files(&pages()), "{stale}");
    for name in files(&fresh) {
        let [new, old] = [&fresh, &pages()].map(|folder| fs::read_to_string(folder.join(&name)));
        assert!(
            new.expect("a page") == old.expect("a page"),
            "{name}: {stale}"
        );
    }
}

/// A page for each function and each type, and the overview.
#[test]
fn every_name_has_a_page() {
    let header = fs::read_to_string(root().join("include/spoolbuf.h")).expect("the header");
    let code = crate::library::without_comments(&header);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = code.split(|c| !is_name(c)).collect();
    let mut expected: BTreeSet<String> = words
        .into_iter()
        .filter(|word| word.starts_with("sb_"))
        .map(|word| format!("{word}.3"))
        .collect();
    assert!(expected.len() > 60, "{expected:?}");
    expected.insert("spoolbuf.3".into());
    assert_eq!(files(&pages()), expected);
}

#[test]
fn readers_have_no_complaints() {
    if !are_there("the manual pages' readers", &["man", "mandoc"]) {
        return;
    }
    for name in files(&pages()) {
        let page = pages().join(name);
        let complaint = said("mandoc", &["-Tlint"], &page);
        assert!(complaint.is_empty(), "{complaint}");
        // groff writes its warnings to the standard error; the page itself goes nowhere.
        let script = "exec man --warnings -E UTF-8 -l \"$1\" 2>&1 >/dev/null";
        let complaint = said("sh", &["-c", script, "sh"], &page);
        assert!(complaint.is_empty(), "{}: {complaint}", page.display());
    }
}

/// `apropos` and `whatis` find each page by its name, and every link leads to a page.
#[test]
fn names_and_links_are_found() {
    if !are_there("the manual pages' index", &["lexgrog"]) {
        return;
    }
    let known = files(&pages());
    let mut count = 0;
    for name in &known {
        let page = pages().join(name);
        let entry = said("lexgrog", &[], &page);
        let what = format!("{}: \"{} - ", page.display(), name.trim_end_matches(".3"));
        assert!(entry.starts_with(&what), "{entry}");
        let links = links(&fs::read_to_string(&page).expect("a page"));
        assert!(!links.is_empty() || name == "spoolbuf.3", "{name}");
        count += links.len();
        let missing: Vec<_> = links.difference(&known).collect();
        assert!(missing.is_empty(), "{name} leads to {missing:?}");
    }
    assert!(count > 300, "{count}");
}
