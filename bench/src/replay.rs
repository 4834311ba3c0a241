//! The replay: which share of the requests each eviction policy finds in a cache of that size.
//!
//! A trace is a list of requests, made from a seed, so that every run has the same hits. Each round
//! has another seed: where the few large resources happen to be decides much. The table has the
//! medians of the rounds.

mod admission;
mod cache;
mod dice;
mod lru;
mod plan;
mod report;
mod s3_fifo;
mod shipped;
mod sieve;
mod trace;

use crate::files::put;
use crate::markdown;
use cache::{Outcome, Policy};
use plan::{BUDGETS, Cell, Line, POLICIES, ReplayOptions};
use std::path::Path;
use trace::{Kind, Trace};

/// Replays all traces and writes the report.
pub fn run(args: impl Iterator<Item = String>) -> Result<(), String> {
    let options = ReplayOptions::parse(args)?;
    let lines = replay_all(&options);
    print!("{}", report::text(&lines, &options));
    let dir = &options.out;
    std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    put(&dir.join("replay.json"), report::json(&lines, &options))?;
    put(&dir.join("replay.md"), report::markdown(&lines, &options))?;
    println!("also in {}: replay.json, replay.md", dir.display());
    if options.publish {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let table = report::markdown(&lines, &options);
        markdown::put(&table, report::MARKS, &readme)?;
    }
    Ok(())
}

fn replay_all(options: &ReplayOptions) -> Vec<Line> {
    let of_kind = |kind: Kind| {
        let seeds = 1..=options.rounds;
        let traces: Vec<_> = seeds
            .map(|seed| kind.trace(options.requests, seed))
            .collect();
        BUDGETS.map(|budget| line(kind, budget, &traces))
    };
    Kind::ALL.into_iter().flat_map(of_kind).collect()
}

fn line(kind: Kind, budget: u64, traces: &[Trace]) -> Line {
    let cell = |policy| Cell {
        policy,
        shares: traces
            .iter()
            .map(|trace| outcome(policy, trace, budget).shares())
            .collect(),
    };
    let cells = POLICIES.into_iter().map(cell).collect();
    Line {
        kind,
        budget,
        cells,
    }
}

fn outcome(policy: &str, trace: &Trace, budget: u64) -> Outcome {
    match by_name(policy, budget) {
        Some(mut policy) => cache::replay(trace, budget, &mut *policy),
        None => cache::unlimited(trace),
    }
}

fn by_name(policy: &str, budget: u64) -> Option<Box<dyn Policy>> {
    match policy {
        "lru" => Some(Box::new(lru::Lru::default())),
        "spoolbuf" => Some(Box::new(shipped::Shipped::new(budget))),
        "sieve" => Some(Box::new(sieve::Sieve::default())),
        "admission" => Some(Box::new(admission::Admission::new(budget))),
        "s3-fifo" => Some(Box::new(s3_fifo::S3Fifo::new(budget))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
