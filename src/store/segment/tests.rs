//! What a grant shows the source, and which memory it touches.

#![allow(unsafe_code)]

use super::*;

/// What the memory held before.
const DIRT: u8 = 0xee;
const SIZE: usize = 100;

/// A segment whose memory is half of a chunk, and initialized up to `initialized`.
fn dirty(initialized: usize) -> Shared<Segment> {
    let mut parts = Chunk::zeroed(2 * SIZE).expect("memory").into_parts();
    // SAFETY: the chunk has 2 * SIZE bytes, and its only owner is this function.
    unsafe {
        parts
            .start
            .add(initialized)
            .write_bytes(DIRT, 2 * SIZE - initialized)
    };
    (parts.size, parts.initialized) = (SIZE, initialized);
    // SAFETY: the parts came from `into_parts` and are taken back once. The size is smaller until
    // `rest` restores it.
    let chunk = unsafe { Chunk::from_parts(parts) };
    Segment::new(1000, chunk.expect("a chunk")).expect("memory")
}

/// The bytes after the segment's memory. Releases the segment.
fn rest(segment: &Segment) -> Vec<u8> {
    let mut parts = segment.release().expect("its chunk").into_parts();
    assert_eq!(parts.size, SIZE);
    parts.size = 2 * SIZE;
    // SAFETY: the chunk has 2 * SIZE bytes, and its only owner is this function.
    let rest = unsafe { std::slice::from_raw_parts(parts.start.add(SIZE), SIZE) }.to_vec();
    // SAFETY: the parts are those of the chunk that `Chunk::zeroed` made, and are taken back once.
    drop(unsafe { Chunk::from_parts(parts) });
    rest
}

#[test]
fn a_write_grant_is_zeroed_and_reaches_nothing_past_its_segment() {
    for initialized in [0, 1, 10, 50, SIZE] {
        for most in [1, 7, 30, SIZE] {
            let segment = dirty(initialized);
            let mut at = 0;
            while let Some(mut grant) = Segment::grant(&segment) {
                assert_eq!(grant.position(), 1000 + at as u64);
                assert_eq!(grant.is_first(), at == 0);
                let bytes = grant.bytes(most);
                assert_eq!(bytes.len(), most.min(SIZE - at));
                // The source itself wrote what is not 0, in an earlier call.
                assert!(bytes.iter().all(|byte| [0, 1].contains(byte)), "at {at}");
                bytes.fill(1);
                let count = most.div_ceil(2).min(SIZE - at);
                grant.commit(count);
                at += count;
                assert!(Segment::grant(&segment).is_none(), "one at a time");
                assert!(segment.is_filling() && segment.release().is_none());
            }
            assert_eq!((at, segment.filled(), segment.end()), (SIZE, SIZE, 1100));
            assert!(!segment.is_filling() && segment.is_in_memory());
            // SAFETY: this thread alone could release the memory, and does not while the slice
            // lives.
            let bytes = unsafe { segment.bytes() }.map(<[u8]>::to_vec);
            assert_eq!(bytes, Some(vec![1; SIZE]));
            assert_eq!(rest(&segment), [DIRT; SIZE]);
            assert!(!segment.is_in_memory() && Segment::grant(&segment).is_none());
            // SAFETY: this thread alone could release the memory, and has done so.
            assert!(unsafe { segment.bytes() }.is_none());
        }
    }
}

#[test]
fn has_space_only_where_the_bytes_end() {
    let segment = Segment::new(1000, Chunk::zeroed(SIZE).expect("memory")).expect("memory");
    let at = |position| segment.has_space_at(position);
    assert!(at(1000) && !at(999) && !at(1001));
    let mut grant = Segment::grant(&segment).expect("grant");
    assert!(grant.has_space());
    grant.bytes(SIZE);
    grant.commit(40);
    assert!(at(1040) && !at(1000) && !at(1041));
    grant.commit(60);
    assert!(!grant.has_space() && !at(1100));
    drop(grant);
    assert!(Segment::grant(&segment).is_none() && !segment.is_filling());
    let empty = Segment::new(0, Chunk::zeroed(SIZE).expect("memory")).expect("memory");
    drop(empty.release());
    assert!(!empty.has_space_at(0), "its memory is gone");
}
