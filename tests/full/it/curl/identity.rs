//! Whether two answers are of one resource.

use super::reply::{Framing, Reply, status};
use super::resource::{SIZE, is_whole, part, resource, some, whole};
use super::server::{Request, serve};
use super::{example, fetch};

/// What the first answer says of the resource, what the others say, and whether that is the same.
pub(super) const VALIDATORS: &[(&str, &str, bool)] = &[
    ("ETag: \"one\"", "ETag: \"one\"", true),
    ("etag:\"one\"", "ETag:  \"one\" ", true),
    ("ETag: \"one\"", "ETag: \"two\"", false),
    ("ETag: \"one\"", "X: y", false),
    (
        "ETag: \"one\"\r\nLast-Modified: A",
        "Last-Modified: A",
        false,
    ),
    // A strong one is all that counts, a weak one is not.
    (
        "ETag: \"one\"\r\nLast-Modified: A",
        "ETag: \"one\"\r\nLast-Modified: B",
        true,
    ),
    (
        "ETag: W/\"one\"\r\nLast-Modified: A",
        "ETag: W/\"one\"\r\nLast-Modified: B",
        false,
    ),
    ("Last-Modified: A", "Last-Modified: A", true),
    ("Last-Modified: A", "Last-Modified: B", false),
    ("Last-Modified: A", "X: y", false),
    ("X: y", "ETag: \"one\"", true),
];

#[test]
fn never_mixes_two_resources() {
    let Some(example) = example() else { return };
    for (first, then, same) in VALIDATORS {
        let server = serve(move |request| {
            let number = request.number;
            part(request.start).with(if number == 0 { first } else { then })
        });
        let said = fetch(example, &server);
        if *same {
            is_whole(&said);
        } else {
            assert!(
                said.contains("source's error -2001"),
                "{first} {then}: {said}"
            );
        }
    }
}

#[test]
fn sees_a_size_that_changes() {
    let Some(example) = example() else { return };
    let answers: [fn(&Request) -> Reply; 4] = [
        |request| some(request.start..SIZE, SIZE + request.number),
        // It has shrunk, or is said to have ended before where it should.
        |request| match request.start {
            0 => part(0).cut(500_000),
            _ => status("416 Range Not Satisfiable"),
        },
        |request| match request.start {
            0 => some(0..500_000, "*"),
            _ => status("416 Range Not Satisfiable").with("Content-Range: bytes */300000"),
        },
        |request| match request.start {
            0 => some(0..500_000, "*"),
            start => some(start..start + 10, 499_999),
        },
    ];
    for answer in answers {
        let said = fetch(example, &serve(answer));
        assert!(said.contains("source's error -2001"), "{said}");
    }
}

#[test]
fn refuses_bytes_from_elsewhere() {
    let Some(example) = example() else { return };
    let server = serve(|request| match request.start {
        0 => part(0).cut(500_000),
        start => part(start / 2),
    });
    let said = fetch(example, &server);
    assert!(said.contains("source's error -2003"), "{said}");
    // All of it, in the middle of it.
    let server = serve(|request| match request.start {
        0 => part(0).cut(500_000),
        _ => whole(),
    });
    let said = fetch(example, &server);
    assert!(said.contains("source's error -2002"), "{said}");
    // A part that does not say which.
    let server = serve(|_| Reply {
        body: resource(),
        ..status("206 Partial Content")
    });
    let said = fetch(example, &server);
    assert!(said.contains("source's error -2003"), "{said}");
}

#[test]
fn follows_to_where_it_is() {
    let Some(example) = example() else { return };
    // What the answers on the way say of themselves is not said of the resource.
    let server = serve(|request| match request.path.as_str() {
        "/there" => part(request.start).cut(900_000).with("ETag: \"one\""),
        _ => status("302 Found")
            .with("Location: /there")
            .with(&format!("ETag: \"{}\"", request.number)),
    });
    is_whole(&fetch(example, &server));
    let circle = serve(|_| status("301 Moved Permanently").with("Location: /resource"));
    let said = fetch(example, &circle);
    assert!(said.contains("source's error -47"), "{said}");
}

/// Bytes in an encoding that nobody asked for are not the resource's.
#[test]
fn takes_no_encoding() {
    let Some(example) = example() else { return };
    for (header, chunked) in [
        ("Content-Encoding: gzip", false),
        ("content-encoding:X-GZip", true),
        ("Content-Encoding: identity, br", false),
        (
            "Content-Encoding: identity\r\nContent-Encoding: deflate",
            false,
        ),
        ("Transfer-Encoding: gzip", true),
        ("icy-metaint: 16000", false),
    ] {
        for all in [false, true] {
            let server = serve(move |request| {
                let reply = if all { whole() } else { part(request.start) };
                let reply = reply.with(header);
                match chunked {
                    true => reply.framed(Framing::Chunked),
                    false => reply,
                }
            });
            let said = fetch(example, &server);
            assert!(said.contains("source's error -2006"), "{header}: {said}");
            assert!(said.contains("size 0\n"), "{header}: {said}");
            let headers = &server.log.lock().expect("the log")[0].headers;
            assert!(headers.contains("accept-encoding: identity"), "{headers}");
        }
    }
    // That there is none may be said as well; so may what is said after the body.
    for header in [
        "Content-Encoding: identity",
        "Content-Encoding:",
        "Transfer-Encoding: identity",
        "icy-metaint: 0",
        "X-Content-Encoding: gzip",
    ] {
        let server = serve(move |request| part(request.start).with(header));
        is_whole(&fetch(example, &server));
    }
    // It appears in the middle.
    let server = serve(|request| match request.start {
        0 => part(0).cut(500_000),
        start => part(start).with("Content-Encoding: gzip"),
    });
    assert!(fetch(example, &server).contains("source's error -2006"));
}
