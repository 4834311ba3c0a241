//! Saving to real file systems: whole or absent, whatever happens.

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
use spoolbuf::StreamBuffer;

/// What every resource here measures unless it says otherwise.
const SIZE: u64 = 1_500_007;
/// All on disk, half of it, none.
const LIMITS: [u64; 3] = [0, 700_000, u64::MAX];

/// A buffer of `SIZE` bytes, declared, with a spool file in `directory`.
fn buffer(directory: &Path, max: u64) -> (StreamBuffer, Arc<Seen>) {
    let (stream, seen) = Stream::new(SIZE, 50_001);
    (over(stream, directory, max), seen)
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
