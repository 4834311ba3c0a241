//! Blocks of the spool file are shared, not copied, where the file system can.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use super::over;
use crate::files::assert_saved;
use crate::mount::Mount;
use crate::support::Stream;

const SIZE: u64 = 24_000_003;

/// The free space in bytes, after everything was written back.
#[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
fn room(directory: &Path) -> u64 {
    let directory = File::open(directory).expect("a directory");
    // SAFETY: an open descriptor, and room for one statvfs, all zero at first.
    unsafe {
        let mut about: libc::statvfs = std::mem::zeroed();
        assert_eq!(libc::syncfs(directory.as_raw_fd()), 0);
        assert_eq!(libc::fstatvfs(directory.as_raw_fd(), &mut about), 0);
        about.f_bfree as u64 * about.f_frsize as u64
    }
}

#[test]
fn a_save_takes_no_disk_space_for_spooled_bytes() {
    let Some(mount) = Mount::image_with("xfs", 320, &["-m", "reflink=1"]) else {
        return;
    };
    let target = mount.path.join("saved");
    let (stream, _) = Stream::new(SIZE, 50_001);
    let buffer = over(stream, &mount.path, 0);
    assert_eq!(buffer.read_at(SIZE - 1, &mut [0; 2]).expect("a byte"), 1);
    buffer.spill().expect("room");
    let before = room(&mount.path);
    assert_eq!(buffer.save(&target).expect("a save"), SIZE);
    let taken = before.saturating_sub(room(&mount.path));
    assert!(taken < SIZE / 4, "{taken} bytes taken");
    assert_saved(&target, SIZE);
    // Neither file is a part of the other: the saved file stays when the buffer is freed.
    drop(buffer);
    assert_saved(&target, SIZE);
}
