//! Saving to real file systems: complete or absent, whatever happens.

mod arrival;
mod descriptor;
mod kill;
mod link;
mod memory;
mod name;
mod network;
mod options;
mod power;
mod several;
mod share;
mod speed;
mod stop;
mod target;
mod temp_file;

use std::path::Path;
use std::sync::Arc;

use crate::options::{Options, open};
use crate::support::{Seen, Stream};
use spoolbuf::{SaveOptions, StreamBuffer};

/// The size of every resource here unless stated otherwise.
const SIZE: u64 = 1_500_007;
/// All on disk, half of it, none.
const LIMITS: [u64; 3] = [0, 700_000, u64::MAX];

/// A buffer of `SIZE` bytes, declared, with a spool file in `directory`.
fn buffer(directory: &Path, max: u64) -> (StreamBuffer, Arc<Seen>) {
    let (stream, seen) = Stream::new(SIZE, 50_001);
    (over(stream, directory, max), seen)
}

/// The same with every byte buffered.
fn full_buffer(directory: &Path, max: u64) -> StreamBuffer {
    let (buffer, _) = buffer(directory, max);
    let mut out = vec![0; SIZE as usize + 1];
    assert_eq!(buffer.read_at(0, &mut out).expect("bytes"), SIZE as usize);
    buffer
}

fn over(source: impl spoolbuf::Source + 'static, directory: &Path, max: u64) -> StreamBuffer {
    let options = Options {
        size: Some(SIZE),
        max_memory: max,
        spool_dir: Some(directory.to_path_buf()),
        ..Options::default()
    };
    open(source, options).expect("a buffer")
}

/// Options that fail if the target exists.
fn no_replace() -> SaveOptions {
    SaveOptions {
        no_replace: true,
        ..SaveOptions::default()
    }
}

/// Progress that lets a save go on.
fn go_on(_done: u64, _total: Option<u64>) -> bool {
    true
}
