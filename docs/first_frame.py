#!/usr/bin/env python3
"""Writes docs/first-frame.md and .svg: how soon players start over a slow line, and what they play of a wrong size.

    python3 docs/first_frame.py [--part] [--library FILE] [--rate 400000] [--out FILE] [ADAPTER ...]
    python3 docs/first_frame.py --picture [--out FILE]

All of it takes about 15 minutes; `--part`, a few files and sizes, takes four and writes nothing. Needs ffmpeg,
mkvmerge, FUSE, a C compiler, and the libraries of the adapters; what is missing is named and left out. Exits with 1
if a player starts later than the table promises, or plays something else. `--picture` measures nothing: it draws the
picture of the tables that exist.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, NamedTuple, Optional

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=8"]
SOUND = ["-f", "lavfi", "-i", "aevalsrc=0.3*sin(440*2*PI*t)+0.2*sin(997*2*PI*t*t)|0.3*sin(523*2*PI*t):s=44100:d=8"]
SECONDS = 8
CODECS = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-c:a", "aac"]
FILM = [*PICTURE, *SOUND, *CODECS]
# Each with what ffmpeg is to do; `None` is made by mkvmerge.
FORMATS: dict[str, Optional[list[str]]] = {
    "index-first.mp4": [*FILM, "-movflags", "+faststart"],
    "fragmented.mp4": [*FILM, "-g", "25", "-movflags", "+frag_keyframe+empty_moov"],
    "film.mkv": FILM,
    "merged.mkv": None,
    "film.webm": [*PICTURE, *SOUND, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"],
    "film.avi": [*FILM, "-c:a", "libmp3lame"],
    "film.ts": FILM,
    "index-last.mp4": FILM,
    "sound.mp3": [*SOUND, "-c:a", "libmp3lame", "-b:a", "192k", "-write_id3v1", "1", "-metadata", "title=A"],
    "sound.ogg": [*SOUND, "-c:a", "libvorbis"],
    "sound.opus": [*SOUND, "-c:a", "libopus"],
    "sound.flac": [*SOUND, "-sample_fmt", "s16"],
    "sound.wav": SOUND,
}
LIVE = "fragmented.mp4"  # also as it is recorded
PART = ["fragmented.mp4", "merged.mkv", "film.avi", "index-last.mp4", "sound.mp3", "sound.ogg"]
WRONG = {
    "-1": lambda size: size - 1,
    "+1": lambda size: size + 1,
    "half": lambda size: size // 2,
    "double": lambda size: size * 2,
    "0": lambda size: 0,
    "2^40": lambda size: 1 << 40,
}
PART_WRONG = ["+1", "half"]
SHORT = "-14"  # SB_ERR_SHORT


class Adapter(NamedTuple):
    """A program of tests/first_frame, and what it plays."""

    title: str
    packages: list[str]
    formats: list[str]
    program: str = ""
    environment: dict[str, str] = {}


SOUNDS = [name for name in FORMATS if name.startswith("sound")]
ADAPTERS = {
    "ffmpeg": Adapter("FFmpeg", ["libavformat", "libavcodec", "libavutil"], list(FORMATS)),
    "mpv": Adapter("mpv", ["mpv"], list(FORMATS)),
    "loadfile": Adapter("mpv, by a plain loadfile", ["mpv"], list(FORMATS), "mpv", {"PLAIN_LOADFILE": "1"}),
    "vlc": Adapter("VLC", ["libvlc"], list(FORMATS)),
    "gstreamer": Adapter("GStreamer", ["gstreamer-app-1.0", "gstreamer-1.0"], list(FORMATS)),
    "sdl": Adapter("SDL_mixer", ["sdl2", "SDL2_mixer"], SOUNDS),
    "sndfile": Adapter("libsndfile", ["sndfile"], SOUNDS),
    "miniaudio": Adapter("miniaudio", [], [name for name in SOUNDS if name != "sound.opus"]),
    "stdio": Adapter("FILE", [], ["index-first.mp4", "film.mkv", "sound.ogg", "sound.mp3", "sound.wav"]),
}
# What the adapters' sources are called in the tables.
OURS = {"pipe": "cannot seek", "seek": "can seek"}
# What the library itself does, below its tables.
NOTES = {
    "ffmpeg": "By itself it does not play an MP4 with its index last from a pipe.",
    "vlc": """If it can seek, it reads the first cluster of a Matroska file, which is 1.4 MB of these, and the head
of each fragment of an MP4. The first two fragments of this file are shorter than `seek_gap`, so they are read through:
with a `seek_gap` of 64 KiB it starts after 0.6 s instead of 1.8 s. An MP4 of more than 16 MiB with its index last plays
from a pipe at the second time (see `spoolbuf_vlc_refused`).""",
    "sdl": """By itself it plays nothing from a pipe. Ogg and Opus are fetched to their ends first: SDL_mixer seeks to
the start before it plays, which their decoders do only once they have found the end.""",
    "sndfile": "By itself it does not play FLAC from a pipe.",
    "miniaudio": "By itself it plays only Ogg from a pipe. Opus is not among its formats.",
    "stdio": """The first frame is the first 16 KiB. The program looks for the size (`SEEK_END`) and reads as much as
that.""",
}


class Start(NamedTuple):
    """What a player has cost until its first frame; no time if there was none."""

    ms: Optional[int] = None
    fetched: int = 0

    def __str__(self) -> str:
        return "does not play" if self.ms is None else f"{self.ms / 1e3:.2f} s, {self.fetched / 1e3:.0f} KB"

    def is_late_after(self, bare: Start, more: int) -> bool:
        """Whether it is later than it should be after the bare library."""
        return self.ms is None or (bare.ms is not None and self.ms > 1.2 * bare.ms + more)


class Bench:
    """The media and the programs, and what was found wrong."""

    def __init__(self, folder: Path, library: Path, part: bool) -> None:
        self.folder, self.library, self.part = folder, library, part
        self.faults: list[str] = []
        self.began = time.monotonic()
        self.disk: Optional[Path] = None
        (folder / "media").mkdir()

    def say(self, text: str) -> None:
        """Shows the progress."""
        print(f"{time.monotonic() - self.began:5.0f} s  {text}", flush=True)

    def skip(self, what: str, why: str) -> None:
        """Says what is left out, which is a fault where everything is required."""
        self.say(f"SKIPPED {what}: {why}")
        if os.environ.get("SPOOLBUF_REQUIRE_ALL"):
            self.faults.append(f"{what}: {why}")

    def make(self) -> None:
        """Makes the media."""
        for name, how in FORMATS.items():
            if self.part and name not in [*PART, "film.mkv"]:
                continue
            path = self.folder / "media" / name
            if how is not None:
                subprocess.run(["ffmpeg", "-v", "error", "-y", *how, path], check=True)
            elif shutil.which("mkvmerge"):
                subprocess.run(["mkvmerge", "-q", "-o", path, path.with_name("film.mkv")], check=True)
            else:
                self.skip(name, "there is no mkvmerge here")
        self.say("the media are made")

    def build(self, source: str, packages: list[str]) -> Optional[Path]:
        """Builds a program of tests/first_frame."""
        command = ["pkg-config", "--cflags", "--libs", *packages]
        flags = subprocess.run(command, capture_output=True, text=True) if packages else None
        miniaudio = os.environ.get("SPOOLBUF_MINIAUDIO", "")
        if flags is not None and flags.returncode != 0:
            self.skip(source, f"pkg-config does not know {packages}")
            return None
        if source == "miniaudio" and not miniaudio:
            self.skip(source, "SPOOLBUF_MINIAUDIO does not name its folder")
            return None
        program = self.folder / source
        shutil.copy(self.library, self.folder / "libspoolbuf.so.0")
        includes = [f"-I{path}" for path in [ROOT / "include", *(ROOT / "bindings").iterdir()]]
        includes += ["-isystem", miniaudio] if miniaudio else []
        build = ["cc", "-O1", "-w", *includes, ROOT / f"tests/first_frame/{source}.c", "-o", program]
        build += [self.folder / "libspoolbuf.so.0", f"-Wl,-rpath,{self.folder}"]
        subprocess.run([*build, *(flags.stdout.split() if flags else []), "-pthread", "-lm"], check=True)
        return program

    def run(self, adapter: str, media: Path, how: str, *arguments: object) -> str:
        """What a program says."""
        name, environment = ADAPTERS[adapter].program or adapter, ADAPTERS[adapter].environment
        path = self.disk / media.name if how == "file" and self.disk else media
        command = [str(item) for item in (self.folder / name, path, how, *arguments)]
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                timeout=60,
                env={**os.environ, **environment},
            ).stdout
        except subprocess.TimeoutExpired:
            return ""

    def start(self, adapter: str, media: Path, how: str, rate: int, declared: object) -> Start:
        """The time until the first frame, and the bytes fetched for it."""
        said = dict(re.findall(r"^(\w+) (-?\d+)", self.run(adapter, media, how, rate, declared), re.M))
        return Start(int(said["first_ms"]), int(said["fetched"])) if "first_ms" in said else Start()

    def played(self, adapter: str, media: Path, how: str, declared: object) -> tuple[str, str]:
        """A sum of everything that it plays, and the adapter's status."""
        sound = self.folder / f"{adapter}.wav"
        sound.unlink(missing_ok=True)
        said = self.run(adapter, media, how, 0, declared, sound)
        status = re.search(r"^status (.*)$", said, re.M)
        total = re.search(r"^sum (.*)$", said, re.M)
        text = total[1] if total else f"{zlib.adler32(sound.read_bytes()):08x}" if sound.exists() else "nothing"
        return text, status[1] if status else "none"

    @staticmethod
    def has_tsdemux() -> bool:
        """Whether GStreamer can play MPEG-TS, by a package that the tests do not need otherwise."""
        return subprocess.call(["gst-inspect-1.0", "--exists", "tsdemux"]) == 0

    def files(self, adapter: str) -> Iterator[Path]:
        """The files that it plays."""
        for name in ADAPTERS[adapter].formats:
            path = self.folder / "media" / name
            if not path.exists() or (self.part and name not in PART):
                continue
            if (adapter, name) == ("gstreamer", "film.ts") and not self.has_tsdemux():
                self.say("left out: gstreamer: film.ts: there is no tsdemux here (gstreamer1.0-plugins-bad)")
                continue
            yield path

    @contextmanager
    def slow_disk(self) -> Iterator[None]:
        """A disk at the pace of the line, for the bare libraries."""
        if self.part:
            yield
            return
        program = self.build("slow", ["fuse3"])
        if program is None or not os.path.exists("/dev/fuse"):
            self.say("left out: the bare libraries' files, without FUSE")
            yield
            return
        disk = self.folder / "disk"
        disk.mkdir()
        command = [program, "-f", "-s", "-o", f"modules=subdir,subdir={self.folder / 'media'}", disk]
        with subprocess.Popen(command) as process:
            try:
                while process.poll() is None and not disk.is_mount():
                    time.sleep(0.05)
                if process.poll() is None:
                    self.disk = disk
                else:
                    self.skip("the bare libraries' files", "the slow disk could not be mounted")
                yield
            finally:
                process.terminate()


def is_late(bench: Bench, adapter: str, media: Path, rate: int, told: object, more: int) -> bool:
    """Whether it starts late three times more, beside the bare library at that time: the machine may have been busy."""
    for _ in range(3):
        bare = bench.start(adapter, media, "bare", rate, "unknown")
        if not bench.start(adapter, media, "pipe", rate, told).is_late_after(bare, more):
            return False
    return True


COLUMNS = ["bare", "file", *(f"{how} {told}" for how in OURS for told in ("unknown", "declared"))]


def row(bench: Bench, adapter: str, media: Path, rate: int, live: bool = False) -> str:
    """A row of the table of starts."""
    size = media.stat().st_size
    more = 1000 if live else 300
    rate = size // SECONDS if live else rate
    name = f"{media.name}, live" if live else media.name
    found = {"bare": bench.start(adapter, media, "bare", rate, "unknown")}
    if bench.disk and not live:
        found["file"] = bench.start(adapter, media, "file", rate, "unknown")
    for how in ["pipe"] if bench.part or live else OURS:
        for word, told in (("unknown", "unknown"), ("declared", size)):
            ours = found[f"{how} {word}"] = bench.start(adapter, media, how, rate, told)
            if how == "seek" or not ours.is_late_after(found["bare"], more):
                continue
            if is_late(bench, adapter, media, rate, told, more):
                bench.faults.append(f"{adapter} of {name}, {word}: {ours} after {found['bare']} of the bare library")
    bench.say(f"{adapter}: {name}: " + "; ".join(f"{how}: {start}" for how, start in found.items()))
    cells = " | ".join(str(found[column]) if column in found else "" for column in COLUMNS)
    return f"| {name} | {size / 1e3:.0f} KB | {cells} |"


def sizes(bench: Bench, adapter: str, media: Path) -> list[str]:
    """The rows of the table of wrong sizes."""
    size = media.stat().st_size
    rows: dict[str, str] = {}
    for how in ["pipe"] if bench.part else OURS:
        right = bench.played(adapter, media, how, "unknown")
        # A source that can seek may prove the size on the way: FFmpeg then removes an MP3's padding.
        heard = {right[0], bench.played(adapter, media, how, size)[0]}
        cells = []
        for name in PART_WRONG if bench.part else WRONG:
            found = bench.played(adapter, media, how, WRONG[name](size))
            same = found[0] in heard and "nothing" not in heard
            cells.append(("same" if same else "another sound") + (", short" if found[1] == SHORT else ""))
            if not same:
                bench.faults.append(f"{adapter} of {media.name}, {how}, {name}: {found} for {right}")
        rows[how] = " | ".join(cells)
    bench.say(f"{adapter}: {media.name}, wrong sizes: {rows['pipe'].replace(' |', ';')}")
    if len(set(rows.values())) == 1:
        return [f"| {media.name} | any | {rows['pipe']} |"]
    return [f"| {media.name} | {OURS[how]} | {cells} |" for how, cells in rows.items()]


HEAD = """# How soon a player starts

Written by `docs/first_frame.py`; do not edit.

The time to the first picture or sound, and the bytes that were fetched for it, of files that arrive with
{rate:.0f} KB/s. The first two columns are the library by itself: from a pipe, and from a file on a disk of that speed,
on which a seek costs nothing. The others are the adapter's, over a source that cannot seek and over one that can, with
the size unknown and declared. *Live*: the file arrives as fast as it is played.

The promise, which the script checks: over a source that cannot seek, a player starts after at most 1.2 times the time
of the library by itself from a pipe, plus 0.3 s (1 s, live). What the library by itself does not play from a pipe
plays as well, as soon as the library allows.

Over a source that can seek, a gap of at most `seek_gap` (256 KiB) is read through. At this speed that takes 0.6 s:
where a line is slow and a seek is fast, a smaller `seek_gap` starts sooner. The small files of this table are fetched
whole where a player looks at the end.

The second table of each player says what is heard if the declared size is wrong, compared with the size unknown.
*Short*: the adapter's status says `SB_ERR_SHORT`. Some players stop reading before the end of a resource, and then
nobody knows that the size is wrong.

![The time to the first frame](first-frame.svg)"""


def tables(bench: Bench, adapter: str, rate: int) -> list[str]:
    """The tables of an adapter."""
    text = ["", f"## {ADAPTERS[adapter].title}", "", "| file | size | pipe | file | cannot seek, unknown |"]
    text[-1] += " cannot seek, declared | can seek, unknown | can seek, declared |"
    text.append("|---|---|---|---|---|---|---|---|")
    for media in bench.files(adapter):
        text.append(row(bench, adapter, media, rate))
        if media.name == LIVE:
            text.append(row(bench, adapter, media, rate, live=True))
    text += ["", NOTES[adapter]] if adapter in NOTES else []
    if adapter != "loadfile":
        text += ["", f"| file | the source | {' | '.join(WRONG)} |", "|---|---|" + "---|" * len(WRONG)]
        text += [line for media in bench.files(adapter) for line in sizes(bench, adapter, media)]
    return text


LONGEST, WIDTH, HEIGHT, LEFT, TOP = 2000, 110, 22, 120, 60
# The columns of the tables that the picture shows.
BARS = {
    "bare": ("#999999", "by itself, from a pipe"),
    "pipe unknown": ("#2266aa", "spoolbuf, cannot seek"),
    "seek unknown": ("#66aa66", "spoolbuf, can seek"),
}


def box(x: float, y: float, width: float, height: float, color: str) -> str:
    """A rectangle of the picture."""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{color}"/>'


def words(x: float, y: float, text: str) -> str:
    """A text in the picture."""
    return f'<text x="{x}" y="{y}">{text}</text>'


def figures_in(tables: str) -> dict[str, dict[str, dict[str, int]]]:
    """The milliseconds in the tables of starts: by player, file and column."""
    figures: dict[str, dict[str, dict[str, int]]] = {}
    for section in tables.split("\n## ")[1:]:
        of_files = figures.setdefault(section.split("\n")[0], {})
        for line in section.split("\n"):
            name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            if name in FORMATS and len(cells) == 1 + len(COLUMNS):
                times = {how: re.match(r"([\d.]+) s", cell) for how, cell in zip(COLUMNS, cells[1:])}
                # The table of wrong sizes comes later.
                of_files.setdefault(name, {how: round(float(time[1]) * 1e3) for how, time in times.items() if time})
    return figures


def bars(x: int, y: int, found: dict[str, int]) -> Iterator[str]:
    """What one player takes for one file."""
    for at, (how, (color, _)) in enumerate(BARS.items()):
        ms = found.get(how)
        if ms is not None:
            yield box(x, y + 6 * at, max(1, min(ms, LONGEST) * WIDTH // LONGEST), 5, color)
            if ms > LONGEST:
                yield words(x + WIDTH + 2, y + 6 * at + 6, f'<tspan font-size="8">{ms / 1e3:.1f}</tspan>')


def picture(tables: str) -> str:
    """The times in the tables as bars: a column for each player, a row for each file."""
    figures = figures_in(tables)
    width, height = LEFT + len(figures) * (WIDTH + 30), TOP + len(FORMATS) * HEIGHT + 10
    font = 'font-family="sans-serif" font-size="11"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {font}>']
    title = f"Time to the first frame; the column is {LONGEST // 1000} s"
    parts += [box(0, 0, width, height, "white"), words(LEFT, 16, title)]
    for at, (color, label) in enumerate(BARS.values()):
        parts += [box(LEFT + 260 + at * 160, 8, 10, 8, color), words(LEFT + 275 + at * 160, 16, label)]
    for line, name in enumerate(FORMATS):
        parts.append(words(4, TOP + line * HEIGHT + 14, name))
    for column, (title, of_files) in enumerate(figures.items()):
        x = LEFT + column * (WIDTH + 30)
        parts.append(words(x, TOP - 10, title.replace("by a plain ", "")))
        for line, name in enumerate(FORMATS):
            parts += bars(x, TOP + line * HEIGHT, of_files.get(name, {}))
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    """Measures, and writes the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", action="store_true")
    parser.add_argument("--picture", action="store_true", help="draws the tables that exist")
    parser.add_argument("--library", type=Path, help="default: built as it ships")
    parser.add_argument("--rate", type=int, default=400_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("adapters", nargs="*", default=[], metavar="ADAPTER", help=", ".join(ADAPTERS))
    given = parser.parse_args()
    if given.picture and (given.part or given.library or given.adapters):
        parser.error("--picture measures nothing: it goes with --out alone")
    out = given.out or (None if given.part or given.adapters else ROOT / "docs/first-frame.md")
    if given.picture:
        assert out is not None
        out.with_suffix(".svg").write_text(picture(out.read_text()))
        return 0
    if given.library is None:
        subprocess.run(["sh", ROOT / "packaging/libraries.sh", ROOT / "target/ship"], check=True)
        given.library = ROOT / "target/ship/libspoolbuf.so"
    text = [HEAD.format(rate=given.rate / 1e3)]
    with tempfile.TemporaryDirectory(prefix="first-frame-") as name:
        bench = Bench(Path(name), given.library, given.part)
        bench.make()
        with bench.slow_disk():
            for adapter in given.adapters or ADAPTERS:
                source = ADAPTERS[adapter].program or adapter
                if bench.build(source, ADAPTERS[adapter].packages) is None:
                    continue
                text += tables(bench, adapter, given.rate)
    if out is not None:
        out.write_text("\n".join(text) + "\n")
        out.with_suffix(".svg").write_text(picture(out.read_text()))
    for fault in bench.faults:
        print(f"FAILED {fault}")
    bench.say(f"{len(bench.faults)} faults")
    return 1 if bench.faults else 0


if __name__ == "__main__":
    sys.exit(main())
