//! Memory is reused, and no stream sees the bytes of another one.

use std::sync::{Arc, Mutex};

use spoolbuf::{Result, Source, StreamBuffer};

use crate::child::alone;

/// The bytes of the earlier streams.
const SECRET: u8 = 0xa5;
/// The bytes that the later one writes.
const OWN: u8 = 0x5b;
const MAX: u64 = 5 << 20;

/// The addresses of the memory that a source was given.
type Rooms = Arc<Mutex<Vec<std::ops::Range<usize>>>>;

fn note(rooms: &Rooms, out: &[u8]) {
    let range = out.as_ptr_range();
    let range = range.start.addr()..range.end.addr();
    rooms.lock().expect("no panic").push(range);
}

/// Fills all the memory that it is given.
struct Secret {
    left: u64,
    rooms: Rooms,
}

impl Source for Secret {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        note(&self.rooms, out);
        out.fill(SECRET);
        let count = self.left.min(out.len() as u64);
        self.left -= count;
        Ok(count as usize)
    }
}

/// Checks the memory that it is given, and reports that it has filled it, which it has not.
struct Curious {
    left: u64,
    rooms: Rooms,
}

impl Source for Curious {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        note(&self.rooms, out);
        let foreign = out.iter().filter(|byte| ![0, OWN].contains(byte)).count();
        assert_eq!(foreign, 0, "of {} bytes, {} to come", out.len(), self.left);
        let count = self.left.min(out.len() as u64) as usize;
        self.left -= count as u64;
        // At both ends, and not between them.
        for at in [0, count.saturating_sub(1)] {
            out[at] = OWN;
        }
        Ok(count)
    }
}

/// Streams of `size` bytes that nothing may show, then one that checks. Returns whether that one
/// was given memory that one of the others had.
fn look_after(many: usize, declared: Option<u64>, size: u64, chunk: usize) -> bool {
    let (before, after) = (Rooms::default(), Rooms::default());
    let mut out = vec![0; chunk];
    let secrets: Vec<_> = (0..many)
        .map(|_| {
            let source = Secret {
                left: size,
                rooms: before.clone(),
            };
            StreamBuffer::builder(source)
                .size(declared)
                .max_memory(MAX)
                .open()
                .expect("a buffer")
        })
        .collect();
    let mut read = |buffer: &StreamBuffer, of: &[u8]| {
        for at in (0..size).step_by(chunk) {
            let due = (size - at).min(chunk as u64) as usize;
            assert_eq!(buffer.read_at(at, &mut out).expect("bytes"), due);
            assert!(out[..due].iter().all(|byte| of.contains(byte)), "at {at}");
        }
    };
    for buffer in &secrets {
        read(buffer, &[SECRET]);
    }
    drop(secrets);
    let source = Curious {
        left: size,
        rooms: after.clone(),
    };
    let buffer = StreamBuffer::builder(source)
        .size(declared)
        .max_memory(MAX)
        .open()
        .expect("a buffer");
    read(&buffer, &[0, OWN]);
    let (before, after) = (before.lock().expect("it"), after.lock().expect("it"));
    after.iter().any(|new| {
        let meets = |old: &std::ops::Range<usize>| old.start < new.end && new.start < old.end;
        before.iter().any(meets)
    })
}

/// Arenas, which are kept for the next buffer with their contents.
#[test]
fn no_stream_sees_another_one_in_an_arena() {
    if !alone("storage::privacy::no_stream_sees_another_one_in_an_arena") {
        return;
    }
    for chunk in [10_000, 300_000] {
        let same = look_after(2, None, 4 << 20, chunk);
        assert!(same, "no arena was used again");
    }
}

/// Chunks of the heap, and mapped ones, which the system reuses.
#[test]
fn no_stream_sees_another_one_in_small_chunks() {
    if !alone("storage::privacy::no_stream_sees_another_one_in_small_chunks") {
        return;
    }
    let same = [1000, 12_000, 16_384, 100_000].map(|size| look_after(20, Some(size), size, 500));
    assert!(same.contains(&true), "no memory was used again");
}
