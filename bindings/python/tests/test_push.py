"""Bytes that are pushed: their order, the room for them, their end, and who waits for them."""

from __future__ import annotations

import array
import asyncio
import io
import os
import random
import time
from pathlib import Path

import pytest

from spoolbuf import (
    FileError,
    PushBuffer,
    ShortError,
    SizeError,
    State,
    StreamBuffer,
    TimedOutError,
    UnknownSizeError,
)
from calls import Call
from support import data, eventually, need


# The bytes.


def test_any_order() -> None:
    size, piece = 1_000_000, 7919
    buf = PushBuffer()
    places = list(range(0, size, piece))
    random.Random(1).shuffle(places)
    for done, place in enumerate(places):
        part = data(place, min(piece, size - place))
        assert buf.push(place, part) == len(part)
        assert buf.read(place, len(part)) == part
        if not done:
            assert buf.ranges() == [range(place, place + len(part))]
            assert buf.wanted() == range(place)
    assert buf.size is None
    buf.end()
    assert buf.size == len(buf) == size and buf[:] == data(0, size)
    assert buf.ranges() == [range(size)] and not buf.wanted()
    assert buf.read(size, 1) == b"" and buf.is_exhausted()
    assert buf.stat().pulled == size and buf.stat().state is State.ENDED


def test_overlap() -> None:
    """Buffered bytes stay as they are, and count as accepted."""
    buf = PushBuffer()
    assert buf.push(2, b"23") == 2
    assert buf.push(0, b"xxxxxx") == 6
    assert buf.push(0, b"yyyyyyyy") == 8
    assert buf.read(0, 8) == b"xx23xxyy"
    assert buf.stat().pulled == 8


@pytest.mark.parametrize(
    "piece",
    [
        b"bytes",
        bytearray(b"bytes"),
        memoryview(b"bytes"),
        memoryview(b"b-y-t-e-s")[::2],
        array.array("B", b"bytes"),
        memoryview(bytearray(b"bytes")),
    ],
    ids=lambda piece: type(piece).__name__,
)
def test_bytes_like(piece: bytes) -> None:
    buf = PushBuffer()
    assert buf.push(3, piece) == 5
    assert buf.read(3, 5) == b"bytes"


def test_numpy() -> None:
    numpy = need("numpy")
    square = numpy.arange(6, dtype="<u2").reshape(2, 3)
    for array_ in (square, numpy.asfortranarray(square), square[:, ::2], square[0, :0]):
        buf = PushBuffer()
        assert buf.push(0, array_) == array_.nbytes
        buf.end()
        assert buf[:] == array_.tobytes()
    frozen = numpy.frombuffer(b"bytes", dtype="u1")
    assert not frozen.flags.writeable
    buf = PushBuffer()
    assert buf.push(0, frozen) == 5 and buf.read(0, 5) == b"bytes"


def test_the_bytes_are_copied() -> None:
    buf, piece = PushBuffer(), bytearray(b"bytes")
    buf.push(0, piece)
    piece[:] = b"other, and the memory is free to be resized"
    assert buf.read(0, 5) == b"bytes"


def test_an_exception_does_not_pin_the_bytes() -> None:
    buf, piece = PushBuffer(ahead=1), bytearray(b"bytes")
    buf.push(0, b"b")
    with pytest.raises(TimedOutError) as caught:
        buf.push(1, piece, timeout=0)
    piece += b"more"
    assert caught.value.__traceback__ is not None


def test_nothing() -> None:
    buf = PushBuffer()
    assert buf.push(0, b"") == 0 and buf.ranges() == []
    buf.end()
    assert buf[:] == b"" and len(buf) == 0


def test_spill(tmp_path: Path) -> None:
    size = 3_000_000
    buf = PushBuffer(max_size=0, spool_dir=tmp_path)
    assert buf.push(0, data(0, size)) == size
    assert buf.stat().disk > 0 and buf.stat().spool_dir == str(tmp_path)
    buf.end()
    assert buf[:] == data(0, size)
    assert buf.read(size // 2, 1000) == data(size // 2, 1000)


def test_everything_of_a_buffer(tmp_path: Path) -> None:
    buf = PushBuffer(11, prefetch=4)
    assert repr(buf) == "PushBuffer<11, 0, memory 0, disk 0>"
    # The declared size is a hint.
    assert buf.wanted() == range(2**63 - 1)
    buf.push(0, b"some stream")
    buf.end()
    with buf.open() as file:
        assert file.name == "<PushBuffer>" and file.seek(-6, os.SEEK_END) == 5
        assert file.read() == b"stream"
    target = tmp_path / "file"
    assert buf.save(target, require_size=True) == 11 and target.read_bytes() == b"some stream"
    out = io.BytesIO()
    assert buf.save(out) == 11 and out.getvalue() == b"some stream"
    assert b"".join(buf) == bytes(buf) == buf[0:] == b"some stream"
    assert buf[-6:] == b"stream" and buf[0] == ord("s")
    buf.spill()
    buf.set_max_size(0)
    assert buf.stat().disk == 11
    # Another buffer reads its bytes, not its `read`.
    assert StreamBuffer(buf)[5:] == b"stream"
    buf.close()
    assert buf.closed and repr(buf) == "PushBuffer<closed>"


# Room.


def test_ahead() -> None:
    """The pusher goes as far as the readers have come, and `ahead` further."""
    buf = PushBuffer(ahead=1000)
    assert buf.wanted() == range(1000)
    assert buf.push(0, data(0, 3000), timeout=0) == 1000
    assert not buf.wanted()
    with pytest.raises(TimedOutError):
        buf.push(1000, data(1000, 2000), timeout=0)
    buf.read(0, 500)
    assert buf.wanted() == range(1000, 1500)
    assert buf.push(1000, data(1000, 2000), timeout=0) == 500
    # What was accepted before needs no room.
    assert buf.push(0, data(0, 3000), timeout=0.01) == 1500
    pushing = Call(lambda: buf.push(1500, data(1500, 1500)))
    for place in range(500, 3000, 100):
        assert buf.read(place, 100) == data(place, 100)
    assert pushing.end() == 1500


def test_bytes_that_a_read_waits_for_are_accepted() -> None:
    buf = PushBuffer(ahead=10)
    reading = Call(lambda: buf.read(5000, 100))
    eventually(lambda: buf.stat().waits)
    assert buf.wanted().start == 5000
    assert buf.push(5000, data(5000, 100), timeout=0) == 100
    assert reading.end() == data(5000, 100)


def test_timeout() -> None:
    buf = PushBuffer(ahead=1)
    begun = time.monotonic()
    assert buf.push(0, b"bytes", timeout=0.1) == 1
    with pytest.raises(TimedOutError) as caught:
        buf.push(1, b"ytes", timeout=0.1)
    # By a clock that may be coarse.
    assert time.monotonic() - begun > 0.15
    assert isinstance(caught.value, TimeoutError)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            buf.push(1, b"ytes", timeout=wrong)
    for long in (float("inf"), 1e300):
        assert buf.push(0, b"b", timeout=long) == 1


def test_a_blocked_push_lets_others_work() -> None:
    """On the main thread, which blocks in pieces, and on any other."""
    buf = PushBuffer(ahead=1)
    reading = Call(lambda: buf.read(0, 1000))
    assert buf.push(0, data(0, 1000)) == 1000
    assert reading.end() == data(0, 1000)
    pushing = Call(lambda: buf.push(1000, data(1000, 1000)))
    assert buf.read(1000, 1000) == data(1000, 1000)
    assert pushing.end() == 1000


def test_a_spool_that_cannot_be(tmp_path: Path) -> None:
    there = tmp_path / "absent"
    buf = PushBuffer(max_size=0, spool_dir=there)
    size = 2_000_000
    with pytest.raises(FileError) as caught:
        buf.push(0, data(0, size))
    assert isinstance(caught.value, FileNotFoundError) and caught.value.filename == str(there)
    there.mkdir()
    assert buf.push(0, data(0, size)) == size
    assert buf.read(0, size) == data(0, size)


# The end.


def test_end() -> None:
    buf = PushBuffer()
    buf.push(5, b"bytes")
    with pytest.raises(SizeError):
        buf.end(9)
    with pytest.raises(UnknownSizeError):
        len(buf)
    buf.end(12)
    buf.end(12)
    assert buf.size == 12 and buf.wanted() == range(5)
    with pytest.raises(SizeError):
        buf.end(13)
    with pytest.raises(SizeError):
        buf.push(10, b"bytes")
    buf.push(10, b"by")
    buf.push(0, b"01234")
    assert buf[:] == b"01234bytesby"


def test_a_reader_waits_for_the_end() -> None:
    buf = PushBuffer()
    buf.push(0, b"bytes")
    reading = Call(lambda: buf[:])
    eventually(lambda: buf.stat().waits)
    buf.end()
    assert reading.end() == b"bytes"


def test_short() -> None:
    buf = PushBuffer(8)
    buf.push(0, b"bytes")
    assert len(buf) == 8
    buf.end()
    with pytest.raises(ShortError) as caught:
        buf.read(5, 1)
    assert (caught.value.received, caught.value.declared) == (5, 8)
    buf.retry()
    buf.push(5, b"123")
    buf.end()
    assert buf[:] == b"bytes123"
    believed = PushBuffer(8, on_short="end")
    believed.push(0, b"bytes")
    believed.end()
    assert believed[:] == b"bytes" and believed.stat().ended_short


# Together.


def test_a_pusher_and_readers(tmp_path: Path) -> None:
    size = 4_000_000
    buf = PushBuffer(size, max_size=300_000, ahead=500_000, spool_dir=tmp_path)

    def push() -> None:
        place = 0
        while place < size:
            place += buf.push(place, data(place, min(50_000, size - place)))
        buf.end()

    def read(seed: int) -> None:
        rest = random.Random(seed)
        place = 0
        while part := buf.read(place, rest.randrange(1, 60_000)):
            assert part == data(place, len(part))
            place += len(part)
            again = rest.randrange(place)
            assert buf.read(again, 100) == data(again, min(100, size - again))
        assert place == size

    calls = [Call(push), *(Call(lambda seed=seed: read(seed)) for seed in range(4))]
    for call in calls:
        call.end()
    assert buf.stat().disk > 0


def test_pushers_that_meet() -> None:
    """Many threads push the same bytes, and other ones, at once."""
    size, piece = 2_000_000, 9973
    buf = PushBuffer(max_size=200_000)

    def push(seed: int) -> None:
        places = list(range(0, size, piece))
        random.Random(seed).shuffle(places)
        for place in places:
            length = min(2 * piece, size - place)
            assert buf.push(place, data(place, length)) == length

    for call in [Call(lambda seed=seed: push(seed)) for seed in range(4)]:
        call.end()
    buf.end()
    assert buf[:] == data(0, size) and buf.stat().pulled == size


def test_asyncio() -> None:
    """A callback of the event loop pushes for the tasks of the same loop."""
    size, piece = 100_000, 3000
    buf = PushBuffer(ahead=20_000)

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def arrived(place: int) -> None:
            part = data(place, min(piece, size - place))
            try:
                place += buf.push(place, part, timeout=0)
            except TimedOutError:
                # The readers have to catch up first.
                loop.call_later(0.001, arrived, place)
                return
            if place < size:
                loop.call_soon(arrived, place)
            else:
                buf.end()

        async def read(step: int) -> None:
            place = 0
            while part := await buf.aread(place, step):
                assert part == data(place, len(part))
                place += len(part)
            assert place == size

        loop.call_soon(arrived, 0)
        await asyncio.gather(read(1000), read(7000), read(50_000))

    asyncio.run(main())
