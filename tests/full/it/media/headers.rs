//! The adapters without their libraries: each header alone, its sources and its texts.

use std::process::Command;

use super::miniaudio_folder;
use crate::library::HANGS_AFTER;
use crate::player::Player;

#[test]
fn sources() {
    let program = Player::build_with("tests/player/sources.c", &[], &["-D_GNU_SOURCE"]);
    let program = program.expect("needs no library");
    let outcome = crate::library::run(&mut Command::new(program.program), HANGS_AFTER);
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
        let outcome = crate::library::run(&mut command, HANGS_AFTER);
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
        crate::library::run(&mut first, HANGS_AFTER).expect_success(name);
        if Command::new(clang).arg("--version").output().is_err() {
            crate::library::skipped("the headers by a second compiler", "there is no clang here");
            continue;
        }
        crate::library::run(&mut second, HANGS_AFTER).expect_success(&format!("{name} by {clang}"));
    }
}
