//! Only the stop, or a read elsewhere, ends what does not end by itself.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::sleep;
use std::time::Duration;

use super::reply::status;
use super::resource::part;
use super::server::{Server, serve};
use super::{CALLS, example};
use crate::library::{HANGS_AFTER, run_with, skipped};
use crate::player::{Player, await_interruptible, interrupt};

/// Only the stop can end it: from outside, and in the call that is inside the source.
fn stops(example: &Player, server: &Server) {
    let mut command = Command::new(&example.program);
    let said = run_with(command.arg(&server.url), HANGS_AFTER, |process| {
        await_interruptible(process);
        // Until it waits for the server; if it does not yet, the stop is to work all the same.
        sleep(Duration::from_secs(2));
        interrupt(process);
    })
    .output;
    assert!(said.contains("stopped"), "{said}");
    let calls = CALLS.get().expect("as the example");
    calls.ok(server, "stop", &[]);
}

#[test]
fn stops_in_a_stall() {
    let Some(example) = example() else { return };
    for cut in [0, 100_000] {
        let server = serve(move |request| part(request.start).stalling(cut));
        stops(example, &server);
    }
}

#[test]
fn leaves_a_stall_for_a_read_elsewhere() {
    let Some(calls) = CALLS.get() else { return };
    let server = serve(|request| match request.number {
        0 => part(0).stalling(100_000),
        _ => part(request.start),
    });
    calls.ok(&server, "leave", &[]);
    let asked = server.asked();
    assert_eq!(asked[..2], [0, 1_500_000], "{asked:?}");
    assert!(asked[2..].contains(&100_000), "{asked:?}");
}

#[test]
fn stops_before_it_tries_again() {
    let Some(example) = example() else { return };
    let server = serve(|request| match request.start {
        0 => part(0).cut(100_000),
        _ => status("503 Service Unavailable").with("Retry-After: 3600"),
    });
    stops(example, &server);
}

/// The connection breaks while a stop is in force: after the resume nothing is missing.
#[test]
fn goes_on_after_a_fault_in_a_stop() {
    let Some(calls) = CALLS.get() else { return };
    let broken = Arc::new(AtomicBool::new(false));
    let seen = broken.clone();
    let server = serve(
        move |request| match (request.path.as_str(), request.number) {
            ("/resource?break", _) => {
                broken.store(true, SeqCst);
                status("200 OK")
            }
            (_, 0) => part(0).stalling(100_000).until(&seen),
            _ => part(request.start),
        },
    );
    calls.ok(&server, "stop-fault", &[]);
}

#[test]
fn stops_while_a_name_is_resolved() {
    let Some(calls) = CALLS.get() else { return };
    calls.ok_with(["name", "http://some.name/resource"]);
}

#[test]
fn stops_while_it_connects() {
    let Some(calls) = CALLS.get() else { return };
    // A queue of one that is full: what comes then gets no answer.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    // SAFETY: a plain call.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().expect("an address");
    let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(1));
    let held: Vec<_> = (0..10).map_while(|_| connect().ok()).collect();
    if held.len() == 10 {
        return skipped("a stop while it connects", "no queue gets full here");
    }
    calls.ok_with(["stop", &format!("http://{address}/resource")]);
}
