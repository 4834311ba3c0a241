//! What a program does beside its reads: it starts others, waits, has several sources, plays a film.

use super::reply::{Reply, status};
use super::resource::part;
use super::server::{Server, serve};
use super::{CALLS, fetch};
use crate::player::{Player, media};

#[test]
fn leaves_no_connection_to_other_programs() {
    let Some(calls) = CALLS.get() else { return };
    let server = serve(|request| part(request.start).stalling(100_000));
    calls.ok(&server, "close-on-exec", &[]);
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
