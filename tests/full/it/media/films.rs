//! Libraries that play films.

use std::fs::File;
use std::process::Command;

use super::{heard, meets_a_full_disk, plays, ready, says, stops, sum_in};
use crate::library::HANGS_AFTER;
use crate::player::{Feed, Player, media};

/// What VLC and GStreamer play from a pipe: one file of each kind.
const KINDS: [&str; 5] = [
    "index-last.mp4",
    "large-last.mov",
    "index-first.mp4",
    "film.mkv",
    "sound.ogg",
];

/// A whole play; for one of the films also with a full disk.
fn plays_film(player: &Player, file: &str, expected: &[String]) {
    plays(player, file, expected);
    if file == "index-last.mp4" {
        meets_a_full_disk(player, file, expected);
    }
}

#[test]
fn ffmpeg() {
    let Some(player) = ready("ffmpeg", &["libavformat", "libavcodec", "libavutil"]) else {
        return;
    };
    for (file, codec, frames) in [
        ("index-last.mp4", "pcm_f32le", 200),
        ("index-first.mp4", "pcm_f32le", 200),
        ("large-last.mov", "pcm_s16le", 0),
        ("film.mkv", "pcm_f32le", 200),
        ("film.ts", "pcm_f32le", 200),
        ("sound.flac", "pcm_s16le", 0),
        ("sound.ogg", "pcm_f32le", 0),
        ("sound.wav", "pcm_s16le", 0),
    ] {
        let mut expected = heard(file, codec);
        expected.push(format!("frames {frames}"));
        plays_film(&player, file, &expected);
    }
    // From a pipe of any kind FFmpeg hears the encoder's padding of an MP3 as sound, as it
    // relies on the size: only the file sounds the same.
    let expected = heard("sound.mp3", "pcm_f32le");
    says(&player, "sound.mp3", Feed::File, &expected);
    says(&player, "sound.mp3", Feed::Pipe, &expected[1..]);
    stops(&player, "index-last.mp4");
    stops(&player, "film.ts");
}

#[test]
fn mpv() {
    let Some(player) = ready("mpv", &["mpv"]) else {
        return;
    };
    let player = player.into_file(
        "pcm_f32le",
        &["ao=pcm", "ao-pcm-file=%", "vo=null", "untimed=yes"],
    );
    // Where the sound begins in the middle of a packet it hears some more than ffmpeg does, with or
    // without a buffer: the pipe is to sound like the file.
    for file in ["film.mkv", "film.ts"] {
        let played = player.play(file, Feed::File);
        plays(&player, file, &[sum_in(&played), "ended".to_owned()]);
    }
    for file in ["index-last.mp4", "index-first.mp4"] {
        let mut expected = heard(file, "pcm_f32le");
        expected.push("duration 8.00".to_owned());
        plays_film(&player, file, &expected);
    }
    plays(
        &player,
        "large-last.mov",
        &heard("large-last.mov", "pcm_f32le"),
    );
    stops(&player, "index-last.mp4");
    stops(&player, "film.ts");
}

#[test]
fn vlc() {
    let direct = "tests/player/vlc_direct.c";
    let Some(player) = ready("vlc", &["libvlc"]).zip(Player::build(direct, &["libvlc"])) else {
        return;
    };
    let output = ":sout=#transcode{acodec=s16l}:std{access=file,mux=wav,dst=%}";
    let [player, direct] = [player.0, player.1].map(|it| it.into_file("pcm_s16le", &[output]));
    for file in KINDS {
        let expected = [sum_in(&direct.play(file, Feed::File)), "ended".to_owned()];
        plays_film(&player, file, &expected);
    }
    stops(&player, "index-last.mp4");
    stops(&player, "film.ts");
}

#[test]
fn gstreamer() {
    let packages = ["gstreamer-app-1.0", "gstreamer-1.0"];
    let Some((media, player)) = media().zip(ready("gstreamer", &packages)) else {
        return;
    };
    // The sound alone: with a picture that nobody takes, decodebin sometimes stands still.
    let pipeline = "decodebin expose-all-streams=false caps=audio/x-raw ! audioconvert ! \
                    audio/x-raw,format=F32LE ! wavenc ! filesink location=";
    let player = player.into_file("pcm_f32le", &[&format!("{pipeline}%")]);
    // GStreamer hears more of an AAC's padding than ffmpeg: compared with itself.
    let direct = media.path("gstreamer-direct.wav");
    let sum_of = |source: &str, file: &str| {
        let text = format!("{source} ! {pipeline}{}", direct.display());
        let mut command = Command::new("gst-launch-1.0");
        command.arg("-q").args(text.split(' '));
        command.stdin(File::open(media.path(file)).expect("a file"));
        command.output().ok()?;
        Some(format!("sum {}", media.sum(&direct, "pcm_f32le")))
    };
    for file in KINDS {
        let name = format!("filesrc location={}", media.path(file).display());
        let Some(sum) = sum_of(&name, file) else {
            return crate::library::skipped("gstreamer", "there is no gst-launch-1.0 here");
        };
        let ended = "ended".to_owned();
        if file != "sound.ogg" {
            plays_film(&player, file, &[sum, ended]);
            continue;
        }
        says(&player, file, Feed::File, &[sum.clone(), ended.clone()]);
        // GStreamer cuts the last block of an Ogg where it knows the end. It knows that of a pipe if all of it
        // has come when it asks.
        let piped = sum_of("fdsrc", file).expect("as before");
        let played = player.play(file, Feed::Pipe);
        let has = |line: &str| played.lines().any(|found| found == line);
        assert!(has(&ended) && (has(&sum) || has(&piped)), "{played}");
    }
    stops(&player, "index-last.mp4");
    stops(&player, "film.mkv");
}

/// A pipeline that waits is made to seek and to stop.
#[test]
fn gstreamer_flush() {
    let packages = ["gstreamer-app-1.0", "gstreamer-1.0"];
    let source = "tests/player/gst_flush.c";
    let player = Player::build_with(source, &packages, &["-D_GNU_SOURCE"]);
    let Some((media, player)) = media().zip(player) else {
        return;
    };
    for file in ["index-first.mp4", "film.mkv", "sound.flac"] {
        for sized in [false, true] {
            let mut command = Command::new(&player.program);
            command.arg(media.path(file));
            command.args(sized.then_some("sized"));
            let outcome = crate::library::run(&mut command, HANGS_AFTER);
            outcome.expect_success(&format!("gst_flush of {file}, sized: {sized}"));
        }
    }
}

/// A program that asks for the size does not wait; a size that is not found is warned of.
#[test]
fn gstreamer_size() {
    let packages = ["gstreamer-app-1.0", "gstreamer-1.0"];
    let source = "tests/player/gst_size.c";
    let player = Player::build_with(source, &packages, &["-D_GNU_SOURCE"]);
    let Some((media, player)) = media().zip(player) else {
        return;
    };
    for file in ["sound.wav", "film.mkv"] {
        let mut command = Command::new(&player.program);
        command.arg(media.path(file));
        let outcome = crate::library::run(&mut command, HANGS_AFTER);
        outcome.expect_success(&format!("gst_size of {file}"));
    }
}
