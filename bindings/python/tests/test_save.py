"""Saving: whole or not at all, with a bar."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import spoolbuf
from spoolbuf import StreamBuffer
from support import chunks, data, need

SIZE = 2_000_000


def stream() -> StreamBuffer:
    return StreamBuffer(chunks(SIZE, 10_000), max_size=100_000)


def test_targets(tmp_path: Path) -> None:
    whole = data(0, SIZE)
    buf = stream()
    path = tmp_path / "ümlaut"
    for target in (path, str(path), os.fsencode(path)):
        assert buf.save(target) == SIZE
        assert path.read_bytes() == whole
        path.unlink()
    with open(path, "wb") as file:
        file.write(b"before")
        assert buf.save(file) == SIZE
        file.write(b"after")
    assert path.read_bytes() == b"before" + whole + b"after"
    with open(path, "wb") as file:
        assert buf.save(file.fileno()) == SIZE
    assert path.read_bytes() == whole
    for options in ({"sync": True}, {"link": True}, {"buffered_only": True}):
        assert buf.save(path, **options) == SIZE
        assert path.read_bytes() == whole


def test_progress(tmp_path: Path) -> None:
    seen: list[tuple[int, object]] = []
    assert stream().save(tmp_path / "file", progress=lambda *step: seen.append(step)) == SIZE
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (SIZE, SIZE)
    assert len(seen) > 2


def test_a_bar(tmp_path: Path) -> None:
    tqdm = need("tqdm").tqdm
    with open(os.devnull, "w") as nowhere:
        bar = tqdm(unit="B", file=nowhere)
        assert stream().save(tmp_path / "file", progress=bar) == SIZE
        assert (bar.n, bar.total) == (SIZE, SIZE)
        bar.close()


def test_what_progress_raises_stops_the_save(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    class Enough(Exception):
        pass

    def progress(done: int, total: object) -> None:
        if done > SIZE // 2:
            raise Enough

    with pytest.raises(Enough):
        stream().save(path, progress=progress)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_the_stream_raises_stops_the_save(tmp_path: Path) -> None:
    def breaks():
        yield b"abc"
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        StreamBuffer(breaks()).save(tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError) as caught:
        stream().save(path, replace=False)
    assert caught.value.filename == path
    with pytest.raises(spoolbuf.SizeError):
        StreamBuffer([b"abc"], size=5).save(path, exact=True)
    with pytest.raises(spoolbuf.SizeError):
        raw = StreamBuffer(__import__("io").BytesIO(bytes(1_000_000)), seek_gap=0, round_up=0)
        raw.read(500_000, 10)
        raw.save(path, buffered_only=True)
    with pytest.raises(spoolbuf.UnsupportedError):
        stream().save(tmp_path)
    with pytest.raises(OSError) as failed:
        stream().save(tmp_path / "absent" / "file")
    assert failed.value.errno == 2
    with pytest.raises(ValueError):
        stream().save("a\0b")
    assert path.read_bytes() == b"old"
    if os.name == "posix":
        stream().save(path)
        assert not stat.S_IMODE(path.stat().st_mode) & 0o111
