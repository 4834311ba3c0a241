//! The cost of a save compared with `cp --reflink=auto` of the same bytes. Measures only if
//! requested:
//! `cargo test --release --test it save::speed -- --ignored --nocapture`

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use spoolbuf::{Result, SaveOptions, Source};

use crate::mount::Mount;
use crate::options::{Options, open};

const SIZE: u64 = 256 << 20;
const ROUNDS: usize = 5;

/// Bytes that are cheap to make.
struct Cheap(u64);

impl Source for Cheap {
    fn pull(&mut self, out: &mut [u8]) -> Result<usize> {
        let count = (out.len() as u64).min(self.0) as usize;
        out[..count].fill(self.0 as u8);
        self.0 -= count as u64;
        Ok(count)
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2] * 1000.0
}

fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

fn measure(place: &str, directory: &Path) {
    let options = Options {
        max_memory: 0,
        spool_dir: Some(directory.to_path_buf()),
        ..Options::default()
    };
    let buffer = open(Cheap(SIZE), options).expect("a buffer");
    assert_eq!(buffer.read_at(SIZE - 1, &mut [0; 2]).expect("a byte"), 1);
    buffer.spill().expect("room");
    let path = |name: &str| directory.join(name);
    let save = |name: &str, link| {
        let options = SaveOptions {
            link,
            ..SaveOptions::default()
        };
        let saved = buffer.save_with(path(name), options, |_, _| true);
        assert_eq!(saved.expect("a save"), SIZE);
    };
    save("plain", false);
    let (mut saves, mut copies, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        copies.push(timed(|| {
            let mut cp = Command::new("cp");
            let cp = cp
                .arg("--reflink=auto")
                .args([path("plain"), path("copied")]);
            assert!(cp.status().expect("cp").success());
        }));
        saves.push(timed(|| save("saved", false)));
        // A name that stays: a file that has lost its last name cannot get another.
        links.push(timed(|| save(&format!("linked-{round}"), true)));
        for name in ["copied", "saved"] {
            std::fs::remove_file(path(name)).expect("a file");
        }
    }
    println!(
        "{place}: cp --reflink=auto {:.1} ms, save {:.1} ms, linked save {:.1} ms",
        median(copies),
        median(saves),
        median(links)
    );
}

#[test]
#[ignore = "a measurement"]
fn saving_beside_cp() {
    let directory = crate::tempfile::tempdir().expect("a directory");
    measure("the temporary directory", directory.path());
    for kind in ["ext4", "xfs"] {
        if let Some(mount) = Mount::image(kind, 2048) {
            measure(kind, &mount.path);
        }
    }
    if let Some(mount) = Mount::tmpfs("size=2g") {
        measure("tmpfs", &mount.path);
    }
}
