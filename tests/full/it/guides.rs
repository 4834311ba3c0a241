//! The guides, word for word: programs are saved under the names that the text gives them, commands are run
//! in their order and print what the next block says. `docs/guides`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::checkout::{checkout, install, shell_with};
use crate::foreign::are_there;
use crate::library::{library, root, scratch};

/// A block of code, and the text between it and the one before.
struct Block {
    before: String,
    language: String,
    code: String,
}

fn blocks(guide: &str) -> Vec<Block> {
    let page = root().join("docs/guides").join(guide);
    let page = fs::read_to_string(page).expect("a guide");
    let parts: Vec<&str> = page.split("\n```").collect();
    // Text and blocks take turns.
    assert!(parts.len() % 2 == 1 && parts.len() > 4, "{guide}");
    let block = |pair: &[&str]| {
        let (language, code) = pair[1].split_once('\n').expect("a line");
        Block {
            before: pair[0].to_owned(),
            language: language.to_owned(),
            code: format!("{code}\n"),
        }
    };
    parts.chunks_exact(2).map(block).collect()
}

/// A child process that prints its address, and ends with this.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn new(command: &mut Command) -> Running {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut address = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut address).expect("a line");
        assert!(address.starts_with("http://127.0.0.1:"), "{address}");
        Running {
            child,
            address: address.trim().to_owned(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a guide is followed, and what its commands find.
struct Desk {
    folder: PathBuf,
    prefix: PathBuf,
    server: Running,
}

impl Desk {
    fn new(name: &str) -> Desk {
        let folder = scratch().join("guides").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("served")).expect("a folder");
        let mut server = Command::new("python3");
        server
            .arg(root().join("tests/guides/server.py"))
            .arg(folder.join("served"));
        Desk {
            folder,
            prefix: scratch().join("guides-prefix"),
            server: Running::new(&mut server),
        }
    }

    /// With a file on the server.
    fn serving(self, name: &str, bytes: &[u8]) -> Desk {
        fs::write(self.folder.join("served").join(name), bytes).expect("written");
        self
    }

    /// With the library installed.
    fn installed(self) -> Desk {
        let (checkout, _alone) = checkout();
        install(checkout, &self.prefix);
        self
    }

    /// Saves a program under the name that the text before it says.
    fn save(&self, block: &Block) {
        let (_, rest) = block.before.rsplit_once("ave ").expect("Save it as");
        let name = rest.split('`').nth(1).expect("a name");
        fs::write(self.folder.join(name), &block.code).expect("written");
    }

    fn run(&self, commands: &str) -> String {
        let variables = PYTHON.iter().map(|(name, value)| {
            let value = root().join(value);
            format!("export {name}='{}'\n", value.display())
        });
        // No proxy between a program and the server.
        let commands = format!(
            "{}export SPOOLBUF_LIBRARY='{}' no_proxy='*'\n{}",
            variables.collect::<String>(),
            library().shared.display(),
            commands.replace("https://example.com/", &self.server.address)
        );
        let output = shell_with(&self.folder, &self.prefix, &commands);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands}: {said}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Follows a guide from its first block to its last; what its last commands print.
    fn follow(&self, guide: &str) -> String {
        let mut printed = String::new();
        for block in &blocks(guide) {
            match block.language.as_str() {
                "c" | "python" => self.save(block),
                "sh" => printed = self.run(&block.code),
                "text" => assert_eq!(printed, block.code, "{guide}"),
                other => panic!("{guide} has a block of {other:?}, which nothing checks"),
            }
        }
        printed
    }
}

/// The Python package as it is here.
const PYTHON: [(&str, &str); 1] = [("PYTHONPATH", "bindings/python/src")];

/// Bytes that do not compress.
fn noise(size: u64) -> Vec<u8> {
    let byte = |at: u64| ((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (0..size).map(byte).collect()
}

#[test]
fn every_guide_is_followed() {
    let here = include_str!("guides.rs");
    for guide in crate::foreign::files(&root().join("docs/guides")) {
        let count = here.matches(&format!("\"{guide}\"")).count();
        assert!(count > 0, "{guide} is not followed by a test");
    }
}

#[test]
fn ffmpeg() {
    let tools = ["cmake", "pkg-config", "cc", "python3"];
    let libraries = ["libavformat", "libavcodec", "libavutil"];
    if !are_there("the guide to FFmpeg", &tools)
        || crate::player::pkg_config(&libraries).is_none()
        || crate::player::media().is_none()
    {
        return;
    }
    Desk::new("ffmpeg").installed().follow("ffmpeg.md");
}

#[test]
fn cache() {
    let tools = ["cmake", "pkg-config", "cc", "python3"];
    if !are_there("the guide to the cache", &tools)
        || crate::player::pkg_config(&["libcurl"]).is_none()
    {
        return;
    }
    let desk = Desk::new("cache").installed();
    let desk = desk.serving("first.mp4", &noise(3_000_000));
    let desk = desk.serving("second.mp4", &noise(1_000_000));
    desk.follow("cache.md");
    // An error is named, and the others are read all the same.
    let said =
        desk.run("./feed https://example.com/cut/first.mp4 https://example.com/second.mp4 2>&1");
    assert!(said.contains("first.mp4: "), "{said}");
    assert_eq!(said.matches("1000000 bytes\n").count(), 2, "{said}");
    assert!(!said.contains("1500000 bytes\n"), "{said}");
}

#[test]
fn http() {
    if !are_there("the guide to HTTP", &["python3"]) {
        return;
    }
    let desk = Desk::new("http").serving("large", &noise(3_000_000));
    desk.run(
        "python3 -c '
import zipfile
with zipfile.ZipFile(\"served/things.zip\", \"w\") as archive:
    archive.writestr(\"notes.txt\", b\"hello world\\n\")
    archive.write(\"served/large\", \"large.bin\")'",
    );
    let printed = desk.follow("http.md");
    let (first, rest) = printed.split_once('\n').expect("lines");
    assert_eq!(first, "notes.txt 12");
    let pulled: u64 = rest
        .split(' ')
        .next()
        .expect("a number")
        .parse()
        .expect(rest);
    assert!(pulled < 400_000, "almost all of it was fetched: {printed}");
    // An archive that is cut short is an error.
    let cut = "! python3 list.py https://example.com/cut/things.zip 2>&1";
    let said = desk.run(cut);
    assert!(said.contains("IncompleteRead"), "{said}");
}

/// The guide's server, over a URL or standard input.
fn relay(desk: &Desk, from: &str) -> Running {
    let guide = blocks("serve.md");
    let code: Vec<&str> = guide.iter().map(|it| it.code.as_str()).collect();
    // The command and what it prints, with a port that may be taken.
    assert_eq!(guide[0].language, "python");
    assert!(guide[0].code.contains(" else 8000\n"));
    let command = "python3 serve.py https://example.com/film.mp4\n";
    assert_eq!(code[1..], [command, "http://127.0.0.1:8000/\n"]);
    desk.save(&guide[0]);
    let mut command = Command::new("python3");
    command
        .args(["serve.py", from, "0"])
        .current_dir(&desk.folder)
        .env("PYTHONPATH", root().join(PYTHON[0].1))
        .env("SPOOLBUF_LIBRARY", &library().shared)
        .env("no_proxy", "*")
        .env_remove("PYTHONUNBUFFERED")
        .stderr(Stdio::null());
    Running::new(&mut command)
}

/// Asks for a range; the head of the answer, and where its body comes from.
fn begin(server: &Running, range: &str) -> (String, impl Read + use<>) {
    let address = server.address.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address.trim_end_matches('/')).expect("it listens");
    let request = format!("GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{range}\r\n");
    connection.write_all(request.as_bytes()).expect("sent");
    let mut reader = BufReader::new(connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("a line") > 0, "{head}");
    }
    (head, reader)
}

fn all(mut from: impl Read) -> Vec<u8> {
    let mut body = Vec::new();
    from.read_to_end(&mut body).expect("a body");
    body
}

/// The same with the whole body.
fn ask(server: &Running, range: &str) -> (String, Vec<u8>) {
    let (head, rest) = begin(server, range);
    (head, all(rest))
}

#[test]
fn serve_a_download() {
    if !are_there("the guide to serving", &["python3"]) {
        return;
    }
    let film = noise(2_000_000);
    let desk = Desk::new("serve").serving("film.mp4", &film);
    let url = format!("{}film.mp4", desk.server.address);
    let server = relay(&desk, &url);
    for (range, status, from, to) in [
        (
            "Range: bytes=1500000-1500099\r\n",
            "206",
            1_500_000,
            1_500_100,
        ),
        ("Range: bytes=100-199\r\n", "206", 100, 200),
        ("Range: bytes=-10\r\n", "206", 1_999_990, 2_000_000),
        ("Range: bytes=1900000-\r\n", "206", 1_900_000, 2_000_000),
        ("Range: bytes=0-5000000\r\n", "206", 0, 2_000_000),
        ("Range: bytes=2000000-\r\n", "416", 0, 0),
        ("Range: bytes=-\r\n", "200", 0, 2_000_000),
        ("", "200", 0, 2_000_000),
    ] {
        let (head, body) = ask(&server, range);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{range}{head}"
        );
        assert!(body == film[from..to], "{range}{head}{} bytes", body.len());
        let part = format!("Content-Range: bytes {from}-{}/2000000\r\n", to.max(1) - 1);
        assert_eq!(head.contains(&part), status == "206", "{range}{head}");
    }
    // A download that is cut ends before its length.
    let cut = relay(&desk, &url.replace("film", "cut/film"));
    let (head, body) = ask(&cut, "");
    assert!(head.contains("Content-Length: 2000000\r\n"), "{head}");
    assert!(body == film[..1_000_000], "{} bytes", body.len());
}

#[test]
fn serve_a_pipe() {
    if !are_there("the guide to serving", &["python3"]) {
        return;
    }
    let film = noise(300_000);
    let desk = Desk::new("serve a pipe");
    let mut server = relay(&desk, "-");
    let mut pipe = server.child.stdin.take().expect("a pipe");
    pipe.write_all(&film[..100_000]).expect("written");
    // No size yet: the whole from its start, in pieces, while it arrives.
    let (head, rest) = begin(&server, "Range: bytes=100-\r\n");
    pipe.write_all(&film[100_000..]).expect("written");
    drop(pipe);
    let body = all(rest);
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("chunked"),
        "{head}"
    );
    assert!(body.ends_with(b"\r\n0\r\n\r\n"), "{} bytes", body.len());
    assert!(body.len() > film.len());
    // The end has come: now it has ranges.
    let (head, body) = ask(&server, "Range: bytes=100-\r\n");
    assert!(
        head.contains("Content-Range: bytes 100-299999/300000\r\n"),
        "{head}"
    );
    assert!(body == film[100..]);
}
