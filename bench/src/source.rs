//! The source that every contender is opened from: copies chunks from a warm block of 1 MiB.

use bytes::{Bytes, BytesMut};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const BLOCK: usize = 1 << 20;

/// The pace of a source that is not instant, in nanoseconds per MiB.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// Its calls take that long, by work on the thread that makes them: one that decrypts.
    Works(u64),
    /// Its bytes arrive at that rate, requested or not, and wait in a buffer of the system: a
    /// socket.
    Arrives(u64),
}

/// What a source delivers, and how.
#[derive(Clone, Copy)]
pub struct Plan {
    /// The size in bytes.
    pub size: u64,
    /// The most bytes that one call delivers.
    pub chunk: usize,
    /// Sleeps once, for this long, before the byte at this offset.
    pub sleep: Option<(u64, Duration)>,
    /// `None`: instant.
    pub pace: Option<Pace>,
    /// Whether each byte is a function of its offset, for checking; otherwise the block is
    /// repeated, for speed.
    pub unique: bool,
}

impl Plan {
    /// A source for timing.
    pub fn new(size: u64, chunk: usize) -> Plan {
        Plan {
            size,
            chunk,
            sleep: None,
            pace: None,
            unique: false,
        }
    }

    /// Whether `bytes` are those at `off`.
    pub fn agrees(&self, off: u64, bytes: &[u8]) -> bool {
        if self.unique {
            return bytes.iter().zip(off..).all(|(&b, o)| b == unique(o));
        }
        let block = block();
        let mut done = 0;
        while done < bytes.len() {
            let at = (off as usize + done) % BLOCK;
            let n = (BLOCK - at).min(bytes.len() - done);
            if bytes[done..done + n] != block[at..at + n] {
                return false;
            }
            done += n;
        }
        true
    }
}

/// A source and its position.
pub struct Source {
    pub plan: Plan,
    at: u64,
    opened: Instant,
    block: &'static [u8],
    /// Chunks that do not lie in the block.
    scratch: Vec<u8>,
}

impl Source {
    /// At the start; the block is warm.
    pub fn new(plan: Plan) -> Source {
        Source {
            plan,
            at: 0,
            opened: Instant::now(),
            block: block(),
            scratch: Vec::new(),
        }
    }

    /// Delivers the next chunk; 0 is the end.
    pub fn fill(&mut self, out: &mut [u8]) -> usize {
        if let Some((at, time)) = self.plan.sleep
            && self.at >= at
        {
            self.plan.sleep = None;
            std::thread::sleep(time);
        }
        let begun = self.plan.pace.map(|_| Instant::now());
        let left = (self.plan.size - self.at).min(usize::MAX as u64) as usize;
        let mut n = out.len().min(self.plan.chunk).min(left);
        if self.plan.unique {
            for (byte, o) in out[..n].iter_mut().zip(self.at..) {
                *byte = unique(o);
            }
        } else {
            let at = self.at as usize % BLOCK;
            n = n.min(BLOCK - at);
            out[..n].copy_from_slice(&self.block[at..at + n]);
        }
        self.at += n as u64;
        if let Some(begun) = begun {
            self.keep_pace(begun, n as u64);
        }
        n
    }

    /// Delivers the next chunk where it lies; an empty one is the end.
    pub fn chunk(&mut self) -> &[u8] {
        if self.plan.unique || self.plan.pace.is_some() || self.plan.sleep.is_some() {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.resize(self.plan.chunk, 0);
            let n = self.fill(&mut scratch);
            scratch.truncate(n);
            self.scratch = scratch;
            return &self.scratch;
        }
        let at = self.at as usize % BLOCK;
        let left = (self.plan.size - self.at).min(usize::MAX as u64) as usize;
        let n = self.plan.chunk.min(left).min(BLOCK - at);
        self.at += n as u64;
        &self.block[at..at + n]
    }

    /// Delivers chunks until `out` is full, or up to the end.
    pub fn fill_all(&mut self, out: &mut [u8]) -> usize {
        let mut have = 0;
        loop {
            match self.fill(&mut out[have..]) {
                0 => return have,
                n => have += n,
            }
        }
    }

    /// Returns when the `n` bytes of a call that began then are due.
    fn keep_pace(&self, begun: Instant, n: u64) {
        let time = |pace: u64, bytes: u64| Duration::from_nanos(pace * bytes / BLOCK as u64);
        match self.plan.pace {
            Some(Pace::Works(pace)) => {
                while begun.elapsed() < time(pace, n) {
                    std::hint::spin_loop();
                }
            }
            Some(Pace::Arrives(pace)) => {
                let due = self.opened + time(pace, self.at);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            None => {}
        }
    }
}

/// The chunks as owned memory, for contenders that need that.
impl Iterator for Source {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut chunk = BytesMut::with_capacity(self.plan.chunk);
        let room = chunk.spare_capacity_mut();
        // SAFETY: `fill` only writes to it, and returns how many bytes; any byte is a valid value.
        let room = unsafe {
            std::slice::from_raw_parts_mut(room.as_mut_ptr().cast::<u8>(), self.plan.chunk)
        };
        let n = self.fill(room);
        // SAFETY: `fill` wrote that many bytes.
        unsafe { chunk.set_len(n) };
        (n > 0).then(|| chunk.freeze())
    }
}

/// Mixes a number well (splitmix64).
pub fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn unique(off: u64) -> u8 {
    mix(off >> 3).to_le_bytes()[(off & 7) as usize]
}

/// The block; the first call creates it, which takes time and memory.
pub fn block() -> &'static [u8] {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    MADE.get_or_init(|| (0..BLOCK as u64).map(unique).collect())
}
