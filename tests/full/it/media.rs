//! The adapters, each inside its real library: the programs of `examples/media` play what ffmpeg has
//! made, from a file and from a slow pipe that goes forwards only, and are stopped while nothing
//! comes. What comes out is compared with what ffmpeg itself makes of the file.

mod files;
mod films;
mod headers;
mod several;
mod sounds;

use crate::player::{Feed, Player, media};
pub use several::several;

/// What a player of the whole sound says in the end.
fn heard(file: &str, codec: &str) -> Vec<String> {
    let media = media().expect("media");
    vec![
        format!("sum {}", media.sum(&media.path(file), codec)),
        "ended".to_owned(),
    ]
}

/// The sum that a player says.
fn sum_in(played: &str) -> String {
    let line = played.lines().find(|line| line.starts_with("sum 0x"));
    line.unwrap_or_else(|| panic!("no sum in {played}"))
        .to_owned()
}

/// Adler-32, as ffmpeg and the examples write it.
pub fn adler(bytes: &[u8]) -> String {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65521;
        (low, (high + low) % 65521)
    });
    format!("0x{:08x}", high << 16 | low)
}

/// A whole play: from the file, then from a pipe at a pace, must both say these lines.
fn plays(player: &Player, file: &str, expected: &[String]) {
    for feed in [Feed::File, Feed::Pipe] {
        says(player, file, feed, expected);
    }
}

fn says(player: &Player, file: &str, feed: Feed, expected: &[String]) {
    let played = player.play(file, feed);
    for line in expected {
        assert!(
            played.lines().any(|found| found == line),
            "{player:?} of {file}, {feed:?}: no line {line:?} in\n{played}"
        );
    }
}

/// A stop while nothing comes: the pipe stays open, so that only the stop can end the program.
fn stops(player: &Player, file: &str) {
    for at in [0, 100_000] {
        let played = player.play(file, Feed::Stall(at));
        assert!(
            played.lines().any(|line| line == "stopped"),
            "{player:?} of {file}, stalled at {at}: {played}"
        );
    }
}

/// The spool directory has room for half a megabyte: an error that says so, or, with the option
/// for it, a play that goes on in memory. Where it is `/tmp`, which is memory, the disk is taken
/// instead, and nobody has to do anything.
fn meets_a_full_disk(player: &Player, file: &str, expected: &[String]) {
    let Some(played) = player.play_with_small_disk(file, "fail") else {
        return;
    };
    let reason = "no space left for the spool file";
    assert!(played.contains(reason), "{player:?}: {played}");
    // With the system's own words.
    assert!(
        played.contains("No space left on device"),
        "{player:?}: {played}"
    );
    for played in [
        player.play_with_small_disk(file, "memory"),
        player.play_with_small_tmp(file),
    ] {
        let played = played.expect("as before");
        for line in expected {
            assert!(
                played.lines().any(|found| found == line),
                "{line}: {played}"
            );
        }
    }
}

/// The media and a player, if both can be had.
fn ready(name: &str, packages: &[&str]) -> Option<Player> {
    media().and(Player::new(name, packages))
}

/// How the compiler finds miniaudio: one file, in no package of Debian's, so that SPOOLBUF_MINIAUDIO
/// names the folder it is in.
pub fn miniaudio_folder() -> Option<String> {
    let Some(folder) = std::env::var_os("SPOOLBUF_MINIAUDIO") else {
        crate::library::skipped("miniaudio", "SPOOLBUF_MINIAUDIO does not name its folder");
        return None;
    };
    Some(format!("-isystem{}", folder.to_str().expect("UTF-8")))
}
