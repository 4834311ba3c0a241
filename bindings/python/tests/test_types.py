"""The types hold: mypy --strict and pyright are content with the package and with its use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import need, skip

PACKAGE = Path(__file__).resolve().parents[1]

USE = """
import io
from collections.abc import Iterator
from spoolbuf import Cache, CacheStats, CachedBuffer, Resource
from spoolbuf import PushBuffer, RawStreamFile, ShortError, StreamBuffer, StreamFile
from urllib.request import urlopen

def chunks() -> Iterator[bytes]:
    yield b"abc"

def open_key(key: str, old_tag: int) -> Resource:
    return Resource(None, tag=old_tag) if old_tag else Resource(open(key, "rb"), 3, 5)

def check_cache(path: str) -> None:
    with Cache(open_key, max_memory=0, fresh=1, idle=0.5) as cache:
        buffered: StreamFile = cache.open(path)
        raw: RawStreamFile = cache.open(path.encode(), 0, timeout=5)
        also: RawStreamFile = cache.open(path, buffering=0)
        named: RawStreamFile = cache.open(path, "rb", 0, buffered_only=True)
        view: CachedBuffer = cache[path]
        part: bytes = view[1:2] + view.read(0, 5)
        view.save(path)
        cache.trim(max_disk=0)
        stats: CacheStats = cache.stat()
        print(buffered, raw, also, named, part, stats.hits + stats.disk_peak)
    Cache(lambda key: [b"abc"])
    Cache(lambda key: StreamBuffer(b"abc"))
    Cache(lambda key, old_tag: Resource(chunks(), lambda: 3, cancel=print))
    Cache(urlopen)

def check(path: str) -> None:
    buf = StreamBuffer(iter([b"abc"]), 3)
    part: bytes = buf[1:2]
    pair: bytes = buf[1, 2]
    byte: int = buf[0]
    buffered: StreamFile = buf.open()
    raw: RawStreamFile = buf.open(0)
    file: io.BufferedReader = buffered
    named: StreamFile = buf.open("rb")
    unbuffered: RawStreamFile = buf.open("rb", 0)
    also: RawStreamFile = buf.open(buffering=0)
    whole: bytes = buf.read() + buf.read(0, None) + buf.read(0, 5)
    buf.save(io.BytesIO())
    print(named, unbuffered, also, whole)
    try:
        StreamBuffer([b"abc"], 5, on_short="error").retry()
    except ShortError as error:
        print(error.received, error.declared)
    count: int = buf.readinto(0, bytearray(5))
    with PushBuffer(5, ahead=100, on_short="end") as pushed:
        accepted: int = pushed.push(0, b"by") + pushed.push(2, bytearray(b"tes"), timeout=0)
        accepted += pushed.push(0, memoryview(b"by"), 0.5)
        pushed.end()
        pushed.fail(ConnectionError())
        wanted: range = pushed.wanted()
        StreamBuffer(pushed)
        print(accepted, wanted, pushed[1:2], pushed.open(0))
    with open(path, "rb") as real:
        StreamBuffer(real)
    StreamBuffer(urlopen(path))
    StreamBuffer(buf)
    StreamBuffer(chunks())
    StreamBuffer([bytearray(5), memoryview(b"abc")])
    StreamBuffer(b"abc").save(path, progress=lambda done, total: print(done, total))
    print(part, pair, byte, raw, file, count)
"""

WRONG = """
from spoolbuf import StreamBuffer

StreamBuffer("text")
"""

# A file's path, and not a key.
WRONG_CACHE = """
from pathlib import Path
from spoolbuf import Cache

Cache(lambda key: b"bytes")[Path("a")]
"""

# A keyword that no file has.
WRONG_FILE = """
from spoolbuf import StreamBuffer

StreamBuffer(b"bytes").open(time_limit=5)
"""

# A stream brings its own bytes.
WRONG_PUSH = """
from spoolbuf import StreamBuffer

StreamBuffer(b"bytes").push(0, b"bytes")
"""

# A file's `read`.
WRONG_READ = """
from spoolbuf import StreamBuffer

StreamBuffer(b"bytes").read(5)
"""


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("types")
    (there / "use.py").write_text(USE)
    (there / "wrong.py").write_text(WRONG)
    (there / "wrong_read.py").write_text(WRONG_READ)
    (there / "wrong_push.py").write_text(WRONG_PUSH)
    (there / "wrong_cache.py").write_text(WRONG_CACHE)
    (there / "wrong_file.py").write_text(WRONG_FILE)
    return there


def run(*command: str, cwd: Path = PACKAGE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.usefixtures("slow")
def test_mypy(uses: Path) -> None:
    need("mypy")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(uses / "cache")]
    done = run(*mypy, str(PACKAGE / "src" / "spoolbuf"))
    assert done.returncode == 0, done.stdout
    done = run(*mypy, "use.py", cwd=uses)
    assert done.returncode == 0, done.stdout
    done = run(*mypy, "wrong.py", cwd=uses)
    assert done.returncode == 1 and "arg-type" in done.stdout, done.stdout
    done = run(*mypy, "wrong_read.py", cwd=uses)
    assert done.returncode == 1 and "call-overload" in done.stdout, done.stdout
    done = run(*mypy, "wrong_file.py", cwd=uses)
    assert done.returncode == 1 and "call-overload" in done.stdout, done.stdout
    done = run(*mypy, "wrong_cache.py", cwd=uses)
    assert done.returncode == 1 and "index" in done.stdout, done.stdout
    done = run(*mypy, "wrong_push.py", cwd=uses)
    assert done.returncode == 1 and "attr-defined" in done.stdout, done.stdout


@pytest.mark.usefixtures("slow")
def test_pyright(uses: Path) -> None:
    pyright = shutil.which("pyright", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
    if pyright is None:
        skip("pyright", "not installed")
    python = ["--pythonpath", sys.executable]
    done = run(pyright, *python, "--project", str(PACKAGE))
    if "error" in done.stderr and not done.stdout:
        skip("pyright", done.stderr)
    assert done.returncode == 0, done.stdout
    done = run(pyright, *python, str(uses / "use.py"), cwd=uses)
    assert done.returncode == 0, done.stdout
    done = run(pyright, *python, str(uses / "wrong.py"), cwd=uses)
    assert done.returncode == 1, done.stdout
