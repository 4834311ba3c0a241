//! Sources that can seek: several ranges, and far seeks without the bytes in between.

mod cancel;
mod end;
mod failure;
mod jump;
mod prefetch;
mod save;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::options::{Options, open};
use crate::support::{Seen, Stream, assert_bytes};
use spoolbuf::StreamBuffer;

const SIZE: u64 = 10_000_000;
/// A call that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);

fn buffer(size: u64, options: Options) -> (StreamBuffer, Arc<Seen>) {
    failing(size, u32::MAX, options)
}

fn failing(size: u64, good_seeks: u32, options: Options) -> (StreamBuffer, Arc<Seen>) {
    let (mut stream, seen) = Stream::new(size, 1 << 20);
    stream.seeks = true;
    stream.good_seeks = good_seeks;
    (open(stream, options).expect("a buffer"), seen)
}

fn declared(size: u64) -> Options {
    Options {
        size: Some(size),
        max_memory: 300_000,
        ..Options::default()
    }
}

fn read(buffer: &StreamBuffer, offset: u64, length: usize) -> spoolbuf::Result<usize> {
    let mut out = vec![0; length];
    let count = buffer.read_at(offset, &mut out)?;
    assert_bytes(offset, &out[..count]);
    Ok(count)
}

fn fetched(seen: &Seen) -> u64 {
    seen.fetched.load(Ordering::Relaxed)
}

#[track_caller]
fn wait_until(mut condition: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < patience, "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}
