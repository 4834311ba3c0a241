//! The report for programs.

use crate::contender::Kind;
use crate::outcome::Outcome;
use crate::results::Results;
use crate::rows::Better;
use std::fmt::{Display, Write};

/// The whole report as one JSON object.
pub fn render(results: &Results) -> String {
    let mut out = format!("{{\n  \"command\": {},\n", text(&results.command));
    let _ = writeln!(out, "  \"rounds\": {},", text(&results.rounds()));
    let facts = results
        .facts
        .iter()
        .map(|(name, value)| pair(name, text(value)));
    let _ = writeln!(out, "  \"machine\": {},", object(facts));
    let missing = results
        .missing
        .iter()
        .map(|(name, why)| pair(name, text(why)));
    let _ = writeln!(out, "  \"left_out\": {},", object(missing));
    if let Some(size) = results.shown_size() {
        let table = |parts: &[(String, u64)]| object(parts.iter().map(|(n, s)| pair(n, s)));
        let (sections, crates) = (table(&size.sections), table(&size.crates));
        let parts = [
            pair("stripped", size.stripped),
            pair("sections", sections),
            pair("code", crates),
        ];
        let _ = writeln!(out, "  \"library\": {},", object(parts.into_iter()));
    }
    let rows: Vec<_> = results
        .outcomes()
        .iter()
        .map(|o| format!("    {}", row(results, o)))
        .collect();
    let _ = write!(out, "  \"rows\": [\n{}\n  ]\n}}\n", rows.join(",\n"));
    out
}

fn row(results: &Results, outcome: &Outcome) -> String {
    let row = outcome.row;
    let contender = |(name, kind, s): &(&str, Kind, crate::stats::Summary)| {
        let kind = match kind {
            Kind::Ours => "ours",
            Kind::Rival => "rival",
            Kind::Floor => "floor",
        };
        let values = results
            .values
            .iter()
            .find(|(k, _)| k.0 == row.id && k.1 == *name);
        let values: Vec<_> = values
            .into_iter()
            .flat_map(|(_, v)| v)
            .map(f64::to_string)
            .collect();
        let parts = [
            pair("kind", text(kind)),
            pair("median", s.median),
            pair("low", s.low),
            pair("high", s.high),
            pair("values", format!("[{}]", values.join(", "))),
        ];
        pair(name, object(parts.into_iter()))
    };
    let targets = outcome
        .verdicts()
        .into_iter()
        .map(|(words, met)| pair(&words, met.map_or("null".to_owned(), |met| met.to_string())));
    let ratio = |x: Option<f64>| x.map_or("null".to_owned(), |x| x.to_string());
    let parts = [
        pair("id", text(row.id)),
        pair("title", text(row.title)),
        pair("unit", text(row.unit)),
        pair(
            "better",
            text(if row.better == Better::More {
                "more"
            } else {
                "less"
            }),
        ),
        pair("ours_over_best", ratio(outcome.over_best())),
        pair("ours_over_floor", ratio(outcome.over_floor())),
        pair("targets", object(targets)),
        pair("results", object(outcome.all.iter().map(contender))),
    ];
    object(parts.into_iter())
}

/// A name with its value.
pub fn pair(name: &str, value: impl Display) -> String {
    format!("{}: {value}", text(name))
}

/// An object of such pairs.
pub fn object(pairs: impl Iterator<Item = String>) -> String {
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

/// A string.
pub fn text(plain: &str) -> String {
    let mut out = String::from("\"");
    for c in plain.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push(' '),
            c => out.push(c),
        }
    }
    out + "\""
}
