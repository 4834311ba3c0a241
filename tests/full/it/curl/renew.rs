//! URLs that expire midway. The first one of each server has no query; `?1`, `?2` and so on are fresh.

use super::identity::VALIDATORS;
use super::program::{Program, SANITIZED};
use super::reply::{Reply, status};
use super::resource::{SAMPLE, SIZE, part, some, whole};
use super::server::{Request, Server, serve};

/// Where the first URL breaks off.
const CUT: usize = 700_000;

/// One retry, after a quarter of a second.
static RENEW: Program = Program::new(
    "curl-renew",
    "tests/curl/renew.c",
    &["-DSPOOLBUF_CURL_RETRIES=1", SANITIZED],
);

impl Request {
    /// The number of the URL; 0 for the first one.
    fn url(&self) -> usize {
        let number = self.path.split_once('?').map(|(_, number)| number.parse());
        number.map_or(0, |number| number.expect("a number"))
    }
}

/// The first URL breaks off and is then refused in that way; others have that reply.
fn expiring(
    refusal: &'static str,
    fresh: impl Fn(usize) -> Reply + Send + Sync + 'static,
) -> Server {
    serve(move |request| match (request.url(), request.number) {
        (0, 0) => part(0).cut(CUT),
        (0, _) => status(refusal),
        _ => fresh(request.start),
    })
}

/// A part of another resource of the same size, from that offset on.
fn other(start: usize) -> Reply {
    part(start).altered()
}

/// From the server's log: which URL was asked for which offset.
fn asked(server: &Server) -> Vec<(usize, usize)> {
    let log = server.log.lock().expect("the log");
    log.iter()
        .map(|request| (request.url(), request.start))
        .collect()
}

#[test]
fn goes_on_under_a_fresh_url() {
    let Some(renew) = RENEW.get() else { return };
    for (refusal, code) in [
        ("400 Bad Request", -1400),
        ("401 Unauthorized", -1401),
        ("403 Forbidden", -1403),
        ("404 Not Found", -1404),
        ("410 Gone", -1410),
    ] {
        let server = expiring(refusal, part);
        renew.ok(&server, "whole", &[1, code]);
        assert_eq!(asked(&server), [(0, 0), (0, CUT), (1, CUT - SAMPLE)]);
    }
    renew.ok(&expiring("403 Forbidden", part), "reads", &[]);
    // At the first request, which delivers nothing that could be compared.
    let server = serve(|request| match request.url() {
        0 => status("403 Forbidden"),
        _ => part(request.start),
    });
    renew.ok(&server, "declare", &[]);
    assert_eq!(asked(&server)[..2], [(0, 0), (1, 0)]);
}

/// Each URL is good for a while: a renewal that led to bytes may be followed by another one.
#[test]
fn renews_as_often_as_bytes_come() {
    let Some(renew) = RENEW.get() else { return };
    const STEP: usize = 300_000;
    let server = serve(|request| match request.start / STEP {
        turn if request.url() < turn => status("403 Forbidden"),
        turn => part(request.start).cut((turn + 1) * STEP - request.start),
    });
    // The sample before a step is refused by nobody.
    let steps = ((SIZE - 1) / STEP) as i64;
    renew.ok(&server, "whole", &[steps, -1403]);
}

#[test]
fn compares_small_reads_too() {
    let Some(renew) = RENEW.get() else { return };
    let server = expiring("403 Forbidden", part);
    renew.ok(&server, "small", &[]);
    assert_eq!(asked(&server).last(), Some(&(1, CUT - SAMPLE)));
}

/// A second refusal without a byte in between is the error, and so is the first without a fresh URL.
#[test]
fn asks_once_for_each_failed_request() {
    let Some(renew) = RENEW.get() else { return };
    let server = expiring("403 Forbidden", |_| status("404 Not Found"));
    renew.ok(&server, "fails", &[9, CUT as i64, -1404, 1]);
    let server = expiring("403 Forbidden", part);
    renew.ok(&server, "fails", &[0, CUT as i64, -1403, 1]);
    let server = serve(|_| status("401 Unauthorized"));
    renew.ok(&server, "fails", &[9, 0, -1401, 1]);
    // What another URL does not mend.
    let server = serve(|_| status("304 Not Modified"));
    renew.ok(&server, "fails", &[9, 0, -1304, 0]);
}

#[test]
fn renews_after_the_last_retry() {
    let Some(renew) = RENEW.get() else { return };
    for (refusal, code) in [
        (None, -18),
        (Some("429 Too Many Requests"), -1429),
        (Some("503 Service Unavailable"), -1503),
    ] {
        let server = serve(move |request| match (request.url(), request.number) {
            (0, 0) => part(0).cut(CUT),
            (0, _) => refusal.map_or_else(|| part(request.start).cut(0), status),
            _ => part(request.start),
        });
        renew.ok(&server, "whole", &[1, code]);
        let expected = [(0, 0), (0, CUT), (1, CUT - SAMPLE)];
        assert_eq!(asked(&server), expected, "{code}");
    }
}

#[test]
fn never_mixes_the_resources_of_two_urls() {
    let Some(renew) = RENEW.get() else { return };
    for (first, then, same) in VALIDATORS {
        let server = serve(move |request| match (request.url(), request.number) {
            (0, 0) => part(0).cut(CUT).with(first),
            (0, _) => status("403 Forbidden"),
            _ => part(request.start).with(then),
        });
        match same {
            true => renew.ok(&server, "whole", &[1, -1403]),
            false => renew.ok(&server, "fails", &[9, CUT as i64, -2001, 1]),
        }
    }
    // Only the bytes differ, or the size, or there are fewer bytes than were delivered.
    let answers: [fn(usize) -> Reply; 4] = [
        other,
        |start| some(start..SIZE, SIZE + 1),
        |start| some(start..SIZE, SIZE - 1),
        |_| status("416 Range Not Satisfiable"),
    ];
    for answer in answers {
        let server = expiring("403 Forbidden", answer);
        renew.ok(&server, "fails", &[9, CUT as i64, -2001, 1]);
    }
    // Nobody has stated a size, and there is nothing where bytes were.
    let server = serve(|request| match (request.url(), request.number) {
        (0, 0) => some(0..CUT, "*"),
        (0, _) => status("403 Forbidden"),
        _ => status("416 Range Not Satisfiable"),
    });
    renew.ok(&server, "fails", &[9, CUT as i64, -2001, 1]);
}

/// The bytes at the new offset say nothing about the old ones: those are requested first.
#[test]
fn compares_before_it_seeks() {
    let Some(renew) = RENEW.get() else { return };
    for same in [true, false] {
        let server = serve(move |request| match (request.url(), request.start) {
            (0, 0) => part(0).cut(100_000),
            (0, _) => status("403 Forbidden"),
            (_, start) if same => part(start),
            (_, start) => other(start),
        });
        renew.ok(&server, "jump", &[i64::from(same)]);
        let asked = asked(&server);
        assert_eq!(asked[1], (0, SIZE / 2));
        // What was delivered, which is more than the thousand bytes that were read.
        assert!(asked[2].0 == 1 && asked[2].1 < 100_000, "{asked:?}");
        let sought = asked.get(3) == Some(&(1, SIZE / 2));
        assert_eq!(sought, same, "{asked:?}");
    }
}

#[test]
fn compares_what_it_skips() {
    let Some(renew) = RENEW.get() else { return };
    for same in [true, false] {
        let server = serve(move |request| match (request.url(), request.number) {
            (0, 0) => whole().cut(CUT),
            (0, _) => status("403 Forbidden"),
            _ if same => whole(),
            _ => whole().of(other(0).body),
        });
        let code = if same { 0 } else { -2001 };
        renew.ok(&server, "forward", &[CUT as i64, code]);
        assert_eq!(asked(&server).len(), 3);
    }
}

#[test]
fn takes_a_fresh_header_under_the_same_url() {
    let Some(renew) = RENEW.get() else { return };
    let server = serve(|request| match request.number {
        0 => part(0).cut(CUT),
        _ if request.headers.contains("authorization: bearer 1") => part(request.start),
        _ => status("401 Unauthorized"),
    });
    renew.ok(&server, "token", &[]);
}

#[test]
fn stops_in_a_renewal() {
    let Some(renew) = RENEW.get() else { return };
    for limit in [0, 1] {
        renew.ok(&expiring("403 Forbidden", part), "stop", &[limit]);
    }
    renew.ok(&expiring("403 Forbidden", part), "free", &[]);
}

/// Why the renewal is the source's own and not an `sb_reopen()`: that is refused here.
#[test]
fn renews_where_no_source_can_be_replaced() {
    let Some(renew) = RENEW.get() else { return };
    for what in ["window", "cache"] {
        let server = expiring("403 Forbidden", part);
        renew.ok(&server, what, &[]);
        let expected = [(0, 0), (0, CUT), (1, CUT - SAMPLE)];
        assert_eq!(asked(&server), expected, "{what}");
    }
}

/// `sb_reopen()` during the renewal: the other source wins, whatever comes of the renewal.
#[test]
fn is_reopened_in_a_renewal() {
    let Some(renew) = RENEW.get() else { return };
    for elsewhere in [0, 1] {
        let server = expiring("403 Forbidden", part);
        renew.ok(&server, "replace", &[elsewhere]);
        assert_eq!(asked(&server), [(0, 0), (0, CUT), (9, CUT - SAMPLE)]);
    }
}

/// Without a function that renews: sb_reopen() with another source compares the bytes.
#[test]
fn is_reopened_with_another_url() {
    let Some(renew) = RENEW.get() else { return };
    for same in [true, false] {
        let server = expiring("403 Forbidden", if same { part } else { other });
        renew.ok(&server, "reopen", &[CUT as i64, i64::from(same)]);
    }
}
