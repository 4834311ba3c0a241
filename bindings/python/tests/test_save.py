"""Saving: whole or not at all, with a bar."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import pickle
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import spoolbuf
from spoolbuf import State, Status, StreamBuffer, _details, _errors, _native, _stats
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
        StreamBuffer([b"abc"], size=5, on_short="end").save(path, require_size=True)
    with pytest.raises(spoolbuf.SizeError):
        raw = StreamBuffer(__import__("io").BytesIO(bytes(1_000_000)), seek_gap=0, read_granularity=0)
        raw.read(500_000, 10)
        raw.save(path, buffered_only=True)
    with pytest.raises(spoolbuf.UnsupportedError) as refused:
        stream().save(tmp_path)
    assert refused.value.filename == tmp_path and str(tmp_path) in str(refused.value)
    assert refused.value.errno == errno.EOPNOTSUPP
    with pytest.raises(OSError) as failed:
        stream().save(tmp_path / "absent" / "file")
    assert failed.value.errno == 2
    with pytest.raises(ValueError):
        stream().save("a\0b")
    assert path.read_bytes() == b"old"
    if os.name == "posix":
        stream().save(path)
        assert not stat.S_IMODE(path.stat().st_mode) & 0o111


@pytest.mark.parametrize("module", [gzip, bz2, lzma], ids=lambda module: module.__name__)
def test_a_file_that_packs_is_written_to_by_its_write(module: Any, tmp_path: Path) -> None:
    """Its descriptor is the packed file's."""
    path = tmp_path / "packed"
    seen: list[tuple[int, object]] = []
    with module.open(path, "wb") as file:
        file.write(b"head")
        assert stream().save(file, progress=lambda *step: seen.append(step)) == SIZE
        file.write(b"tail")
    with module.open(path) as file:
        assert file.read() == b"head" + data(0, SIZE) + b"tail"
    assert seen[-1] == (SIZE, SIZE) and len(seen) > 2


def test_a_sockets_file() -> None:
    """A TLS file's descriptor is the socket below it: what is written there is sent in the clear."""
    here, there = socket.socketpair()

    class Encrypting(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def fileno(self) -> int:
            return here.fileno()

        def write(self, part: Any, /) -> int:
            # A raw file may take less than it is offered.
            part = bytes(part)[:1000]
            return here.send(bytes(value ^ 0xFF for value in part))

    with here, there, io.BufferedWriter(Encrypting()) as file:
        buf = StreamBuffer(chunks(30_000))
        assert buf.save(file) == 30_000
        assert buf.save(file.raw) == 30_000
        here.shutdown(socket.SHUT_WR)
        with there.makefile("rb") as heard:
            assert bytes(value ^ 0xFF for value in heard.read()) == data(0, 30_000) * 2


def test_files_of_all_kinds(tmp_path: Path) -> None:
    whole = data(0, 100_000)
    buf = StreamBuffer(chunks(100_000))
    memory = io.BytesIO()
    assert buf.save(memory) == 100_000
    assert memory.getvalue() == whole
    for make in (tempfile.TemporaryFile, tempfile.NamedTemporaryFile, tempfile.SpooledTemporaryFile):
        with make() as file:
            file.write(b"head")
            assert buf.save(file) == 100_000
            file.write(b"tail")
            file.seek(0)
            assert file.read() == b"head" + whole + b"tail"
    path = tmp_path / "file"
    for buffering in (0, -1):
        with open(path, "wb", buffering) as file:
            file.write(b"head")
            assert buf.save(file) == 100_000
            # Python knows where it stands.
            assert file.tell() == 100_004
            file.write(b"tail")
        assert path.read_bytes() == b"head" + whole + b"tail"
    with open(path, "ab") as file:
        assert buf.save(file) == 100_000
    assert path.read_bytes() == b"head" + whole + b"tail" + whole


def test_a_pipe_is_written_to_by_the_library() -> None:
    out, into = os.pipe()
    heard: list[bytes] = []

    def hear() -> None:
        with open(out, "rb") as file:
            heard.append(file.read())

    thread = threading.Thread(target=hear)
    thread.start()
    with open(into, "wb") as file:
        file.write(b"head")
        assert stream().save(file) == SIZE
    thread.join()
    assert heard == [b"head" + data(0, SIZE)]


def test_what_a_write_can_not_do() -> None:
    buf = StreamBuffer([b"abc"], size=5, on_short="end")
    memory = io.BytesIO()
    with pytest.raises(spoolbuf.SizeError):
        buf.save(memory, require_size=True)
    with pytest.raises(spoolbuf.UnknownSizeError):
        StreamBuffer([b"abc"]).save(memory, require_size=True)
    with pytest.raises(spoolbuf.InvalidError):
        buf.save(memory, replace=False)
    with pytest.raises(io.UnsupportedOperation):
        buf.save(memory, sync=True)
    with pytest.raises(TypeError, match="binary"):
        buf.save(io.StringIO())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="path"):
        buf.save(5.0)  # type: ignore[arg-type]
    assert not memory.getvalue()
    holes = StreamBuffer(io.BytesIO(bytes(1_000_000)), seek_gap=0, read_granularity=0)
    holes.read(500_000, 10)
    with pytest.raises(spoolbuf.SizeError):
        holes.save(memory, buffered_only=True)
    assert StreamBuffer([b"abc"]).save(memory, buffered_only=True) == 0
    assert StreamBuffer([b"abc"], size=3).save(memory, require_size=True) == 3
    assert memory.getvalue() == b"abc"


def test_errors_of_files_are_those_of_python(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        stream().save(tmp_path / "absent" / "file")
    error = caught.value
    assert isinstance(error, spoolbuf.FileError) and error.status == spoolbuf.Status.IO
    assert (error.errno, error.filename) == (errno.ENOENT, tmp_path / "absent" / "file")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and again.args == error.args
    assert error.operation == again.operation == spoolbuf.Operation.TARGET_OPEN
    assert error.offset is None and "cannot open the target" in str(error)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        stream().save(tmp_path / "file" / "file")
    if os.name == "posix":
        out, into = os.pipe()
        os.close(out)
        with open(into, "wb", 0) as file, pytest.raises(BrokenPipeError) as broken:
            stream().save(file)
        assert isinstance(broken.value, spoolbuf.FileError) and broken.value.filename is None
        assert broken.value.operation == spoolbuf.Operation.TARGET_WRITE
        assert broken.value.offset == 0
    with pytest.raises(OSError) as full:
        raise spoolbuf.DiskFullError(errno.ENOSPC, "full")
    assert full.value.errno == errno.ENOSPC


def test_a_save_has_a_limit(tmp_path: Path) -> None:
    go_on = threading.Event()

    def parts() -> Iterator[bytes]:
        yield b"by"
        go_on.wait()
        yield b"tes"

    buf = StreamBuffer(parts())
    for target in (tmp_path / "file", io.BytesIO()):
        with pytest.raises(TimeoutError) as caught:
            buf.save(target, timeout=0.1)
        assert isinstance(caught.value, spoolbuf.TimedOutError)
    assert not list(tmp_path.iterdir())
    go_on.set()
    assert buf.save(tmp_path / "file", timeout=600, mode=0o600) == 5
    assert (tmp_path / "file").read_bytes() == b"bytes"
    if os.name == "posix":
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert buf.save(tmp_path / "file", timeout=float("inf")) == 5
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            buf.save(tmp_path / "file", timeout=wrong)
    with pytest.raises(ValueError, match="mode"):
        buf.save(tmp_path / "file", mode=0o1000)
    for target in (io.BytesIO(), os.open(tmp_path / "file", os.O_RDWR)):
        with pytest.raises(spoolbuf.InvalidError):
            buf.save(target, mode=0o600)
        if isinstance(target, int):
            os.close(target)
    buf.close()


class Full(io.RawIOBase):
    """Takes some bytes, and then none."""

    calls = 0

    def write(self, part: Any, /) -> int:
        self.calls += 1
        assert self.calls < 5
        return 1000 if self.calls == 1 else 0


def test_a_file_that_takes_nothing() -> None:
    file = Full()
    with pytest.raises(OSError, match="takes nothing"):
        StreamBuffer(chunks(30_000)).save(file)
    assert file.calls == 2


def test_what_a_newer_library_reports(tmp_path: Path) -> None:
    """It keeps its number, and does not hide the error."""
    room = _details.Room()
    room.error.status, room.error.operation = Status.IO, 10_000
    details = room.details()
    assert details.text and details.operation == 10_000
    assert repr(details.operation) == "<Operation.UNKNOWN: 10000>"
    error = _errors.error_for(-99, details._replace(path="spool"), tmp_path)
    assert type(error) is spoolbuf.SpoolbufError and str(error) == details.text
    assert error.status == -99 and pickle.loads(pickle.dumps(error.status)) == -99
    named = _errors.error_for(Status.IO, details._replace(path="spool"), tmp_path)
    # What it is the path of, only the library knows.
    assert isinstance(named, spoolbuf.FileError) and named.filename == "spool"
    native = _native.Stats()
    native.state = native.spool = native.system_operation = 1000
    native.status = -99
    stats = _stats.from_native(native, None)
    assert (stats.state, stats.spool, stats.system_operation) == (1000, 1000, 1000)
    assert stats.status == -99 != Status.OK and stats.state not in list(State)
    with pytest.raises(ValueError):
        Status("text")
