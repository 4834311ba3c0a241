//! A fragmented MP4 that is written while it is played: a fragment each second, when its second is over. With
//! a buffer, the first frame is there as soon as without one, give or take a second.
//!
//! SPOOLBUF_LIVE_SECONDS is how long the film is: 6, and longer in `.ci/deep`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::library::{HANGS_AFTER, run, scratch, skipped};
use crate::player::Player;

fn seconds() -> usize {
    let given = std::env::var("SPOOLBUF_LIVE_SECONDS").ok();
    given.map_or(6, |text| text.parse().expect("a number"))
}

/// The header, and a fragment for each second; made once. None, loudly, without ffmpeg.
fn fragments() -> Option<&'static [Vec<u8>]> {
    static FRAGMENTS: OnceLock<Option<Vec<Vec<u8>>>> = OnceLock::new();
    FRAGMENTS.get_or_init(make).as_deref()
}

fn make() -> Option<Vec<Vec<u8>>> {
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        skipped("a live film", "there is no ffmpeg here");
        return None;
    }
    let (path, seconds) = (scratch().join("live.mp4"), seconds());
    let mut command = Command::new("ffmpeg");
    command
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=s=640x360:r=25:d={seconds}"))
        .args(["-f", "lavfi", "-i"])
        .arg(format!("sine=440:d={seconds}"))
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"])
        .args(["-g", "25", "-c:a", "aac", "-movflags"])
        .args(["+frag_keyframe+empty_moov+default_base_moof"])
        .arg(&path);
    run(&mut command, HANGS_AFTER).expect_success("ffmpeg");
    let bytes = std::fs::read(&path).expect("a film");
    Some(split(&bytes))
}

/// Cuts before each `moof`.
fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut rest = bytes;
    while rest.len() >= 8 {
        let size = u32::from_be_bytes(rest[..4].try_into().expect("four"));
        let (one, after) = rest.split_at(size as usize);
        if &one[4..8] == b"moof" {
            parts.push(Vec::new());
        }
        parts.last_mut().expect("one").extend(one);
        rest = after;
    }
    parts
}

/// How many fragments were written when the first frame was there.
fn needed(program: &Path, how: &str, parts: &[Vec<u8>]) -> usize {
    let mut child = Command::new(program)
        .arg(how)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("ready"), "{how}");
    let begun = AtomicBool::new(false);
    let written = scope(|scope| {
        let begun = &begun;
        // At the end, the pipe is closed: a program that waits for everything gets it.
        let writer = scope.spawn(move || {
            let start = Instant::now();
            for (second, part) in parts.iter().enumerate() {
                let time = Duration::from_secs(second as u64);
                while start.elapsed() < time && !begun.load(SeqCst) {
                    sleep(Duration::from_millis(5));
                }
                if begun.load(SeqCst) || pipe.write_all(part).is_err() {
                    return second;
                }
            }
            parts.len()
        });
        let first = lines.next();
        begun.store(true, SeqCst);
        let written = writer.join().expect("the writer");
        assert_eq!(first.as_deref(), Some("first"), "{how}, {written} written");
        written
    });
    assert_eq!(lines.next().as_deref(), Some("ok"), "{how}");
    assert!(child.wait().expect("it ends").success(), "{how}");
    // Without the header.
    written - 1
}

fn begins_in_time(name: &str, packages: &[&str], more: &[&str]) {
    let source = "tests/first_frame/live.c";
    let Some(player) = Player::build_as(name, source, packages, more) else {
        return;
    };
    let Some(parts) = fragments() else { return };
    assert_eq!(parts.len(), seconds() + 1);
    let [bare, ours] = ["bare", "ours"].map(|how| needed(&player.program, how, parts));
    println!("{name}: {bare} fragments without a buffer, {ours} with one");
    assert!(ours <= bare + 1, "{name}: {ours} fragments, bare {bare}");
    assert!(ours < seconds(), "{name}: all {ours} fragments");
}

#[test]
fn ffmpeg() {
    begins_in_time(
        "live-ffmpeg",
        &["libavformat", "libavcodec", "libavutil"],
        &[],
    );
}

#[test]
fn mpv() {
    begins_in_time("live-mpv", &["mpv"], &["-DWITH_MPV"]);
}
