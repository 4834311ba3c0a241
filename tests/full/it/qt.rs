//! The adapter for Qt: its device in Qt's own readers, beside a source that stalls or fails, and in Qt
//! Multimedia, where that is installed.

use std::process::Command;

use crate::library::{HANGS_AFTER, compiler, root, run, scratch, skipped};
use crate::media::several;
use crate::player::{Player, media, pkg_config};

/// Qt's flags for a program of several languages; none, loudly, without Qt.
fn flags(name: &str, module: &str) -> Option<Vec<String>> {
    let flags = pkg_config(&[module]);
    if flags.is_none() {
        skipped(name, &format!("pkg-config does not know {module}"));
    }
    flags
}

#[test]
fn device() {
    let Some(player) = Player::build("tests/player/qt.cpp", &["Qt6Gui"]) else {
        return;
    };
    let outcome = run(&mut Command::new(player.program), HANGS_AFTER);
    outcome.expect_success("qt.cpp");
    assert!(outcome.output.ends_with("ok\n"), "{}", outcome.output);
}

/// Qt beside C: the players are told of Qt through functions of C.
#[test]
fn several_qt() {
    let Some(flags) = flags("several_qt", "Qt6Core") else {
        return;
    };
    let object = scratch().join("qt_file.o");
    let mut command = compiler(true);
    command
        .arg("-I")
        .arg(root().join("bindings/qt"))
        .args(["-c", "-o"])
        .arg(&object)
        .arg(root().join("tests/player/qt_file.cpp"))
        .args(flags.iter().filter(|flag| !flag.starts_with("-l")));
    run(&mut command, HANGS_AFTER).expect_success("compiling qt_file.cpp");
    let mut more = vec![object.to_str().expect("UTF-8"), "-lstdc++"];
    more.extend(flags.iter().map(String::as_str));
    several("qt", &[], &more, &["index-first.mp4", "sound.flac"]);
}

/// Included twice, without exceptions, by two compilers.
#[test]
fn header() {
    let Some(flags) = flags("spoolbuf_qt.hpp", "Qt6Core") else {
        return;
    };
    let file = scratch().join("spoolbuf_qt.cpp");
    let line = format!(
        "#include \"{}\"\n",
        root().join("bindings/qt/spoolbuf_qt.hpp").display()
    );
    std::fs::write(&file, line.repeat(2)).expect("a file");
    let mut first = compiler(true);
    first.args([
        "-Wshadow",
        "-Wconversion",
        "-fno-exceptions",
        "-fsyntax-only",
    ]);
    first.args(flags.iter().filter(|flag| !flag.starts_with("-l")));
    first.arg(&file);
    let mut second = Command::new("clang++");
    second.args(first.get_args());
    run(&mut first, HANGS_AFTER).expect_success("spoolbuf_qt.hpp");
    if Command::new("clang++").arg("--version").output().is_err() {
        return skipped(
            "the Qt header by a second compiler",
            "there is no clang here",
        );
    }
    run(&mut second, HANGS_AFTER).expect_success("spoolbuf_qt.hpp by clang");
}

/// What Qt Multimedia decodes; the two lines of `tests/player/qt_media.cpp`.
fn decoded(player: &Player, backend: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(&player.program);
    command.env("QT_MEDIA_BACKEND", backend).args(arguments);
    let outcome = run(&mut command, HANGS_AFTER);
    outcome.expect_success(&arguments.join(" "));
    let sum = outcome.output.find("sum ").expect("a sum");
    outcome.output[sum..].to_owned()
}

/// A size that is not true changes nothing that is heard.
#[test]
fn multimedia() {
    let source = "tests/player/qt_media.cpp";
    let Some((media, player)) = media().zip(Player::build(source, &["Qt6Multimedia"])) else {
        return;
    };
    for (backend, name) in [
        ("gstreamer", "sound.flac"),
        ("gstreamer", "sound.ogg"),
        ("ffmpeg", "index-first.mp4"),
    ] {
        let path = media.path(name);
        let size = std::fs::metadata(&path).expect("a file").len();
        let path = path.to_str().expect("UTF-8");
        let direct = decoded(&player, backend, &[path]);
        for kind in ["pipe", "seek"] {
            for declared in [size - 1, size, size + 1, size / 2, size * 2, 0, 1 << 40] {
                let found = decoded(&player, backend, &[path, kind, &declared.to_string()]);
                let status = if declared > size {
                    "the source ended before the declared size"
                } else {
                    "success"
                };
                let expected = direct.replace("none", status);
                assert_eq!(found, expected, "{name}, {kind}, {declared}");
            }
        }
    }
}
