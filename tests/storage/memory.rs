//! Memory goes back: what was spilled, and what was freed.

use spoolbuf::{Options, Result, Source, StreamBuffer};

use crate::child::alone;

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
        max,
        spool_dir: std::env::var_os("SPOOLBUF_TEST_SPOOL").map(Into::into),
        ..Options::default()
    };
    StreamBuffer::with_options(source, options).expect("a buffer")
}

fn fill() -> StreamBuffer {
    let buffer = new(MAX, each());
    let mut out = vec![0; 256 * 1024];
    let mut at = 0;
    while at < each() {
        at += buffer.read_at(at, &mut out).expect("bytes") as u64;
        assert!(out.iter().step_by(997).all(|byte| *byte == 7));
    }
    assert!(buffer.stats().memory <= MAX + crate::PIECE);
    buffer
}

/// What has come since.
fn grown(before: u64) -> u64 {
    status("VmRSS").saturating_sub(before)
}

/// Large enough for pieces to come out of arenas.
#[test]
fn resident_memory_is_the_limit_and_a_piece() {
    const LIMIT: u64 = 3 << 20;
    const MANY: u64 = 20;
    /// Pages of the process's own that come and go, and the arenas that are kept for all buffers.
    const SLACK: u64 = 16 << 20;
    if !alone("memory::resident_memory_is_the_limit_and_a_piece") {
        return;
    }
    // All there is of it at once: a page that is only reserved does not show.
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
        let (held, most) = (grown(before), MANY * (LIMIT + crate::PIECE) + SLACK);
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
    let (held, most) = (grown(before), MANY * crate::PIECE + SLACK);
    println!("all spilled: {held} bytes resident, of {most}");
    assert!(held <= most, "{held} bytes for {MANY} buffers, all spilled");
    drop(buffers);
    // Freed with all they hold.
    let buffers: Vec<_> = (0..MANY).map(|_| new(LIMIT, LIMIT)).collect();
    for buffer in &buffers {
        pass(buffer, 0, LIMIT);
    }
    drop(buffers);
    let held = grown(before);
    println!("all freed: {held} bytes resident, of {SLACK}");
    assert!(held <= SLACK, "{held} bytes for no buffer");
}

/// What is said to end soon gets no memory for more, however far it has come.
#[test]
fn a_short_resource_costs_its_size() {
    const SIZE: u64 = 700 << 10;
    const MANY: u64 = 20;
    /// Pages of the process's own that come and go, and one more for each piece.
    const SLACK: u64 = 4 << 20;
    if !alone("memory::a_short_resource_costs_its_size") {
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

/// What is left of a large page when the source jumps away is not kept beside what comes then.
#[test]
fn resident_memory_is_the_limit_after_jumps() {
    const LIMIT: u64 = 5 << 20;
    const MANY: u64 = 20;
    /// As above.
    const SLACK: u64 = 12 << 20;
    const FAR: u64 = 100 << 20;
    if !alone("memory::resident_memory_is_the_limit_after_jumps") {
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
    let (held, most) = (grown(before), MANY * (LIMIT + crate::PIECE) + SLACK);
    println!("{MANY} buffers of {LIMIT} bytes: {held} bytes resident, of {most}");
    assert!(held <= most, "{held} bytes for {MANY} buffers");
}

#[test]
fn a_thousand_buffers_leave_memory_as_it_was() {
    if !alone("memory::a_thousand_buffers_leave_memory_as_it_was") {
        return;
    }
    drop(fill());
    let before = status("VmRSS");
    // Some at once, so that they do not just get each other's memory.
    for _ in 0..BUFFERS / 50 {
        let some: Vec<_> = (0..50).map(|_| fill()).collect();
        let held = grown(before);
        assert!(
            held < 50 * (MAX + crate::PIECE + (1 << 19)),
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
