//! The examples at the top of the adapters' headers, and of that for C++: each compiles.

use crate::foreign::{are_there, command};
use crate::library::{HANGS_AFTER, compiler, root, run, scratch, skipped};
use crate::media::miniaudio_folder;
use crate::player::pkg_config;

/// A header, what pkg-config has to know for its example, and what stands before that: the program's part.
const EXAMPLES: [(&str, &[&str], &str); 15] = [
    (
        "cpp/spoolbuf.hpp",
        &[],
        "#include <fstream>\nextern char bytes[10];",
    ),
    ("curl/spoolbuf_curl.h", &["libcurl"], ""),
    (
        "ffmpeg/spoolbuf_ffmpeg.h",
        &["libavformat", "libavutil"],
        "",
    ),
    (
        "gstreamer/spoolbuf_gst.h",
        &["gstreamer-app-1.0", "gstreamer-1.0"],
        "",
    ),
    ("libarchive/spoolbuf_archive.h", &["libarchive"], ""),
    (
        "miniaudio/spoolbuf_miniaudio.h",
        &[],
        "extern ma_decoder decoder;",
    ),
    (
        "mpv/spoolbuf_mpv.h",
        &["mpv"],
        "extern mpv_handle *mpv; extern mpv_event_end_file *end;",
    ),
    ("qt/spoolbuf_qt.hpp", &["Qt6Gui"], "#include <QImageReader>"),
    (
        "sdl/spoolbuf_sdl.h",
        &["sdl2", "SDL2_mixer"],
        "#include <SDL_mixer.h>",
    ),
    (
        "sdl3/spoolbuf_sdl3.h",
        &["sdl3"],
        "extern SDL_AudioSpec spec; extern Uint8 *bytes; extern Uint32 length;",
    ),
    (
        "sndfile/spoolbuf_sndfile.h",
        &["sndfile"],
        "extern SF_INFO info;",
    ),
    ("stdio/spoolbuf_fd.h", &[], ""),
    (
        "stdio/spoolbuf_fd_follow.h",
        &[],
        "extern int fd; extern void *my_download; int download_is_over(void *);",
    ),
    ("stdio/spoolbuf_stdio.h", &[], "extern char bytes[128];"),
    (
        "vlc/spoolbuf_vlc.h",
        &["libvlc"],
        "extern libvlc_instance_t *vlc; extern int played;",
    ),
];

/// The blocks of code in the comment at the top of a header.
fn blocks(header: &str) -> Vec<String> {
    let comment = header.split("*/").next().expect("a comment");
    let lines: Vec<&str> = comment
        .lines()
        .map(|line| line.strip_prefix(" *").unwrap_or(line))
        .collect();
    let parts = lines.split(|line| line.trim().is_empty());
    // A part of a table or of a list has lines that are less indented.
    let is_code =
        |part: &&[&str]| !part.is_empty() && part.iter().all(|line| line.starts_with("     "));
    parts
        .filter(is_code)
        .map(|part| part.join("\n") + "\n")
        .collect()
}

/// A line as a compiler takes it: without a remark in brackets, and with something to do where there are dots.
fn line(line: &str) -> String {
    let code = line.trim();
    let code = match code.rsplit_once("  (") {
        Some((before, remark)) if remark.ends_with(')') => before.trim(),
        _ => code,
    };
    let code = code
        .strip_suffix(") ...")
        .map_or(code.to_owned(), |it| format!("{it}) return;"));
    code.replace(";  ...  ", "; ") + "\n"
}

/// The program of a header's examples: what is outside of functions, and the rest, each block inside of the one
/// before.
fn program(header: &str, name: &str, before: &str) -> String {
    let (mut outside, mut inside) = (String::new(), String::new());
    let blocks = blocks(header);
    assert!(!blocks.is_empty(), "{name} has no example");
    for block in blocks {
        let code: String = block
            .lines()
            .filter(|it| it.trim() != "...")
            .map(line)
            .collect();
        if code.starts_with("static ") || code.starts_with("#include") {
            outside += &code;
        } else {
            inside += &format!("for (;;) {{\n{code}");
        }
    }
    let closing = "}\n".repeat(inside.matches("for (;;) {").count());
    let own = format!(
        "#include \"{}\"\n",
        root().join("bindings").join(name).display()
    );
    let own = if outside.contains("#include") {
        ""
    } else {
        &own
    };
    let (includes, functions) = if own.is_empty() {
        (outside.as_str(), "")
    } else {
        (own, outside.as_str())
    };
    format!(
        "{includes}{before}\nextern sb_buffer *buffer;\n{functions}void example(void);\nvoid example(void)\n{{\n{inside}{closing}}}\n"
    )
}

#[test]
fn examples_of_the_headers_compile() {
    if !are_there("the examples of the headers", &["git", "pkg-config"]) {
        return;
    }
    let listed = command("git", root())
        .args(["ls-files", "bindings/*.h", "bindings/*.hpp"])
        .output();
    let listed = String::from_utf8(listed.expect("git runs").stdout).expect("UTF-8");
    let known = EXAMPLES.map(|(name, ..)| format!("bindings/{name}"));
    assert_eq!(listed.lines().collect::<Vec<_>>(), known);
    for (name, packages, before) in EXAMPLES {
        let Some(mut flags) = pkg_config(packages) else {
            skipped(name, &format!("pkg-config does not know {packages:?}"));
            continue;
        };
        flags.retain(|flag| !["-l", "-L", "-Wl,"].iter().any(|it| flag.starts_with(it)));
        if name.starts_with("miniaudio") {
            let Some(include) = miniaudio_folder() else {
                continue;
            };
            flags.push(include);
        }
        let header = std::fs::read_to_string(root().join("bindings").join(name)).expect("a header");
        let cpp = name.ends_with("hpp");
        let file = scratch().join(format!(
            "example of {}.{}",
            name.replace('/', " "),
            if cpp { "cpp" } else { "c" }
        ));
        std::fs::write(&file, program(&header, name, before)).expect("written");
        let mut compiler = compiler(cpp);
        compiler.args([
            "-D_GNU_SOURCE",
            "-fsyntax-only",
            "-Wno-unused",
            "-Wno-uninitialized",
            "-Wno-shadow",
            "-Wno-unused-result",
        ]);
        compiler.arg("-I").arg(
            root()
                .join("bindings")
                .join(name)
                .parent()
                .expect("a folder"),
        );
        compiler.args(flags).arg(&file);
        run(&mut compiler, HANGS_AFTER).expect_success(name);
    }
}
