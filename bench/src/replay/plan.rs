//! What is replayed, and what comes of it.

use super::trace::Kind;
use crate::options::HELP;
use std::path::{Path, PathBuf};

pub(super) const MIB: u64 = 1 << 20;
/// The budgets of the cache, in bytes.
pub(super) const BUDGETS: [u64; 3] = [128 * MIB, 512 * MIB, 2048 * MIB];
/// The policies. The last two are what they are compared with.
pub(super) const POLICIES: [&str; 6] = [
    "lru",
    "spoolbuf",
    "sieve",
    "s3-fifo",
    "admission",
    "unlimited",
];

/// What one policy found in each round.
pub(super) struct Cell {
    pub(super) policy: &'static str,
    /// In percent: of the requests, of the bytes.
    pub(super) shares: Vec<[f64; 2]>,
}

/// One trace with one budget.
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) budget: u64,
    pub(super) cells: Vec<Cell>,
}

pub(super) struct ReplayOptions {
    pub(super) rounds: u64,
    pub(super) requests: usize,
    pub(super) out: PathBuf,
    pub(super) publish: bool,
}

impl ReplayOptions {
    pub(super) fn new() -> ReplayOptions {
        ReplayOptions {
            rounds: 9,
            requests: 40_000,
            out: Path::new(env!("CARGO_MANIFEST_DIR")).join("report"),
            publish: false,
        }
    }

    pub(super) fn parse(mut args: impl Iterator<Item = String>) -> Result<ReplayOptions, String> {
        let mut options = ReplayOptions::new();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            let number = |text: String| text.parse::<u64>().map_err(|e| format!("{arg}: {e}"));
            match arg.as_str() {
                "--rounds" => options.rounds = number(value()?)?.max(1),
                "--requests" => options.requests = number(value()?)? as usize,
                "--out" => options.out = value()?.into(),
                "--publish" => options.publish = true,
                "--help" | "-h" => return Err(HELP.to_owned()),
                _ => return Err(format!("{arg} is not known: see --help")),
            }
        }
        Ok(options)
    }
}
