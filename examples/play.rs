//! `cargo run --release --example play -- [OPTION...] [FILE]`: compiles `examples/play.c` against
//! `include/spoolbuf.h`, links it to the library that cargo has built, and becomes the result.

#[path = "play/library.rs"]
mod library;

const SOURCES: [&str; 10] = [
    "examples/play.c",
    "examples/play/actors.c",
    "examples/play/files.c",
    "examples/play/mutexed.c",
    "examples/play/network.c",
    "examples/play/options.c",
    "examples/play/report.c",
    "examples/play/screen.c",
    "examples/play/server.c",
    "examples/play/tune.c",
];

fn main() {
    library::start(&SOURCES);
}
