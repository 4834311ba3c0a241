//! Libraries that play sound alone.

use super::{heard, meets_a_full_disk, miniaudio_folder, plays, ready, stops, sum_in};
use crate::player::{Feed, Player, media};

#[test]
fn sndfile() {
    let Some(player) = ready("sndfile", &["sndfile"]) else {
        return;
    };
    plays(&player, "sound.flac", &heard("sound.flac", "pcm_s16le"));
    plays(&player, "sound.wav", &heard("sound.wav", "pcm_s16le"));
    // Whoever asks for an end that is not known yet is not told of another one.
    let whole = sum_in(&player.play("sound.opus", Feed::File));
    plays(&player, "sound.opus", &[whole, "ended".to_owned()]);
    stops(&player, "sound.flac");
    stops(&player, "sound.opus");
}

#[test]
fn sdl() {
    let Some(player) = ready("sdl", &["sdl2", "SDL2_mixer"]) else {
        return;
    };
    let player = player.silent();
    plays(&player, "sound.flac", &heard("sound.flac", "pcm_s16le"));
    plays(&player, "sound.wav", &heard("sound.wav", "pcm_s16le"));
    stops(&player, "sound.flac");
    meets_a_full_disk(&player, "sound.wav", &heard("sound.wav", "pcm_s16le"));
}

/// SDL 3 itself loads WAVs only.
#[test]
fn sdl3() {
    let Some(player) = ready("sdl3", &["sdl3"]) else {
        return;
    };
    let player = player.silent();
    plays(&player, "sound.wav", &heard("sound.wav", "pcm_s16le"));
    stops(&player, "sound.wav");
    meets_a_full_disk(&player, "sound.wav", &heard("sound.wav", "pcm_s16le"));
}

#[test]
fn miniaudio() {
    let Some(include) = miniaudio_folder() else {
        return;
    };
    let source = "examples/media/miniaudio.c";
    let Some(player) = media().and(Player::build_with(source, &[], &[&include])) else {
        return;
    };
    plays(&player, "sound.flac", &heard("sound.flac", "pcm_s16le"));
    plays(&player, "sound.wav", &heard("sound.wav", "pcm_s16le"));
    plays(&player, "sound.mp3", &["ended".to_owned()]);
    stops(&player, "sound.flac");
    meets_a_full_disk(&player, "sound.wav", &heard("sound.wav", "pcm_s16le"));
    let source = "tests/player/dr_flac.c";
    let player = Player::build_with(source, &[], &[&include]).expect("as before");
    plays(&player, "sound.flac", &heard("sound.flac", "pcm_s16le"));
    stops(&player, "sound.flac");
}
