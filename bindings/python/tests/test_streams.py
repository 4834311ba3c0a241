"""Streams: every kind, also those that misbehave. What they do never becomes bytes, nor the end."""

from __future__ import annotations

import errno
import gc
import http.client
import io
import os
import socket
import threading
import traceback
import weakref
from pathlib import Path

import pytest

import spoolbuf
from spoolbuf import StreamBuffer
from support import chunks, data


class Reads:
    """Has `read` alone, which does what it is told."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def read(self, size: int) -> object:
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, BaseException):
            raise answer
        return answer


class ReadsInto:
    """Has `readinto` alone, which returns what it is told."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def readinto(self, out: memoryview) -> object:
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, bytes):
            out[: len(answer)] = answer
            return len(answer)
        return answer


@pytest.mark.parametrize(
    "make",
    [
        lambda whole: whole,
        bytearray,
        memoryview,
        lambda whole: [whole],
        lambda whole: (whole[at : at + 7] for at in range(0, len(whole), 7)),
        lambda whole: iter([b"", bytearray(whole[:100]), b"", memoryview(whole)[100:], b""]),
        lambda whole: [memoryview(whole[:1000]).cast("I"), whole[1000:]],
        lambda whole: [memoryview(bytes(2 * len(whole)))[::2].tobytes() and whole],
        io.BytesIO,
        lambda whole: io.BufferedReader(io.BytesIO(whole)),
        lambda whole: Reads(whole),
        lambda whole: Reads(whole[:5000], bytearray(whole[5000:])),
        lambda whole: ReadsInto(whole[:50], whole[50:70], whole[70:90], whole[90:100]),
    ],
)
def test_kinds(make) -> None:
    whole = data(0, 100_000)
    size = 100 if isinstance(make(whole), ReadsInto) else len(whole)
    buf = StreamBuffer(make(whole))
    assert buf.read(10, 5) == whole[10:15]
    assert buf[:] == whole[:size]
    assert buf.is_exhausted()


def test_chunks_that_are_not_contiguous() -> None:
    whole = data(0, 1000)
    assert StreamBuffer([memoryview(whole)[::2]])[:] == whole[::2]


def test_not_a_stream() -> None:
    for wrong in (None, 5, "text", object(), int, io.StringIO("text")):
        with pytest.raises(TypeError):
            StreamBuffer(wrong)  # type: ignore[arg-type]


def test_a_chunk_larger_than_the_room_is_kept() -> None:
    taken = []

    def stream():
        for part in range(3):
            taken.append(part)
            yield data(part * 5_000_000, 5_000_000)

    buf = StreamBuffer(stream(), max_size=0)
    assert buf.read(1_234_567, 10) == data(1_234_567, 10)
    assert taken == [0]
    assert buf.stat().memory + buf.stat().disk < 5_000_000
    assert buf.read(4_999_990, 20) == data(4_999_990, 20)
    assert taken == [0, 1]
    assert buf[14_999_999:] == data(14_999_999, 1)


def test_a_pipe_and_a_socket() -> None:
    whole = data(0, 50_000)

    def feed(write, close) -> None:
        for at in range(0, len(whole), 1000):
            write(whole[at : at + 1000])
        close()

    out, into = os.pipe()
    thread = threading.Thread(target=feed, args=(lambda b: os.write(into, b), lambda: os.close(into)))
    thread.start()
    with open(out, "rb") as file:
        assert StreamBuffer(file)[:] == whole
    thread.join()

    here, there = socket.socketpair()
    thread = threading.Thread(target=feed, args=(there.sendall, there.close))
    thread.start()
    with here, here.makefile("rb") as file:
        assert StreamBuffer(file)[:] == whole
    thread.join()


def test_a_slow_stream_is_not_made_to_fill_its_room() -> None:
    here, there = socket.socketpair()
    with here, there, here.makefile("rb") as file:
        buf = StreamBuffer(file)
        there.sendall(b"abc")
        # More is never sent: a read that waited for a full buffer would hang.
        assert buf.read(0, 3) == b"abc"
        there.shutdown(socket.SHUT_WR)
        assert buf[:] == b"abc"


def test_a_file_that_seeks() -> None:
    whole = data(0, 3_000_000)
    file = io.BytesIO(b"before" + whole)
    file.seek(6)
    buf = StreamBuffer(file, seek_gap=1000)
    assert buf.size == len(whole)
    assert buf.read(2_500_000, 10) == whole[2_500_000:2_500_010]
    stats = buf.stat()
    assert stats.seeks == 1 and stats.seekable
    assert sum(map(len, buf.ranges())) < 100_000
    assert buf[:] == whole
    assert buf.stat().final_size == len(whole)


def test_a_place_that_a_file_system_refuses_is_past_the_end(tmp_path: Path) -> None:
    class Strict(io.FileIO):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            if offset > 1000:
                raise OSError(errno.EINVAL, "no file is that long here")
            return super().seek(offset, whence)

    (tmp_path / "file").write_bytes(bytes(1000))
    with Strict(tmp_path / "file") as file, StreamBuffer(file) as buf:
        assert buf.read(1 << 45, 10) == b""
        assert buf.read(500, 10) == bytes(10)
        assert buf.stat().seekable


@pytest.mark.parametrize("error", [io.UnsupportedOperation("no"), OSError(errno.ESPIPE, "no")])
def test_a_stream_that_can_not_seek_after_all_goes_forwards(error: OSError) -> None:
    class Liar(io.BytesIO):
        armed = False

        def seek(self, *args):
            if self.armed:
                raise error
            return super().seek(*args)

    whole = data(0, 1_000_000)
    file = Liar(whole)
    buf = StreamBuffer(file, seek_gap=1000)
    file.armed = True
    assert buf.read(900_000, 10) == whole[900_000:900_010]
    assert buf[:] == whole


# What goes wrong.


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


def test_the_stream_is_let_go_of_and_closed_if_wished() -> None:
    class File(io.BytesIO):
        pass

    for wish in (False, True):
        file = File(b"abc")
        gone = weakref.ref(file)
        buf = StreamBuffer(file, close_stream=wish)
        assert buf[:] == b"abc"
        # All of it is held: nobody needs the stream any more.
        assert file.closed == wish
        del file
        assert gone() is None
        assert buf[:] == b"abc"

    file = File(b"abc")
    gone = weakref.ref(file)
    buf = StreamBuffer(file, close_stream=True)
    buf.close()
    assert file.closed
    del file
    assert gone() is None


def test_a_stream_that_fails_at_the_start_is_closed() -> None:
    class File(io.BytesIO):
        def seekable(self) -> bool:
            raise ValueError("mine")

    file = File(b"abc")
    with pytest.raises(ValueError, match="mine"):
        StreamBuffer(file, close_stream=True)
    gc.collect()
    assert file.closed


def test_a_dropped_buffer_ends_its_generator() -> None:
    ended = []

    def stream():
        try:
            while True:
                yield b"abc"
        finally:
            ended.append(True)

    buf = StreamBuffer(stream())
    buf.read(0, 1)
    del buf
    assert ended == [True]
    StreamBuffer(chunks(10)).read(0, 1)


KEEPERS = {
    "view": lambda out, kept: kept.append(out),
    "slice": lambda out, kept: kept.append(out[:10]),
    "another": lambda out, kept: kept.append(memoryview(out)),
}


@pytest.mark.parametrize("how", KEEPERS)
def test_memory_that_a_stream_keeps(how: str) -> None:
    """It is never the library's; and who keeps it is told."""
    kept: list[memoryview] = []

    class Keeper:
        at = 0

        def readinto(self, out: memoryview) -> int:
            KEEPERS[how](out, kept)
            size = min(len(out), 1000 - self.at)
            out[:size] = data(self.at, size)
            self.at += size
            return size

    buf = StreamBuffer(Keeper())
    if how == "view":
        assert buf[:] == data(0, 1000)
        with pytest.raises(ValueError, match="released"):
            kept[0][0]
    else:
        with pytest.raises(BufferError, match="kept"):
            buf.read(0, 1)
        # What it had delivered is right, and is not lost.
        buf.resume()
        assert buf.read(0, 1000) == data(0, 1000)
        with pytest.raises(BufferError, match="kept"):
            buf.read(1000, 1)
    buf.close()
    for view in kept:
        if how != "view":
            view[0] = 1


class Slow(io.BufferedIOBase):
    """Like a response: a `readinto` that goes on until its room is full, and a `read1` that does not."""

    def __init__(self) -> None:
        self.at, self.gate = 0, threading.Event()

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        if self.at == 5000:
            assert self.gate.wait(60)
        self.at += 1000
        return data(self.at - 1000, 1000)

    def readinto(self, out: memoryview, /) -> int:  # type: ignore[override]
        raise AssertionError("it would wait for all of it")

    read = readinto  # type: ignore[assignment]


def test_a_buffered_stream_is_not_made_to_fill_its_room() -> None:
    stream = Slow()
    buf = StreamBuffer(stream)
    assert buf.read(4999, 1) == data(4999, 1)
    with pytest.raises(TimeoutError):
        buf.read_some(5000, 1, timeout=0.01)
    stream.gate.set()
    assert buf.read(5000, 1000) == data(5000, 1000)


def test_a_buffered_stream_that_has_no_read1() -> None:
    class Old(io.BufferedIOBase):
        at = 0

        def read(self, size: int = -1, /) -> bytes:
            self.at += 1
            return b"abc" if self.at < 3 else b""

    assert StreamBuffer(Old())[:] == b"abcabc"


def test_what_a_class_says_last_counts() -> None:
    class Counting(io.BytesIO):
        taken = 0

        def readinto(self, out) -> int:
            count = super().readinto(out)
            self.taken += count
            return count

    stream = Counting(data(0, 1000))
    assert StreamBuffer(stream)[:] == data(0, 1000) and stream.taken == 1000


@pytest.mark.parametrize("size", [0, -1])
def test_a_pipe_that_does_not_wait(size: int) -> None:
    out, into = os.pipe()
    os.set_blocking(out, False)
    with open(out, "rb", size) as file, StreamBuffer(file) as buf:
        for part in (b"abc", b"def"):
            with pytest.raises(BlockingIOError):
                buf.read_some(buf.stat().frontier, 10)
            buf.resume()
            os.write(into, part)
            assert buf.read_some(buf.stat().frontier, 10) == part
        with pytest.raises(BlockingIOError):
            buf.read(6, 1)
        os.close(into)
        buf.resume()
        assert buf[:] == b"abcdef"


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
