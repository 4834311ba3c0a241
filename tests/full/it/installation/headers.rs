//! The headers, without a warning of strict compilers.

use std::process::Command;

use super::{folder, shell};
use crate::foreign::{are_there, prefix};
use crate::library::root;

/// The headers as they are installed, without a warning.
#[test]
fn strict_compilers() {
    if !are_there("the headers", &["cmake", "gcc", "g++", "clang", "clang++"]) {
        return;
    }
    let place = folder("strict");
    let commands = format!(
        "flags='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only'
        echo '#include <spoolbuf.h>\nint main(void) {{ return 0; }}' >c.c
        echo '#include <spoolbuf_fd.h>\n#include <spoolbuf_stdio.h>\nint main(void) {{ return 0; }}' >system.c
        echo '#include <spoolbuf.hpp>\nint main() {{ }}' >cpp.cpp
        ln -s '{}' include
        for by in gcc clang; do for std in c99 c2x; do
            $by $flags -Iinclude -std=$std c.c
            $by $flags -Iinclude -std=$std -D_GNU_SOURCE system.c
        done; done
        for by in g++ clang++; do for std in c++17 c++20; do
            $by $flags -Iinclude -std=$std cpp.cpp
            $by $flags -Iinclude -std=$std -fno-exceptions -fno-rtti cpp.cpp
            $by $flags -Iinclude -std=$std -x c++ c.c
        done; done",
        prefix().join("include").display()
    );
    shell(&place, &commands);
}

/// Each adapter's header, where its library is.
#[test]
fn strict_compilers_and_adapters() {
    if !are_there(
        "the adapters",
        &["gcc", "g++", "clang", "clang++", "pkg-config"],
    ) {
        return;
    }
    for (name, packages) in [
        ("spoolbuf_archive.h", "libarchive"),
        ("spoolbuf_curl.h", "libcurl"),
        ("spoolbuf_ffmpeg.h", "libavformat libavutil"),
        ("spoolbuf_gst.h", "gstreamer-1.0 gstreamer-base-1.0"),
        ("spoolbuf_mpv.h", "mpv"),
        ("spoolbuf_sdl.h", "sdl2"),
        ("spoolbuf_sndfile.h", "sndfile"),
        ("spoolbuf_fd_follow.h", ""),
        ("spoolbuf_vlc.h", "libvlc"),
    ] {
        let mut found = Command::new("pkg-config");
        found.arg("--exists").args(packages.split_whitespace());
        if !packages.is_empty() && !found.status().is_ok_and(|it| it.success()) {
            crate::library::skipped(name, &format!("{packages} is missing"));
            continue;
        }
        // The warnings of the other library's headers are not of this project.
        let commands = format!(
            "flags='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only -D_GNU_SOURCE'
            flags=\"$flags $(test -z '{packages}' || pkg-config --cflags {packages} | sed 's/-I/-isystem /g')\"
            for folder in '{root}'/include '{root}'/bindings/*; do set -- \"$@\" -I\"$folder\"; done
            printf '#include <{name}>\nint main(void) {{ return 0; }}\n' >main.c
            cp main.c main.cpp
            for std in c99 c2x; do
                gcc $flags \"$@\" -std=$std main.c
                clang $flags \"$@\" -std=$std main.c
            done
            for std in c++17 c++20; do
                g++ $flags \"$@\" -std=$std -fno-exceptions -fno-rtti main.cpp
                clang++ $flags \"$@\" -std=$std -fno-exceptions -fno-rtti main.cpp
            done",
            root = root().display()
        );
        shell(&folder(name), &commands);
    }
}
