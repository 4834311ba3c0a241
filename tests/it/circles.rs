//! No module of the bench imports one that imports it, directly or indirectly.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What each module names: its submodules, and the modules of its `crate::` and `super::` paths.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The code of the modules in a folder, by their paths; the root's is empty.
fn read(folder: &Path, parent: &str, code: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let name = match stem.expect("a name") {
            "main" | "lib" => String::new(),
            stem if parent.is_empty() => stem.to_owned(),
            stem => format!("{parent}::{stem}"),
        };
        if path.is_dir() {
            read(&path, &name, code);
        } else {
            let text = std::fs::read_to_string(&path).expect("a source file");
            let code_only = text.split("#[cfg(test)]\nmod tests {").next();
            let lines = code_only
                .unwrap_or_default()
                .lines()
                .filter(|line| !line.trim().starts_with("//"));
            code.insert(name, lines.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// The paths that code begins with, each name of a list in braces as a path of its own.
fn names(code: &str) -> Vec<String> {
    let end = code.find(|c: char| !c.is_alphanumeric() && !"_:".contains(c));
    let (path, rest) = code.split_at(end.unwrap_or(code.len()));
    let list = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let names = list.map_or("", |(names, _)| names).split(',');
    assert!(
        names.clone().all(|name| !name.contains('{')),
        "one list in another: {rest}"
    );
    names.map(|name| format!("{path}{}", name.trim())).collect()
}

/// The paths that begin with `start`, without that.
fn paths<'c>(code: &'c str, start: &'c str) -> impl Iterator<Item = String> + 'c {
    code.split(start).skip(1).flat_map(names)
}

/// The paths that begin with `super::`, once or several times, from the root.
fn by_super(module: &str, code: &str) -> Vec<String> {
    let parts: Vec<_> = module.split("::").collect();
    let mut up = 0;
    let mut found = Vec::new();
    for rest in code.split("super::").skip(1) {
        up += 1;
        if !rest.is_empty() {
            let parent = parts[..parts.len().saturating_sub(up)].join("::");
            found.extend(names(rest).iter().map(|name| format!("{parent}::{name}")));
            up = 0;
        }
    }
    found
}

fn imports(folder: &Path) -> Imports {
    let mut code = BTreeMap::new();
    read(folder, "", &mut code);
    // A file of tests is a part of the module above it.
    code.retain(|module, _| !module.ends_with("::tests"));
    let of = |(module, text): (&String, &String)| {
        let in_module = |path: String| format!("{module}::{path}");
        let named = paths(text, "crate::")
            .chain(by_super(module, text))
            .chain(paths(text, "mod ").map(in_module));
        let module_of = |path: String| {
            let path = path.trim_start_matches("::");
            let ends = path.match_indices("::").map(|(end, _)| end);
            let mut prefixes: Vec<_> = ends.chain([path.len()]).map(|end| &path[..end]).collect();
            prefixes.reverse();
            let known = prefixes.into_iter().find(|path| code.contains_key(*path));
            known.unwrap_or("").to_owned()
        };
        let others = named.map(module_of).filter(|name| name != module);
        (module.clone(), others.collect())
    };
    code.iter().map(of).collect()
}

/// Leaves the modules in a circle, and those between two: removes modules that import none, and
/// modules that none imports.
fn circles(mut imports: Imports) -> Imports {
    loop {
        let named: BTreeSet<_> = imports.values().flatten().cloned().collect();
        let before = imports.len();
        imports.retain(|module, names| !names.is_empty() && named.contains(module));
        if imports.len() == before {
            return imports;
        }
        let left: BTreeSet<_> = imports.keys().cloned().collect();
        imports
            .values_mut()
            .for_each(|names| names.retain(|name| left.contains(name)));
    }
}

#[test]
fn the_bench_has_no_import_circle() {
    let imports = imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/src"));
    assert!(
        imports[""].len() > 10,
        "main.rs names the modules: {imports:?}"
    );
    let circles = circles(imports);
    assert!(
        circles.is_empty(),
        "modules that name each other: {circles:#?}"
    );
}
