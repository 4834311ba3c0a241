//! Sources for the tests. Data is a function of the offset, so that a misplaced byte shows.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use spoolbuf::{Error, Result, Source};

/// The byte at an offset.
pub fn byte(offset: u64) -> u8 {
    let mixed = (offset + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8 ^ (mixed >> 32) as u8
}

/// The bytes of a range.
pub fn bytes(offset: u64, length: usize) -> Vec<u8> {
    (offset..offset + length as u64).map(byte).collect()
}

/// Checks that `out` has the bytes at `offset`.
#[track_caller]
pub fn assert_bytes(offset: u64, out: &[u8]) {
    for (at, found) in out.iter().enumerate() {
        let at = offset + at as u64;
        assert_eq!(
            *found,
            byte(at),
            "at {at}, in {} bytes from {offset}",
            out.len()
        );
    }
}

/// A source of `size` bytes that delivers `chunk` at a time and records its calls.
pub struct Stream {
    pub size: u64,
    pub chunk: usize,
    pub at: u64,
    pub seeks: bool,
    /// Seeks fail after this many.
    pub good_seeks: u32,
    /// The bytes that it has delivered; empty if nobody uses `again`.
    pub delivered: Vec<bool>,
    pub seen: Arc<Seen>,
}

/// What a [`Stream`] saw.
#[derive(Default)]
pub struct Seen {
    pub fetched: AtomicU64,
    /// How many of these had been delivered before.
    pub again: AtomicU64,
    /// Its position.
    pub at: AtomicU64,
    pub failed_seeks: AtomicU64,
    /// Its position at the first of them, and how many bytes it had delivered from there on.
    pub stuck_at: AtomicU64,
    pub delivered_ahead: AtomicU64,
    pub largest_ask: AtomicU64,
    pub inside: AtomicBool,
    pub ended: AtomicBool,
    pub dropped: AtomicBool,
}

impl Stream {
    pub fn new(size: u64, chunk: usize) -> (Stream, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        (
            Stream {
                size,
                chunk,
                at: 0,
                seeks: false,
                good_seeks: u32::MAX,
                delivered: Vec::new(),
                seen: seen.clone(),
            },
            seen,
        )
    }
}

impl Source for Stream {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        assert!(
            !self.seen.inside.swap(true, Ordering::SeqCst),
            "two threads in the source"
        );
        assert!(
            !self.seen.ended.load(Ordering::SeqCst),
            "called after its end"
        );
        self.seen
            .largest_ask
            .fetch_max(out.len() as u64, Ordering::Relaxed);
        let left = self.size.saturating_sub(self.at);
        let count = left.min(self.chunk as u64).min(out.len() as u64) as usize;
        for (at, byte_out) in out[..count].iter_mut().enumerate() {
            *byte_out = byte(self.at + at as u64);
        }
        if !self.delivered.is_empty() {
            let from = self.at.min(self.size) as usize;
            for delivered in &mut self.delivered[from..from + count] {
                let again = std::mem::replace(delivered, true);
                self.seen.again.fetch_add(again.into(), Ordering::Relaxed);
            }
        }
        self.at += count as u64;
        self.seen.at.store(self.at, Ordering::SeqCst);
        self.seen.fetched.fetch_add(count as u64, Ordering::Relaxed);
        self.seen.ended.store(count == 0, Ordering::SeqCst);
        self.seen.inside.store(false, Ordering::SeqCst);
        Ok(count)
    }

    fn can_seek(&self) -> bool {
        self.seeks
    }

    fn jump(&mut self, offset: u64) -> Result<()> {
        if self.good_seeks == 0 {
            if self.seen.failed_seeks.load(Ordering::SeqCst) == 0 {
                let from = self.at.min(self.delivered.len() as u64) as usize;
                let ahead = self.delivered[from..].iter().filter(|it| **it).count();
                let seen = &self.seen;
                seen.stuck_at.store(self.at, Ordering::SeqCst);
                seen.delivered_ahead.store(ahead as u64, Ordering::SeqCst);
            }
            // Last: a thread that sees it also sees the position.
            self.seen.failed_seeks.fetch_add(1, Ordering::SeqCst);
            return Err(Error::Unsupported);
        }
        self.good_seeks -= 1;
        self.at = offset;
        self.seen.at.store(offset, Ordering::SeqCst);
        self.seen.ended.store(false, Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        assert!(!self.seen.dropped.swap(true, Ordering::SeqCst));
    }
}
