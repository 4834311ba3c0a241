//! Where the resource ends, whatever was declared.

use std::sync::Arc;

use super::{SIZE, buffer, declared, fetched, read};
use crate::support::Seen;
use spoolbuf::StreamBuffer;

#[test]
fn the_end_is_found_where_it_is() {
    // Declared too large: a seek past the real end, then an end before the declared one.
    let (buffer, _) = buffer(SIZE, declared(SIZE * 2));
    assert_eq!(read(&buffer, SIZE + 500_000, 10).expect("past the end"), 0);
    assert_eq!(
        buffer.stats().final_size,
        None,
        "somewhere before, but where?"
    );
    assert_eq!(read(&buffer, SIZE - 10, 1000).expect("across the end"), 10);
    assert_eq!(buffer.stats().final_size, Some(SIZE));
    assert_eq!(buffer.size(), Some(SIZE));
    assert_eq!(read(&buffer, SIZE, 10).expect("at the end"), 0);
    assert_eq!(read(&buffer, SIZE / 2, 10).expect("in the middle"), 10);

    // Declared too small: bytes beyond it.
    let (buffer, seen) = super_buffer(SIZE / 2);
    assert_eq!(
        read(&buffer, SIZE - 10, 1000).expect("beyond the declared end"),
        10
    );
    assert_eq!(buffer.size(), Some(SIZE));
    assert_eq!(
        read(&buffer, 0, SIZE as usize + 1).expect("all") as u64,
        SIZE
    );
    assert_eq!(fetched(&seen), SIZE);
}

fn super_buffer(size: u64) -> (StreamBuffer, Arc<Seen>) {
    buffer(SIZE, declared(size))
}

#[test]
fn an_empty_resource_ends_at_any_offset() {
    let (buffer, _) = buffer(0, declared(SIZE));
    assert_eq!(read(&buffer, SIZE - 10, 10).expect("nothing"), 0);
    assert_eq!(read(&buffer, 0, 10).expect("nothing"), 0);
    assert_eq!(buffer.size(), Some(0));
}
