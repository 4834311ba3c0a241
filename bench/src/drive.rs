//! Runs each piece of work with each contender, in turn, in a process of its own, round by round.

use crate::contender::{self, Contender, spoolbuf};
use crate::machine;
use crate::options::Options;
use crate::results::{Results, SIZE, Values};
use crate::rows::{self, Row};
use crate::size;
use crate::work::Work;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the requested rows.
pub fn run(options: &Options) -> Result<Results, String> {
    for dir in [&options.dir, &options.out] {
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    let library = match &options.library {
        Some(path) => path
            .canonicalize()
            .map_err(|e| format!("{}: {e}", path.display()))?,
        None => build()?,
    };
    let rows = rows::asked(&options.only);
    if let Some(name) = options
        .with
        .iter()
        .find(|n| contender::by_name(n).is_none())
    {
        return Err(format!("{name} is no contender: --list"));
    }
    if rows.is_empty() {
        return Err("no row has such a name: --list".to_owned());
    }
    let child = Child {
        library: &library,
        dir: &options.dir,
        realtime: options.realtime,
    };
    let (mut contenders, mut missing, mut failed) = (Vec::new(), Vec::new(), false);
    for c in contender::ALL {
        if options.quick && options.with.is_empty() && c.slow {
            continue;
        }
        if !options.takes(c.name) || !rows.iter().any(|r| r.takes(c)) {
            continue;
        }
        let why = match child.text(c, "missing")?.strip_prefix("missing ") {
            Some(why) if options.with.is_empty() && c.name != "spoolbuf" => why.trim().to_owned(),
            Some(why) => return Err(format!("{}: {}", c.name, why.trim())),
            None => match right(&child, c) {
                Ok(()) => {
                    contenders.push(c);
                    continue;
                }
                Err(why) => {
                    failed = true;
                    why
                }
            },
        };
        eprintln!("SKIPPED: {} ({why})", c.name);
        missing.push((c.name.to_owned(), why));
    }
    let mut values = Values::new();
    let mut failures = BTreeMap::new();
    for round in 0..options.rounds {
        eprint!("\rround {} of {} ", round + 1, options.rounds);
        one_round(
            &child,
            &rows,
            &contenders,
            round,
            &mut values,
            &mut failures,
        );
    }
    eprintln!();
    failed |= !failures.is_empty();
    missing.extend(failures);
    let size = size::of(&library, &options.dir);
    if options.library.is_none() && size.as_ref().is_some_and(|size| size.crates.is_empty()) {
        return Err("nm finds no function in the library: its contents are unknown".to_owned());
    }
    if let Some(size) = &size
        && rows.iter().any(|r| r.id == SIZE)
    {
        let kib = size.stripped as f64 / 1024.0;
        values.insert((SIZE, "spoolbuf"), vec![kib]);
    }
    let facts = machine::facts(&options.dir);
    let command = options.command.clone();
    Ok(Results {
        rows,
        contenders,
        values,
        missing,
        failed,
        size,
        facts,
        command,
    })
}

/// Each piece of work once with each contender, whose order changes from round to round.
fn one_round(
    child: &Child,
    rows: &[&'static Row],
    contenders: &[&'static Contender],
    round: usize,
    values: &mut Values,
    failed: &mut BTreeMap<String, String>,
) {
    let mut done = Vec::new();
    for row in rows {
        let kind = row.kind();
        if row.work == Work::Size || done.contains(&kind) {
            continue;
        }
        done.push(kind);
        // One piece of work may give the figures of several rows.
        let same: Vec<_> = rows.iter().filter(|r| r.kind() == kind).collect();
        let fits = |c: &Contender| same.iter().any(|r| r.takes(c));
        let mut turn: Vec<_> = contenders.iter().filter(|c| fits(c)).collect();
        let first = round % turn.len().max(1);
        turn.rotate_left(first);
        for c in turn {
            let name = format!("{} at {}", c.name, row.id);
            if failed.contains_key(&name) {
                continue;
            }
            let found = match child.run(c, row.id) {
                Ok(found) => found,
                Err(why) => {
                    eprintln!("\nSKIPPED: {name} ({why})");
                    failed.insert(name, why);
                    continue;
                }
            };
            for row in same.iter().filter(|r| r.takes(c)) {
                if let Some(value) = found.get(row.metric) {
                    values.entry((row.id, c.name)).or_default().push(*value);
                }
            }
        }
    }
}

/// Whether a contender's bytes are right.
fn right(child: &Child, contender: &Contender) -> Result<(), String> {
    child
        .run(contender, "check")?
        .get("right")
        .map(|_| ())
        .ok_or("no answer".to_owned())
}

struct Child<'a> {
    library: &'a Path,
    dir: &'a Path,
    realtime: bool,
}

impl Child<'_> {
    /// The metrics of one piece of work.
    fn run(&self, contender: &Contender, row: &str) -> Result<BTreeMap<String, f64>, String> {
        let text = self.text(contender, row)?;
        let pairs = text.lines().filter_map(|l| l.split_once(' '));
        let number = |text: &str| text.parse().map_err(|_| format!("not a number: {text}"));
        pairs.map(|(k, v)| Ok((k.to_owned(), number(v)?))).collect()
    }

    /// What a process printed.
    fn text(&self, contender: &Contender, row: &str) -> Result<String, String> {
        let me = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = Command::new(me);
        command
            .args(["work", contender.name, row])
            .arg(self.dir)
            .env("TMPDIR", self.dir)
            .env_remove("RUST_BACKTRACE")
            .env(spoolbuf::LIBRARY, self.library);
        if self.realtime {
            // SAFETY: one system call between fork and exec.
            unsafe { command.pre_exec(realtime) };
        }
        let output = command.output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(format!(
                "{} at {row}: {}\n{text}",
                contender.name, output.status
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn realtime() -> std::io::Result<()> {
    let param = libc::sched_param { sched_priority: 10 };
    // SAFETY: a plain call with a struct of this function's own.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const param) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Builds the shared library as it ships, except that its functions keep their names, and returns its path.
fn build() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the repository");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["rustc", "--release", "--lib", "--crate-type", "cdylib"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(["--target-dir", "bench/target/library"])
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let file = text
        .split('"')
        .rfind(|part| part.ends_with(".so") && part.contains("spoolbuf"))
        .map(PathBuf::from);
    file.filter(|_| output.status.success())
        .ok_or("the library does not build".to_owned())
}
