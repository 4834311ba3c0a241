//! Blocks reserved ahead are released at the end.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use spoolbuf::{SaveOptions, StreamBuffer};

use crate::files::about_unnamed;
use crate::mount::Mount;
use crate::options::{Options, open};
use crate::support::Stream;

const SIZE: u64 = 20 << 20;
/// What a file system may take for itself, and the last segment.
const SLACK: u64 = 512 * 1024;

/// Returns the most bytes of surplus blocks on the way, and those at the end and after a spill of
/// the rest.
fn pass(directory: &Path) -> (i64, i64, i64) {
    let (stream, _) = Stream::new(SIZE, 64 * 1024);
    let options = Options {
        max_memory: 1 << 20,
        spool_dir: Some(directory.to_path_buf()),
        ..Options::default()
    };
    let buffer = open(stream, options).expect("a buffer");
    let mut out = vec![0; 1 << 20];
    let too_many = |buffer: &StreamBuffer| {
        let taken = about_unnamed(directory).map_or(0, |about| about.blocks() * 512);
        taken as i64 - buffer.stats().disk as i64
    };
    let (mut at, mut most) = (0, 0);
    while at < SIZE {
        at += buffer.read_at(at, &mut out).expect("bytes") as u64;
        most = most.max(too_many(&buffer));
    }
    assert_eq!(buffer.read_at(at, &mut out).expect("the end"), 0);
    let end = too_many(&buffer);
    buffer.spill().expect("room");
    assert_eq!(buffer.stats().disk, SIZE);
    (most, end, too_many(&buffer))
}

#[track_caller]
fn check(directory: &Path, own_habits: bool) {
    let (most, end, spilled) = pass(directory);
    assert!(most > SLACK as i64, "nothing was reserved: {most}");
    assert!(end <= SLACK as i64, "{end} bytes too many at the end");
    assert!(
        own_habits || spilled <= SLACK as i64,
        "{spilled} bytes too many when all is spilled"
    );
}

#[test]
fn ext4_gets_its_blocks_back() {
    if let Some(mount) = Mount::image("ext4", 64) {
        check(&mount.path, false);
    }
}

#[test]
fn xfs_gets_its_blocks_back() {
    // It reserves more than requested for every growing file until that is closed.
    if let Some(mount) = Mount::image("xfs", 320) {
        check(&mount.path, true);
    }
}

#[test]
fn nothing_is_reserved_on_tmpfs() {
    if let Some(mount) = Mount::tmpfs("size=64m") {
        let (most, end, spilled) = pass(&mount.path);
        assert!(
            most.max(end).max(spilled) <= SLACK as i64,
            "{most} {end} {spilled}"
        );
    }
}

/// The surplus blocks of a saved file, copied and linked.
fn saved(directory: &Path) -> [i64; 2] {
    [false, true].map(|link| {
        let (stream, _) = Stream::new(SIZE, 64 * 1024);
        let options = Options {
            // Copied from memory, so that no blocks are shared; linked from a spool file.
            max_memory: if link { 0 } else { u64::MAX },
            spool_dir: Some(directory.to_path_buf()),
            ..Options::default()
        };
        let buffer = open(stream, options).expect("a buffer");
        let options = SaveOptions {
            link,
            ..SaveOptions::default()
        };
        let path = directory.join("saved");
        let saved = buffer.save_with(&path, options, |_, _| true);
        assert_eq!(saved.expect("a save"), SIZE);
        // While the buffer exists: a file's own blocks past its end are freed with its last
        // descriptor.
        let taken = path.metadata().expect("a file").blocks() * 512;
        std::fs::remove_file(&path).expect("a file");
        taken as i64 - SIZE as i64
    })
}

#[test]
fn a_saved_file_has_no_blocks_past_its_end() {
    let Some(mount) = Mount::image("ext4", 64) else {
        return;
    };
    let too_many = saved(&mount.path);
    assert!(
        too_many.iter().all(|bytes| *bytes <= SLACK as i64),
        "{too_many:?}"
    );
}
