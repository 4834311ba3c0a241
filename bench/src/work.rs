//! What is measured: one piece of work with one contender, in a process of its own.

use crate::contender::{Contender, Keeps, MAX};
use crate::memory;
use crate::source::{self, Pace, Plan, Source};
use std::path::Path;
use std::time::{Duration, Instant};

mod check;
mod feed;
mod hits;
mod opener;
mod reads;
mod target;
mod values;
mod wait;

use opener::{Opener, pulled, sample};
use target::Target;
pub use values::Values;
use values::{KIB, MIB, millis, rate};

/// A piece of work.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Work {
    /// All kinds of reads and a save, each byte compared. Not timed.
    Check,
    /// Opens, and reads the last byte, so that all others are fetched.
    Pull { size: u64, chunk: usize },
    /// The same from a source of that pace.
    Paced { chunk: usize, pace: Pace },
    /// The same many times over in one process, with the free.
    Again { size: u64, chunk: usize },
    /// Reads fetched bytes at random offsets, on one thread and on two.
    Reads { size: u64, len: usize },
    /// Reads buffered bytes while the source sleeps.
    Wait,
    /// Reads everything in order, in steps of 64 KiB.
    Stream { size: u64 },
    /// The same on two threads at once, in steps of 8 KiB: each waits for bytes that the other
    /// fetches.
    Together { size: u64 },
    /// Saves fetched bytes.
    Save { size: u64 },
    /// Pulls, and reports the peak of memory.
    Peak { size: u64 },
    /// Fills many small buffers, and frees them.
    Handles { count: usize, each: u64 },
    /// Opens, reads and releases what a cache has, on one thread and on two.
    Hits { len: usize },
    /// Prefetches many buffers at once.
    Feed { pace: Option<Pace> },
    /// Measures the library's file; the driver does that.
    Size,
}

impl Work {
    /// Whether a contender that keeps received bytes there takes part in it.
    pub fn takes(self, keeps: Keeps) -> bool {
        match self {
            Work::Reads { size, .. } if size > MAX => keeps != Keeps::Memory,
            Work::Pull { size, .. } if size > 1024 * MIB => keeps != Keeps::Memory,
            Work::Reads { .. } | Work::Peak { .. } | Work::Handles { .. } => keeps != Keeps::Disk,
            _ => true,
        }
    }

    /// As words, for `contender.py`, where that can do it.
    pub fn words(self) -> Option<Vec<String>> {
        match self {
            Work::Check => Some(vec!["check".to_owned()]),
            Work::Stream { size } => Some(vec!["stream".to_owned(), size.to_string()]),
            Work::Reads { size, len } => {
                Some(vec!["reads".to_owned(), size.to_string(), len.to_string()])
            }
            _ => None,
        }
    }

    /// Does it with `contender`.
    pub fn run(self, contender: &Contender, dir: &Path) -> Values {
        let open = |plan: Plan, max: u64| (contender.open)(Source::new(plan), max);
        match self {
            Work::Check => check::run(&open, dir),
            Work::Pull { size, chunk } => pull(&open, Plan::new(size, chunk)),
            Work::Paced { chunk, pace } => {
                let pace = Some(pace);
                let plan = Plan::new(256 * MIB, chunk);
                pull(&open, Plan { pace, ..plan })
            }
            Work::Again { size, chunk } => {
                let plan = Plan::new(size, chunk);
                let mut times: Vec<_> = (0..60)
                    .map(|_| {
                        let start = Instant::now();
                        drop(pulled(&open, plan));
                        start.elapsed()
                    })
                    .collect();
                sample(&*pulled(&open, plan), &plan);
                times.sort();
                vec![("rate", rate(size, times[times.len() / 2]))]
            }
            Work::Reads { size, len } => reads::run(&open, Plan::new(size, 64 * KIB), len),
            Work::Wait => wait::run(&open),
            Work::Stream { size } => stream(&open, size),
            Work::Together { size } => together(&open, size),
            Work::Save { size } => save(&open, size, dir),
            Work::Peak { size } => peak(&open, size),
            Work::Handles { count, each } => handles(&open, count, each),
            Work::Hits { len } => hits::run(&open, len),
            Work::Feed { pace } => feed::run(&open, pace),
            Work::Size => Values::new(),
        }
    }
}

fn pull(open: Opener, plan: Plan) -> Values {
    source::block();
    let start = Instant::now();
    let buffer = pulled(open, plan);
    let time = start.elapsed();
    sample(&*buffer, &plan);
    let start = Instant::now();
    drop(buffer);
    let free = millis(start.elapsed());
    vec![("rate", rate(plan.size, time)), ("free", free)]
}

fn stream(open: Opener, size: u64) -> Values {
    let plan = Plan::new(size, 64 * KIB);
    let mut out = vec![1; 64 * KIB];
    source::block();
    let start = Instant::now();
    let mut longest = Duration::ZERO;
    let buffer = open(plan, MAX);
    let mut before = Instant::now();
    for off in (0..size).step_by(out.len()) {
        assert_eq!(buffer.read(off, &mut out), out.len(), "a read at {off}");
        let now = Instant::now();
        longest = longest.max(now - before);
        before = now;
    }
    let time = start.elapsed();
    sample(&*buffer, &plan);
    vec![("longest", millis(longest)), ("rate", rate(size, time))]
}

fn together(open: Opener, size: u64) -> Values {
    let plan = Plan::new(size, 8 * KIB);
    source::block();
    let start = Instant::now();
    let buffer = open(plan, MAX);
    let read_all = || {
        let mut out = vec![1; 8 * KIB];
        for off in (0..size).step_by(out.len()) {
            assert_eq!(buffer.read(off, &mut out), out.len(), "a read at {off}");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(read_all);
        read_all();
    });
    let time = start.elapsed();
    sample(&*buffer, &plan);
    vec![("rate", rate(size, time))]
}

fn save(open: Opener, size: u64, dir: &Path) -> Values {
    let plan = Plan::new(size, 64 * KIB);
    let buffer = pulled(open, plan);
    let target = Target(dir.join(format!("saved-{}", std::process::id())));
    let start = Instant::now();
    let saved = buffer.save(&target.0).expect("a contender that saves");
    let time = start.elapsed();
    assert_eq!(saved, size);
    check::file(&target.0, &plan);
    let mut values = vec![("save", millis(time))];
    buffer.spill();
    drop(target);
    let target = Target(dir.join(format!("linked-{}", std::process::id())));
    let start = Instant::now();
    if buffer.link(&target.0).is_some() {
        values.push(("link", millis(start.elapsed())));
        check::file(&target.0, &plan);
    }
    values
}

fn peak(open: Opener, size: u64) -> Values {
    let plan = Plan::new(size, 64 * KIB);
    let mut out = vec![1; 64 * KIB];
    // The block that the source copies from is the bench's own.
    source::block();
    memory::forget_peak();
    let (before, files) = (memory::now(), memory::files());
    let buffer = open(plan, MAX);
    for off in (0..size).step_by(out.len()) {
        assert_eq!(buffer.read(off, &mut out), out.len());
    }
    // Pages of code, loaded as they are first run, are no memory of a buffer.
    let code = memory::files() - files;
    vec![("peak", memory::peak() - before - code)]
}

fn handles(open: Opener, count: usize, each: u64) -> Values {
    memory::many_files();
    let plan = Plan::new(each, 64 * KIB);
    let mut last = [0];
    // All of the bench's own memory comes first: nothing of it may lie above what is freed.
    let mut out = vec![1; each as usize];
    let mut all = Vec::with_capacity(count);
    drop(open(plan, each));
    let before = memory::now();
    for _ in 0..count {
        let buffer = open(plan, each);
        assert_eq!(buffer.read(each - 1, &mut last), 1);
        all.push(buffer);
    }
    let held = memory::now() - before;
    for buffer in &all {
        assert_eq!(buffer.read(0, &mut out), out.len());
        assert!(plan.agrees(0, &out), "wrong bytes");
    }
    drop(all);
    vec![("held", held), ("left", memory::now() - before)]
}
