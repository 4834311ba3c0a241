//! The cost of an operation does not grow unnoticed: instructions of the library's own code, calls
//! of the allocator and system calls, counted and not timed, against `tests/guard/baseline`.
//!
//! `BLESS=1 cargo full --test guard` rewrites the baseline, after a change that is meant to cost
//! more or was made to cost less.

#![cfg(target_os = "linux")]

#[path = "../support/skip.rs"]
mod skip;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Instructions may grow by this factor: another compiler's choices, random hashes.
const TOLERANCE: f64 = 0.05;
/// The same if the baseline was made by another compiler.
const TOLERANCE_ELSEWHERE: f64 = 0.25;
/// The allocator's functions that count as an allocation.
const ALLOCATORS: [&str; 5] = [
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
];

/// The cost of one operation, on average.
#[derive(Clone, Copy)]
struct Cost {
    instructions: f64,
    allocations: f64,
    calls: f64,
}

type Costs = BTreeMap<String, Cost>;

#[test]
fn operations_cost_what_they_did() {
    if let Some(why) = missing() {
        skip::skip("counts of instructions, allocations and system calls", why);
        return;
    }
    let costs = count(&build());
    let path =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/guard/baseline");
    let compiler = compiler();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, write(&costs, &compiler)).expect("the baseline");
    }
    let text = fs::read_to_string(&path).expect("the baseline");
    let tolerance = if text.contains(&compiler) {
        TOLERANCE
    } else {
        TOLERANCE_ELSEWHERE
    };
    let worse = compare(&parse(&text), &costs, tolerance);
    let now = write(&costs, &compiler);
    assert!(
        worse.is_empty(),
        "these cost more than tests/guard/baseline says:\n{}\nnow:\n{now}\nif that is meant: BLESS=1 cargo full --test guard",
        worse.join("\n")
    );
}

/// The guard itself: growth is reported; a lower cost, or one within the tolerance, is not.
#[test]
fn a_growth_is_reported() {
    let cost = |instructions, allocations, calls| Cost {
        instructions,
        allocations,
        calls,
    };
    let costs = |cost| Costs::from([("read".to_owned(), cost)]);
    let before = costs(cost(100.0, 0.0, 1.0));
    let told = |now| compare(&before, &costs(now), TOLERANCE).len();
    assert_eq!(told(cost(104.0, 0.0, 1.0)), 0);
    assert_eq!(told(cost(50.0, 0.0, 0.0)), 0);
    assert_eq!(told(cost(107.0, 0.0, 1.0)), 1);
    assert_eq!(told(cost(100.0, 0.1, 1.0)), 1);
    assert_eq!(told(cost(100.0, 0.0, 1.1)), 1);
    assert_eq!(
        compare(&Costs::new(), &before, TOLERANCE).len(),
        1,
        "one that is not known"
    );
    assert_eq!(
        compare(&before, &Costs::new(), TOLERANCE).len(),
        1,
        "one that is gone"
    );
    let again = parse(&write(&before, "rustc"));
    assert_eq!(
        compare(&again, &before, 0.0).len(),
        0,
        "the baseline is read as written"
    );
}

fn compare(before: &Costs, now: &Costs, tolerance: f64) -> Vec<String> {
    let mut worse = Vec::new();
    for (name, now) in now {
        let Some(before) = before.get(name) else {
            worse.push(format!("{name}: not in the baseline"));
            continue;
        };
        let mut check = |what: &str, before: f64, now: f64, limit: f64| {
            if now > limit {
                worse.push(format!("{name}: {now:.2} {what}, {before:.2} before"));
            }
        };
        let instructions = before.instructions * (1.0 + tolerance) + 1.0;
        check(
            "instructions",
            before.instructions,
            now.instructions,
            instructions,
        );
        check(
            "allocations",
            before.allocations,
            now.allocations,
            before.allocations + 0.02,
        );
        check("system calls", before.calls, now.calls, before.calls + 0.02);
    }
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    worse.extend(gone.map(|name| format!("{name}: not counted any more")));
    worse
}

fn write(costs: &Costs, compiler: &str) -> String {
    let mut text = format!(
        "# Per operation: instructions of the library's own code, allocations, system calls.\n\
         # Renew: BLESS=1 cargo full --test guard\n\
         # Counted with {compiler}\n"
    );
    for (name, cost) in costs {
        let Cost {
            instructions,
            allocations,
            calls,
        } = cost;
        let _ = writeln!(
            text,
            "{name:<26} {instructions:>9.1} {allocations:>8.2} {calls:>8.2}"
        );
    }
    text
}

fn parse(text: &str) -> Costs {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let cost = |line: &str| {
        let mut parts = line.split_whitespace();
        let name = parts.next()?.to_owned();
        let mut number = || parts.next()?.parse().ok();
        Some((
            name,
            Cost {
                instructions: number()?,
                allocations: number()?,
                calls: number()?,
            },
        ))
    };
    lines
        .map(|line| cost(line).expect("a line of the baseline"))
        .collect()
}

/// The name of a missing tool.
fn missing() -> Option<String> {
    let there = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    let tool = ["valgrind", "strace", "cc"]
        .into_iter()
        .find(|tool| !there(tool))?;
    Some(format!("{tool} is not installed"))
}

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = output(Command::new(rustc).arg("--version"));
    format!("{} {}", text.trim(), std::env::consts::ARCH)
}

/// The program of the operations, with the library as it ships.
fn build() -> PathBuf {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guard");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    output(
        Command::new(cargo)
            .current_dir(root)
            .args([
                "rustc",
                "--release",
                "--lib",
                "--crate-type",
                "cdylib",
                "--target-dir",
            ])
            .arg(&dir)
            // Flags of this run (a sanitizer's, a coverage tool's) do not apply to what ships.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET"),
    );
    let library = dir.join("release/libspoolbuf.so");
    let name = format!("libspoolbuf.so.{}", env!("CARGO_PKG_VERSION_MAJOR"));
    fs::copy(library, dir.join(&name)).expect("the shared library");
    let program = dir.join("operations");
    output(
        Command::new("cc")
            .args([
                "-std=gnu99",
                "-O2",
                "-Wall",
                "-Wextra",
                "-Wpedantic",
                "-Werror",
            ])
            .arg("-I")
            .arg(root.join("include"))
            .arg(root.join("tests/guard/operations.c"))
            .arg(dir.join(&name))
            .arg(format!("-Wl,-rpath,{}", dir.display()))
            .arg("-o")
            .arg(&program),
    );
    program
}

fn count(program: &Path) -> Costs {
    let list = output(&mut Command::new(program));
    let of = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [name, count, threads] = words[..] else {
            panic!("{line}")
        };
        let count: f64 = count.parse().expect("a count");
        let (instructions, allocations) = callgrind(program, name, threads != "0");
        let calls = system_calls(program, name) / count;
        let (instructions, allocations) = (instructions / count, allocations / count);
        (
            name.to_owned(),
            Cost {
                instructions,
                allocations,
                calls,
            },
        )
    };
    list.lines().map(of).collect()
}

/// Instructions of the library's own code, not of the C library's (whose copies differ from one
/// processor to the next), and how often the allocator was called, inside `measured`, or, where
/// other threads have a part in it, from the start on.
fn callgrind(program: &Path, name: &str, threads: bool) -> (f64, f64) {
    let file = program.with_file_name(format!("callgrind-{name}"));
    let inside = (!threads).then_some("--toggle-collect=measured");
    output(
        Command::new("valgrind")
            .args([
                "--quiet",
                "--tool=callgrind",
                "--compress-strings=no",
                "--compress-pos=no",
            ])
            .args(inside)
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(program)
            .arg(name),
    );
    let text = fs::read_to_string(&file).expect("what callgrind wrote");
    let _ = fs::remove_file(file);
    let (mut instructions, mut allocations) = (0.0, 0.0);
    let (mut ours, mut callee) = (false, "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(object) = line.strip_prefix("ob=") {
            ours = object.contains("libspoolbuf");
        } else if let Some(function) = line.strip_prefix("cfn=") {
            callee = function;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            // The next line is the callee's cost, which is counted at the callee.
            lines.next();
            if ours && ALLOCATORS.contains(&callee) {
                allocations += first(calls);
            }
        } else if ours && line.starts_with(|c: char| c.is_ascii_digit()) {
            let (_, cost) = line.split_once(' ').expect("a line and its cost");
            instructions += first(cost);
        }
    }
    (instructions, allocations)
}

fn first(text: &str) -> f64 {
    text.split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number")
}

/// System calls between the two marks, of all threads.
fn system_calls(program: &Path, name: &str) -> f64 {
    let file = program.with_file_name(format!("strace-{name}"));
    output(
        Command::new("strace")
            .arg("-f")
            .arg("-o")
            .arg(&file)
            .arg(program)
            .arg(name),
    );
    let text = fs::read_to_string(&file).expect("what strace wrote");
    let _ = fs::remove_file(file);
    let inside = text
        .lines()
        .skip_while(|l| !l.contains("close(-1001)"))
        .skip(1);
    inside
        .take_while(|l| !l.contains("close(-1002)"))
        .filter(|l| l.contains('('))
        .count() as f64
}

/// The output of a command, which must succeed.
fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{text}",
        output.status
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}
