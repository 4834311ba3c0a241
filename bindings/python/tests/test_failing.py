"""A stream that fails: at its first call, in the middle, during a cancel, at its last byte.

Of every kind, and by every kind of exception. What is read is right and comes first, the exception is
the stream's, nothing ends that has not ended, nothing is saved, and what can go on goes on.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spoolbuf import CanceledError, State, StreamBuffer
from calls import Call
from support import PATIENCE, data

SIZE = 10_000
STEP = 1000
KINDS = ["generator", "iterator", "read", "readinto", "raw", "buffered", "seekable"]
PLACES = {"first": 0, "middle": 4000, "last": SIZE - 1, "end": SIZE}


class Cut(Exception):
    """What the stream raises."""


class Plan:
    """Delivers the resource, and fails once where it is told to, taking nothing then."""

    def __init__(self, fails_at: int, error: Callable[[], BaseException] = lambda: Cut("cut")) -> None:
        self.at, self.fails_at, self.error = 0, fails_at, error
        self.failed = False

    def take(self, size: int) -> bytes:
        if self.at == self.fails_at and not self.failed:
            self.failed = True
            raise self.error()
        size = min(size, STEP, SIZE - self.at)
        if self.at < self.fails_at and not self.failed:
            size = min(size, self.fails_at - self.at)
        self.at += size
        return data(self.at - size, size)


class Iterating:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part = self.plan.take(STEP)
        if not part:
            raise StopIteration
        return part


class Reading:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def read(self, size: int) -> bytes:
        return self.plan.take(size)


class ReadingInto:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def readinto(self, out: memoryview) -> int:
        part = self.plan.take(len(out))
        out[: len(part)] = part
        return len(part)


class Raw(ReadingInto, io.RawIOBase):
    def readable(self) -> bool:
        return True


class Seekable(Raw):
    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.plan.at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.plan.at = offset if whence == 0 else SIZE + offset
        return self.plan.at


def generate(plan: Plan) -> Iterator[bytes]:
    while part := plan.take(STEP):
        yield part


def stream_of(kind: str, plan: Plan) -> Any:
    if kind == "buffered":
        return io.BufferedReader(Raw(plan))
    made = {
        "generator": generate,
        "iterator": Iterating,
        "read": Reading,
        "readinto": ReadingInto,
        "raw": Raw,
        "seekable": Seekable,
    }
    return made[kind](plan)


def read_to(buf: StreamBuffer, place: int) -> None:
    """Reads everything before a place, in steps that meet no chunk's end."""
    done = 0
    while done < place:
        part = buf.read(done, min(777, place - done))
        assert part and part == data(done, len(part))
        done += len(part)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_where_it_fails(kind: str, place: str, tmp_path: Path) -> None:
    at = PLACES[place]
    buf = StreamBuffer(stream_of(kind, Plan(at)))
    read_to(buf, at)
    for _ in range(2):
        with pytest.raises(Cut):
            buf.read(at, 1)
    assert buf.stat().state == State.FAILED and buf.stat().final_size is None
    if at:
        assert buf.read(0, SIZE + 1) == data(0, at)
    with pytest.raises(Cut):
        buf.save(tmp_path / "file")
    assert not list(tmp_path.iterdir())
    buf.resume()
    if kind == "generator":
        # It is over, which is not the end.
        with pytest.raises(Cut):
            buf.read(at, 1)
        return
    if at == SIZE:
        # Nothing has come since, so nobody knows whether this is the end.
        with pytest.raises(Cut):
            buf.read(at, 1)
        return
    assert buf[:] == data(0, SIZE)
    assert buf.save(tmp_path / "file") == SIZE


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_end_that_was_declared(kind: str) -> None:
    buf = StreamBuffer(stream_of(kind, Plan(SIZE)), size=SIZE)
    read_to(buf, SIZE)
    with pytest.raises(Cut):
        buf.read(SIZE, 1)
    buf.resume()
    assert buf.read(SIZE, 1) == b""
    assert buf.stat().final_size == SIZE


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_whole_reads_raise_with_what_came(kind: str, place: str) -> None:
    at = PLACES[place]
    ways: list[Callable[[StreamBuffer], object]] = [
        bytes,
        lambda buf: buf[:],
        lambda buf: buf.read(),
        lambda buf: buf.open().read(),
        lambda buf: buf.open(0).readall(),
        lambda buf: asyncio.run(buf.aread()),
    ]
    for way in ways:
        buf = StreamBuffer(stream_of(kind, Plan(at)))
        with pytest.raises(Cut) as caught:
            way(buf)
        assert caught.value.partial == data(0, at)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_a_slice_across_a_failure_raises(kind: str) -> None:
    """Nobody reads on after a slice, so a short one would pass for the end."""
    ways: list[Callable[[StreamBuffer], bytes]] = [
        lambda buf: buf[1000:9000],
        lambda buf: buf[1000:9000:3],
        lambda buf: buf[1000, 9000],
    ]
    for way in ways:
        buf = StreamBuffer(stream_of(kind, Plan(4000)))
        with pytest.raises(Cut) as caught:
            way(buf)
        assert caught.value.partial == data(1000, 3000)  # type: ignore[attr-defined]
    # The end is none.
    assert StreamBuffer(stream_of(kind, Plan(SIZE + 1)))[9000:11000] == data(9000, 1000)


@pytest.mark.parametrize("makes", [Cut, ConnectionResetError, CanceledError])
@pytest.mark.parametrize("kind", KINDS)
def test_during_a_cancel(kind: str, makes: type[Exception]) -> None:
    """What the stream raises since it was told to stop; what obeys goes on, what broke is broken."""
    inside, told = threading.Event(), threading.Event()

    def error() -> Exception:
        inside.set()
        assert told.wait(PATIENCE)
        return makes("told to")

    buf = StreamBuffer(stream_of(kind, Plan(4000, error)), cancel=told.set)
    read_to(buf, 4000)
    blocked = Call.inside(inside, lambda: buf.read(4000, 1))
    buf.cancel()
    with pytest.raises(CanceledError):
        blocked.end()
    with pytest.raises(CanceledError):
        buf.read(4000, 1)
    assert buf.read(0, 4000) == data(0, 4000)
    buf.resume()
    if kind == "generator":
        with pytest.raises(makes):
            buf.read(4000, 1)
        assert buf.stat().final_size is None
        return
    assert buf[:] == data(0, SIZE)


@pytest.mark.parametrize("makes", [TimeoutError, BlockingIOError])
@pytest.mark.parametrize("place", ["first", "middle", "end"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("generator", "iterator")])
def test_nothing_yet_and_then_the_end(kind: str, place: str, makes: type[Exception]) -> None:
    """A call that was given up without bytes leaves the stream as it was: its end is believed."""
    at = PLACES[place]
    buf = StreamBuffer(stream_of(kind, Plan(at, lambda: makes("not now"))))
    read_to(buf, at)
    with pytest.raises(makes):
        buf.read(at, 1)
    buf.retry()
    assert buf[:] == data(0, SIZE)
    assert buf.stat().final_size == SIZE


def test_a_thread_of_the_library_itself() -> None:
    for kind in KINDS:
        buf = StreamBuffer(stream_of(kind, Plan(4000)), prefetch=100_000)
        with pytest.raises(Cut):
            read_to(buf, SIZE)
        with pytest.raises(Cut):
            buf.read_some(4000, 1, timeout=PATIENCE)
        assert buf.read(0, 4000) == data(0, 4000)
