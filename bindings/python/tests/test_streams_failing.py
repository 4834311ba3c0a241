"""Streams that fail, lie or recover: what a reader gets is bytes or the stream's own exception."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import traceback

import pytest

import spoolbuf
from spoolbuf import StreamBuffer
from scripted import Reads, ReadsInto
from support import data


def test_an_exception_reaches_the_reader_as_itself_after_the_bytes_before() -> None:
    class Mine(Exception):
        pass

    error = Mine("from the stream")

    def stream():
        yield b"abc"
        yield b"def"
        raise error

    buf = StreamBuffer(stream())
    assert buf.read(0, 100) == b"abcdef"
    for _ in range(2):
        with pytest.raises(Mine) as caught:
            buf.read(6, 1)
        assert caught.value is error
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert frames[-1] == "stream"
        assert frames.count("stream") == 1 and "_fetch" not in frames
    assert len(traceback.extract_tb(error.__traceback__)) < 12
    assert buf[:6] == b"abcdef"
    assert buf.stat().state == spoolbuf.State.FAILED
    with pytest.raises(Mine):
        buf.read(6, None)


@pytest.mark.parametrize("make", [SystemExit, GeneratorExit, MemoryError, OSError, StopAsyncIteration])
def test_odd_exceptions(make) -> None:
    def stream():
        yield b"abc"
        raise make("odd")

    buf = StreamBuffer(stream())
    assert buf.read(0, 10) == b"abc"
    with pytest.raises(make, match="odd"):
        buf.read(3, 1)


def test_a_failed_generator_does_not_end_when_asked_again() -> None:
    def stream():
        yield b"abc"
        raise ConnectionError("cut")

    buf = StreamBuffer(stream())
    for _ in range(3):
        with pytest.raises(ConnectionError, match="cut"):
            buf.read(3, 1)
        buf.resume()
    assert not buf.stat().final_size
    with pytest.raises(ConnectionError):
        buf.is_exhausted()


def test_a_stream_that_recovers_goes_on() -> None:
    for kind in (Reads, ReadsInto):
        buf = StreamBuffer(kind(b"abc", TimeoutError("slow"), b"def", TimeoutError("slow")), size=6)
        with pytest.raises(TimeoutError, match="slow"):
            buf.read(3, 1)
        buf.resume()
        assert buf.read(0, 6) == b"abcdef"
        with pytest.raises(TimeoutError, match="slow"):
            buf.read(6, 1)
        buf.resume()
        # All that was declared has come, so this end is believed.
        assert buf.read(6, 1) == b""


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ([b"abc", None], TypeError),
        ([b"abc", "text"], TypeError),
        ([b"abc", 5], TypeError),
        ([b"abc", object()], TypeError),
        (Reads(b"abc", None), BlockingIOError),
        (Reads(b"abc", "text"), TypeError),
        (Reads(b"abc", 7), TypeError),
        (ReadsInto(b"abc", None), BlockingIOError),
        (ReadsInto(b"abc", -1), ValueError),
        (ReadsInto(b"abc", 2**40), ValueError),
        (ReadsInto(b"abc", 1.5), TypeError),
        (ReadsInto(b"abc", True), TypeError),
        (ReadsInto(b"abc", "3"), TypeError),
    ],
)
def test_wrong_answers_never_become_bytes(stream: object, expected: type[Exception]) -> None:
    buf = StreamBuffer(stream)  # type: ignore[arg-type]
    assert buf.read(0, 100) == b"abc"
    with pytest.raises(expected):
        buf.read(3, 1)
    assert buf.stat().frontier == 3
    assert buf.stat().final_size is None


def test_a_stream_that_reads_its_own_buffer() -> None:
    seen = []

    def stream():
        yield b"abc"
        seen.append(buf.read(0, 3))
        try:
            buf.read(3, 1)
        except spoolbuf.ReentrantError as error:
            seen.append(error)
        yield b"def"

    buf = StreamBuffer(stream())
    assert buf[:] == b"abcdef"
    assert seen[0] == b"abc" and isinstance(seen[1], RuntimeError)


def test_a_cut_http_connection_is_not_an_end() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        there.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(here)
        response.begin()
        buf = StreamBuffer(response)
        assert buf.read(0, 10) == b"abc"
        with pytest.raises(http.client.IncompleteRead):
            buf.read(3, 1)
        buf.resume()
        with pytest.raises(http.client.IncompleteRead):
            buf.read(3, 1)


def test_cancel_and_an_end_that_comes_of_it() -> None:
    here, there = socket.socketpair()
    with here, there, here.makefile("rb") as file:
        buf = StreamBuffer(file, cancel=lambda: here.shutdown(socket.SHUT_RD))
        there.sendall(b"abc")
        assert buf.read(0, 3) == b"abc"
        inside = threading.Event()
        outcome: list[object] = []

        def wait() -> None:
            inside.set()
            try:
                outcome.append(buf.read(3, 1))
            except Exception as error:
                outcome.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        inside.wait()
        while buf.stat().pulls < 2:
            pass
        buf.cancel()
        thread.join()
        assert isinstance(outcome[0], spoolbuf.CanceledError)
        assert buf.read(0, 3) == b"abc"
        buf.resume()
        # The socket says "no more bytes" now, which is not the stream's end.
        with pytest.raises(spoolbuf.CanceledError):
            buf.read(3, 1)
        assert buf.stat().final_size is None


class Flaky(io.RawIOBase):
    """Fails at every seventh call, takes nothing from the data then, and goes on."""

    def __init__(self, whole: bytes) -> None:
        self.data, self.calls = io.BytesIO(whole), 0

    def readable(self) -> bool:
        return True

    def readinto(self, out) -> int:
        self.calls += 1
        if self.calls % 7 == 0:
            raise TimeoutError("slow")
        part = self.data.read(min(len(out), 1000))
        out[: len(part)] = part
        return len(part)


@pytest.mark.parametrize("kind", ["raw", "buffered", "gzip", "bz2", "lzma"])
def test_a_stream_that_fails_now_and_then(kind: str) -> None:
    import bz2
    import gzip
    import lzma

    whole = data(0, 300_000)
    stream = {
        "raw": lambda: Flaky(whole),
        "buffered": lambda: io.BufferedReader(Flaky(whole)),
        "gzip": lambda: gzip.GzipFile(fileobj=Flaky(gzip.compress(whole))),
        "bz2": lambda: bz2.BZ2File(Flaky(bz2.compress(whole))),
        "lzma": lambda: lzma.LZMAFile(Flaky(lzma.compress(whole))),
    }[kind]()
    buf, out, errors = StreamBuffer(stream, size=len(whole)), b"", 0
    while True:
        try:
            part = buf.read(len(out), 50_000)
        except TimeoutError:
            errors += 1
            buf.resume()
            continue
        if not part:
            break
        out += part
    assert out == whole and errors > 10
