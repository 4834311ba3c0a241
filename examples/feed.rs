//! `cargo run --release --example feed -- [OPTION...]`: compiles `examples/feed.c` against
//! `include/spoolbuf.h`, links it to the library that cargo has built, and becomes the result.

#[path = "play/library.rs"]
mod library;

fn main() {
    library::start(&["examples/feed.c"]);
}
