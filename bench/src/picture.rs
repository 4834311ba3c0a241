//! The report as a picture: for each figure ours, the best rival and the better floor, as bars.

use crate::contender::Kind;
use crate::outcome::Outcome;
use crate::results::Results;
use crate::rows::{Better, Target};
use crate::stats::Summary;
use crate::table::number;
use crate::work::Work;
use std::fmt::Write;

const WIDTH: usize = 1000;
const COLUMN: usize = 490;
const BARS: f64 = 200.0;
const TOP: usize = 84;
const BAR: usize = 16;

/// Where a group of rows begins, and what it is called.
const GROUPS: [(&str, &str); 6] = [
    ("pull-256-64", "Filling"),
    ("memory-16", "Reading, from memory"),
    ("disk-4k", "Reading, from disk"),
    ("wait", "While somebody waits for the source"),
    ("save-256", "Saving"),
    ("peak-256", "Memory"),
];

/// Colors for both modes, on a ground of its own. Plain rules: not every viewer knows variables.
const STYLE: &str = "
    text { font: 12px -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif; fill: #1f2328 }
    .head { font-size: 19px; font-weight: 600 } .group { font-size: 15px; font-weight: 600 }
    .title { font-weight: 600 } .soft { fill: #59636e } .rule { stroke: #d1d9e0 }
    .ground { fill: #ffffff } .ours { fill: #0969da } .rival { fill: #818b98 } .floor { fill: #d1d9e0 }
    .reach { stroke: #cf222e; stroke-width: 2 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .soft { fill: #9198a1 } .ground { fill: #0d1117 } .rule { stroke: #3d444d }
      .ours { fill: #4493f8 } .rival { fill: #9198a1 } .floor { fill: #3d444d } .reach { stroke: #ff7b72 }
    }";

/// The picture as SVG.
pub fn render(results: &Results) -> String {
    let all = results.outcomes();
    let shown =
        |o: &&Outcome| !o.row.targets.is_empty() && o.ours.is_some() && o.row.work != Work::Size;
    let columns = columns(all.iter().filter(shown).collect());
    let height = TOP + columns.iter().map(|c| tall(c)).max().unwrap_or(0) + 44;
    let title = "spoolbuf, its alternatives, and the machine's limit";
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>{STYLE}\n</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n",
    );
    label(&mut out, 20, 32, "head", title);
    legend(&mut out);
    for (i, column) in columns.iter().enumerate() {
        let (x, mut y) = (20 + i * COLUMN, TOP);
        for outcome in column {
            if let Some(name) = group(outcome) {
                label(&mut out, x, y + 22, "group", name);
                let end = x + COLUMN - 20;
                let _ = writeln!(out, "<path class=\"rule\" d=\"M{x} {}.5H{end}\"/>", y + 29);
            }
            let below = y + deep(outcome);
            panel(&mut out, x, below - panel_deep(outcome), outcome);
            y = below;
        }
    }
    let facts: Vec<_> = results
        .facts
        .iter()
        .map(|(_, v)| v.as_str())
        .take(5)
        .collect();
    let foot = format!(
        "{} · medians of {} rounds",
        facts.join(" · "),
        results.rounds()
    );
    label(&mut out, 20, height - 28, "soft", &foot);
    label(&mut out, 20, height - 11, "soft", &results.command);
    out + "</svg>\n"
}

/// Two columns: each group goes below the shorter one.
fn columns(shown: Vec<&Outcome>) -> [Vec<&Outcome>; 2] {
    let mut columns = [Vec::new(), Vec::new()];
    let mut to = 0;
    for outcome in shown {
        if group(outcome).is_some() {
            to = usize::from(tall(&columns[1]) < tall(&columns[0]));
        }
        columns[to].push(outcome);
    }
    columns
}

fn tall(column: &[&Outcome]) -> usize {
    column.iter().map(|outcome| deep(outcome)).sum()
}

fn deep(outcome: &Outcome) -> usize {
    panel_deep(outcome) + if group(outcome).is_some() { 36 } else { 0 }
}

fn panel_deep(outcome: &Outcome) -> usize {
    30 + BAR * bars(outcome).len()
}

/// The name of the group that begins with this row.
fn group(outcome: &Outcome) -> Option<&'static str> {
    let found = GROUPS.iter().find(|(id, _)| *id == outcome.row.id);
    found.map(|(_, name)| *name)
}

fn legend(out: &mut String) {
    let entries = [
        ("ours", "spoolbuf", 20),
        ("rival", "best alternative", 110),
        ("floor", "the machine's limit", 254),
    ];
    for (class, words, x) in entries {
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"50\" width=\"12\" height=\"12\"/>"
        );
        label(out, x + 17, 61, "", words);
    }
    let _ = writeln!(out, "<path class=\"reach\" d=\"M402 49v14\"/>");
    label(out, 410, 61, "", "target");
    let words = "a longer bar is better, for times and sizes too";
    label(out, 566, 61, "soft", words);
}

/// The contenders shown, their labels and their figures.
fn bars(outcome: &Outcome) -> Vec<(Kind, &'static str, Summary)> {
    let mut bars = Vec::new();
    bars.extend(outcome.ours.map(|s| (Kind::Ours, "", s)));
    bars.extend(outcome.best.map(|(name, s)| (Kind::Rival, name, s)));
    bars.extend(outcome.floor.map(|(name, s)| (Kind::Floor, name, s)));
    bars
}

/// One figure: its name and up to three bars, the longest the best.
fn panel(out: &mut String, x: usize, y: usize, outcome: &Outcome) {
    let row = outcome.row;
    label(out, x, y + 14, "title", row.title);
    let bars = bars(outcome);
    let good = |value: f64| match row.better {
        Better::More => value,
        Better::Less => 1.0 / value.max(1e-6),
    };
    // All of them are targets: the farthest stands for them.
    let reach = row
        .targets
        .iter()
        .filter_map(|t| value_of(outcome, t))
        .map(good)
        .fold(0.0, f64::max);
    let longest = bars.iter().map(|b| good(b.2.median)).fold(reach, f64::max);
    let length = |good: f64| BARS * good / longest;
    for (i, (kind, name, s)) in bars.iter().enumerate() {
        let class = match kind {
            Kind::Ours => "ours",
            Kind::Rival => "rival",
            Kind::Floor => "floor",
        };
        let (top, width) = (y + 21 + i * BAR, length(good(s.median)).max(1.0));
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"{width:.1}\" height=\"12\" rx=\"2\"/>"
        );
        let soft = if *kind == Kind::Ours { "" } else { "soft" };
        let words = format!("{} {} {name}", number(s.median), row.unit);
        label(out, x + BARS as usize + 10, top + 10, soft, words.trim());
    }
    if reach > 0.0 {
        let at = x as f64 + length(reach);
        let _ = writeln!(out, "<path class=\"reach\" d=\"M{at:.1} {}v16\"/>", y + 19);
    }
}

/// The target, in the row's unit.
fn value_of(outcome: &Outcome, target: &Target) -> Option<f64> {
    match *target {
        Target::Best(times) => Some(outcome.best?.1.median * times),
        Target::Floor(times) => Some(outcome.floor?.1.median * times),
        Target::Value(value) => Some(value),
    }
}

fn label(out: &mut String, x: usize, y: usize, class: &str, words: &str) {
    let _ = writeln!(
        out,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>",
        escape(words)
    );
}

fn escape(plain: &str) -> String {
    plain.replace('&', "&amp;").replace('<', "&lt;")
}
