#!/usr/bin/env python3
"""Writes docs/first-frame.md: how soon players start over a slow line, and what they play of a wrong size.

    python3 docs/first_frame.py [--library target/release/libspoolbuf.so] [--rate 400000] [ADAPTER ...]

Needs ffmpeg, mkvmerge, a C compiler, and the libraries of the adapters; what is missing is named and left out.
Exits with 1 if a figure is not what the table promises.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple, Optional

ROOT = Path(__file__).resolve().parent.parent
ADAPTERS = {
    "ffmpeg": ("FFmpeg", ["libavformat", "libavcodec", "libavutil"]),
    "mpv": ("mpv", ["mpv"]),
    "vlc": ("VLC", ["libvlc"]),
}
PICTURE = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=8"]
SOUND = ["-f", "lavfi", "-i", "aevalsrc=0.3*sin(440*2*PI*t)+0.2*sin(997*2*PI*t*t)|0.3*sin(523*2*PI*t):s=44100:d=8"]
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
    "sound.mp3": [*SOUND, "-c:a", "libmp3lame", "-b:a", "192k", "-write_id3v1", "1", "-metadata", "title=A"],
    "sound.ogg": [*SOUND, "-c:a", "libvorbis"],
    "sound.opus": [*SOUND, "-c:a", "libopus"],
    "sound.flac": [*SOUND, "-sample_fmt", "s16"],
    "sound.wav": SOUND,
    "index-last.mp4": FILM,
}
WRONG = {
    "-1": lambda size: size - 1,
    "+1": lambda size: size + 1,
    "half": lambda size: size // 2,
    "double": lambda size: size * 2,
    "0": lambda size: 0,
    "2^40": lambda size: 1 << 40,
}


class Start(NamedTuple):
    """What a player has cost until its first frame; no time if there was none."""

    ms: Optional[int]
    fetched: Optional[int]

    def __str__(self) -> str:
        if self.ms is None or self.fetched is None:
            return "does not play"
        return f"{self.ms / 1e3:.2f} s, {self.fetched / 1e3:.0f} KB"


def make(folder: Path) -> list[Path]:
    """Makes the media."""
    made = []
    for name, how in FORMATS.items():
        if how is not None:
            subprocess.run(["ffmpeg", "-v", "error", "-y", *how, folder / name], check=True)
        elif shutil.which("mkvmerge"):
            subprocess.run(["mkvmerge", "-q", "-o", folder / name, folder / "film.mkv"], check=True)
        else:
            print("SKIPPED merged.mkv: there is no mkvmerge here")
            continue
        made.append(folder / name)
    return made


def build(name: str, packages: list[str], library: Path, folder: Path) -> Optional[Path]:
    """Builds the program of an adapter."""
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], capture_output=True, text=True)
    if flags.returncode != 0:
        print(f"SKIPPED {name}: pkg-config does not know {packages}")
        return None
    shutil.copy(library, folder / "libspoolbuf.so.0")
    program = folder / name
    includes = [f"-I{path}" for path in [ROOT / "include", *(ROOT / "bindings").iterdir()]]
    command = ["cc", "-O1", *includes, ROOT / f"tests/first_frame/{name}.c", "-o", program]
    command += [folder / "libspoolbuf.so.0", f"-Wl,-rpath,{folder}", *flags.stdout.split(), "-pthread", "-lm"]
    subprocess.run(command, check=True)
    return program


def run(program: Path, *arguments: object) -> str:
    """What a program says."""
    command = [str(item) for item in (program, *arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120).stdout


def start(program: Path, media: Path, how: str, rate: int, declared: object) -> Start:
    """How it starts."""
    said = dict(re.findall(r"^(\w+) (-?\d+)", run(program, media, how, rate, declared), re.M))
    return Start(int(said["first_ms"]), int(said["fetched"])) if "first_ms" in said else Start(None, None)


def played(program: Path, media: Path, how: str, declared: object) -> tuple[str, str]:
    """A sum of everything that it plays, and the adapter's status."""
    sound = program.with_suffix(".wav")
    sound.unlink(missing_ok=True)
    said = run(program, media, how, 0, declared, sound)
    status = re.search(r"^status (.*)$", said, re.M)
    total = re.search(r"^sum (.*)$", said, re.M)
    text = total[1] if total else f"{zlib.adler32(sound.read_bytes()):08x}" if sound.exists() else "nothing"
    return text, status[1] if status else "none"


def starts(program: Path, media: list[Path], rate: int, faults: list[str]) -> list[str]:
    """The rows of the table of starts."""
    rows = []
    for file in media:
        size = file.stat().st_size
        bare = start(program, file, "bare", rate, "unknown")
        found = [start(program, file, how, rate, told) for how in ("pipe", "seek") for told in ("unknown", size)]
        cells = " | ".join(str(item) for item in (bare, *found))
        rows.append(f"| {file.name} | {size / 1e3:.0f} KB | {cells} |")
        for ours in found[:2]:
            if ours.ms is None or (bare.ms is not None and ours.ms > 1.2 * bare.ms + 300):
                faults.append(f"{program.name} of {file.name}: {ours} after {bare} of the bare library")
    return rows


def sizes(program: Path, media: list[Path], faults: list[str]) -> list[str]:
    """The rows of the table of wrong sizes."""
    rows = []
    for file in media:
        size = file.stat().st_size
        for how in ("pipe", "seek"):
            right = played(program, file, how, "unknown")
            # A source that can seek may prove the size on the way: FFmpeg then removes an MP3's padding.
            heard = {right[0], played(program, file, how, size)[0]}
            cells = []
            for name, wrong in WRONG.items():
                found = played(program, file, how, wrong(size))
                short = ", and says SB_ERR_SHORT" if found[1] == "-14" else ""
                cells.append(f"the same{short}" if found[0] in heard else "another sound")
                if found[0] not in heard or "nothing" in heard:
                    faults.append(f"{program.name} of {file.name}, {how}, {name}: {found} for {right}")
            rows.append(f"| {file.name} | {'can' if how == 'seek' else 'cannot'} | {' | '.join(cells)} |")
    return rows


def main() -> int:
    """Measures, and writes the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", type=Path, default=ROOT / "target/release/libspoolbuf.so")
    parser.add_argument("--rate", type=int, default=400_000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/first-frame.md")
    parser.add_argument("adapters", nargs="*", default=list(ADAPTERS))
    given = parser.parse_args()
    faults: list[str] = []
    text = [
        "# How soon a player starts",
        "",
        "Written by `docs/first_frame.py`; do not edit.",
        "",
        f"Seconds to the first frame, and the bytes that were fetched for it, of files that arrive with {given.rate / 1e3:.0f}",
        "KB/s. *Bare* is the library by itself on a pipe of the same speed. The other columns are the adapter's: over",
        "a source that cannot seek and over one that can, with the size unknown and declared.",
    ]
    with tempfile.TemporaryDirectory(prefix="first-frame-") as name:
        folder = Path(name)
        media = make(folder)
        for adapter in given.adapters:
            title, packages = ADAPTERS[adapter]
            program = build(adapter, packages, given.library, folder)
            if program is None:
                continue
            text += ["", f"## {title}", ""]
            text += ["| file | size | bare | cannot seek, unknown | cannot seek, declared | can seek, unknown | can seek, declared |"]
            text += ["|---|---|---|---|---|---|---|", *starts(program, media, given.rate, faults)]
            text += ["", "What is played if the declared size is wrong, compared with the right size, or none:", ""]
            text += [f"| file | the source | {' | '.join(WRONG)} |", "|---|---|" + "---|" * len(WRONG)]
            text += sizes(program, media, faults)
            print(f"{title} done", flush=True)
    given.out.write_text("\n".join(text) + "\n")
    for fault in faults:
        print(f"FAILED {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
