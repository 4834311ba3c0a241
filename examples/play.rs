//! `cargo run --release --example play -- [OPTION...] [FILE]`: compiles `examples/play.c` against
//! `include/spoolbuf.h`, links it to the library that cargo has built, and becomes the result.
//!
//! It needs std, cargo and a C compiler, and no other crate, so that the first try is quick.

#[path = "play/library.rs"]
mod library;

use std::process::Command;

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
    if !cfg!(unix) {
        library::give_up("it needs POSIX threads and signals, which this system lacks");
    }
    let compiler = library::compiler();
    let directory = library::shared_library();
    let program = directory.join("play");
    library::compile(&compiler, &SOURCES, &program, &directory);
    let mut command = Command::new(&program);
    command.args(std::env::args_os().skip(1));
    run(command);
}

/// Becomes the program, so that Ctrl-C and the exit code are its own.
#[cfg(unix)]
fn run(mut command: Command) {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    let program = command.get_program().to_string_lossy();
    library::give_up(&format!("{program}: {error}"));
}

#[cfg(not(unix))]
fn run(_command: Command) {}
