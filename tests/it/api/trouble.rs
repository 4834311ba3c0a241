//! Sources that end, fail or panic at a bad moment: nobody waits forever, and no buffered byte is
//! lost.

mod end;
mod nosy;
mod panic;

use std::time::Duration;

use crate::support::{assert_bytes, byte};
use spoolbuf::StreamBuffer;

/// Far more than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

const SIZE: u64 = 4 << 20;

fn fill(at: &mut u64, out: &mut [u8]) -> usize {
    let count = (out.len() as u64).min(SIZE.saturating_sub(*at)) as usize;
    for (place, offset) in out[..count].iter_mut().zip(*at..) {
        *place = byte(offset);
    }
    *at += count as u64;
    count
}

#[track_caller]
fn check(buffer: &StreamBuffer, offset: u64) {
    let mut out = [0; 1000];
    assert_eq!(buffer.read_at(offset, &mut out).expect("bytes"), 1000);
    assert_bytes(offset, &out);
}
