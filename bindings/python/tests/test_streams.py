"""Streams: every kind, also those that misbehave. What they do never becomes bytes, nor the end."""

from __future__ import annotations

import errno
import gc
import io
import os
import socket
import threading
import weakref
from pathlib import Path

import pytest

from spoolbuf import StreamBuffer
from scripted import Reads, ReadsInto
from support import PATIENCE, chunks, data


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
            assert self.gate.wait(PATIENCE)
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
