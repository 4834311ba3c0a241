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

fn fill() -> StreamBuffer {
    let directory = std::env::var_os("SPOOLBUF_TEST_SPOOL").map(Into::into);
    let source = Copies {
        pattern: vec![7; 64 * 1024],
        left: each(),
    };
    let options = Options {
        max: MAX,
        spool_dir: directory,
        ..Options::default()
    };
    let buffer = StreamBuffer::with_options(source, options).expect("a buffer");
    let mut out = vec![0; 256 * 1024];
    let mut at = 0;
    while at < each() {
        at += buffer.read_at(at, &mut out).expect("bytes") as u64;
        assert!(out.iter().step_by(997).all(|byte| *byte == 7));
    }
    assert!(buffer.stats().memory <= MAX + crate::PIECE);
    buffer
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
        let held = status("VmRSS").saturating_sub(before);
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
