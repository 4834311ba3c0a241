//! `cargo run --release --example play -- [OPTION...] [FILE]`: builds the library, compiles
//! `examples/play.c` against `include/spoolbuf.h`, links the two and runs the result.

#[path = "play/library.rs"]
mod library;

use std::process::Command;

fn main() {
    if !cfg!(unix) {
        eprintln!("play: needs POSIX threads and signals, which this system lacks");
        std::process::exit(1);
    }
    let directory = library::shared_library();
    let program = directory.join("play");
    let sources = [
        "examples/play.c",
        "examples/play/network.c",
        "examples/play/options.c",
        "examples/play/screen.c",
        "examples/play/tune.c",
    ];
    library::compile(&sources, &program, &directory);
    let mut command = Command::new(&program);
    command.args(std::env::args_os().skip(1));
    run(command);
}

/// Becomes the program, so that Ctrl-C and the exit code are its own.
#[cfg(unix)]
fn run(mut command: Command) {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    panic!("{}: {error}", command.get_program().to_string_lossy());
}

#[cfg(not(unix))]
fn run(_command: Command) {}
