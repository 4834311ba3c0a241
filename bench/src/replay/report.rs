//! The replay's report: as text, for programs, and as a Markdown table.

use super::plan::{BUDGETS, Cell, Line, MIB, POLICIES, ReplayOptions};
use crate::json::{self, object, pair};
use crate::stats::{Summary, summary};
use std::fmt::Write;

/// The README has the table between these lines.
pub const MARKS: [&str; 2] = [
    "<!-- Written by `replay --publish`. -->\n",
    "<!-- The end of what `replay --publish` writes. -->\n",
];

impl Line {
    /// As the ids of the bench's rows are.
    fn id(&self) -> String {
        format!("replay-{}-{}", self.kind.id(), self.budget / MIB)
    }

    fn title(&self) -> String {
        format!("{}, {} MiB", self.kind.title(), self.budget / MIB)
    }
}

impl Cell {
    /// Of the shares of the requests (0) or the bytes (1).
    fn values(&self, which: usize) -> Vec<f64> {
        self.shares.iter().map(|shares| shares[which]).collect()
    }

    fn summary(&self, which: usize) -> Summary {
        summary(&self.values(which))
    }
}

fn caption(options: &ReplayOptions) -> String {
    let (requests, rounds) = (options.requests, options.rounds);
    format!("Medians of {rounds} traces of each kind, of {requests} requests")
}

/// The report as text.
pub fn text(lines: &[Line], options: &ReplayOptions) -> String {
    let mut out = String::new();
    for line in lines {
        let (id, title) = (line.id(), line.title());
        let _ = writeln!(out, "\n{id}  {title} [% of requests; % of bytes]");
        for cell in &line.cells {
            let _ = write!(out, "    {:<16}", cell.policy);
            for which in [0, 1] {
                let Summary { median, low, high } = cell.summary(which);
                let _ = write!(out, " {median:>6.1} ({low:.1} to {high:.1})   ");
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
    }
    let _ = writeln!(out, "\n{} (quartiles)", caption(options));
    out
}

/// The report as one JSON object.
pub fn json(lines: &[Line], options: &ReplayOptions) -> String {
    let rows: Vec<_> = lines
        .iter()
        .map(|line| format!("    {}", row(line)))
        .collect();
    let (rounds, requests) = (
        pair("rounds", options.rounds),
        pair("requests", options.requests),
    );
    let rows = rows.join(",\n");
    format!("{{\n  {rounds},\n  {requests},\n  \"rows\": [\n{rows}\n  ]\n}}\n")
}

fn row(line: &Line) -> String {
    let parts = [
        pair("id", json::text(&line.id())),
        pair("title", json::text(&line.title())),
        pair("unit", json::text("%")),
        pair("better", json::text("more")),
        pair("results", object(line.cells.iter().map(result))),
    ];
    object(parts.into_iter())
}

fn result(cell: &Cell) -> String {
    let share = |(which, name)| {
        let Summary { median, low, high } = cell.summary(which);
        let values: Vec<_> = cell.values(which).iter().map(f64::to_string).collect();
        let parts = [
            pair("median", median),
            pair("low", low),
            pair("high", high),
            pair("values", format!("[{}]", values.join(", "))),
        ];
        pair(name, object(parts.into_iter()))
    };
    let shares = [(0, "requests"), (1, "bytes")].into_iter().map(share);
    pair(cell.policy, object(shares))
}

/// The report as a table: the shares of the requests and of the bytes.
pub fn markdown(lines: &[Line], options: &ReplayOptions) -> String {
    let caption = caption(options);
    let mut out = format!("{caption}. In percent: hits by requests / by bytes.\n\n");
    let _ = writeln!(out, "| trace | budget | {} |", POLICIES.join(" | "));
    let _ = writeln!(out, "|---|---|{}", "---|".repeat(POLICIES.len()));
    for (at, line) in lines.iter().enumerate() {
        let is_first = at % BUDGETS.len() == 0;
        let title = if is_first { line.kind.title() } else { "" };
        let _ = write!(out, "| {title} | {} MiB |", line.budget / MIB);
        for cell in &line.cells {
            let [requests, bytes] = [0, 1].map(|which| cell.summary(which).median);
            let _ = write!(out, " {requests:.1} / {bytes:.1} |");
        }
        out.push('\n');
    }
    out
}
