//! Saving to real file systems: whole or absent, whatever happens.

#![cfg(target_os = "linux")]

#[path = "../support/child.rs"]
mod child;
#[path = "../support/files.rs"]
mod files;
#[path = "../support/handle.rs"]
mod handle;
#[path = "../support/mount.rs"]
mod mount;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tap.rs"]
mod tap;
#[path = "../support/tempfile.rs"]
mod tempfile;
#[path = "../support/without.rs"]
mod without;

mod arrival;
mod descriptor;
mod draft;
mod kill;
mod link;
mod little;
mod name;
mod network;
mod options;
mod power;
mod several;
mod share;
mod speed;
mod stop;
mod target;

use std::path::Path;
use std::sync::Arc;

use spoolbuf::{Options, StreamBuffer};
use support::{Seen, Stream};

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
        max,
        spool_dir: Some(directory.to_path_buf()),
        ..Options::default()
    };
    StreamBuffer::with_options(source, options).expect("a buffer")
}
