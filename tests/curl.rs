//! `bindings/curl/spoolbuf_curl.h` against servers of every kind: with ranges and without, that break
//! off, stall, change the resource, or answer what they were not asked.

#![cfg(target_os = "linux")]

#[allow(dead_code)]
mod library;
#[allow(dead_code)]
mod player;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{sleep, spawn};
use std::time::Duration;

use library::run;
use player::{Player, media};

const LIMIT: Duration = Duration::from_secs(90);
const SIZE: usize = 2_000_000;

/// How a server answers one request.
struct Reply {
    status: &'static str,
    /// Where the body starts, if not where it was asked to; None: it knows no ranges.
    start: Option<usize>,
    etag: &'static str,
    /// So many bytes of the body, then the connection breaks.
    cut: usize,
    /// Or nothing more comes, for ever.
    stalls: bool,
}

/// The answer of a server that does all it should, to a request for bytes from `start` on.
fn good(start: usize) -> Reply {
    Reply {
        status: "206 Partial Content",
        start: Some(start),
        etag: "\"one\"",
        cut: usize::MAX,
        stalls: false,
    }
}

struct Server {
    url: String,
    /// Where each request wanted to start.
    asked: Arc<Mutex<Vec<usize>>>,
}

/// Serves bytes; `answer` is told the number of the request and where it wants to start.
fn serve(bytes: Vec<u8>, answer: impl Fn(usize, usize) -> Reply + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://{}/resource",
        listener.local_addr().expect("an address")
    );
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, answer, bytes) = (asked.clone(), Arc::new(answer), Arc::new(bytes));
    spawn(move || {
        for connection in listener.incoming().flatten() {
            let (log, answer, bytes) = (log.clone(), answer.clone(), bytes.clone());
            spawn(move || {
                let Some(start) = request(&connection) else {
                    return;
                };
                let number = {
                    let mut log = log.lock().expect("the log");
                    log.push(start);
                    log.len() - 1
                };
                // The other side may go at any time.
                let _ = reply(connection, &bytes, &answer(number, start));
            });
        }
    });
    Server { url, asked }
}

/// Reads a request; where its range starts.
fn request(connection: &TcpStream) -> Option<usize> {
    let mut start = 0;
    for line in BufReader::new(connection).lines() {
        let line = line.ok()?.to_ascii_lowercase();
        if line.is_empty() {
            return Some(start);
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.strip_suffix('-')?.parse().ok()?;
        }
    }
    None
}

fn reply(mut connection: TcpStream, bytes: &[u8], reply: &Reply) -> std::io::Result<()> {
    let start = reply.start.unwrap_or(0);
    let body = bytes.get(start..).unwrap_or_default();
    if body.is_empty() {
        let size = bytes.len();
        let status = "416 Range Not Satisfiable\r\nContent-Length: 0";
        return write!(
            connection,
            "HTTP/1.1 {status}\r\nContent-Range: bytes */{size}\r\n\r\n"
        );
    }
    write!(
        connection,
        "HTTP/1.1 {}\r\nETag: {}\r\nContent-Length: {}\r\nConnection: close\r\n",
        reply.status,
        reply.etag,
        body.len()
    )?;
    if reply.status.starts_with("206") {
        let last = bytes.len() - 1;
        write!(
            connection,
            "Content-Range: bytes {start}-{last}/{}\r\n",
            bytes.len()
        )?;
    }
    connection.write_all(b"\r\n")?;
    connection.write_all(&body[..body.len().min(reply.cut)])?;
    while reply.stalls {
        sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn resource() -> Vec<u8> {
    let byte = |at: u64| ((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (0..SIZE as u64).map(byte).collect()
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
fn jumps_where_the_server_knows_ranges() {
    let Some(example) = example() else { return };
    let server = serve(resource(), |_, start| good(start));
    let said = fetch(example, &server);
    is_whole(&said);
    assert!(said.contains("by a jump"), "{said}");
    assert_eq!(server.asked.lock().expect("the log")[..2], [0, SIZE - 100]);
}

#[test]
fn reads_on_where_it_does_not() {
    let Some(example) = example() else { return };
    let server = serve(resource(), |_, _| Reply {
        status: "200 OK",
        start: None,
        ..good(0)
    });
    let said = fetch(example, &server);
    is_whole(&said);
    assert!(said.contains("by reading on"), "{said}");
    assert_eq!(*server.asked.lock().expect("the log"), [0]);
}

#[test]
fn goes_on_where_the_connection_broke() {
    let Some(example) = example() else { return };
    const CUT: usize = 700_001;
    let server = serve(resource(), |_, start| Reply {
        cut: CUT,
        ..good(start)
    });
    is_whole(&fetch(example, &server));
    // The tail by a jump; then back, and from there on each request where the last one broke off,
    // all but what the jump had interrupted at first.
    let asked = server.asked.lock().expect("the log").clone();
    assert!(asked.len() >= 4, "{asked:?}");
    let sequel: Vec<usize> = asked[2..].iter().copied().filter(|at| *at < SIZE).collect();
    for pair in sequel.windows(2) {
        assert_eq!(pair[1], pair[0] + CUT, "{asked:?}");
    }
}

#[test]
fn tries_again_where_that_may_help() {
    let Some(example) = example() else { return };
    let server = serve(resource(), |number, start| match number {
        0 | 2 => Reply {
            status: "503 Service Unavailable",
            ..good(start)
        },
        _ => good(start),
    });
    is_whole(&fetch(example, &server));
}

#[test]
fn does_not_where_it_may_not() {
    let Some(example) = example() else { return };
    let server = serve(resource(), |_, start| Reply {
        status: "404 Not Found",
        ..good(start)
    });
    let said = fetch(example, &server);
    assert!(said.contains("source's error -1404"), "{said}");
    // Once for the size, once for the bytes.
    assert!(server.asked.lock().expect("the log").len() <= 3);
}

#[test]
fn gives_up_when_nothing_comes() {
    let Some(example) = example() else { return };
    // No bytes at all: it breaks off before any.
    let server = serve(resource(), |_, start| Reply {
        cut: if start == 0 { 300_000 } else { 0 },
        ..good(start)
    });
    let said = fetch(example, &server);
    // The connection was closed with bytes outstanding.
    assert!(said.contains("source's error -18"), "{said}");
}

#[test]
fn never_mixes_two_resources() {
    let Some(example) = example() else { return };
    let server = serve(resource(), |number, start| Reply {
        etag: if number == 0 { "\"one\"" } else { "\"two\"" },
        ..good(start)
    });
    let said = fetch(example, &server);
    assert!(said.contains("source's error -2001"), "{said}");
}

#[test]
fn refuses_bytes_from_elsewhere() {
    let Some(example) = example() else { return };
    let server = serve(resource(), |number, start| Reply {
        start: Some(if number == 0 { start } else { start / 2 }),
        cut: 500_000,
        ..good(start)
    });
    let said = fetch(example, &server);
    assert!(said.contains("source's error -2003"), "{said}");
}

#[test]
fn loses_what_can_not_be_asked_for_again() {
    let Some(example) = example() else { return };
    let server = serve(resource(), |_, _| Reply {
        status: "200 OK",
        start: None,
        cut: 500_000,
        ..good(0)
    });
    let said = fetch(example, &server);
    assert!(said.contains("size 500000\n"), "{said}");
    assert!(said.contains("source's error -18"), "{said}");
    assert_eq!(*server.asked.lock().expect("the log"), [0]);
}

#[test]
fn stops_in_a_stall() {
    let Some(example) = example() else { return };
    for cut in [0, 100_000] {
        let server = serve(resource(), move |_, start| Reply {
            cut,
            stalls: true,
            ..good(start)
        });
        // Only the stop can end it.
        let mut command = Command::new("timeout");
        command
            .args(["-s", "INT", "2"])
            .arg(&example.program)
            .arg(&server.url);
        let said = run(&mut command, LIMIT).output;
        assert!(said.contains("stopped"), "{said}");
    }
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
    let ranges = serve(bytes.clone(), |_, start| Reply {
        cut: 600_000,
        ..good(start)
    });
    let none = serve(bytes, |_, _| Reply {
        status: "200 OK",
        start: None,
        ..good(0)
    });
    for server in [ranges, none] {
        let said = fetch(&player, &server);
        assert!(said.contains(&expected) && said.contains("ended"), "{said}");
    }
}
