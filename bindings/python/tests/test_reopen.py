"""`reopen`: another stream for the same bytes."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from typing import Optional

import pytest

from spoolbuf import CanceledError, PushBuffer, SizeError, SourceError, StreamBuffer, _lifetime
from support import PATIENCE, chunks, data

SIZE = 300_000
HALF = SIZE // 2


class Expired(Exception):
    """What a stream raises when its URL has expired."""


def expiring(size: int = HALF) -> Iterator[bytes]:
    yield from chunks(size)
    raise Expired


class Counted(io.BytesIO):
    """Counts what is asked of it."""

    closes = reads = 0

    def read(self, size: Optional[int] = -1) -> bytes:
        self.reads += 1
        return super().read(size)

    def readinto(self, out: object) -> int:
        self.reads += 1
        return super().readinto(out)  # type: ignore[arg-type]

    def close(self) -> None:
        self.closes += 1
        super().close()


@pytest.mark.parametrize("max_size", [0, None])
def test_the_rest_comes_from_the_new_stream(max_size: Optional[int]) -> None:
    for stream in (chunks(SIZE), io.BytesIO(data(0, SIZE)), data(0, SIZE)):
        buf = StreamBuffer(expiring(), max_size=max_size)
        assert buf.read(0, SIZE) == data(0, HALF)
        with pytest.raises(Expired):
            buf.read(HALF, 1)
        buf.reopen(stream)
        assert buf.read(HALF, 10) == data(HALF, 10)
        assert buf[:] == data(0, SIZE)


def test_a_seekable_stream_is_sought() -> None:
    buf = StreamBuffer(expiring(), seek_gap=0)
    buf.read(0, SIZE)
    stream = Counted(data(0, SIZE))
    buf.reopen(stream, size=SIZE)
    assert buf.read(SIZE - 10, 10) == data(SIZE - 10, 10)
    assert buf.stat().pulled < HALF + 100_000


def test_exceptions_of_the_new_stream() -> None:
    class Again(Exception):
        pass

    def failing() -> Iterator[bytes]:
        yield from chunks(HALF + 1000)
        raise Again

    buf = StreamBuffer(expiring())
    with pytest.raises(Expired):
        buf.read(HALF, 1)
    buf.reopen(failing())
    assert buf.read(0, SIZE) == data(0, HALF + 1000)
    with pytest.raises(Again):
        buf.read(HALF + 1000, 1)
    file = buf.open()
    file.seek(HALF + 1000)
    with pytest.raises(Again):
        file.read(1)


def test_another_resource() -> None:
    buf = StreamBuffer(expiring())
    buf.read(0, SIZE)
    other = bytearray(data(0, SIZE))
    other[HALF - 1] ^= 1
    for stream in (io.BytesIO(other), iter([bytes(other)])):
        buf.reopen(stream)
        for _ in range(2):
            with pytest.raises(SourceError, match="another resource"):
                buf.read(HALF, 1)
            buf.retry()
        assert buf.read(0, HALF) == data(0, HALF)
    buf.reopen(chunks(SIZE))
    assert buf[:] == data(0, SIZE)


def test_a_stream_that_is_not_used_is_released() -> None:
    buf = StreamBuffer(data(0, SIZE))
    buf.read(0, 1000)
    stream = Counted(data(0, SIZE))
    with pytest.raises(SizeError):
        buf.reopen(stream, size=10, close_stream=True)
    assert (stream.closes, stream.reads) == (1, 0)
    assert buf[:] == data(0, SIZE)
    stream = Counted(data(0, SIZE))
    buf.reopen(stream, close_stream=True)
    assert (stream.closes, stream.reads) == (1, 0)


def test_the_old_stream_is_released_at_once() -> None:
    stream = Counted(data(0, SIZE))
    buf = StreamBuffer(stream, close_stream=True)
    assert buf.read(0, 1000) == data(0, 1000)
    buf.reopen(chunks(SIZE))
    assert stream.closes == 1
    assert buf[:] == data(0, SIZE)


class Stuck:
    """Blocks until it is released, and then delivers other bytes."""

    def __init__(self) -> None:
        """Nobody is inside."""
        self.entered, self.released = threading.Event(), threading.Event()
        self.canceled = self.closed = 0

    def read(self, size: int) -> bytes:
        self.entered.set()
        assert self.released.wait(PATIENCE)
        return b"\0" * size

    def cancel(self) -> None:
        self.canceled += 1

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("prefetch", [0, SIZE])
def test_a_stuck_stream_delays_nobody_else(prefetch: int) -> None:
    stream = Stuck()
    buf = StreamBuffer(stream, prefetch=prefetch, cancel=stream.cancel, close_stream=True)
    results: list[bytes] = []
    thread = threading.Thread(target=lambda: results.append(buf.read(0, SIZE)))
    thread.start()
    assert stream.entered.wait(PATIENCE)
    buf.reopen(chunks(SIZE))
    assert stream.canceled == 1
    assert buf.read(0, SIZE) == data(0, SIZE)
    assert buf.open(timeout=PATIENCE).read(1000) == data(0, 1000)
    assert not stream.closed
    stream.released.set()
    thread.join()
    assert results == [data(0, SIZE)]
    while not stream.closed:
        time.sleep(0.001)
    assert buf[:] == data(0, SIZE)
    buf.close()
    assert stream.closed == 1


def test_from_inside_the_old_stream() -> None:
    def replacing() -> Iterator[bytes]:
        yield data(0, 1000)
        buf.reopen(chunks(SIZE))
        yield b"\0" * 1000

    buf = StreamBuffer(replacing())
    assert buf[:] == data(0, SIZE)


def test_a_cancel_stays() -> None:
    buf = StreamBuffer(data(0, SIZE))
    buf.cancel()
    buf.reopen(chunks(SIZE))
    with pytest.raises(CanceledError):
        buf.read(0, 1)
    buf.resume()
    assert buf[:] == data(0, SIZE)


def test_a_closed_buffer_and_a_pushed_one() -> None:
    buf = StreamBuffer(data(0, SIZE))
    buf.close()
    with pytest.raises(ValueError, match="closed"):
        buf.reopen(data(0, SIZE))
    assert not hasattr(PushBuffer, "reopen")


def test_the_size_is_declared_late() -> None:
    buf = StreamBuffer(chunks(SIZE))
    buf.read(0, 10)
    assert buf.size is None
    buf.reopen(chunks(SIZE), size=lambda: SIZE)
    buf.read(10, 20_000)
    assert buf.size == SIZE


def test_a_reopened_buffer_leaves_nothing_behind() -> None:
    before = set(_lifetime.live)
    with StreamBuffer([b"by"]) as buf:
        buf.reopen([b"bytes"])
        assert buf[:] == b"bytes" and set(_lifetime.live) - before
    assert not set(_lifetime.live) - before
