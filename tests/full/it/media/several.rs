//! Several players of one library at once.

use std::process::Command;

use super::files::{ARCHIVERS, pack};
use super::miniaudio_folder;
use crate::library::HANGS_AFTER;
use crate::player::{Player, media};

/// What players of one library do together, beside a source that stands still, and after one that
/// fails: `tests/player/several.c` says it.
pub fn several(name: &str, packages: &[&str], more: &[&str], files: &[&str]) {
    let Some(media) = media() else {
        return;
    };
    let flag = format!("-DPLAYER_FILE=\"several/{name}.h\"");
    let more = [&[flag.as_str(), "-D_GNU_SOURCE"], more].concat();
    let program = format!("several-{name}");
    let source = "tests/player/several.c";
    let Some(player) = Player::build_as(&program, source, packages, &more) else {
        return;
    };
    for file in files {
        let mut command = Command::new(&player.program);
        command.arg(media.path(file));
        command.arg(player.program.with_extension("sound"));
        command.env("SDL_AUDIODRIVER", "dummy");
        // What the libraries keep to the end is theirs.
        command.env("ASAN_OPTIONS", "detect_leaks=0");
        let outcome = crate::library::run(&mut command, HANGS_AFTER);
        outcome.expect_success(&format!("{program} of {file}"));
        assert!(outcome.output.ends_with("ok\n"), "{}", outcome.output);
    }
}

#[test]
fn several_ffmpeg() {
    let packages = ["libavformat", "libavcodec", "libavutil"];
    let files = [
        "index-first.mp4",
        "fragmented.mp4",
        "film.mkv",
        "sound.ogg",
        "sound.wav",
    ];
    several("ffmpeg", &packages, &[], &files);
}

#[test]
fn several_mpv() {
    // A cancel may come after the close, to what must not be freed yet.
    let more = ["-fsanitize=address"];
    several("mpv", &["mpv"], &more, &["index-first.mp4", "film.mkv"]);
}

#[test]
fn several_vlc() {
    several("vlc", &["libvlc"], &[], &["index-first.mp4", "film.mkv"]);
}

#[test]
fn several_sndfile() {
    let files = ["sound.wav", "sound.flac", "sound.ogg"];
    several("sndfile", &["sndfile"], &[], &files);
}

#[test]
fn several_sdl() {
    let packages = ["sdl2", "SDL2_mixer"];
    several("sdl", &packages, &[], &["sound.wav"]);
    let files = ["sound.wav", "sound.flac", "sound.ogg", "sound.mp3"];
    several("sdl_music", &packages, &[], &files);
}

#[test]
fn several_sdl3() {
    several("sdl3", &["sdl3"], &[], &["sound.wav"]);
}

#[test]
fn several_gstreamer() {
    let packages = ["gstreamer-app-1.0", "gstreamer-1.0"];
    let files = ["index-first.mp4", "film.mkv", "sound.ogg"];
    several("gst", &packages, &[], &files);
}

#[test]
fn several_archive() {
    let Some(media) = media() else {
        return;
    };
    let names = ["several.tar.gz", "several.tar", "several.zip"];
    for (name, maker) in names.into_iter().zip(ARCHIVERS) {
        pack(media, name, maker);
    }
    several("archive", &["libarchive"], &[], &names);
}

#[test]
fn several_miniaudio() {
    let Some(include) = miniaudio_folder() else {
        return;
    };
    let files = ["sound.wav", "sound.flac", "sound.mp3"];
    several("miniaudio", &[], &[&include], &files);
}
