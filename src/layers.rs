//! The layers: each folder imports only from those below it, and no imports form a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From the top down. The modules on one line do not import each other.
const LAYERS: [&[&str]; 11] = [
    &["async_cursor", "pusher", "stream_cache"],
    &["builder", "cursor", "ffi", "readiness"],
    &["stream_buffer"],
    &["cache"],
    &["buffer"],
    &["pull"],
    &["store"],
    &["disk"],
    &["log"],
    &["source", "sync"],
    &["error", "options", "panic"],
];

/// The modules of this crate that each module imports, except in tests.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The code of a module, without its comments and its tests.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    let lines = code.unwrap_or_default().lines();
    lines.filter(|line| !line.trim_start().starts_with("//"))
}

/// The words that may be modules of the crate's root in the paths of a line that begin with
/// `super::`. A module's parts may use each other through their parent, so that such paths count for
/// the layers and not for circles.
fn by_super<'l>(module: &str, line: &'l str) -> Vec<&'l str> {
    let depth = module.split("::").count();
    let mut up = 0;
    let mut found = Vec::new();
    for step in line.split("super::").skip(1) {
        up += 1;
        if !step.is_empty() {
            let words = step.split(|c: char| !c.is_alphanumeric() && c != '_');
            found.extend(words.filter(|_| up >= depth));
            up = 0;
        }
    }
    found
}

fn collect(folder: &Path, prefix: &str, sources: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name").to_string_lossy();
        let name = format!("{prefix}{stem}");
        if ["lib", "architecture", "layers", "tests", "fault_tests"].contains(&&*stem) {
            continue;
        }
        if path.is_dir() {
            collect(&path, &format!("{name}::"), sources);
        } else {
            sources.insert(name, fs::read_to_string(&path).expect("UTF-8"));
        }
    }
}

fn sources() -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&root, "", &mut sources);
    sources.retain(|name, _| !name.starts_with("loom_tests"));
    sources
}

fn imports() -> Imports {
    let sources = sources();
    let longest = |path: &str| {
        let path: String = path
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
            .collect();
        let ends = path.match_indices("::").map(|(end, _)| end);
        let mut candidates: Vec<_> = ends.chain([path.len()]).map(|end| &path[..end]).collect();
        candidates.reverse();
        let known = candidates
            .into_iter()
            .find(|name| sources.contains_key(*name));
        known
            .unwrap_or_else(|| panic!("crate::{path} is no module"))
            .to_owned()
    };
    let of = |text: &str| {
        code(text)
            .flat_map(|line| line.split("crate::").skip(1).map(longest))
            .collect()
    };
    sources
        .iter()
        .map(|(name, text)| (name.clone(), of(text)))
        .collect()
}

fn layer(module: &str) -> usize {
    let top = module.split("::").next().unwrap_or_default();
    let found = LAYERS.iter().position(|layer| layer.contains(&top));
    found.unwrap_or_else(|| panic!("{top} is in no layer: add it to LAYERS"))
}

#[test]
fn imports_go_down() {
    for (module, imported) in imports() {
        for other in imported {
            let same = module.split("::").next() == other.split("::").next();
            assert!(
                same || layer(&module) < layer(&other),
                "{module} imports {other}, which is not below it"
            );
        }
    }
}

#[test]
fn super_does_not_lead_up() {
    for (module, text) in sources() {
        for name in code(&text).flat_map(|line| by_super(&module, line)) {
            let known = LAYERS.iter().any(|layer| layer.contains(&name));
            assert!(
                !known || layer(&module) < layer(name),
                "{module} names {name}, which is not below it"
            );
        }
    }
}

#[test]
fn no_imports_form_a_circle() {
    let mut left = imports();
    // Removes every module that imports none of those left. The rest form a circle, or import one.
    loop {
        let modules: BTreeSet<_> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|module, imported| {
            imported
                .iter()
                .any(|other| other != module && modules.contains(other))
        });
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "in a circle, or above one: {left:#?}");
}

/// Except those that no loom test runs, or that must be the same object in all of its runs.
#[test]
fn locks_and_atomics_come_from_sync() {
    let exceptions = ["ffi::handle", "ffi::handles", "disk::unix::stream", "log"];
    for (module, text) in sources() {
        if module.starts_with("sync") || exceptions.contains(&&*module) {
            continue;
        }
        for line in code(&text) {
            let names = ["atomic::", "Mutex", "Condvar", "RwLock", "parking_lot::"];
            let is_std = line.contains("std::sync::") || line.contains("parking_lot::");
            assert!(
                !is_std || !names.iter().any(|name| line.contains(name)),
                "{module} does not take it from crate::sync: {line}"
            );
        }
    }
}

#[test]
fn only_disk_operates_on_files() {
    let others = sources().into_iter();
    for (module, text) in others.filter(|(module, _)| !module.starts_with("disk")) {
        for line in code(&text).filter(|line| *line != "use std::fs::File;") {
            let names = ["fs::", "File::", "OpenOptions", "libc::open", "libc::write"];
            assert!(
                !names.iter().any(|name| line.contains(name)),
                "{module} operates on a file: {line}"
            );
        }
    }
}
