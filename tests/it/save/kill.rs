//! Killed at any instant: the old file or the new one, complete.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use spoolbuf::{SaveOptions, StreamBuffer};

use crate::child::{is_alone, spawn};
use crate::files::{assert_saved, names};
use crate::options::{Options, open};
use crate::support::Stream;
use crate::without::{Lack, without};

const KILLS: u64 = 300;
const DIRECTORY: &str = "SPOOLBUF_TEST_DIRECTORY";
const WAY: &str = "SPOOLBUF_TEST_WAY";
const WAYS: [&str; 4] = ["unnamed", "named", "link", "sync"];

/// Resources of ten sizes, so that they can be told apart.
fn size(round: u64) -> u64 {
    100_000 + round % 10 * 5_000
}

/// Saves over and over, until it is killed.
fn save_for_ever(directory: &Path, way: &OsStr) -> ! {
    let work = || {
        for round in 1.. {
            let options = Options {
                max_memory: 65_536,
                spool_dir: Some(directory.join("spool")),
                ..Options::default()
            };
            let (stream, _) = Stream::new(size(round), 50_000);
            let buffer = open(stream, options).expect("a buffer");
            let options = SaveOptions {
                link: way == "link",
                sync: way == "sync",
                ..SaveOptions::default()
            };
            let saved = buffer.save_with(directory.join("target/saved"), options, |_, _| true);
            assert_eq!(saved.expect("a save"), size(round));
            if round == 1 {
                println!("\ngoing");
            }
        }
        unreachable!("a long time");
    };
    without(
        if way == "named" {
            &[Lack::Unnamed]
        } else {
            &[]
        },
        work,
    )
}

const KILLED: &str = "save::kill::the_target_is_the_old_file_or_the_new_one";

#[test]
fn the_target_is_the_old_file_or_the_new_one() {
    if is_alone(KILLED) {
        let directory = std::env::var_os(DIRECTORY).expect("set below");
        save_for_ever(
            Path::new(&directory),
            &std::env::var_os(WAY).expect("set below"),
        );
    }
    let directory = crate::tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("spool")).expect("a directory");
    let beside = directory.path().join("target");
    std::fs::create_dir(&beside).expect("a directory");
    let target = beside.join("saved");
    let mut strays = 0;
    for kill in 0..KILLS {
        let way = WAYS[kill as usize % WAYS.len()];
        let variables = [
            (DIRECTORY, directory.path().as_os_str()),
            (WAY, OsStr::new(way)),
        ];
        let mut child = spawn(KILLED, &variables);
        let mut said = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        while !line.contains("going") {
            line.clear();
            assert!(said.read_line(&mut line).expect("a line") > 0, "it ended");
        }
        // Any time will do; these are spread over a few saves.
        std::thread::sleep(Duration::from_micros(kill * 7919 % 12_000));
        child.kill().expect("a process");
        child.wait().expect("a process");
        let found = names(&beside);
        let stray = found
            .iter()
            .filter(|name| *name != "saved")
            .collect::<Vec<_>>();
        assert!(
            stray.len() <= 1 && found.len() == stray.len() + 1,
            "{way}: {found:?}"
        );
        for name in stray {
            let name = name.to_str().expect("a name");
            assert!(
                name.starts_with(".spoolbuf-") && name.ends_with(".part"),
                "{name}"
            );
            strays += 1;
        }
        let length = std::fs::metadata(&target).expect("a file").len();
        assert!(
            (0..10).any(|round| size(round) == length),
            "{way}: {length}"
        );
        assert_saved(&target, length);
    }
    println!("{strays} strays of {KILLS} kills");
    // With named temporary files this must have happened.
    assert!(strays > 0);
    let (stream, _) = Stream::new(7, 7);
    let buffer = StreamBuffer::builder(stream)
        .max_memory(0)
        .open()
        .expect("a buffer");
    buffer.save(&target).expect("a save");
    assert_eq!(names(&beside), ["saved"]);
}
