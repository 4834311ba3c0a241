//! The headers as they are installed, without a warning of strict compilers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::folder;
use crate::foreign::{all_dialects, are_there, command, files, prefix};
use crate::library::{HANGS_AFTER, run, skipped};
use crate::media::miniaudio_folder;
use crate::player::pkg_config;

const STRICT: [&str; 7] = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Werror",
    "-fsyntax-only",
];

/// Each header, what pkg-config has to know for it, and what it does not include itself.
const HEADERS: [(&str, &[&str], &str); 16] = [
    ("spoolbuf.h", &[], ""),
    ("spoolbuf.hpp", &[], ""),
    ("spoolbuf_archive.h", &["libarchive"], ""),
    ("spoolbuf_curl.h", &["libcurl"], ""),
    ("spoolbuf_fd.h", &[], ""),
    ("spoolbuf_fd_follow.h", &[], ""),
    ("spoolbuf_ffmpeg.h", &["libavformat", "libavutil"], ""),
    (
        "spoolbuf_gst.h",
        &["gstreamer-1.0", "gstreamer-base-1.0"],
        "",
    ),
    ("spoolbuf_miniaudio.h", &[], "miniaudio.h"),
    ("spoolbuf_mpv.h", &["mpv"], ""),
    ("spoolbuf_qt.hpp", &["Qt6Core"], ""),
    ("spoolbuf_sdl.h", &["sdl2"], ""),
    ("spoolbuf_sdl3.h", &["sdl3"], ""),
    ("spoolbuf_sndfile.h", &["sndfile"], ""),
    ("spoolbuf_stdio.h", &[], ""),
    ("spoolbuf_vlc.h", &["libvlc"], ""),
];

#[test]
fn strict_compilers() {
    if !are_there("the headers", &["cmake", "gcc", "g++", "clang", "clang++"]) {
        return;
    }
    let installed = files(&prefix().join("include"));
    let listed = HEADERS.map(|(name, ..)| name.to_owned());
    assert_eq!(installed, BTreeSet::from(listed));
    for (name, packages, before) in HEADERS {
        if let Some(mut flags) = flags(name, packages, before) {
            compiles_in_strict_c(name, before, &flags);
            flags.push("-D_GNU_SOURCE".to_owned());
            compiles(name, before, &flags);
        }
    }
}

/// The flag with which the system shows the least that a header of C needs. None is not tried.
fn asks_for(name: &str) -> Option<&'static str> {
    match name {
        "spoolbuf_stdio.h" => None,
        "spoolbuf_fd.h" | "spoolbuf_fd_follow.h" => Some("-D_POSIX_C_SOURCE=200809L"),
        _ => name.ends_with(".h").then_some("-U_GNU_SOURCE"),
    }
}

/// Where the system shows no more than that.
fn compiles_in_strict_c(name: &str, before: &str, flags: &[String]) {
    let Some(shown) = asks_for(name) else {
        return;
    };
    let place = written(name, before);
    let flags = [flags, &[shown.to_owned()]].concat();
    by(&["gcc", "clang"], &place, "main.c", "c99", &flags);
}

/// For the other library, whose warnings are not of this project; none, loudly, where it is not there.
fn flags(name: &str, packages: &[&str], before: &str) -> Option<Vec<String>> {
    if before == "miniaudio.h" {
        return miniaudio_folder().map(|folder| vec![folder]);
    }
    let Some(mut flags) = pkg_config(packages) else {
        skipped(name, &format!("pkg-config does not know {packages:?}"));
        return None;
    };
    // Nothing is linked.
    flags.retain(|flag| !["-l", "-L", "-Wl,"].iter().any(|it| flag.starts_with(it)));
    Some(flags)
}

/// A program of each language that includes it twice; the folder.
fn written(name: &str, before: &str) -> PathBuf {
    let place = folder(name);
    let line = |name: &str| format!("#include <{name}>\n");
    let before = Some(before).filter(|it| !it.is_empty());
    let text = before.map(line).unwrap_or_default() + &line(name).repeat(2);
    for file in ["main.c", "main.cpp"] {
        fs::write(
            place.join(file),
            format!("{text}int main(void) {{ return 0; }}\n"),
        )
        .expect("written");
    }
    place
}

/// In the oldest and a new dialect of each language; in `.ci/deep` in others, too.
fn compiles(name: &str, before: &str, flags: &[String]) {
    let place = written(name, before);
    let all = all_dialects();
    if !name.ends_with(".hpp") {
        for standard in ["c99", "c2x"]
            .iter()
            .chain(["gnu99", "c11", "c17"].iter().filter(|_| all))
        {
            by(&["gcc", "clang"], &place, "main.c", standard, flags);
        }
    }
    for standard in ["c++17", "c++20"]
        .iter()
        .chain(["c++2b"].iter().filter(|_| all))
    {
        by(&["g++", "clang++"], &place, "main.cpp", standard, flags);
        let mut flags = flags.to_owned();
        flags.extend(["-fno-exceptions", "-fno-rtti"].map(str::to_owned));
        by(&["g++", "clang++"], &place, "main.cpp", standard, &flags);
    }
}

fn by(compilers: &[&str], place: &Path, file: &str, standard: &str, flags: &[String]) {
    for compiler in compilers {
        let mut command = command(compiler, place);
        command.args(STRICT).arg(format!("-std={standard}"));
        command.arg("-I").arg(prefix().join("include"));
        let outcome = run(command.args(flags).arg(file), HANGS_AFTER);
        outcome.expect_success(&format!("{command:?}"));
    }
}
