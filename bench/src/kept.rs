//! The values of earlier runs, kept as text, so that a report can be made in parts.

use crate::contender;
use crate::results::{Results, SIZE, Values};
use crate::rows;
use std::fmt::Write;
use std::path::Path;

/// Puts the file's values before those of this run.
pub fn add(results: &mut Results, file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut values = Values::new();
    for line in text.lines() {
        if let Some((name, why)) = line
            .strip_prefix("left out ")
            .and_then(|l| l.split_once(": "))
        {
            let known = results.missing.iter().any(|(n, _)| n == name);
            if !known {
                results.missing.push((name.to_owned(), why.to_owned()));
            }
            continue;
        }
        let mut words = line.split(' ');
        let row = words.next().and_then(rows::by_id);
        let contender = words.next().and_then(contender::by_name);
        let (Some(row), Some(contender)) = (row, contender) else {
            return Err(format!("{}: not understood: {line}", file.display()));
        };
        let numbers = words.map(|word| word.parse::<f64>().map_err(|e| format!("{word}: {e}")));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        values.insert((row.id, contender.name), numbers);
    }
    for (key, new) in std::mem::take(&mut results.values) {
        if key.0 == SIZE {
            values.insert(key, new);
        } else {
            values.entry(key).or_default().extend(new);
        }
    }
    let all = || rows::ALL.iter().chain(rows::NAMED);
    results.rows = all()
        .filter(|row| values.keys().any(|(id, _)| *id == row.id))
        .collect();
    results.contenders = contender::ALL
        .iter()
        .filter(|c| values.keys().any(|(_, name)| *name == c.name))
        .collect();
    results.values = values;
    Ok(())
}

/// A line in the form that `add` reads.
pub fn render(results: &Results) -> String {
    let mut out = String::new();
    for (name, why) in &results.missing {
        let _ = writeln!(
            out,
            "left out {name}: {}",
            why.lines().next().unwrap_or_default()
        );
    }
    for ((row, contender), values) in &results.values {
        let values: Vec<_> = values.iter().map(f64::to_string).collect();
        let _ = writeln!(out, "{row} {contender} {}", values.join(" "));
    }
    out
}
