//! The report as Markdown tables: figures with their targets, all medians, and the contents of the
//! library.

use crate::contender::Kind;
use crate::outcome::Outcome;
use crate::results::Results;
use crate::rows::Row;
use crate::table::{number, short};
use std::fmt::Write;
use std::path::Path;

/// The README has the tables between these lines.
const MARKS: [&str; 2] = [
    "<!-- Written by `--publish`. -->\n",
    "<!-- The end of what `--publish` writes. -->\n",
];

/// All tables.
pub fn render(results: &Results) -> String {
    let facts: Vec<_> = results
        .facts
        .iter()
        .map(|(_, v)| v.as_str())
        .take(6)
        .collect();
    let rounds = results.rounds();
    let command = &results.command;
    let mut out = format!(
        "{}.\nMedians of {rounds} rounds, by `{command}`.\n",
        facts.join(", ")
    );
    let outcomes = results.outcomes();
    targets(&mut out, &outcomes);
    for (python, title) in [
        (false, "Medians of every contender"),
        (true, "The same from Python"),
    ] {
        let of_kind: Vec<_> = outcomes
            .iter()
            .filter(|o| o.row.python() == python)
            .collect();
        everybody(&mut out, results, title, &of_kind);
    }
    sizes(&mut out, results);
    for (name, why) in &results.missing {
        let why = why.lines().next().unwrap_or_default();
        let _ = writeln!(out, "\nLeft out: {name} ({why}).");
    }
    out
}

/// The figures that have a target.
fn targets(out: &mut String, outcomes: &[Outcome]) {
    let judged: Vec<_> = outcomes
        .iter()
        .filter(|o| !o.row.targets.is_empty())
        .collect();
    if judged.is_empty() {
        return;
    }
    *out += "\n| work | target | spoolbuf (quartiles) | best alternative | floor | met |\n\
             |---|---|---|---|---|---|\n";
    for outcome in judged {
        let (wanted, met): (Vec<_>, Vec<_>) = outcome.verdicts().into_iter().unzip();
        let reached = match &met[..] {
            met if met.contains(&Some(false)) => "**no**",
            met if met.contains(&None) => "–",
            _ => "yes",
        };
        let ours = outcome.ours.map_or("–".to_owned(), |s| {
            let (median, low, high) = (number(s.median), number(s.low), number(s.high));
            format!("{median} {} ({low}–{high})", outcome.row.unit)
        });
        let over = |ratio: Option<f64>, other: Option<(&str, crate::stats::Summary)>| {
            let words = ratio.zip(other);
            words.map_or("–".to_owned(), |(ratio, (name, s))| {
                format!("{} × {} ({name})", short(ratio), number(s.median))
            })
        };
        let _ = writeln!(
            out,
            "| {} | {} | {ours} | {} | {} | {reached} |",
            outcome.row.title,
            wanted.join(", "),
            over(outcome.over_best(), outcome.best),
            over(outcome.over_floor(), outcome.floor),
        );
    }
}

/// The medians of all contenders except the floors, side by side, and that of the better floor.
fn everybody(out: &mut String, results: &Results, title: &str, outcomes: &[&Outcome]) {
    let takes = |name: &str| {
        outcomes
            .iter()
            .any(|o| o.all.iter().any(|(n, ..)| *n == name))
    };
    let names: Vec<_> = results
        .contenders
        .iter()
        .filter(|c| c.kind != Kind::Floor && takes(c.name))
        .map(|c| c.name)
        .collect();
    let shown: Vec<_> = outcomes.iter().filter(|o| o.best.is_some()).collect();
    if shown.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n{title}:\n\n| work | {} | floor |",
        names.join(" | ")
    );
    let _ = writeln!(out, "|---|{}", "---|".repeat(names.len() + 1));
    for outcome in shown {
        let of = |name: &&str| {
            let found = outcome.all.iter().find(|(n, ..)| n == name);
            found.map_or("–".to_owned(), |(.., s)| number(s.median))
        };
        let medians: Vec<_> = names.iter().map(of).collect();
        let floor = outcome
            .floor
            .map_or("–".to_owned(), |(_, s)| number(s.median));
        let Row { title, unit, .. } = outcome.row;
        let _ = writeln!(
            out,
            "| {title}, {unit} | {} | {floor} |",
            medians.join(" | ")
        );
    }
}

fn sizes(out: &mut String, results: &Results) {
    let Some(size) = results.shown_size() else {
        return;
    };
    let _ = writeln!(
        out,
        "\nContents of the stripped library, {} bytes (parts of 1 KiB or more):",
        size.stripped
    );
    *out += "\n| section | bytes | crate | bytes |\n|---|---|---|---|\n";
    for i in 0..size.sections.len().max(size.crates.len()) {
        let cell = |parts: &[(String, u64)]| match parts.get(i) {
            Some((name, size)) => format!("{name} | {size}"),
            None => " | ".to_owned(),
        };
        let _ = writeln!(out, "| {} | {} |", cell(&size.sections), cell(&size.crates));
    }
}

/// Puts the tables into the README at `path`.
pub fn publish(results: &Results, path: &Path) -> Result<(), String> {
    put(&render(results), MARKS, path)
}

/// Puts a text between two lines of the file at `path`.
pub fn put(new: &str, marks: [&str; 2], path: &Path) -> Result<(), String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{name}: {e}"))?;
    let parts = text.split_once(marks[0]).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(marks[1])?;
        Some((before, after))
    });
    let (before, after) = parts.ok_or(format!("{name} has no place for the tables"))?;
    let text = format!("{before}{}\n{new}\n{}{after}", marks[0], marks[1]);
    std::fs::write(path, text).map_err(|e| format!("{name}: {e}"))
}
