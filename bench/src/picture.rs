//! The report as a picture: for each figure ours, the best rival and the better floor, as bars.

use crate::contender::Kind;
use crate::drive::Results;
use crate::rows::{Better, Target};
use crate::stats::Summary;
use crate::table::{Outcome, number};
use std::fmt::Write;

const WIDTH: usize = 1000;
const COLUMN: usize = 480;
const BARS: f64 = 210.0;
const ROW: usize = 78;
const TOP: usize = 76;

/// Colours for both modes, on a ground of its own. Plain rules: not every viewer knows variables.
const STYLE: &str = "
    text { font: 12px -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif; fill: #1f2328 }
    .head { font-size: 19px; font-weight: 600 } .title { font-weight: 600 } .soft { fill: #59636e }
    .ground { fill: #ffffff } .ours { fill: #0969da } .rival { fill: #afb8c1 } .floor { fill: #d8dee4 }
    .reach { stroke: #cf222e; stroke-width: 2 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .soft { fill: #9198a1 } .ground { fill: #0d1117 }
      .ours { fill: #4493f8 } .rival { fill: #656c76 } .floor { fill: #3d444d } .reach { stroke: #ff7b72 }
    }";

/// The picture as SVG.
pub fn render(results: &Results) -> String {
    let all = results.outcomes();
    let shown: Vec<_> = all
        .iter()
        .filter(|o| !o.row.targets.is_empty() && o.ours.is_some())
        .collect();
    let deep = shown.len().div_ceil(2);
    let height = TOP + deep * ROW + 44;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n<style>{STYLE}\n</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n",
        "spoolbuf beside its rivals and the machine's limit"
    );
    label(
        &mut out,
        20,
        32,
        "head",
        "spoolbuf beside what one would use instead, and the machine's limit",
    );
    legend(&mut out);
    for (i, outcome) in shown.iter().enumerate() {
        panel(
            &mut out,
            20 + i / deep * (COLUMN + 10),
            TOP + i % deep * ROW,
            outcome,
        );
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
        results.rounds
    );
    label(&mut out, 20, height - 28, "soft", &foot);
    label(&mut out, 20, height - 11, "soft", &results.command);
    out + "</svg>\n"
}

fn legend(out: &mut String) {
    let entries = [
        ("ours", "spoolbuf", 20),
        ("rival", "best other", 110),
        ("floor", "the machine's limit", 210),
    ];
    for (class, words, x) in entries {
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"46\" width=\"12\" height=\"12\"/>"
        );
        label(out, x + 17, 57, "", words);
    }
    let _ = writeln!(out, "<path class=\"reach\" d=\"M366 45v14\"/>");
    label(out, 374, 57, "", "to reach");
    label(out, 446, 57, "soft", "longer is better");
}

/// One figure: its name and up to three bars, the longest the best.
fn panel(out: &mut String, x: usize, y: usize, outcome: &Outcome) {
    let row = outcome.row;
    label(out, x, y + 14, "title", row.title);
    let mut bars: Vec<(Kind, &str, Summary)> = Vec::new();
    bars.extend(outcome.ours.map(|s| (Kind::Ours, "", s)));
    bars.extend(outcome.best.map(|(name, s)| (Kind::Rival, name, s)));
    bars.extend(outcome.floor.map(|(name, s)| (Kind::Floor, name, s)));
    let good = |value: f64| match row.better {
        Better::More => value,
        Better::Less => 1.0 / value.max(1e-6),
    };
    let reach: Vec<_> = row
        .targets
        .iter()
        .filter_map(|t| value_of(outcome, t))
        .map(good)
        .collect();
    let longest = bars
        .iter()
        .map(|b| good(b.2.median))
        .chain(reach.iter().copied())
        .fold(0.0, f64::max);
    let length = |good: f64| BARS * good / longest;
    for (i, (kind, name, s)) in bars.iter().enumerate() {
        let class = match kind {
            Kind::Ours => "ours",
            Kind::Rival => "rival",
            Kind::Floor => "floor",
        };
        let (top, width) = (y + 21 + i * 16, length(good(s.median)).max(1.0));
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"{width:.1}\" height=\"12\" rx=\"2\"/>"
        );
        let soft = if *kind == Kind::Ours { "" } else { "soft" };
        let words = format!("{} {} {name}", number(s.median), row.unit);
        let _ = writeln!(
            out,
            "<text class=\"{soft}\" x=\"{:.1}\" y=\"{}\">{}</text>",
            x as f64 + BARS + 8.0,
            top + 10,
            escape(words.trim())
        );
    }
    for reach in reach {
        let at = x as f64 + length(reach);
        let _ = writeln!(out, "<path class=\"reach\" d=\"M{at:.1} {}v16\"/>", y + 19);
    }
}

/// What is to be reached, in the row's unit.
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
