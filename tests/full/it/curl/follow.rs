//! Resources that grow, shrink or are replaced while they are followed.

use std::time::Duration;

use super::program::{Program, SANITIZED};
use super::reply::{Reply, status};
use super::resource::{SAMPLE, SIZE, resource, some, whole};
use super::server::serve;

/// How long the resource is at first.
const FIRST: usize = 700_000;

/// It asks ten times a second.
static FOLLOW: Program = Program::new(
    "curl-follow",
    "tests/curl/follow.c",
    &["-DSPOOLBUF_CURL_RETRIES=1", SANITIZED],
);

/// The answer while the resource has that size, with the headers of a file server: they change with it.
fn grown(start: usize, size: usize) -> Reply {
    some(start..size, size)
        .with(&format!("Content-Range: bytes */{size}"))
        .with(&format!("ETag: \"{size}\""))
        .with(&format!("Last-Modified: {size}"))
}

/// How long it is at each request: three times the first size, then more.
fn length(number: usize) -> usize {
    match number {
        0..3 => FIRST,
        3..6 => FIRST + 1,
        6..8 => 1_500_000,
        _ => SIZE,
    }
}

#[test]
fn goes_on_as_it_grows() {
    let Some(follow) = FOLLOW.get() else { return };
    let server = serve(|request| grown(request.start, length(request.number)));
    follow.ok(&server, "whole", &[12]);
    let asked = server.asked();
    // What was delivered last, again and again, and never all of it.
    assert_eq!(
        asked[..4],
        [0, FIRST - SAMPLE, FIRST - SAMPLE, FIRST - SAMPLE]
    );
    assert_eq!(asked.last(), Some(&(SIZE - SAMPLE)));
    assert!(
        asked[1..].iter().all(|at| *at >= FIRST - SAMPLE),
        "{asked:?}"
    );
    // At its pace.
    let log = server.log.lock().expect("the log");
    let took = log.last().expect("some").at - log[0].at;
    assert!(took >= Duration::from_millis(100 * 12), "{took:?}");
    drop(log);
    // Without validators, or with the same.
    let server = serve(|request| {
        some(
            request.start..length(request.number),
            length(request.number),
        )
    });
    follow.ok(&server, "whole", &[12]);
    let server = serve(|request| {
        let size = length(request.number);
        some(request.start..size, size).with("ETag: \"one\"")
    });
    follow.ok(&server, "whole", &[12]);
    let server = serve(|request| grown(request.start, length(request.number)));
    follow.ok(&server, "declare", &[]);
}

/// Nothing states a size: only a 416 is the end.
#[test]
fn goes_on_without_a_total() {
    let Some(follow) = FOLLOW.get() else { return };
    let server = serve(|request| match length(request.number) {
        size if request.start < size => some(request.start..size, "*"),
        _ => status("416 Range Not Satisfiable"),
    });
    follow.ok(&server, "whole", &[12]);
}

#[test]
fn begins_with_nothing() {
    let Some(follow) = FOLLOW.get() else { return };
    let server = serve(|request| match request.number {
        0..4 => status("416 Range Not Satisfiable").with("Content-Range: bytes */0"),
        _ => grown(request.start, SIZE),
    });
    follow.ok(&server, "whole", &[6]);
}

/// The function says that it is over: the server is asked once more.
#[test]
fn ends_where_it_stops_growing() {
    let Some(follow) = FOLLOW.get() else { return };
    let server = serve(|request| grown(request.start, FIRST));
    follow.ok(&server, "ends", &[0, FIRST as i64]);
    assert_eq!(server.asked(), [0, FIRST - SAMPLE]);
    let server = serve(|request| {
        grown(
            request.start,
            if request.number == 0 { FIRST } else { SIZE },
        )
    });
    follow.ok(&server, "whole", &[0]);
    // Without ranges there is nothing to follow, and an end is an end.
    let server = serve(|_| whole().of(resource()[..FIRST].to_vec()));
    follow.ok(&server, "ends", &[0, FIRST as i64]);
    assert_eq!(server.asked(), [0]);
    let server = serve(|_| whole().of(resource()[..FIRST].to_vec()));
    follow.ok(&server, "fails", &[9, FIRST as i64, -2002]);
}

#[test]
fn is_not_another_resource() {
    let Some(follow) = FOLLOW.get() else { return };
    let answers: [fn(usize) -> Reply; 5] = [
        // It has shrunk: by a byte, below the sample, or to nothing.
        |start| grown(start, FIRST - 1),
        |start| grown(start, 1000),
        |_| status("416 Range Not Satisfiable").with("Content-Range: bytes */0"),
        // Another one of the same size, by its validator.
        |start| some(start..FIRST, FIRST).with("ETag: \"two\""),
        // A longer one, by its bytes.
        |start| grown(start, SIZE).altered(),
    ];
    for answer in answers {
        let server = serve(move |request| match request.number {
            0 => grown(0, FIRST),
            1 => grown(request.start, FIRST),
            _ => answer(request.start),
        });
        follow.ok(&server, "fails", &[i64::MAX, FIRST as i64, -2001]);
    }
}

/// It has shrunk, and no validator tells: there is none, or it does not change.
#[test]
fn sees_that_it_shrank() {
    let Some(follow) = FOLLOW.get() else { return };
    for validator in ["X: y", "ETag: \"one\""] {
        let server = serve(move |request| {
            let size = FIRST - request.number / 2;
            some(request.start..size, size).with(validator)
        });
        follow.ok(&server, "fails", &[i64::MAX, FIRST as i64, -2001]);
        // Where the connection broke, long before its end.
        let server = serve(move |request| match request.number {
            0 => some(0..FIRST, FIRST).with(validator).cut(1000),
            _ => some(request.start..FIRST - 1, FIRST - 1).with(validator),
        });
        follow.ok(&server, "fails", &[0, 1000, -2001]);
    }
}

/// The connection breaks, and meanwhile it has grown.
#[test]
fn grows_while_the_connection_breaks() {
    let Some(follow) = FOLLOW.get() else { return };
    const CUT: usize = 300_000;
    let server = serve(|request| match request.number {
        0 => grown(0, FIRST).cut(CUT),
        _ => grown(request.start, SIZE),
    });
    follow.ok(&server, "whole", &[1]);
    // The validators differ, so the bytes are compared.
    assert_eq!(server.asked()[..3], [0, CUT, CUT - SAMPLE]);
    let server = serve(|request| match request.number {
        0 => grown(0, FIRST).cut(CUT),
        _ => grown(request.start, FIRST - 1),
    });
    follow.ok(&server, "fails", &[9, CUT as i64, -2001]);
}

#[test]
fn seeks_in_what_has_grown() {
    let Some(follow) = FOLLOW.get() else { return };
    follow.ok(
        &serve(|request| grown(request.start, length(2 * request.number))),
        "jump",
        &[],
    );
    // It is there at the first request for it.
    let server = serve(|request| {
        grown(
            request.start,
            if request.number == 0 { FIRST } else { SIZE },
        )
    });
    follow.ok(&server, "jump", &[]);
}

/// It grows with each request, and so no two have the same validators.
#[test]
fn seeks_in_what_grows_with_each_request() {
    const AWAY: usize = FIRST / 2;
    let Some(follow) = FOLLOW.get() else { return };
    let server = serve(|request| grown(request.start, FIRST + request.number));
    follow.ok(&server, "away", &[AWAY as i64, 0]);
    // The bytes are compared before and after these came.
    let asked = server.asked();
    assert_eq!([asked[0], asked[1], asked[3]], [0, AWAY, AWAY]);
    assert!(asked[2] == asked[4] && asked[2] < AWAY, "{asked:?}");
    // Another resource takes its place, before or after the first comparison.
    for last in [1, 2] {
        let server = serve(move |request| {
            let reply = grown(request.start, FIRST + request.number);
            match request.number > last {
                true => reply.altered(),
                false => reply,
            }
        });
        follow.ok(&server, "away", &[AWAY as i64, -2001]);
    }
}

#[test]
fn stops_while_it_waits() {
    let Some(follow) = FOLLOW.get() else { return };
    let server = serve(|request| grown(request.start, FIRST));
    follow.ok(&server, "stop", &[FIRST as i64]);
}

/// The function's own error.
#[test]
fn fails_if_the_function_does() {
    let Some(follow) = FOLLOW.get() else { return };
    let server = serve(|request| grown(request.start, FIRST));
    follow.ok(&server, "fails", &[9, FIRST as i64, -77]);
}
