//! Faults, and what is tried again after them.

use std::time::Duration;

use super::reply::{Framing, Reply, status};
use super::resource::{SIZE, is_whole, part, resource, whole};
use super::server::serve;
use super::{CALLS_ONCE, example, fetch};

#[test]
fn goes_on_where_the_connection_broke() {
    let Some(example) = example() else { return };
    const CUT: usize = 700_001;
    let server = serve(|request| part(request.start).cut(CUT));
    is_whole(&fetch(example, &server));
    // The tail by a jump, which interrupts what was coming; all else in order, without a gap.
    let asked = server.asked();
    let steps: Vec<usize> = asked.into_iter().filter(|at| *at < SIZE - 100).collect();
    assert!(steps.len() <= SIZE.div_ceil(CUT) + 1, "{steps:?}");
    for pair in steps.windows(2) {
        assert!(pair[0] <= pair[1] && pair[1] <= pair[0] + CUT, "{steps:?}");
    }
}

#[test]
fn retries_where_that_may_help() {
    let Some(example) = example() else { return };
    let server = serve(|request| match request.number {
        0 => status("503 Service Unavailable").with("Retry-After: 2"),
        2 => status("429 Too Many Requests"),
        _ => part(request.start),
    });
    is_whole(&fetch(example, &server));
    let log = server.log.lock().expect("the log");
    let waited = log[1].at - log[0].at;
    assert!(waited >= Duration::from_millis(1900), "{waited:?}");
}

#[test]
fn does_not_retry_where_that_cannot_help() {
    let Some(example) = example() else { return };
    for (reply, code) in [
        ("404 Not Found", "-1404"),
        ("500 Internal Server Error", "-1500"),
        ("304 Not Modified", "-1304"),
        ("302 Found", "-1302"),
        ("204 No Content", "-1204"),
    ] {
        let server = serve(move |_| status(reply));
        let said = fetch(example, &server);
        assert!(said.contains(&format!("source's error {code}\n")), "{said}");
        assert!(said.contains("size 0\n"), "{said}");
        // Once for the size, once for the bytes; a server that has a fault may be better later.
        let most = if code == "-1500" { 12 } else { 2 };
        assert_eq!(server.asked().len(), most, "{code}");
    }
    // Nothing at all in answer to the first request.
    let server = serve(|_| status("").cut(0).framed(Framing::Close));
    assert!(fetch(example, &server).contains("source's error -"));
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn gives_up_when_nothing_comes() {
    let Some(example) = example() else { return };
    let server = serve(|request| {
        let start = request.start;
        part(start).cut(300_000_usize.saturating_sub(start))
    });
    let said = fetch(example, &server);
    // The connection was closed with bytes outstanding.
    assert!(said.contains("source's error -18"), "{said}");
}

#[test]
fn fails_where_bytes_cannot_be_requested_again() {
    let Some(example) = example() else { return };
    for framing in [false, true] {
        let server = serve(move |_| match framing {
            true => whole().cut(500_000).framed(Framing::Chunked),
            false => whole().cut(500_000),
        });
        let said = fetch(example, &server);
        assert!(said.contains("size 500000\n"), "{said}");
        assert!(said.contains("source's error -18"), "{said}");
        assert_eq!(server.asked(), [0]);
    }
}

/// A jump that fails is one that failed this time: the next read tries it again.
#[test]
fn a_failed_seek_is_tried_again() {
    let Some(calls) = CALLS_ONCE.get() else {
        return;
    };
    for (fault, code) in [
        ("503 Service Unavailable", -1503),
        ("404 Not Found", -1404),
        ("200 OK", -2002),
    ] {
        let server = serve(move |request| match request.number {
            1 if fault == "200 OK" => whole(),
            1 => status(fault),
            _ => part(request.start),
        });
        calls.ok(&server, "jump-again", &[code]);
        assert_eq!(server.asked()[..3], [0, SIZE / 2, SIZE / 2], "{fault}");
    }
}

/// The server fails at the first call, in the middle, at the last byte: an error there each time, never
/// the end, and a retry goes on without a byte that is missing or comes twice.
#[test]
fn goes_on_after_every_fault() {
    let Some(calls) = CALLS_ONCE.get() else {
        return;
    };
    for at in [0, SIZE / 2, SIZE - 1] {
        for how in 0..3 {
            let server = serve(move |request| match request.number {
                0 if at > 0 => part(0).cut(at),
                0 | 1 => match how {
                    0 => status("500 Internal Server Error"),
                    1 => status("").cut(0).framed(Framing::Close),
                    _ => part(request.start).cut(0),
                },
                _ => part(request.start),
            });
            calls.ok(&server, "fault", &[at as i64]);
        }
    }
}

/// A server without ranges sends all again after a retry: what was delivered is skipped, if it is the same.
#[test]
fn skips_delivered_bytes_where_there_are_no_ranges() {
    let Some(calls) = CALLS_ONCE.get() else {
        return;
    };
    let at = SIZE / 2;
    for framing in [false, true] {
        let server = serve(move |request| {
            let reply = match request.number {
                0 => whole().cut(at),
                1 => status("500 Internal Server Error"),
                _ => whole(),
            };
            match framing {
                true => reply.framed(Framing::Chunked),
                false => reply,
            }
        });
        calls.ok(&server, "fault", &[at as i64]);
    }
    // It is shorter now than what was delivered of it: no end.
    let server = serve(move |request| match request.number {
        0 => whole().cut(at).framed(Framing::Chunked),
        _ => Reply {
            body: resource()[..at / 2].to_vec(),
            ..whole()
        }
        .framed(Framing::Chunked),
    });
    calls.ok(&server, "changed", &[at as i64]);
}
