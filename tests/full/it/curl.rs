//! `bindings/curl/spoolbuf_curl.h` against servers of every kind: with ranges and without, that break
//! off, stall, change the resource, or answer what they were not asked.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use crate::library::{run, scratch, skipped};
use crate::player::{LIMIT, Player, media};

mod follow;
mod program;
mod renew;

use program::{Program, SANITIZED};

const SIZE: usize = 2_000_000;
/// How many of the last delivered bytes are requested again and compared.
const SAMPLE: usize = 4096;

static CALLS: Program = Program::new("calls", "tests/curl/calls.c", &[]);
/// The same, with a source that does not retry.
static CALLS_ONCE: Program = Program::new(
    "calls-once",
    "tests/curl/calls.c",
    &["-DSPOOLBUF_CURL_RETRIES=0", SANITIZED],
);

/// How a server answers one request.
pub(crate) struct Reply {
    status: &'static str,
    /// More header lines, with their ends.
    head: String,
    body: Vec<u8>,
    framing: Framing,
    /// That many bytes of the body are sent, then the connection breaks.
    cut: usize,
    /// Or nothing more is sent, forever.
    stalls: bool,
    /// Or until this is set: then the connection breaks.
    until: Option<Arc<AtomicBool>>,
}

/// How a body says where it ends.
pub(crate) enum Framing {
    Length,
    Chunked,
    /// By the connection's end alone, as in HTTP/1.0.
    Close,
}

/// An answer without a body that says anything.
pub(crate) fn status(status: &'static str) -> Reply {
    Reply {
        status,
        head: String::new(),
        body: b"<html>".to_vec(),
        framing: Framing::Length,
        cut: usize::MAX,
        stalls: false,
        until: None,
    }
}

/// The answer of a server that knows ranges, to a request for bytes from `start` on.
fn part(start: usize) -> Reply {
    some(start..SIZE, SIZE).with(&format!("Content-Range: bytes */{SIZE}"))
}

/// The same with other bytes, or fewer, of what is said to have a total.
fn some(range: Range<usize>, total: impl Display) -> Reply {
    if range.is_empty() {
        return status("416 Range Not Satisfiable");
    }
    let mut reply = status("206 Partial Content");
    let last = range.end - 1;
    reply.head = format!("Content-Range: bytes {}-{last}/{total}\r\n", range.start);
    reply.body = resource()[range].to_vec();
    reply
}

/// The answer of a server that knows no ranges.
fn whole() -> Reply {
    Reply {
        body: resource(),
        ..status("200 OK")
    }
}

impl Reply {
    /// The same with another body.
    pub(crate) fn of(self, body: Vec<u8>) -> Reply {
        Reply { body, ..self }
    }

    /// The same with other bytes.
    fn altered(self) -> Reply {
        let body = self.body.iter().map(|byte| byte ^ 1).collect();
        self.of(body)
    }

    /// With one more header; of those that can be there once only the first counts.
    fn with(mut self, line: &str) -> Reply {
        let name = line.split_once(':').expect("a header").0;
        if !self.head.contains(&format!("{name}:")) {
            self.head += &format!("{line}\r\n");
        }
        self
    }

    pub(crate) fn cut(self, cut: usize) -> Reply {
        Reply { cut, ..self }
    }

    fn stalling(self, cut: usize) -> Reply {
        let stalls = true;
        Reply {
            cut,
            stalls,
            ..self
        }
    }

    fn until(self, released: &Arc<AtomicBool>) -> Reply {
        let until = Some(released.clone());
        Reply { until, ..self }
    }

    fn is_released(&self) -> bool {
        let until = self.until.as_ref();
        until.is_some_and(|released| released.load(SeqCst))
    }

    pub(crate) fn framed(self, framing: Framing) -> Reply {
        Reply { framing, ..self }
    }

    fn send(&self, mut to: TcpStream) -> std::io::Result<()> {
        let framing = match self.framing {
            Framing::Length => format!("Content-Length: {}\r\n", self.body.len()),
            Framing::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
            Framing::Close => String::new(),
        };
        let (status, head) = (self.status, &self.head);
        write!(
            to,
            "HTTP/1.1 {status}\r\n{head}{framing}Connection: close\r\n\r\n"
        )?;
        let body = &self.body[..self.body.len().min(self.cut)];
        if let Framing::Chunked = self.framing {
            for piece in body.chunks(10_000) {
                write!(to, "{:x}\r\n", piece.len())?;
                to.write_all(piece)?;
                to.write_all(b"\r\n")?;
            }
            if body.len() == self.body.len() {
                to.write_all(b"0\r\n\r\n")?;
            }
        } else {
            to.write_all(body)?;
        }
        while self.stalls && !self.is_released() {
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// What was asked for.
pub(crate) struct Request {
    number: usize,
    path: String,
    /// Where its range starts.
    start: usize,
    headers: String,
    at: Instant,
}

pub(crate) struct Server {
    pub(crate) url: String,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Where each request wanted to start.
    fn asked(&self) -> Vec<usize> {
        let log = self.log.lock().expect("the log");
        log.iter().map(|request| request.start).collect()
    }
}

/// Serves what `answer` says.
pub(crate) fn serve(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let log = Arc::new(Mutex::new(Vec::new()));
    let (kept, answer) = (log.clone(), Arc::new(answer));
    spawn(move || {
        for connection in listener.incoming().flatten() {
            let (log, answer) = (kept.clone(), answer.clone());
            spawn(move || {
                let Some(mut request) = receive(&connection) else {
                    return;
                };
                let mut log = log.lock().expect("the log");
                request.number = log.len();
                let reply = answer(&request);
                log.push(request);
                drop(log);
                // The other side may go at any time.
                let _ = reply.send(connection);
            });
        }
    });
    Server {
        url: format!("http://{address}/resource"),
        log,
    }
}

/// Reads a request.
fn receive(connection: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let headers = lines.join("\n").to_ascii_lowercase();
    let range = headers.split_once("range: bytes=");
    let start = range.and_then(|(_, range)| range.split('-').next()?.parse().ok());
    Some(Request {
        number: 0,
        path,
        start: start.unwrap_or(0),
        headers,
        at: Instant::now(),
    })
}

/// Made once, so that no answer has to wait for it.
fn resource() -> Vec<u8> {
    static RESOURCE: OnceLock<Vec<u8>> = OnceLock::new();
    let byte = |at: u64| ((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    let made = RESOURCE.get_or_init(|| (0..SIZE as u64).map(byte).collect());
    made.clone()
}

fn sum(bytes: &[u8]) -> String {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65521;
        (low, (high + low) % 65521)
    });
    format!("sum 0x{:08x}", high << 16 | low)
}

/// The example, built once.
fn example() -> Option<&'static Player> {
    static EXAMPLE: OnceLock<Option<Player>> = OnceLock::new();
    let example = EXAMPLE.get_or_init(|| Player::new("curl", &["libcurl"]));
    example.as_ref()
}

/// What the example says of the server's resource.
fn fetch(example: &Player, server: &Server) -> String {
    run(Command::new(&example.program).arg(&server.url), LIMIT).output
}

#[track_caller]
fn is_whole(said: &str) {
    for line in [sum(&resource()), format!("size {SIZE}"), "ended".to_owned()] {
        assert!(
            said.lines().any(|found| found == line),
            "no {line:?} in\n{said}"
        );
    }
}

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

/// What the first answer says of the resource, what the others say, and whether that is the same.
const VALIDATORS: &[(&str, &str, bool)] = &[
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

/// Only the stop can end it: from outside, and in the call that is inside the source.
fn stops(example: &Player, server: &Server) {
    let mut command = Command::new("timeout");
    command
        .args(["-s", "INT", "2"])
        .arg(&example.program)
        .arg(&server.url);
    let said = run(&mut command, LIMIT).output;
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
fn reads_nothing_far_past_the_end() {
    let Some(calls) = CALLS.get() else { return };
    let server = serve(|request| part(request.start));
    calls.ok(&server, "far", &[]);
}

#[test]
fn leaves_no_connection_to_other_programs() {
    let Some(calls) = CALLS.get() else { return };
    let server = serve(|request| part(request.start).stalling(100_000));
    calls.ok(&server, "close-on-exec", &[]);
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

#[test]
fn holds_little_while_nobody_reads() {
    let Some(calls) = CALLS.get() else { return };
    const LARGE: usize = 100_000_000;
    let server = serve(|_| Reply {
        body: vec![b'x'; LARGE],
        ..status("200 OK")
    });
    calls.ok(&server, "pause", &[LARGE as i64]);
}

#[test]
fn serves_several_at_once() {
    let Some(calls) = CALLS.get() else { return };
    let servers: Vec<Server> = (0..8)
        .map(|_| serve(|request| part(request.start).cut(300_000)))
        .collect();
    let urls = servers.iter().map(|server| server.url.as_str());
    calls.ok_with(["several"].into_iter().chain(urls));
}

/// Reads a resource over TLS from a server that nobody vouches for: not without being told to.
#[test]
fn trusts_the_given_certificates() {
    let (Some(example), Some(calls)) = (example(), CALLS.get()) else {
        return;
    };
    let folder = scratch().join("curl-tls");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("resource"), resource()).expect("a file");
    let mut make = Command::new("openssl");
    make.current_dir(&folder)
        .args([
            "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2",
        ])
        .args([
            "-keyout",
            "key",
            "-out",
            "certificate",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost"]);
    if make.output().is_err() {
        return skipped("TLS", "there is no openssl here");
    }
    run(&mut make, LIMIT).expect_success("openssl req");
    let mut server = Command::new("openssl");
    server
        .current_dir(&folder)
        .args(["s_server", "-accept", "127.0.0.1:0", "-WWW"])
        .args(["-key", "key", "-cert", "certificate"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut server = server.spawn().expect("openssl runs");
    let said = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let port = said.map_while(Result::ok).find_map(|line| {
        line.strip_prefix("ACCEPT ")?
            .rsplit(':')
            .next()?
            .parse()
            .ok()
    });
    let port: u16 = port.expect("openssl says where it listens");
    let url = format!("https://localhost:{port}/resource");
    let refused = run(Command::new(&example.program).arg(&url), LIMIT);
    let mut trusting = calls.command();
    trusting
        .args(["trust", &url])
        .arg(folder.join("certificate"));
    let trusted = run(&mut trusting, LIMIT);
    let _ = server.kill();
    let _ = server.wait();
    assert!(
        refused.output.contains("source's error -60\n"),
        "{}",
        refused.output
    );
    assert_eq!(trusted.output, "ok\n");
}

/// A server of FTP that serves one file, and breaks off the first time it sends it.
fn ftp() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    spawn(move || {
        for (number, connection) in listener.incoming().flatten().enumerate() {
            spawn(move || ftp_session(connection, if number == 0 { 600_000 } else { SIZE }));
        }
    });
    format!("ftp://{address}/resource")
}

fn ftp_session(mut to: TcpStream, most: usize) -> std::io::Result<()> {
    let data = TcpListener::bind("127.0.0.1:0")?;
    let port = data.local_addr()?.port();
    let commands = BufReader::new(to.try_clone()?).lines();
    let mut start = 0;
    to.write_all(b"220 ready\r\n")?;
    for command in commands {
        let command = command?;
        let (name, value) = command.split_once(' ').unwrap_or((&command, ""));
        let reply = match name {
            "USER" => "230 in".to_owned(),
            "PWD" => "257 \"/\"".to_owned(),
            "EPSV" => format!("229 go (|||{port}|)"),
            "TYPE" => "200 yes".to_owned(),
            "SIZE" => format!("213 {SIZE}"),
            "REST" => {
                start = value.parse().expect("a number");
                "350 and now".to_owned()
            }
            "RETR" => {
                let mut body = data.accept()?.0;
                to.write_all(b"150 here\r\n")?;
                let end = SIZE.min(start + most);
                let sent = body.write_all(&resource()[start..end]);
                start = 0;
                match sent {
                    Ok(()) if end == SIZE => "226 done".to_owned(),
                    _ => "426 broken".to_owned(),
                }
            }
            _ => "502 no".to_owned(),
        };
        to.write_all(format!("{reply}\r\n").as_bytes())?;
    }
    Ok(())
}

#[test]
fn speaks_ftp() {
    let Some(example) = example() else { return };
    let said = run(Command::new(&example.program).arg(ftp()), LIMIT).output;
    is_whole(&said);
    assert!(said.contains("by a jump"), "{said}");
}

#[test]
fn leaves_files_to_others() {
    let Some(example) = example() else { return };
    let said = run(
        Command::new(&example.program).arg("file:///etc/passwd"),
        LIMIT,
    )
    .output;
    assert!(
        said.contains("file:///etc/passwd: Unsupported protocol"),
        "{said}"
    );
}

#[test]
fn plays_in_ffmpeg() {
    let packages = ["libavformat", "libavcodec", "libavutil", "libcurl"];
    let source = "examples/media/ffmpeg.c";
    let program = Player::build_as("ffmpeg-url", source, &packages, &["-DWITH_CURL"]);
    let Some((media, player)) = media().zip(program) else {
        return;
    };
    let film = media.path("index-last.mp4");
    let bytes = std::fs::read(&film).expect("a file");
    let expected = format!("sum {}", media.sum(&film, "pcm_f32le"));
    // With ranges, and without them; breaking off, where that can be mended.
    let (size, copy) = (bytes.len(), bytes.clone());
    let ranges = serve(move |request| {
        let start = request.start.min(size - 1);
        let mut reply = status("206 Partial Content");
        reply.body = copy[start..].to_vec();
        reply
            .cut(600_000)
            .with(&format!("Content-Range: bytes {start}-{}/{size}", size - 1))
    });
    let none = serve(move |_| Reply {
        body: bytes.clone(),
        ..status("200 OK")
    });
    for server in [ranges, none] {
        let said = fetch(&player, &server);
        assert!(said.contains(&expected) && said.contains("ended"), "{said}");
    }
}
