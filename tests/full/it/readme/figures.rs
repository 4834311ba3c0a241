//! The figures of the README and of `docs/first-frame.md`: rows and a picture.

use std::fs;

use super::is_there;
use crate::checkout::README;
use crate::foreign::command;
use crate::library::{HANGS_AFTER, root, run};

/// The README's rows are those of the bench, with their names there.
const ROWS: [(&str, &str); 6] = [
    (
        "longest read of buffered bytes while the source sleeps for 950 ms, ms",
        "longest buffered read, source asleep 950 ms, ms",
    ),
    (
        "two threads compared with one, 4 KiB reads from disk, times",
        "4 KiB from disk, two threads over one, times",
    ),
    ("read 4 KiB from disk, ns", "read 4 KiB from disk, ns"),
    ("read 4 KiB from memory, ns", "read 4 KiB from memory, ns"),
    (
        "pull 256 MiB through 5 MiB of memory, MiB/s",
        "pull through 256 MiB, 64 KiB chunks, MiB/s",
    ),
    ("save 256 MiB, ms", "save 256 MiB, copied, no fsync, ms"),
];

/// The cells of the one row of a table that begins like this.
fn row(page: &str, name: &str) -> Vec<String> {
    let start = format!("| {name} |");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with(&start))
        .collect();
    assert_eq!(rows.len(), 1, "{start}");
    let cells = rows[0][start.len()..].split('|');
    cells
        .map(|cell| cell.trim().trim_matches('*').to_owned())
        .collect()
}

#[test]
fn rows_are_those_of_the_bench() {
    let bench = include_str!("../../../../bench/README.md");
    let rows = README
        .lines()
        .filter(|line| line.starts_with("| ") && line.matches('|').count() == 7);
    assert_eq!(rows.count(), ROWS.len() + 1, "a row that is not compared");
    for (here, there) in ROWS {
        let (here, there) = (row(README, here), row(bench, there));
        // spoolbuf, mutexed-spool, ffmpeg-cache, gst-queue2, stream-download.
        let expected = [0, 1, 4, 5, 2].map(|column: usize| there[column].clone());
        assert_eq!(here[..5], expected);
    }
}

#[test]
fn the_picture_of_first_frames_is_that_of_their_tables() {
    if !is_there("python3") {
        return;
    }
    let docs = root().join("docs");
    let copy = crate::library::scratch().join("first-frame.md");
    fs::copy(docs.join("first-frame.md"), &copy).expect("a copy");
    let mut draw = command("python3", &docs);
    draw.args(["-B", "first_frame.py", "--picture", "--out"]);
    assert!(draw.arg(&copy).status().expect("python3 runs").success());
    let drawn = fs::read_to_string(copy.with_extension("svg")).expect("a picture");
    let kept = fs::read_to_string(docs.join("first-frame.svg")).expect("a picture");
    assert!(drawn == kept, "python3 docs/first_frame.py --picture");
}

/// What measures and what does not are not asked for together.
#[test]
fn a_picture_measures_nothing() {
    if !is_there("python3") {
        return;
    }
    for more in ["--part", "--library=none", "ffmpeg"] {
        let mut draw = command("python3", &root().join("docs"));
        draw.args(["-B", "first_frame.py", "--picture", more]);
        let said = run(&mut draw, HANGS_AFTER);
        assert_eq!(said.status.code(), Some(2), "{more}: {}", said.output);
        assert!(
            said.output.contains("--picture measures nothing"),
            "{}",
            said.output
        );
    }
}
