//! The report as text.

use crate::contender;
use crate::results::Results;
use crate::rows;
use std::fmt::Write;

/// The whole report.
pub fn render(results: &Results) -> String {
    let mut out = String::new();
    for outcome in results.outcomes() {
        let row = outcome.row;
        let _ = writeln!(out, "\n{}  {} [{}]", row.id, row.title, row.unit);
        for (name, _, s) in &outcome.all {
            let (low, median, high) = (number(s.low), number(s.median), number(s.high));
            let _ = writeln!(out, "    {name:<16} {median:>9}   ({low} to {high})");
        }
        let ratio = |x: Option<f64>| x.map_or("–".to_owned(), short);
        let _ = write!(out, "    ours: {} × best", ratio(outcome.over_best()));
        let _ = write!(out, ", {} × floor", ratio(outcome.over_floor()));
        for (text, met) in outcome.verdicts() {
            let word = met.map_or("nothing to compare", |m| if m { "met" } else { "NOT MET" });
            let _ = write!(out, "; {text}: {word}");
        }
        out.push('\n');
    }
    if let Some(size) = results.shown_size() {
        for (what, parts) in [
            ("sections", &size.sections),
            ("code by crate", &size.crates),
        ] {
            let _ = writeln!(out, "\nin the library: {what} [bytes, from 1 KiB]");
            for (name, size) in parts {
                let _ = writeln!(out, "    {name:<20} {size:>9}");
            }
        }
    }
    for (name, why) in &results.missing {
        let _ = writeln!(out, "\nleft out: {name} ({why})");
    }
    let facts: Vec<_> = results
        .facts
        .iter()
        .map(|(n, v)| format!("{n}: {v}"))
        .collect();
    let _ = writeln!(
        out,
        "\n{}; medians of {} rounds (quartiles)",
        facts.join("; "),
        results.rounds()
    );
    out
}

/// Names of rows and contenders.
pub fn list() {
    println!("rows:");
    for row in rows::ALL.iter().chain(rows::NAMED) {
        println!("  {:<20} {} [{}]", row.id, row.title, row.unit);
    }
    println!("contenders:");
    for c in contender::ALL {
        println!("  {:<20} {}", c.name, c.what);
    }
}

/// A ratio. One that is out of all proportion is shown as a bound.
pub fn short(x: f64) -> String {
    if x > 1000.0 {
        "over 1,000".to_owned()
    } else {
        format!("{x:.2}")
    }
}

/// A number with its significant digits.
pub fn number(x: f64) -> String {
    match x.abs() {
        a if a >= 100.0 => {
            let digits = format!("{x:.0}");
            let cut = digits.len().saturating_sub(3);
            if a >= 1000.0 {
                format!("{},{}", &digits[..cut], &digits[cut..])
            } else {
                digits
            }
        }
        a if a >= 10.0 => format!("{x:.1}"),
        a if a >= 1.0 => format!("{x:.2}"),
        _ => format!("{x:.3}"),
    }
}
