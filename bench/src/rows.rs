//! The figures: what is measured, with which contenders, and the targets.

use crate::contender::{Contender, Kind};
use crate::source::Pace::{Arrives, Works};
use crate::work::Work;

/// Which way is better.
#[derive(Clone, Copy, PartialEq)]
pub enum Better {
    More,
    Less,
}

/// A target.
#[derive(Clone, Copy)]
pub enum Target {
    /// This many times the best rival.
    Best(f64),
    /// This many times the better floor.
    Floor(f64),
    /// The figure itself.
    Value(f64),
}

/// One figure.
pub struct Row {
    pub id: &'static str,
    pub title: &'static str,
    pub unit: &'static str,
    pub better: Better,
    pub work: Work,
    pub metric: &'static str,
    /// The floors that fit; every rival does the work.
    pub floors: &'static [&'static str],
    pub targets: &'static [Target],
}

use Better::{Less, More};
use Target::{Best, Floor, Value};

const K: usize = 1 << 10;
const M: u64 = 1 << 20;
/// The time of a MiB at 1 Gbit/s, at 10 Gbit/s and at 100 Mbit/s, in nanoseconds.
const MIB_1G: u64 = 8_388_608;
const MIB_10G: u64 = MIB_1G / 10;
const MIB_100M: u64 = MIB_1G * 10;
const OUTSIDE: &[&str] = &["spoolbuf-pull"];
const WRITES: &[&str] = &["writes", "pieces"];
const RESERVE: &[&str] = &["writes", "unreserved", "pieces"];
const OVERLAP: &[&str] = &["pieces", "overlapped"];
const PULL: Work = Work::Pull {
    size: 256 * M,
    chunk: 64 * K,
};
const PULL_8: Work = Work::Pull {
    size: 256 * M,
    chunk: 8 * K,
};
const SAVE: Work = Work::Save { size: 256 * M };
const HANDLES: Work = Work::Handles {
    count: 1000,
    each: 64 << 10,
};
const FILL: Work = Work::Stream { size: 16 * M };
const HIT: Work = Work::Hits { len: 4 * K };
const FEED: Work = Work::Feed {
    pace: Some(Arrives(MIB_100M)),
};
const STREAM: Work = Work::Stream { size: 256 * M };

const fn memory(len: usize) -> Work {
    Work::Reads { size: 4 * M, len }
}

const fn disk(len: usize) -> Work {
    Work::Reads { size: 256 * M, len }
}

macro_rules! row {
    ($id:literal, $title:literal, $unit:literal, $better:ident, $work:expr, $metric:literal,
     $floors:expr, $targets:expr) => {
        Row {
            id: $id,
            title: $title,
            unit: $unit,
            better: $better,
            work: $work,
            metric: $metric,
            floors: $floors,
            targets: $targets,
        }
    };
}

/// All of them, in the order of the report.
#[rustfmt::skip]
pub const ALL: &[Row] = &[
    row!("pull-256-64", "pull through 256 MiB, 64 KiB chunks", "MiB/s", More, PULL, "rate", WRITES, &[Best(1.7), Floor(0.9)]),
    row!("pull-256-8", "pull through 256 MiB, 8 KiB chunks", "MiB/s", More, PULL_8, "rate", WRITES, &[Best(4.0), Floor(0.9)]),
    row!("push-64", "push 256 MiB, 64 KiB chunks; floor: pull through them", "MiB/s", More, PULL, "rate", &["spoolbuf-pull"], &[Floor(0.95)]),
    row!("stream-256", "read through 256 MiB in order, 64 KiB a read", "MiB/s", More, STREAM, "rate", WRITES, &[]),
    row!("pull-4-again", "pull through 4 MiB, again and again", "MiB/s", More, Work::Again { size: 4 * M, chunk: 64 * K }, "rate", &["memcpy"], &[Best(1.0)]),
    row!("pull-4-first", "pull through 4 MiB, first of a process", "MiB/s", More, Work::Pull { size: 4 * M, chunk: 64 * K }, "rate", &["fresh-4k", "fresh-huge"], &[Best(4.0)]),
    row!("memory-16", "read 16 B from memory", "ns", Less, memory(16), "ns", &["memcpy"], &[Value(45.0)]),
    row!("memory-4k", "read 4 KiB from memory", "ns", Less, memory(4 * K), "ns", &["memcpy"], &[Floor(1.3)]),
    row!("memory-64k", "read 64 KiB from memory", "ns", Less, memory(64 * K), "ns", &["memcpy"], &[Floor(1.05)]),
    row!("memory-16-threads", "16 B from memory, two threads over one", "times", More, memory(16), "threads", &["memcpy"], &[]),
    row!("memory-4k-threads", "4 KiB from memory, two threads over one", "times", More, memory(4 * K), "threads", &["memcpy"], &[Value(1.7)]),
    row!("memory-64k-threads", "64 KiB from memory, two threads over one", "times", More, memory(64 * K), "threads", &["memcpy"], &[]),
    row!("disk-16", "read 16 B from disk", "ns", Less, disk(16), "ns", WRITES, &[]),
    row!("disk-4k", "read 4 KiB from disk", "ns", Less, disk(4 * K), "ns", WRITES, &[Floor(1.15)]),
    row!("disk-64k", "read 64 KiB from disk", "ns", Less, disk(64 * K), "ns", WRITES, &[Floor(1.1)]),
    row!("disk-4k-threads", "4 KiB from disk, two threads over one", "times", More, disk(4 * K), "threads", WRITES, &[Value(1.7)]),
    row!("disk-64k-threads", "64 KiB from disk, two threads over one", "times", More, disk(64 * K), "threads", WRITES, &[Value(1.55)]),
    row!("wait", "longest buffered read, source asleep 950 ms", "ms", Less, Work::Wait, "longest", &[], &[Value(0.1)]),
    row!("wait-rate", "rate of such reads, relative to normal", "times", More, Work::Wait, "rate", &[], &[Value(0.9)]),
    row!("wait-calm", "longest read with nobody waiting", "ms", Less, Work::Wait, "calm", &[], &[]),
    row!("fill-16", "longest read while filling 16 MiB", "ms", Less, FILL, "longest", WRITES, &[Value(0.2)]),
    row!("save-256", "save 256 MiB, copied, no fsync", "ms", Less, SAVE, "save", WRITES, &[Floor(1.1)]),
    row!("save-linked", "save 256 MiB, linked", "ms", Less, SAVE, "link", &[], &[Value(1.0)]),
    row!("free-256", "free 256 MiB", "ms", Less, PULL, "free", WRITES, &[]),
    row!("peak-256", "peak memory while filling 256 MiB", "MiB", Less, Work::Peak { size: 256 * M }, "peak", &[], &[Value(5.5)]),
    row!("handles-1000", "memory of 1,000 buffers of 64 KiB", "MiB", Less, HANDLES, "held", &[], &[Value(68.75)]),
    row!("handles-freed", "memory left after they are freed", "MiB", Less, HANDLES, "left", &[], &[Value(6.4)]),
    row!("cached-memory-4k", "read 4 KiB from memory, in a cache; floor: without one", "ns", Less, memory(4 * K), "ns", OUTSIDE, &[Floor(1.05)]),
    row!("cached-memory-64k", "read 64 KiB from memory, in a cache; floor: without one", "ns", Less, memory(64 * K), "ns", OUTSIDE, &[Floor(1.05)]),
    row!("cached-disk-4k", "read 4 KiB from disk, in a cache; floor: without one", "ns", Less, disk(4 * K), "ns", OUTSIDE, &[Floor(1.05)]),
    row!("cached-pull-64", "pull through 256 MiB, in a cache; floor: without one", "MiB/s", More, PULL, "rate", OUTSIDE, &[]),
    row!("hit-4k", "open from a cache, read the first 4 KiB, release", "ns", Less, HIT, "ns", &[], &[]),
    row!("hit-4k-threads", "the same, two threads with a key each over one", "times", More, HIT, "threads", &[], &[]),
    row!("feed-instant", "prefetch 50 × 1 MiB in a cache; floor: a thread each", "MiB/s", More, Work::Feed { pace: None }, "rate", OUTSIDE, &[]),
    row!("feed-100m", "the same, bytes arrive at 50 × 100 Mbit/s", "MiB/s", More, FEED, "rate", OUTSIDE, &[]),
    row!("feed-100m-threads", "the same, threads of the process", "threads", Less, FEED, "tasks", OUTSIDE, &[]),
    row!("python-stream", "from Python: read through 256 MiB, 64 KiB a read", "MiB/s", More, STREAM, "rate", &[], &[]),
    row!("python-memory-4k", "from Python: read 4 KiB from memory", "ns", Less, memory(4 * K), "ns", &[], &[]),
    row!("python-memory-4k-threads", "from Python: the same, two threads over one", "times", More, memory(4 * K), "threads", &[], &[]),
    row!("python-disk-4k", "from Python: read 4 KiB from disk", "ns", Less, disk(4 * K), "ns", &[], &[]),
    row!("python-disk-4k-threads", "from Python: the same, two threads over one", "times", More, disk(4 * K), "threads", &[], &[]),
    row!("library-size", "the stripped shared library", "KiB", Less, Work::Size, "size", &[], &[Value(700.0)]),
];

/// Only if named by `--only`: 4 GiB, to show that the cost of a read does not grow; the effect of
/// reserving blocks, which differs between file systems; the effect of a second thread that writes,
/// for an instant source and for slower ones; and rows where the locks matter most.
#[rustfmt::skip]
pub const NAMED: &[Row] = &[
    row!("huge-pull", "pull through 4 GiB, 64 KiB chunks", "MiB/s", More, Work::Pull { size: 4096 * M, chunk: 64 * K }, "rate", WRITES, &[]),
    row!("huge-4k", "read 4 KiB from disk, of 4 GiB", "ns", Less, Work::Reads { size: 4096 * M, len: 4 * K }, "ns", WRITES, &[Floor(1.15)]),
    row!("reserve-64", "pull through 256 MiB, 64 KiB chunks", "MiB/s", More, PULL, "rate", RESERVE, &[]),
    row!("reserve-8", "pull through 256 MiB, 8 KiB chunks", "MiB/s", More, PULL_8, "rate", RESERVE, &[]),
    row!("reserve-save", "save 256 MiB, copied, no fsync", "ms", Less, SAVE, "save", RESERVE, &[]),
    row!("reserve-free", "free 256 MiB", "ms", Less, PULL, "free", RESERVE, &[]),
    row!("overlap-64", "pull through 256 MiB, 64 KiB chunks", "MiB/s", More, PULL, "rate", OVERLAP, &[]),
    row!("overlap-8", "pull through 256 MiB, 8 KiB chunks", "MiB/s", More, PULL_8, "rate", OVERLAP, &[]),
    row!("overlap-10g-64", "the same, 64 KiB, source works 10 Gbit/s", "MiB/s", More, Work::Paced { chunk: 64 * K, pace: Works(MIB_10G) }, "rate", OVERLAP, &[]),
    row!("overlap-10g-8", "the same, 8 KiB, source works 10 Gbit/s", "MiB/s", More, Work::Paced { chunk: 8 * K, pace: Works(MIB_10G) }, "rate", OVERLAP, &[]),
    row!("overlap-1g-64", "the same, 64 KiB, source works 1 Gbit/s", "MiB/s", More, Work::Paced { chunk: 64 * K, pace: Works(MIB_1G) }, "rate", OVERLAP, &[]),
    row!("overlap-1g-8", "the same, 8 KiB, source works 1 Gbit/s", "MiB/s", More, Work::Paced { chunk: 8 * K, pace: Works(MIB_1G) }, "rate", OVERLAP, &[]),
    row!("overlap-socket-64", "the same, 64 KiB, bytes arrive at 10 Gbit/s", "MiB/s", More, Work::Paced { chunk: 64 * K, pace: Arrives(MIB_10G) }, "rate", OVERLAP, &[]),
    row!("overlap-socket-8", "the same, 8 KiB, bytes arrive at 10 Gbit/s", "MiB/s", More, Work::Paced { chunk: 8 * K, pace: Arrives(MIB_10G) }, "rate", OVERLAP, &[]),
    row!("locks-together", "two threads read 64 MiB as it comes, 8 KiB each", "MiB/s", More, Work::Together { size: 64 * M }, "rate", &[], &[]),
];

impl Row {
    /// Whether it is one of those that are driven from Python.
    pub fn python(&self) -> bool {
        self.id.starts_with("python-")
    }

    /// Rows of the same kind come from one run of the same contenders.
    pub fn kind(&self) -> (Work, bool, Option<&'static str>) {
        (self.work, self.python(), self.only())
    }

    /// The contender that is compared with nothing but floors, if it is a row for that.
    fn only(&self) -> Option<&'static str> {
        match self.id.split('-').next() {
            Some("push") => Some("spoolbuf-push"),
            Some("cached" | "hit" | "feed") => Some("spoolbuf-cached"),
            _ => None,
        }
    }

    /// Whether a contender takes part in it.
    pub fn takes(&self, contender: &Contender) -> bool {
        let fits = match contender.kind {
            Kind::Floor => self.floors.contains(&contender.name),
            _ => match self.only() {
                Some(name) => contender.name == name,
                None => !["spoolbuf-push", "spoolbuf-cached"].contains(&contender.name),
            },
        };
        fits && self.python() == contender.package.is_some() && self.work.takes(contender.keeps)
    }
}

/// The rows whose names, or beginnings of names, are in `only`; all of `ALL` if it is empty.
pub fn asked(only: &[String]) -> Vec<&'static Row> {
    let named = |row: &&Row| only.iter().any(|name| row.id.starts_with(name.as_str()));
    let usual = ALL.iter().filter(|row| only.is_empty() || named(row));
    usual.chain(NAMED.iter().filter(named)).collect()
}

/// The row of that name.
pub fn by_id(id: &str) -> Option<&'static Row> {
    ALL.iter().chain(NAMED).find(|row| row.id == id)
}
