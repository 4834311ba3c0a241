//! How a row gets its buffer, and whether that has the right bytes.

use super::values::KIB;
use crate::contender::{Buffer, MAX};
use crate::source::{Plan, mix};

/// How a row opens a buffer.
pub type Opener<'a> = &'a dyn Fn(Plan, u64) -> Box<dyn Buffer>;

/// A buffer with every byte of its source.
pub fn pulled(open: Opener, plan: Plan) -> Box<dyn Buffer> {
    let buffer = open(plan, MAX);
    let mut last = [0];
    assert_eq!(buffer.read(plan.size - 1, &mut last), 1, "the last byte");
    buffer
}

/// Compares bytes at the start, at the end and at offsets between.
pub fn sample(buffer: &dyn Buffer, plan: &Plan) {
    let mut out = vec![0; 64 * KIB];
    let span = plan.size - out.len() as u64;
    let places = (0..50).map(|i| mix(i) % span).chain([0, span]);
    for off in places {
        assert_eq!(buffer.read(off, &mut out), out.len(), "a read at {off}");
        assert!(plan.agrees(off, &out), "wrong bytes at {off}");
    }
}
