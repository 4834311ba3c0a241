//! The bytes that a player fetches of a file until its first frame, over a source that can seek and
//! over a forward-only one: the figures of the README's "Sources that can seek".

#![cfg(target_os = "linux")]

#[path = "../support/library.rs"]
mod library;
mod player;
#[path = "../support/skip.rs"]
mod skip;

use std::path::{Path, PathBuf};
use std::process::Command;

use library::{HANGS_AFTER, run, scratch, skipped};
use player::Player;

/// About 16 Mbit/s for 20 s, with its index at the end; by one thread, which makes the same each time.
const FILM: &[&str] = &[
    "-f",
    "lavfi",
    "-i",
    "testsrc2=s=1280x720:r=25:d=20",
    "-f",
    "lavfi",
    "-i",
    "sine=440:d=20",
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-threads",
    "1",
    "-b:v",
    "20M",
    "-minrate",
    "20M",
    "-bufsize",
    "4M",
    "-c:a",
    "aac",
];

/// Three minutes, whose length FFmpeg learns from the last page.
const SOUND: &[&str] = &[
    "-f",
    "lavfi",
    "-i",
    "anoisesrc=d=180:r=48000:a=0.3:s=1",
    "-ac",
    "2",
    "-c:a",
    "libvorbis",
    "-q:a",
    "8",
];

/// The figures of one run.
struct Figures {
    size: u64,
    fetched: u64,
    seeks: u64,
}

impl Figures {
    fn share(&self) -> f64 {
        self.fetched as f64 / self.size as f64
    }
}

/// Makes a file with ffmpeg; none, with a message, without ffmpeg.
fn make(name: &str, arguments: &[&str]) -> Option<PathBuf> {
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        skipped(name, "there is no ffmpeg here");
        return None;
    }
    let path = scratch().join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y"]).args(arguments);
    run(command.arg(&path), HANGS_AFTER).expect_success(name);
    Some(path)
}

/// The program and its file, if both exist.
fn ready(name: &str, arguments: &[&str]) -> Option<(PathBuf, PathBuf)> {
    let packages = ["libavformat", "libavcodec", "libavutil"];
    let source = "tests/first_frame/first_frame.c";
    // Each test builds its own: they run at the same time.
    let built = name.replace('.', "-");
    let player = Player::build_as(&built, source, &packages, &[])?;
    Some((player.program, make(name, arguments)?))
}

/// Opens a file over a source of that kind. The program itself checks the frame, and that the whole
/// file comes through the buffer with each byte fetched once.
fn open(program: &Path, file: &Path, source: &str) -> Figures {
    let outcome = run(Command::new(program).arg(file).arg(source), HANGS_AFTER);
    outcome.expect_success(source);
    let number = |name: &str| -> u64 { named(&outcome.output, name).parse().expect("a number") };
    let figures = Figures {
        size: number("size"),
        fetched: number("fetched"),
        seeks: number("seeks"),
    };
    println!(
        "{}, {source}: {} bytes, {} fetched before the first frame ({:.2} %), {} seeks, {} ms",
        file.file_name().expect("a name").to_string_lossy(),
        figures.size,
        figures.fetched,
        100.0 * figures.share(),
        figures.seeks,
        number("ms"),
    );
    figures
}

#[test]
fn of_a_film_with_its_index_last() {
    let Some((program, film)) = ready("first-frame.mp4", FILM) else {
        return;
    };
    let bytes = std::fs::read(&film).expect("a film");
    let place = |name: &[u8]| bytes.windows(4).position(|window| window == name);
    assert!(place(b"mdat") < place(b"moov"), "the index is not last");
    let seeking = open(&program, &film, "seek");
    assert!(seeking.size > 10_000_000, "{} bytes only", seeking.size);
    assert!(seeking.share() < 0.1, "{:.3} fetched", seeking.share());
    assert!((1..10).contains(&seeking.seeks), "{} seeks", seeking.seeks);
    // It reaches the index only through the whole file.
    let forward = open(&program, &film, "forward");
    assert_eq!((forward.fetched, forward.seeks), (forward.size, 0));
}

#[test]
fn of_a_sound_whose_length_stands_in_its_last_page() {
    let Some((program, sound)) = ready("first-frame.ogg", SOUND) else {
        return;
    };
    let seeking = open(&program, &sound, "seek");
    assert!(seeking.size > 2_000_000, "{} bytes only", seeking.size);
    assert!(seeking.share() < 0.2, "{:.3} fetched", seeking.share());
    assert!((1..10).contains(&seeking.seeks), "{} seeks", seeking.seeks);
    // The last page is not looked at if everything before it would have to be fetched first.
    let forward = open(&program, &sound, "forward");
    assert!(forward.share() < 0.2, "{:.3} fetched", forward.share());
    assert_eq!(forward.seeks, 0);
}

const PICTURE: &str = "testsrc2=s=640x360:r=25:d=8";
const TONE: &str = "sine=440:d=8";

/// Formats whose demuxers look at the end if they are offered a seek.
const LOOKERS: &[(&str, &[&str])] = &[
    ("look-first.mp4", &["-movflags", "+faststart"]),
    (
        "look-fragmented.mp4",
        &["-g", "25", "-movflags", "+frag_keyframe+empty_moov"],
    ),
    ("look.mkv", &[]),
    ("look.avi", &["-c:a", "libmp3lame"]),
    ("look.ts", &[]),
];

/// What `tests/first_frame/ffmpeg.c` says of the whole file.
fn whole(program: &Path, path: &str, kind: &str, declared: &str) -> String {
    let arguments = [path, kind, "0", declared, "all"];
    let outcome = run(Command::new(program).args(arguments), HANGS_AFTER);
    outcome.expect_success(&arguments.join(" "));
    outcome.output
}

/// What follows a name in its line.
fn named<'o>(output: &'o str, name: &str) -> &'o str {
    let mut lines = output.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {output}"))
}

/// Over a source that cannot seek, no look at the end fetches everything before the first frame,
/// whatever size is declared; and a wrong one changes nothing that is played.
#[test]
fn of_what_looks_at_its_end() {
    let packages = ["libavformat", "libavcodec", "libavutil"];
    let source = "tests/first_frame/ffmpeg.c";
    let Some(player) = Player::build_as("first-frame-ffmpeg", source, &packages, &[]) else {
        return;
    };
    for (name, how) in LOOKERS {
        let begin = ["-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", TONE];
        let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "20"];
        let codecs = [&codecs[..], &["-threads", "1", "-c:a", "aac"]].concat();
        let Some(file) = make(name, &[&begin[..], &codecs, how].concat()) else {
            return;
        };
        let size = std::fs::metadata(&file).expect("a file").len();
        assert!(size > 2_000_000, "{name}: {size} bytes only");
        let path = file.to_str().expect("UTF-8");
        for kind in ["pipe", "seek"] {
            plays_the_same(&player.program, path, kind, size);
        }
    }
}

fn plays_the_same(program: &Path, path: &str, kind: &str, size: u64) {
    let right = whole(program, path, kind, "unknown");
    for declared in [size, size - 1, size + 1, size / 2, size * 2, 0, 1 << 40] {
        let found = whole(program, path, kind, &declared.to_string());
        let [sum, expected] = [&found, &right].map(|output| named(output, "sum"));
        assert_eq!(sum, expected, "{path}, {kind}, {declared}");
        if kind == "pipe" {
            let [fetched, expected] = [&found, &right].map(|output| named(output, "fetched"));
            assert_eq!(fetched, expected, "{path}, {declared}");
            let fetched: u64 = fetched.parse().expect("a number");
            assert!(fetched < size / 3, "{path}: {fetched} of {size} fetched");
        }
    }
}
