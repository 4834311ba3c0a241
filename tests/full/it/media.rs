//! The adapters, each inside its real library: the programs of `examples/media` play what ffmpeg has
//! made, from a file and from a slow pipe that goes forwards only, and are stopped while nothing
//! comes. What comes out is compared with what ffmpeg itself makes of the file.

use std::process::Command;

use crate::player::{Feed, LIMIT, Player, media};

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
fn adler(bytes: &[u8]) -> String {
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
        let outcome = crate::library::run(&mut command, LIMIT);
        outcome.expect_success(&format!("{program} of {file}"));
        assert!(outcome.output.ends_with("ok\n"), "{}", outcome.output);
    }
}

/// The media and a player, if both can be had.
fn ready(name: &str, packages: &[&str]) -> Option<Player> {
    media().and(Player::new(name, packages))
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
        plays(&player, file, &expected);
        if file == "index-last.mp4" {
            meets_a_full_disk(&player, file, &expected);
        }
    }
    // From a pipe of any kind FFmpeg hears the encoder's padding of an MP3 as sound, as it goes by
    // the size: only the file sounds the same.
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
        plays(&player, file, &expected);
        if file == "index-last.mp4" {
            meets_a_full_disk(&player, file, &expected);
        }
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
fn stdio() {
    let Some(player) = ready("stdio", &[]) else {
        return;
    };
    let bytes = std::fs::read(media().expect("media").path("film.mkv")).expect("a file");
    let expected = [
        format!("size {}", bytes.len()),
        format!("sum {}", adler(&bytes)),
        format!("again from {}", bytes.len() - 100),
        "ended".to_owned(),
    ];
    plays(&player, "film.mkv", &expected);
    meets_a_full_disk_by_errno(&player);
    stops(&player, "film.mkv");
}

/// As `meets_a_full_disk`, for what has no error but errno's.
fn meets_a_full_disk_by_errno(player: &Player) {
    if let Some(played) = player.play_with_small_disk("film.mkv", "fail") {
        assert!(played.contains("No space left on device"), "{played}");
    }
}

#[test]
fn vlc() {
    let direct = "tests/player/vlc_direct.c";
    let Some(player) = ready("vlc", &["libvlc"]).zip(Player::build(direct, &["libvlc"])) else {
        return;
    };
    let output = ":sout=#transcode{acodec=s16l}:std{access=file,mux=wav,dst=%}";
    let [player, direct] = [player.0, player.1].map(|it| it.into_file("pcm_s16le", &[output]));
    for file in [
        "index-last.mp4",
        "large-last.mov",
        "index-first.mp4",
        "film.mkv",
        "sound.ogg",
    ] {
        let expected = [sum_in(&direct.play(file, Feed::File)), "ended".to_owned()];
        plays(&player, file, &expected);
        if file == "index-last.mp4" {
            meets_a_full_disk(&player, file, &expected);
        }
    }
    stops(&player, "index-last.mp4");
    stops(&player, "film.ts");
}

const ARCHIVED: [&str; 2] = ["film.mkv", "sound.wav"];
const ARCHIVERS: [&[&str]; 3] = [
    &["tar", "-czf"],
    &["tar", "-cf"],
    &["python3", "-m", "zipfile", "-c"],
];

/// Makes an archive among the media.
fn pack(media: &crate::player::Media, name: &str, maker: &[&str]) {
    let mut command = Command::new(maker[0]);
    command.args(&maker[1..]).arg(name).args(ARCHIVED);
    command.current_dir(media.path(""));
    crate::library::run(&mut command, LIMIT).expect_success(name);
}

#[test]
fn archive() {
    let Some((media, player)) = media().zip(ready("archive", &["libarchive"])) else {
        return;
    };
    let folder = media.path("");
    let mut expected = vec!["ended".to_owned()];
    for name in ARCHIVED {
        let bytes = std::fs::read(folder.join(name)).expect("a file");
        expected.push(format!("{name} {} {}", bytes.len(), adler(&bytes)));
    }
    let names = ["things.tar.gz", "things.tar", "things.zip"];
    for (name, maker) in names.into_iter().zip(ARCHIVERS) {
        pack(media, name, maker);
        plays(&player, name, &expected);
        stops(&player, name);
    }
    meets_a_full_disk(&player, "things.tar.gz", &expected);
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
fn gstreamer() {
    let packages = ["gstreamer-app-1.0", "gstreamer-1.0"];
    let Some((media, player)) = media().zip(ready("gstreamer", &packages)) else {
        return;
    };
    // The sound alone: with a picture that nobody takes, decodebin sometimes stands still.
    let pipeline = "decodebin expose-all-streams=false caps=audio/x-raw ! audioconvert ! \
                    audio/x-raw,format=F32LE ! wavenc ! filesink location=";
    let player = player.into_file("pcm_f32le", &[&format!("{pipeline}%")]);
    for file in [
        "index-last.mp4",
        "large-last.mov",
        "index-first.mp4",
        "film.mkv",
        "sound.ogg",
    ] {
        // GStreamer hears more of an AAC's padding than ffmpeg: compared with itself.
        let direct = media.path("gstreamer-direct.wav");
        let mut command = Command::new("gst-launch-1.0");
        let text = format!(
            "filesrc location={} ! {pipeline}{}",
            media.path(file).display(),
            direct.display()
        );
        command.arg("-q").args(text.split(' '));
        if command.output().is_err() {
            return crate::library::skipped("gstreamer", "there is no gst-launch-1.0 here");
        }
        let expected = [
            format!("sum {}", media.sum(&direct, "pcm_f32le")),
            "ended".to_owned(),
        ];
        plays(&player, file, &expected);
        if file == "index-last.mp4" {
            meets_a_full_disk(&player, file, &expected);
        }
    }
    stops(&player, "index-last.mp4");
    stops(&player, "film.mkv");
}

/// How the compiler finds miniaudio: one file, in no package of Debian's, so that SPOOLBUF_MINIAUDIO
/// names the folder it is in.
fn miniaudio_folder() -> Option<String> {
    let Some(folder) = std::env::var_os("SPOOLBUF_MINIAUDIO") else {
        crate::library::skipped("miniaudio", "SPOOLBUF_MINIAUDIO does not name its folder");
        return None;
    };
    Some(format!("-isystem{}", folder.to_str().expect("UTF-8")))
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
            let outcome = crate::library::run(&mut command, LIMIT);
            outcome.expect_success(&format!("gst_flush of {file}, sized: {sized}"));
        }
    }
}

#[test]
fn sources() {
    let program = Player::build_with("tests/player/sources.c", &[], &["-D_GNU_SOURCE"]);
    let program = program.expect("needs no library");
    let outcome = crate::library::run(&mut Command::new(program.program), LIMIT);
    outcome.expect_success("sources.c");
    assert_eq!(outcome.output, "ok\n");
}

/// The adapters that report errors as text say what failed.
#[test]
fn texts() {
    let libraries: [(&str, &[&str]); 3] = [
        ("WITH_SDL", &["sdl2"]),
        ("WITH_ARCHIVE", &["libarchive"]),
        ("WITH_GST", &["gstreamer-app-1.0", "gstreamer-1.0"]),
    ];
    for (library, packages) in libraries {
        let flags = [&format!("-D{library}"), "-D_GNU_SOURCE"];
        let name = format!("texts-{library}");
        let Some(player) = Player::build_as(&name, "tests/player/texts.c", packages, &flags) else {
            continue;
        };
        let mut command = Command::new(&player.program);
        // What the libraries keep to the end is theirs.
        command.env("ASAN_OPTIONS", "detect_leaks=0");
        let outcome = crate::library::run(&mut command, LIMIT);
        outcome.expect_success(&name);
        assert!(outcome.output.ends_with("ok\n"), "{}", outcome.output);
    }
}

/// Each adapter by itself, included twice: in C99 and in C++17, by two compilers.
#[test]
fn headers() {
    let mut left: Vec<_> = std::fs::read_dir(crate::library::root().join("bindings"))
        .expect("bindings")
        .flat_map(|folder| std::fs::read_dir(folder.expect("an entry").path()).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|it| it == "h"))
        .collect();
    for (name, packages) in [
        ("spoolbuf_archive.h", &["libarchive"] as &[&str]),
        ("spoolbuf_curl.h", &["libcurl"]),
        ("spoolbuf_fd.h", &[]),
        ("spoolbuf_fd_follow.h", &[]),
        ("spoolbuf_ffmpeg.h", &["libavformat", "libavutil"]),
        ("spoolbuf_gst.h", &["gstreamer-app-1.0", "gstreamer-1.0"]),
        ("spoolbuf_miniaudio.h", &[]),
        ("spoolbuf_mpv.h", &["mpv"]),
        ("spoolbuf_sdl.h", &["sdl2"]),
        ("spoolbuf_sdl3.h", &["sdl3"]),
        ("spoolbuf_sndfile.h", &["sndfile"]),
        ("spoolbuf_stdio.h", &[]),
        ("spoolbuf_vlc.h", &["libvlc"]),
    ] {
        let place = left.iter().position(|path| path.ends_with(name));
        let Some(path) = place.map(|place| left.swap_remove(place)) else {
            panic!("no {name}");
        };
        let Some(mut flags) = crate::player::pkg_config(packages) else {
            crate::library::skipped(name, &format!("pkg-config does not know {packages:?}"));
            continue;
        };
        // Nothing is linked.
        flags.retain(|flag| !["-l", "-L", "-Wl,"].iter().any(|it| flag.starts_with(it)));
        let mut text = format!("#include \"{0}\"\n#include \"{0}\"\n", path.display());
        if name == "spoolbuf_miniaudio.h" {
            // The dr_libs' part is compiled without it.
            compiles(name, &text, &flags);
            let Some(include) = miniaudio_folder() else {
                continue;
            };
            flags.push(include);
            text.insert_str(0, "#include <miniaudio.h>\n");
        }
        compiles(name, &text, &flags);
    }
    // Those of the other bindings are for them to test.
    left.retain(|path| path.to_string_lossy().contains("spoolbuf_"));
    assert!(left.is_empty(), "not compiled: {left:?}");
}

fn compiles(name: &str, text: &str, flags: &[String]) {
    for (suffix, clang) in [("c", "clang"), ("cpp", "clang++")] {
        let file = crate::library::scratch().join(format!("{name}.{suffix}"));
        std::fs::write(&file, text).expect("a file");
        let mut first = crate::library::compiler(suffix == "cpp");
        first.args(["-D_GNU_SOURCE", "-Wshadow", "-c", "-o", "/dev/null"]);
        first.args(flags).arg(&file);
        let mut second = Command::new(clang);
        second.args(first.get_args());
        crate::library::run(&mut first, LIMIT).expect_success(name);
        if Command::new(clang).arg("--version").output().is_err() {
            crate::library::skipped("the headers by a second compiler", "there is no clang here");
            continue;
        }
        crate::library::run(&mut second, LIMIT).expect_success(&format!("{name} by {clang}"));
    }
}
