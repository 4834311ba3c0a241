//! Power failure: a synced save is there, and a running one leaves the old file.

use std::fs::File;
use std::os::fd::AsRawFd;

use spoolbuf::SaveOptions;
use spoolbuf::ffi::abi::sb_save_flag;

use super::{SIZE, buffer};
use crate::files::{assert_saved, names};
use crate::handle::Handle;
use crate::mount::Mount;
use crate::without::{Lack, without};

const SYNC: SaveOptions = SaveOptions {
    sync: true,
    no_replace: false,
    require_size: false,
    buffered: false,
    link: false,
    timeout: None,
    mode: None,
};

#[test]
fn a_synced_save_outlives_the_power() {
    // ext4 writes back by itself a file that replaces another, but not a new one.
    for (lacks, link, replaces) in [
        (&[][..], false, true),
        (&[], false, false),
        (&[Lack::Unnamed], false, true),
        (&[], true, true),
        (&[], true, false),
    ] {
        let Some(mut mount) = Mount::image("ext4", 32) else {
            return;
        };
        let target = mount.path.join("saved");
        if replaces {
            std::fs::write(&target, b"old").expect("written");
        }
        let (buffer, _) = buffer(&mount.path, 0);
        let options = SaveOptions { link, ..SYNC };
        let saved = without(lacks, || buffer.save_with(&target, options, |_, _| true));
        assert_eq!(saved.expect("a save"), SIZE);
        mount
            .cut_power()
            .expect("a file system that can be shut down");
        drop(buffer);
        mount.again();
        assert_saved(&target, SIZE);
        let mode = std::os::unix::fs::MetadataExt::mode(&target.metadata().expect("a file"));
        assert_eq!(mode & 0o600, 0o600);
        assert_eq!(mode & 0o044, new_mode(&mount) & 0o044, "link: {link}");
    }
}

#[test]
fn a_synced_save_to_a_descriptor_outlives_the_power() {
    let Some(mut mount) = Mount::image("ext4", 32) else {
        return;
    };
    let path = mount.path.join("saved");
    let file = File::create(&path).expect("room");
    file.sync_all().expect("a disk");
    let directory = File::open(&mount.path).expect("a directory");
    directory.sync_all().expect("a disk");
    let handle = Handle::new(SIZE, u64::MAX);
    let sync = sb_save_flag::SB_SAVE_SYNC as u32;
    assert_eq!(handle.save(file.as_raw_fd(), sync), SIZE as i64);
    mount
        .cut_power()
        .expect("a file system that can be shut down");
    drop((file, directory));
    mount.again();
    assert_saved(&path, SIZE);
}

/// The mode that a new file gets.
fn new_mode(mount: &Mount) -> u32 {
    let path = mount.path.join("new");
    std::fs::write(&path, b"new").expect("written");
    std::os::unix::fs::MetadataExt::mode(&path.metadata().expect("a file"))
}

#[test]
fn a_running_save_leaves_the_old_file() {
    let Some(mut mount) = Mount::image("ext4", 32) else {
        return;
    };
    let target = mount.path.join("saved");
    let (first, _) = buffer(&mount.path, 0);
    first.save_with(&target, SYNC, |_, _| true).expect("a save");
    drop(first);
    let (other, _) = crate::support::Stream::new(2 * SIZE, 50_001);
    let second = super::over(other, &mount.path, 0);
    let mut steps = 0;
    let saved = second.save_with(&target, SYNC, |_, _| {
        steps += 1;
        if steps == 10 {
            mount
                .cut_power()
                .expect("a file system that can be shut down");
        }
        true
    });
    assert!(saved.is_err(), "{saved:?}");
    drop(second);
    mount.again();
    assert_saved(&target, SIZE);
    assert_eq!(names(&mount.path), ["lost+found", "saved"]);
}
