//! The resource that the servers have, and replies with all of it or with parts.

use std::fmt::Display;
use std::ops::Range;
use std::sync::OnceLock;

use super::reply::{Reply, status};
use crate::media::adler;

pub(super) const SIZE: usize = 2_000_000;

/// How many of the last delivered bytes are requested again and compared.
pub(super) const SAMPLE: usize = 4096;

/// The answer of a server that knows ranges, to a request for bytes from `start` on.
pub(super) fn part(start: usize) -> Reply {
    some(start..SIZE, SIZE).with(&format!("Content-Range: bytes */{SIZE}"))
}

/// The same with other bytes, or fewer, of what is said to have a total.
pub(super) fn some(range: Range<usize>, total: impl Display) -> Reply {
    if range.is_empty() {
        return status("416 Range Not Satisfiable");
    }
    let mut reply = status("206 Partial Content");
    let last = range.end - 1;
    reply.head = format!("Content-Range: bytes {}-{last}/{total}\r\n", range.start);
    reply.body = resource()[range].to_vec();
    reply
}

/// The answer of a server that knows no ranges.
pub(super) fn whole() -> Reply {
    Reply {
        body: resource(),
        ..status("200 OK")
    }
}

/// Made once, so that no answer has to wait for it.
pub(super) fn resource() -> Vec<u8> {
    static RESOURCE: OnceLock<Vec<u8>> = OnceLock::new();
    let byte = |at: u64| ((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    let made = RESOURCE.get_or_init(|| (0..SIZE as u64).map(byte).collect());
    made.clone()
}

fn sum(bytes: &[u8]) -> String {
    format!("sum {}", adler(bytes))
}

#[track_caller]
pub(super) fn is_whole(said: &str) {
    for line in [sum(&resource()), format!("size {SIZE}"), "ended".to_owned()] {
        assert!(
            said.lines().any(|found| found == line),
            "no {line:?} in\n{said}"
        );
    }
}
