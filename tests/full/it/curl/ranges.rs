//! Servers that have ranges, that have none, and that say one thing and do the other.

use std::sync::Mutex;

use super::reply::{Framing, Reply, status};
use super::resource::{SIZE, is_whole, part, resource, some, whole};
use super::server::serve;
use super::{CALLS, CALLS_ONCE, example, fetch};

#[test]
fn seeks_if_the_server_has_ranges() {
    let Some(example) = example() else { return };
    let server = serve(|request| part(request.start));
    let said = fetch(example, &server);
    is_whole(&said);
    assert!(said.contains("by a jump"), "{said}");
    assert_eq!(server.asked()[..2], [0, SIZE - 100]);
}

#[test]
fn continues_where_the_server_has_no_ranges() {
    let Some(example) = example() else { return };
    for framing in [Framing::Length, Framing::Chunked, Framing::Close] {
        let sized = matches!(framing, Framing::Length);
        let framing = Mutex::new(Some(framing));
        let server = serve(move |_| {
            let framing = framing.lock().expect("once").take();
            whole().framed(framing.expect("one request"))
        });
        let said = fetch(example, &server);
        is_whole(&said);
        assert_eq!(said.contains("by reading on"), sized, "{said}");
        assert_eq!(server.asked(), [0]);
    }
}

/// A size of the caller's is a fact only if the server states one.
#[test]
fn a_guess_is_not_a_fact() {
    let Some(calls) = CALLS.get() else { return };
    let server = serve(|_| whole());
    calls.ok(&server, "declare", &[SIZE as i64]);
    let server = serve(|_| whole().framed(Framing::Chunked));
    calls.ok(&server, "declare", &[-1]);
    let server = serve(|_| status("404 Not Found"));
    calls.ok(&server, "declare", &[-1]);
}

/// A 200 to `bytes=0-` from a server that says it knows ranges: all that it was asked for.
#[test]
fn seeks_after_a_whole_response() {
    let Some(example) = example() else { return };
    let server = serve(|request| match request.start {
        0 => whole().with("Accept-Ranges: bytes").cut(700_000),
        start => part(start),
    });
    let said = fetch(example, &server);
    is_whole(&said);
    assert!(said.contains("by a jump"), "{said}");
    // Broken off, and gone on with: never again from the start.
    let again = server.asked().iter().skip(1).filter(|at| **at == 0).count();
    assert!(again <= 1, "{:?}", server.asked());
}

/// One that says so and does not: what it sends from the start is gone on with.
#[test]
fn continues_where_the_server_only_claimed_ranges() {
    let Some(example) = example() else { return };
    for framing in [false, true] {
        let server = serve(move |_| {
            let reply = whole().with("Accept-Ranges: bytes");
            match framing {
                true => reply.framed(Framing::Chunked),
                false => reply,
            }
        });
        let said = fetch(example, &server);
        is_whole(&said);
        assert_eq!(said.contains("by reading on"), !framing, "{said}");
        assert!(server.asked().len() <= 2, "{:?}", server.asked());
    }
    // The same where the first question is a jump: no byte is asked for twice.
    let calls = CALLS.get().expect("as the example");
    for promise in ["Accept-Ranges: bytes", "Accept-Ranges: none", "X: y"] {
        let server = serve(move |_| whole().with(promise));
        calls.ok(&server, "jump", &[]);
        assert_eq!(server.asked(), [SIZE / 2], "{promise}");
    }
    // It breaks off, and what it sends then is of the same resource, or of another one.
    for (tag, mended) in [("one", true), ("two", false)] {
        let server = serve(move |request| {
            let reply = whole().with("Accept-Ranges: bytes");
            match request.number {
                0 => reply.with("ETag: \"one\"").cut(500_000),
                _ => reply.with(&format!("ETag: \"{tag}\"")),
            }
        });
        let said = fetch(example, &server);
        match mended {
            true => is_whole(&said),
            false => assert!(said.contains("source's error -2001"), "{said}"),
        }
    }
}

#[test]
fn requests_the_rest_of_a_partial_response() {
    let Some(example) = example() else { return };
    const MOST: usize = 300_000;
    let clip = |start: usize| start.min(SIZE)..(start + MOST).min(SIZE);
    let told = serve(move |request| some(clip(request.start), SIZE));
    is_whole(&fetch(example, &told));
    // That is no failure which is made good by trying again.
    let calls = CALLS_ONCE.get().expect("as the example");
    calls.ok(&told, "several", &[]);
    // Where no size is told only a 416 is the end; it may tell the size or not.
    for end in [format!("Content-Range: bytes */{SIZE}"), "X: y".to_owned()] {
        let untold = serve(move |request| some(clip(request.start), "*").with(&end));
        is_whole(&fetch(example, &untold));
        let asked = untold.asked();
        let steps: Vec<usize> = (0..SIZE).step_by(MOST).chain([SIZE]).collect();
        assert_eq!(asked, steps);
        calls.ok(&untold, "refusal", &[]);
    }
}

#[test]
fn recognizes_an_empty_resource() {
    let Some(example) = example() else { return };
    let empty = || Reply {
        body: Vec::new(),
        ..status("200 OK")
    };
    let refused = || status("416 Range Not Satisfiable").with("Content-Range: bytes */0");
    for server in [serve(move |_| empty()), serve(move |_| refused())] {
        let said = fetch(example, &server);
        assert!(
            said.contains("size 0\n") && said.contains("ended"),
            "{said}"
        );
    }
}

/// A range that is not the one that was asked for, or that the body does not have.
#[test]
fn takes_no_range_that_contradicts_itself() {
    let Some(example) = example() else { return };
    let last = SIZE - 1;
    for range in [
        format!("bytes 0-{}/{SIZE}", last - 1),
        format!("bytes 0-{SIZE}/{SIZE}"),
        format!("bytes 0-{last}/{}", SIZE - 1),
        format!("bytes 0-/{SIZE}"),
        format!("bytes 1-0/{SIZE}"),
        format!("items 0-{last}/{SIZE}"),
        format!("bytes 0-{last}/{SIZE}\r\nContent-Range: bytes 1-{last}/{SIZE}"),
        format!("bytes 0-{last}/{SIZE}\r\nContent-Type: multipart/byteranges; boundary=x"),
        "bytes 0-99999999999999999999/*".to_owned(),
    ] {
        let line = format!("Content-Range: {range}");
        let server = serve(move |_| {
            Reply {
                body: resource(),
                ..status("206 Partial Content")
            }
            .with(&line)
        });
        let said = fetch(example, &server);
        assert!(said.contains("source's error -2003"), "{range}: {said}");
        assert!(said.contains("size 0\n"), "{range}: {said}");
    }
    // A whole that says of itself that it is a part.
    let server = serve(|_| Reply {
        status: "200 OK",
        ..some(0..SIZE / 2, SIZE)
    });
    let said = fetch(example, &server);
    assert!(said.contains("source's error -2003"), "{said}");
    let server = serve(|_| Reply {
        status: "200 OK",
        ..part(0)
    });
    is_whole(&fetch(example, &server));
    // More than the range: what is past it is not looked at.
    let server = serve(|request| {
        let mut reply = some(request.start..SIZE.min(request.start + 500_000), SIZE);
        reply.body.extend([b'!'; 1000]);
        reply.framed(Framing::Chunked)
    });
    let said = fetch(example, &server);
    // The range of the request that went on after the jump, from wherever the first one had come to.
    let size = said.lines().find_map(|line| line.strip_prefix("size "));
    let size: usize = size.and_then(|size| size.parse().ok()).expect("a size");
    assert!((500_000..SIZE).contains(&size), "{said}");
    assert!(said.contains("source's error -2003"), "{said}");
}

#[test]
fn reads_nothing_far_past_the_end() {
    let Some(calls) = CALLS.get() else { return };
    let server = serve(|request| part(request.start));
    calls.ok(&server, "far", &[]);
}
