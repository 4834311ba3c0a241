//! `bindings/curl/spoolbuf_curl.h` against servers of every kind: with ranges and without, that break
//! off, stall, change the resource, or answer what they were not asked.

mod follow;
mod identity;
mod program;
mod programs;
mod protocols;
mod ranges;
mod renew;
mod reply;
mod resource;
mod retries;
mod server;
mod stops;

use std::process::Command;
use std::sync::OnceLock;

use crate::library::{HANGS_AFTER, run};
use crate::player::Player;
use program::{Program, SANITIZED};

pub(crate) use reply::{Framing, Reply, status};
pub(crate) use server::{Server, serve};

static CALLS: Program = Program::new("calls", "tests/curl/calls.c", &[]);
/// The same, with a source that does not retry.
static CALLS_ONCE: Program = Program::new(
    "calls-once",
    "tests/curl/calls.c",
    &["-DSPOOLBUF_CURL_RETRIES=0", SANITIZED],
);

/// The example, built once.
fn example() -> Option<&'static Player> {
    static EXAMPLE: OnceLock<Option<Player>> = OnceLock::new();
    let example = EXAMPLE.get_or_init(|| Player::new("curl", &["libcurl"]));
    example.as_ref()
}

/// What the example says of the server's resource.
fn fetch(example: &Player, server: &Server) -> String {
    run(Command::new(&example.program).arg(&server.url), HANGS_AFTER).output
}
