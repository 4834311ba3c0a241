//! Programs that play: built, fed from a file or through a pipe, stopped, and listened to.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::library::{HANGS_AFTER, compiler, library, root, run, scratch, skipped};

/// Films and sounds that ffmpeg makes, the same each time.
pub struct Media {
    folder: PathBuf,
}

const PICTURES: &str = "testsrc2=s=640x360:r=25:d=8";
const SOUND: &str =
    "aevalsrc='0.3*sin(440*2*PI*t)+0.2*sin(997*2*PI*t*t)|0.3*sin(523*2*PI*t)':s=44100:d=8";
const FILM: &[&str] = &[
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-crf",
    "20",
    "-c:a",
    "aac",
];

/// The media, made at the first call; none where there is no ffmpeg.
pub fn media() -> Option<&'static Media> {
    static MEDIA: OnceLock<Option<Media>> = OnceLock::new();
    let media = MEDIA.get_or_init(Media::make).as_ref();
    if media.is_none() {
        skipped("media", "there is no ffmpeg here");
    }
    media
}

impl Media {
    fn make() -> Option<Media> {
        Command::new("ffmpeg").arg("-version").output().ok()?;
        let media = Media {
            folder: scratch().join("media"),
        };
        fs::create_dir_all(&media.folder).expect("a folder");
        for (name, more) in [
            ("index-last.mp4", FILM),
            (
                "index-first.mp4",
                &[FILM, &["-movflags", "+faststart"]].concat(),
            ),
            (
                "fragmented.mp4",
                &[
                    FILM,
                    &["-g", "25", "-movflags", "+frag_keyframe+empty_moov"],
                ]
                .concat(),
            ),
            ("film.mkv", FILM),
            ("film.ts", FILM),
            ("sound.flac", &["-vn", "-sample_fmt", "s16"]),
            ("sound.ogg", &["-vn", "-c:a", "libvorbis"]),
            ("sound.mp3", &["-vn", "-c:a", "libmp3lame"]),
            ("sound.opus", &["-vn", "-c:a", "libopus"]),
            ("sound.wav", &["-vn"]),
            // More than VLC reads ahead.
            (
                "large-last.mov",
                &["-vn", "-c:a", "pcm_s16le", "-af", "apad=whole_dur=120"],
            ),
        ] {
            let mut command = Command::new("ffmpeg");
            // Another test program may be playing the file.
            let made = media.path(&format!("{}-{name}", std::process::id()));
            command
                .args(["-v", "error", "-y", "-f", "lavfi", "-i", PICTURES])
                .args(["-f", "lavfi", "-i", SOUND])
                .args(more)
                .arg(&made);
            run(&mut command, HANGS_AFTER).expect_success(name);
            fs::rename(made, media.path(name)).expect("a name");
        }
        Some(media)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What the sound of a file sums up to when ffmpeg decodes it, in the way of its `crc` format.
    pub fn sum(&self, path: &Path, codec: &str) -> String {
        let mut command = Command::new("ffmpeg");
        command
            .args(["-v", "error", "-i"])
            .arg(path)
            .args(["-map", "0:a", "-c:a", codec, "-f", "crc", "-"]);
        let outcome = run(&mut command, HANGS_AFTER);
        outcome.expect_success("ffmpeg");
        let sum = outcome.output.trim().strip_prefix("CRC=").expect("a sum");
        sum.to_owned()
    }
}

/// How a program gets a file.
#[derive(Clone, Copy, Debug)]
pub enum Feed {
    /// By its name: it can seek.
    File,
    /// Through a pipe, in pieces with pauses between them.
    Pipe,
    /// Through a pipe that delivers that many bytes, stays open, and is then stopped by Ctrl-C.
    Stall(usize),
}

/// The spool directory has no room for half of what is played.
const HALF_A_MEGABYTE: &str = "mount -t tmpfs -o size=512k tmpfs";

/// A program of `examples/media`.
pub struct Player {
    pub program: PathBuf,
    arguments: Vec<OsString>,
    /// Where it writes the sound to, instead of summing it up by itself, and as what.
    sound: Option<(PathBuf, &'static str)>,
}

impl fmt::Debug for Player {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "examples/media/{:?}", self.program.file_name())
    }
}

/// What a compiler needs to be told about libraries; none if one of them is not installed.
pub fn pkg_config(packages: &[&str]) -> Option<Vec<String>> {
    if packages.is_empty() {
        return Some(Vec::new());
    }
    let mut command = Command::new("pkg-config");
    let output = command
        .args(["--cflags", "--libs"])
        .args(packages)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // Their headers are not ours to warn about.
    let flags = text
        .split_whitespace()
        .map(|flag| flag.replacen("-I", "-isystem", 1));
    output.status.success().then(|| flags.collect())
}

impl Player {
    /// Builds the example of that name; none, loudly, if a library it needs is not here.
    pub fn new(name: &str, packages: &[&str]) -> Option<Player> {
        Player::build(&format!("examples/media/{name}.c"), packages)
    }

    /// Builds any program that is one file of C or C++.
    pub fn build(source: &str, packages: &[&str]) -> Option<Player> {
        Player::build_with(source, packages, &[])
    }

    /// The same with more for the compiler.
    pub fn build_with(source: &str, packages: &[&str], more: &[&str]) -> Option<Player> {
        let name = Path::new(source).file_stem().and_then(|name| name.to_str());
        Player::build_as(name.expect("a file"), source, packages, more)
    }

    /// The same under a name of its own.
    pub fn build_as(name: &str, source: &str, packages: &[&str], more: &[&str]) -> Option<Player> {
        let Some(flags) = pkg_config(packages) else {
            skipped(
                name,
                &format!("pkg-config does not know all of {packages:?}"),
            );
            return None;
        };
        let folder = scratch().join("players");
        fs::create_dir_all(&folder).expect("a folder");
        let program = folder.join(name);
        let shared = &library().shared;
        let mut command = compiler(source.ends_with(".cpp"));
        for binding in fs::read_dir(root().join("bindings")).expect("bindings") {
            command.arg("-I").arg(binding.expect("an entry").path());
        }
        command
            .arg(root().join(source))
            .arg("-o")
            .arg(&program)
            .args(flags)
            .args(more)
            .arg(shared)
            .arg(format!(
                "-Wl,-rpath,{}",
                shared.parent().expect("a folder").display()
            ))
            .args(["-pthread", "-lm"]);
        run(&mut command, HANGS_AFTER).expect_success(&format!("compiling {name}"));
        Some(Player {
            program,
            arguments: Vec::new(),
            sound: None,
        })
    }

    /// Has it write what it plays to a file, which is summed up as one of that codec: `arguments`
    /// follow the name of what is played, `%` in them is the file.
    pub fn into_file(mut self, codec: &'static str, arguments: &[&str]) -> Player {
        let sound = self.program.with_extension("wav");
        let name = sound.to_str().expect("UTF-8");
        self.arguments = arguments
            .iter()
            .map(|text| text.replace('%', name).into())
            .collect();
        self.sound = Some((sound, codec));
        self
    }

    /// Has it load what it plays, without playing it.
    pub fn silent(mut self) -> Player {
        self.arguments = vec!["quiet".into()];
        self
    }

    /// The sum of what it wrote, if it is one that writes.
    fn sum(&self) -> String {
        match &self.sound {
            Some((path, codec)) if fs::metadata(path).is_ok_and(|it| it.len() > 0) => {
                format!("\nsum {}\n", media().expect("media").sum(path, codec))
            }
            _ => String::new(),
        }
    }

    /// Plays a file; what the program said. Most of it goes through the spool file.
    pub fn play(&self, file: &str, feed: Feed) -> String {
        let mut command = Command::new(&self.program);
        command.env("SPOOLBUF_MAX", "65536");
        self.feed(command, file, feed)
    }

    /// Plays from a pipe, with half a megabyte of room in the spool directory; none, loudly, where
    /// there is no right to make one.
    pub fn play_with_small_disk(&self, file: &str, when_full: &str) -> Option<String> {
        let folder = scratch().join("small-disk");
        fs::create_dir_all(&folder).expect("a folder");
        let mount = format!("{HALF_A_MEGABYTE} \"{}\"", folder.display());
        let mut command = self.where_mounted(&mount)?;
        command
            .env("SPOOLBUF_DIR", &folder)
            .env("SPOOLBUF_FULL", when_full);
        Some(self.feed(command, file, Feed::Pipe))
    }

    /// Plays from a pipe, with half a megabyte of room in `/tmp`, and is told nothing about it.
    pub fn play_with_small_tmp(&self, file: &str) -> Option<String> {
        // What is played, and by what, may lie in there.
        let mount = format!(
            "mount --bind \"{0}\" /mnt && {HALF_A_MEGABYTE} /tmp && mkdir -p \"{0}\" && \
             mount --bind /mnt \"{0}\"",
            scratch().display()
        );
        let mut command = self.where_mounted(&mount)?;
        command.env_remove("TMPDIR");
        Some(self.feed(command, file, Feed::Pipe))
    }

    /// The program in a world of its own, where that was done first.
    fn where_mounted(&self, mount: &str) -> Option<Command> {
        let own = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["-rm", "sh", "-c", script]).arg(&self.program);
            command
        };
        let tried = own(mount).output();
        if !tried.is_ok_and(|output| output.status.success()) {
            skipped("a small disk", "no right to mount one");
            return None;
        }
        let mut command = own(&format!("{mount} && exec \"$0\" \"$@\""));
        command.env("SPOOLBUF_MAX", "65536");
        Some(command)
    }

    fn feed(&self, mut command: Command, file: &str, feed: Feed) -> String {
        let path = media().expect("media").path(file);
        if let Some((sound, _)) = &self.sound {
            let _ = fs::remove_file(sound);
        }
        // A file, since what a player has left behind would keep a pipe open.
        let said = self.program.with_extension("said");
        let writer = fs::File::create(&said).expect("a file");
        command
            .arg(if matches!(feed, Feed::File) {
                path.as_os_str()
            } else {
                "-".as_ref()
            })
            .args(&self.arguments)
            .env("SDL_AUDIODRIVER", "dummy")
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().expect("a descriptor"))
            .stderr(writer)
            .process_group(0);
        let mut child = command.spawn().expect("the program starts");
        drop(command);
        let pipe = child.stdin.take().expect("a pipe");
        let process = child.id();
        let feeder = std::thread::spawn(move || deliver(pipe, &path, feed, process));
        let ended = wait(&mut child);
        let output = fs::read(&said).expect("what it said");
        let output = String::from_utf8_lossy(&output).into_owned();
        let kept = feeder.join().expect("the feeder");
        assert!(ended, "{self:?} of {file}, {feed:?}, hangs:\n{output}");
        drop(kept);
        if matches!(feed, Feed::Stall(_)) {
            return output;
        }
        output + &self.sum()
    }
}

/// Writes a file into a pipe. The pipe comes back still open where it is not to end.
fn deliver(mut pipe: ChildStdin, path: &Path, feed: Feed, process: u32) -> Option<ChildStdin> {
    let bytes = fs::read(path).expect("a file");
    match feed {
        Feed::File => None,
        Feed::Pipe => {
            for piece in bytes.chunks(20_000) {
                // A player that has what it wants goes before the end.
                if pipe.write_all(piece).is_err() {
                    break;
                }
                sleep(Duration::from_millis(2));
            }
            None
        }
        Feed::Stall(at) => {
            let _ = pipe.write_all(&bytes[..at]);
            await_interruptible(process);
            let start = Instant::now();
            let mut left: libc::c_int = 1;
            while left > 0 && start.elapsed() < HANGS_AFTER {
                sleep(Duration::from_millis(10));
                // SAFETY: writes one int, how many bytes wait in the pipe.
                unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &mut left) };
            }
            // Until the player has come to wait for more; if it has not, the stop comes before the
            // stall and is to work all the same.
            sleep(Duration::from_millis(500));
            interrupt(process);
            Some(pipe)
        }
    }
}

/// Waits until a program of `examples/media` takes Ctrl-C, which ends it like any other before that.
pub fn await_interruptible(process: u32) {
    let start = Instant::now();
    while !takes_interrupts(process) && start.elapsed() < HANGS_AFTER {
        sleep(Duration::from_millis(10));
    }
}

/// Ctrl-C.
pub fn interrupt(process: u32) {
    // SAFETY: a plain call.
    unsafe { libc::kill(process as i32, libc::SIGINT) };
}

/// Whether a program of `examples/media` has come to block SIGINT, for a thread that waits for it.
fn takes_interrupts(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let blocked = blocked.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    blocked.is_some_and(|mask| mask >> (libc::SIGINT - 1) & 1 == 1)
}

/// Whether the program ends in time; it is killed if not.
fn wait(child: &mut Child) -> bool {
    let start = Instant::now();
    let ended = loop {
        if child.try_wait().expect("a child to wait for").is_some() {
            break true;
        }
        if start.elapsed() > HANGS_AFTER {
            break false;
        }
        sleep(Duration::from_millis(5));
    };
    // SAFETY: a plain call; the group is the child's own.
    unsafe { libc::kill(-(child.id() as i32), libc::SIGKILL) };
    let _ = child.wait();
    ended
}
