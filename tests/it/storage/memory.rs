//! Memory is released: that of spilled bytes, and that of freed buffers.

use spoolbuf::{Result, Source, StreamBuffer};

use crate::child::alone;
use crate::options::{self, Options};

/// Bytes for each buffer, few enough for seconds; SPOOLBUF_TEST_MIB asks for more.
fn each() -> u64 {
    let asked = std::env::var("SPOOLBUF_TEST_MIB").ok();
    asked.map_or(2, |asked| asked.parse().expect("a number")) << 20
}

const BUFFERS: usize = 1000;
const MAX: u64 = 64 * 1024;

/// Some bytes, copied from a pattern.
struct Copies {
    pattern: Vec<u8>,
    left: u64,
    /// To anywhere: all bytes are the same.
    seeks: bool,
}

impl Source for Copies {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let count = (out.len() as u64).min(self.left) as usize;
        let mut rest = &mut out[..count];
        while !rest.is_empty() {
            let piece = rest.len().min(self.pattern.len());
            let (now, later) = rest.split_at_mut(piece);
            now.copy_from_slice(&self.pattern[..piece]);
            rest = later;
        }
        self.left -= count as u64;
        Ok(count)
    }

    fn can_seek(&self) -> bool {
        self.seeks
    }

    fn jump(&mut self, _offset: u64) -> Result<()> {
        Ok(())
    }
}

/// A field of /proc/self/status, in bytes.
fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .expect("a field");
    let kibibytes = line.split_whitespace().nth(1).expect("a number");
    kibibytes.parse::<u64>().expect("a number") << 10
}

fn new(max: u64, size: u64) -> StreamBuffer {
    declared(None, max, size)
}

fn declared(declared: Option<u64>, max: u64, size: u64) -> StreamBuffer {
    open(declared, max, size, false)
}

fn open(declared: Option<u64>, max: u64, size: u64, seeks: bool) -> StreamBuffer {
    let source = Copies {
        pattern: vec![7; 64 * 1024],
        left: size,
        seeks,
    };
    let options = Options {
        size: declared,
        max_memory: max,
        spool_dir: std::env::var_os("SPOOLBUF_TEST_SPOOL").map(Into::into),
        ..Options::default()
    };
    options::open(source, options).expect("a buffer")
}

fn fill() -> StreamBuffer {
    let buffer = new(MAX, each());
    let mut out = vec![0; 256 * 1024];
    let mut at = 0;
    while at < each() {
        at += buffer.read_at(at, &mut out).expect("bytes") as u64;
        assert!(out.iter().step_by(997).all(|byte| *byte == 7));
    }
    assert!(buffer.stats().memory <= MAX + super::PIECE);
    buffer
}

/// The growth since then.
fn grown(before: u64) -> u64 {
    status("VmRSS").saturating_sub(before)
}

/// Large enough for chunks to come out of arenas.
#[test]
fn resident_memory_is_the_limit_and_a_segment() {
    const LIMIT: u64 = 3 << 20;
    const MANY: u64 = 20;
    /// Pages of the process's own that come and go, and the arenas that are kept for all buffers.
    const SLACK: u64 = 16 << 20;
    if !alone("storage::memory::resident_memory_is_the_limit_and_a_segment") {
        return;
    }
    // All of it is touched at once: a page that is only reserved does not show.
    let pass = |buffer: &StreamBuffer, from: u64, to: u64| {
        let mut out = vec![0; 64 * 1024];
        for at in (from..to).step_by(out.len()) {
            assert_eq!(buffer.read_at(at, &mut out).expect("bytes"), out.len());
        }
    };
    let before = status("VmRSS");
    let buffers: Vec<_> = (0..MANY).map(|_| new(LIMIT, 16 << 20)).collect();
    for (reached, until) in [(0, 3 << 20), (3 << 20, 12 << 20)] {
        for buffer in &buffers {
            pass(buffer, reached, until);
        }
        let (held, most) = (grown(before), MANY * (LIMIT + super::PIECE) + SLACK);
        println!("{MANY} buffers, {until} bytes in each: {held} bytes resident, of {most}");
        assert!(
            held <= most,
            "{held} bytes for {MANY} buffers, {until} read"
        );
    }
    for buffer in &buffers {
        buffer.spill().expect("room");
        assert_eq!(buffer.stats().memory, 0);
    }
    let (held, most) = (grown(before), MANY * super::PIECE + SLACK);
    println!("all spilled: {held} bytes resident, of {most}");
    assert!(held <= most, "{held} bytes for {MANY} buffers, all spilled");
    drop(buffers);
    // Freed with all their bytes.
    let buffers: Vec<_> = (0..MANY).map(|_| new(LIMIT, LIMIT)).collect();
    for buffer in &buffers {
        pass(buffer, 0, LIMIT);
    }
    drop(buffers);
    let held = grown(before);
    println!("all freed: {held} bytes resident, of {SLACK}");
    assert!(held <= SLACK, "{held} bytes for no buffer");
}

/// A resource that is declared to end soon gets no memory for more, however far it has come.
#[test]
fn a_short_resource_costs_its_size() {
    const SIZE: u64 = 700 << 10;
    const MANY: u64 = 20;
    /// Pages of the process itself that come and go, and one more for each segment.
    const SLACK: u64 = 4 << 20;
    if !alone("storage::memory::a_short_resource_costs_its_size") {
        return;
    }
    let before = status("VmRSS");
    let buffers: Vec<_> = (0..MANY)
        .map(|_| declared(Some(SIZE), 5 << 20, SIZE))
        .collect();
    for buffer in &buffers {
        assert_eq!(buffer.read_at(SIZE - 1, &mut [0]).expect("a byte"), 1);
    }
    let (held, most) = (grown(before), MANY * SIZE + SLACK);
    println!("{MANY} buffers of {SIZE} bytes: {held} bytes resident, of {most}");
    assert!(held <= most, "{held} bytes for {MANY} buffers");
}

/// The rest of an arena is not kept beside new segments when the source seeks away.
#[test]
fn resident_memory_is_the_limit_after_jumps() {
    const LIMIT: u64 = 5 << 20;
    const MANY: u64 = 20;
    /// As above.
    const SLACK: u64 = 12 << 20;
    const FAR: u64 = 100 << 20;
    if !alone("storage::memory::resident_memory_is_the_limit_after_jumps") {
        return;
    }
    let before = status("VmRSS");
    let buffers: Vec<_> = (0..MANY)
        .map(|_| open(Some(100 * FAR), LIMIT, u64::MAX, true))
        .collect();
    let mut out = vec![0; 64 * 1024];
    for buffer in &buffers {
        let forwards = (0..2_400_000).step_by(out.len());
        for at in forwards.chain((1..100).map(|place| place * FAR + 100_000)) {
            assert_eq!(buffer.read_at(at, &mut out).expect("bytes"), out.len());
        }
    }
    let (held, most) = (grown(before), MANY * (LIMIT + super::PIECE) + SLACK);
    println!("{MANY} buffers of {LIMIT} bytes: {held} bytes resident, of {most}");
    assert!(held <= most, "{held} bytes for {MANY} buffers");
}

/// The bytes allocated.
fn in_use() -> u64 {
    // SAFETY: reads counts.
    let counts = unsafe { libc::mallinfo2() };
    (counts.uordblks + counts.hblkhd) as u64
}

/// Memory that `max_memory` does not bound is small for each seek, and is counted.
#[test]
fn a_jump_costs_little_and_is_counted() {
    const JUMPS: u64 = 20_000;
    if !alone("storage::memory::a_jump_costs_little_and_is_counted") {
        return;
    }
    // A segment, a range and a slot of the index for each, with what the allocator adds; a node for each
    // would be 500 more. Then a node for three or four.
    for (distance, each) in [(16 << 20, 150), (300 << 20, 300)] {
        let options = Options {
            max_memory: 0,
            read_granularity: 0,
            seek_gap: 0,
            ..Options::default()
        };
        let source = Copies {
            pattern: vec![7; 1],
            left: u64::MAX,
            seeks: true,
        };
        let buffer = options::open(source, options).expect("a buffer");
        assert_eq!(buffer.read_at(0, &mut [0]).expect("a byte"), 1);
        buffer.spill().expect("room");
        let (used, before) = (in_use(), buffer.stats());
        assert_eq!(before.memory, 0);
        assert!(before.overhead < 5_000, "{before:?}");
        for place in 1..=JUMPS {
            let got = buffer.read_at(place * distance, &mut [0]);
            assert_eq!(got.expect("a byte"), 1, "at {place}");
        }
        buffer.spill().expect("room");
        let (used, after) = (in_use() - used, buffer.stats());
        let counted = after.overhead - before.overhead;
        println!("{JUMPS} jumps over {distance}: {used} bytes in use, {counted} counted");
        assert_eq!(after.seeks, JUMPS);
        assert!(used < JUMPS * each, "{used} bytes for {JUMPS} jumps");
        let missing = used.abs_diff(counted);
        assert!(missing < used / 4, "{counted} bytes counted of {used}");
    }
}

/// Bytes far behind take no memory: neither for themselves nor for knowing where they are.
#[test]
fn a_long_stream_costs_what_a_short_one_does() {
    const LONG: u64 = 130 << 20;
    let taken = |size: u64| {
        let buffer = new(300 << 10, size);
        let mut out = vec![0; 1 << 20];
        for at in (0..=size).step_by(out.len()) {
            buffer.read_at(at, &mut out).expect("bytes");
        }
        let kept = buffer.stats();
        assert_eq!(kept.final_size, Some(size));
        assert!(kept.memory + kept.overhead < 700 << 10, "{kept:?}");
        buffer.spill().expect("room");
        let spilled = buffer.stats();
        assert_eq!((spilled.memory, spilled.disk), (0, size));
        spilled.overhead
    };
    let (short, long) = (taken(3 << 20), taken(LONG + 1));
    println!("{short} bytes for a short stream, {long} for a long one");
    // A root for the leaves, of which all but the last one are sentinels.
    assert!(long < short + 1000, "{long} bytes, {short} for a short one");
}

/// Memory kept for future bytes is counted, and released when they have arrived.
#[test]
fn memory_that_is_kept_is_counted() {
    let buffer = declared(Some(40 << 20), 5 << 20, 40 << 20);
    let mut out = vec![0; 256 << 10];
    let mut most = 0;
    for at in (0..20 << 20).step_by(out.len()) {
        assert_eq!(buffer.read_at(at, &mut out).expect("bytes"), out.len());
        let stats = buffer.stats();
        let arena = 2 << 20;
        let fixed = 10_000;
        assert!(stats.overhead < arena + super::PIECE + fixed, "{stats:?}");
        most = most.max(stats.overhead);
    }
    assert!(most > 1 << 20, "no arena was kept: {most}");
    buffer.spill().expect("room");
    let stats = buffer.stats();
    assert!(stats.memory == 0 && stats.overhead < 10_000, "{stats:?}");
}

/// A lone byte takes the smallest segment, whose rest is not filled.
#[test]
fn unfilled_capacity_is_counted() {
    const JUMPS: u64 = 20;
    let options = Options {
        max_memory: u64::MAX,
        read_granularity: 0,
        seek_gap: 0,
        ..Options::default()
    };
    let source = Copies {
        pattern: vec![7; 1],
        left: u64::MAX,
        seeks: true,
    };
    let buffer = options::open(source, options).expect("a buffer");
    let fixed = buffer.stats().overhead;
    for place in 1..=JUMPS {
        let got = buffer.read_at((place << 20) + 5, &mut [0]).expect("a byte");
        assert_eq!(got, 1);
        let stats = buffer.stats();
        let room = stats.memory + stats.overhead - fixed;
        assert_eq!(stats.memory, place);
        let least = place * (16 << 10);
        assert!(least <= room && room < least + 200 * place + 4000, "{room}");
    }
}

/// The memory that freed buffers leave does not depend on how many there were, apart from the table
/// of handles, which has as many slots as there were buffers at once.
#[test]
fn ten_thousand_buffers_at_once_leave_little() {
    const MANY: u64 = 10_000;
    const SLACK: u64 = 2 << 20;
    if !alone("storage::memory::ten_thousand_buffers_at_once_leave_little") {
        return;
    }
    let (rss, used) = (status("VmRSS"), in_use());
    let buffers: Vec<_> = (0..MANY).map(|_| new(1 << 20, 5_000)).collect();
    let mut counted = 0;
    for buffer in &buffers {
        assert_eq!(buffer.read_at(0, &mut [0; 6_000]).expect("bytes"), 5_000);
        let stats = buffer.stats();
        counted += stats.memory + stats.overhead;
    }
    // The smallest piece of a mapping is not the allocator's.
    let (held, counted) = (in_use() - used, counted - MANY * (16 << 10));
    println!("{MANY} buffers: {held} bytes in use, {counted} counted");
    assert!(held.abs_diff(counted) < held / 8);
    drop(buffers);
    let used = in_use().saturating_sub(used);
    // Freed memory that the C library keeps is its own business.
    // SAFETY: gives free memory back.
    unsafe { libc::malloc_trim(0) };
    let left = grown(rss);
    println!("all freed: {used} bytes in use, {left} resident");
    assert!(
        used < SLACK && left < SLACK,
        "{used} in use, {left} resident"
    );
}

#[test]
fn a_thousand_buffers_leave_memory_as_it_was() {
    if !alone("storage::memory::a_thousand_buffers_leave_memory_as_it_was") {
        return;
    }
    drop(fill());
    let before = status("VmRSS");
    // Some at once, so that they do not just reuse each other's memory.
    for _ in 0..BUFFERS / 50 {
        let some: Vec<_> = (0..50).map(|_| fill()).collect();
        let held = grown(before);
        assert!(
            held < 50 * (MAX + super::PIECE + (1 << 19)),
            "{held} bytes for 50 buffers"
        );
        drop(some);
    }
    let after = status("VmRSS");
    println!(
        "resident: {before} before, {after} after {BUFFERS} buffers of {} bytes",
        each()
    );
    assert!(after < before + (8 << 20), "{before} before, {after} after");
}
