"""Reading: every way of it, at every place."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import spoolbuf
from spoolbuf import StreamBuffer
from support import PATIENCE, chunks, data, need

SIZE = 300_000


@pytest.fixture(params=[0, 10_000, None], ids=["spilled", "half", "memory"])
def buf(request: pytest.FixtureRequest) -> Iterator[StreamBuffer]:
    with StreamBuffer(chunks(SIZE, 777), max_size=request.param) as buf:
        yield buf


def test_random_reads(buf: StreamBuffer) -> None:
    rng = random.Random(1)
    whole = data(0, SIZE)
    for _ in range(2000):
        offset, size = rng.randrange(SIZE + 1000), rng.choice([0, 1, 100, 5000, 100_000])
        assert buf.read(offset, size) == whole[offset : offset + size]
    assert buf.stat().final_size == SIZE


def test_what_all_of_python_shares_is_not_written_to(buf: StreamBuffer) -> None:
    """The empty bytes object and those of one byte exist once."""
    for place in range(1000):
        assert buf.read(place, 1) == data(place, 1)
        assert buf.read_some(place, 1) == data(place, 1)
        assert buf.read(place, 0) == buf.read_some(place, 0) == b""
    assert buf.read(SIZE, 1) == buf.read(SIZE - 1, 2)[1:] == b""
    assert [bytes([value])[0] for value in range(256)] == list(range(256))


def test_slices_are_those_of_bytes(buf: StreamBuffer) -> None:
    rng = random.Random(2)
    whole = data(0, SIZE)
    ends = [None, 0, 1, -1, SIZE, SIZE + 5, -SIZE - 5, *(rng.randrange(-SIZE, SIZE) for _ in range(2))]
    for start in ends:
        for stop in ends:
            for step in (None, 3, -7):
                assert buf[start:stop:step] == whole[start:stop:step], (start, stop, step)
            if start is not None and stop is not None:
                assert buf[start, stop] == whole[start:stop]
    for place in (0, 5, SIZE - 1, -1, -SIZE):
        assert buf[place] == whole[place]
    for place in (SIZE, -SIZE - 1):
        with pytest.raises(IndexError):
            buf[place]


def test_wrong_keys(buf: StreamBuffer) -> None:
    for key in ("a", 1.5, (1, 2, 3), None, slice("a", None)):
        with pytest.raises(TypeError):
            buf[key]  # type: ignore[call-overload]
    with pytest.raises(ValueError):
        buf[::0]


def test_read_takes_no_more_of_the_stream_than_it_needs() -> None:
    taken = 0

    def stream():
        nonlocal taken
        for chunk in chunks(SIZE, 1000):
            taken += 1
            yield chunk

    buf = StreamBuffer(stream())
    assert taken == 0
    assert buf[2500:2600] == data(2500, 100)
    assert taken == 3
    assert buf[:10] == data(0, 10)
    assert taken == 3


def test_a_large_read(buf: StreamBuffer) -> None:
    assert buf.read(0, 2**62) == data(0, SIZE)
    big = StreamBuffer(chunks(9_000_001, 100_000), max_size=1_000_000)
    assert big.read() == data(0, 9_000_001)
    assert big.read(1_000_000, 7_000_000) == data(1_000_000, 7_000_000)


def test_a_failure_between_two_pieces_of_a_large_read() -> None:
    """What came before it is returned, wherever it is."""

    def stream(size: int) -> Iterator[bytes]:
        yield from chunks(size, 1 << 16)
        raise ConnectionError("cut")

    for size in (1 << 20, 3 << 20, (3 << 20) + 5):
        with StreamBuffer(stream(size)) as buf:
            assert buf.read(0, size + 1) == data(0, size)
            with pytest.raises(ConnectionError):
                buf.read(size, None)
        with StreamBuffer(stream(size)) as buf:
            assert buf.read(0, size + 9_000_000) == data(0, size)


def test_read_to_the_end(buf: StreamBuffer) -> None:
    assert buf.read(SIZE - 5, -1) == data(SIZE - 5, 5) == buf[SIZE - 5 :]
    assert buf.read(SIZE, None) == b"" == buf.read(SIZE + 10, -1) == buf.read(SIZE + 10, 10)
    assert buf.read(0, None) == data(0, SIZE) == bytes(buf)


def test_bad_places(buf: StreamBuffer) -> None:
    for call in (buf.read, buf.read_some):
        with pytest.raises(ValueError):
            call(-1, 10)
        with pytest.raises(TypeError):
            call("1", 10)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        buf.read_some(0, -1)
    with pytest.raises(ValueError):
        buf.read_some(0, 1, timeout=-1)
    with pytest.raises(spoolbuf.InvalidError):
        buf.read(2**64 - 1, 2)


def test_readinto(buf: StreamBuffer) -> None:
    out = bytearray(b"x" * 100)
    assert buf.readinto(50, memoryview(out)[10:20]) == 10
    assert out == b"x" * 10 + data(50, 10) + b"x" * 80
    assert buf.readinto(SIZE - 4, out) == 4
    assert out[:4] == data(SIZE - 4, 4)
    # Nothing of it is held any more, or this would be a BufferError.
    out.append(0)
    assert buf.readinto(0, bytearray()) == 0
    import array

    numbers = array.array("I", [0] * 10)
    assert buf.readinto(8, numbers) == 40
    assert numbers.tobytes() == data(8, 40)
    for wrong in (b"read-only", "text", None, 5, memoryview(out)[::2]):
        with pytest.raises((TypeError, BufferError, ValueError)):
            buf.readinto(0, wrong)  # type: ignore[arg-type]


def test_read_some_returns_what_is_there() -> None:
    buf = StreamBuffer([b"abc", b"defgh", b""])
    with pytest.raises(TimeoutError):
        buf.read_some(0, 10, timeout=0)
    assert buf.read_some(0, 10) == b"abc"
    assert buf.read_some(1, 10, timeout=0) == b"bc"
    assert buf.read_some(5, 1, timeout=PATIENCE) == b"f"
    assert buf.stat().helper
    assert buf.read_some(8, 10, timeout=PATIENCE) == b""


def test_iteration_is_the_stream_again(buf: StreamBuffer) -> None:
    assert b"".join(buf) == data(0, SIZE)
    again = StreamBuffer(buf)
    assert again[-5:] == data(SIZE - 5, 5)
    assert list(StreamBuffer([b"by", b"tes"])) == [b"by", b"tes"]


def test_size_and_len() -> None:
    buf = StreamBuffer(chunks(1000), size=500)
    assert len(buf) == buf.size == 500
    assert buf[:] == data(0, 1000)
    assert len(buf) == buf.size == 1000
    lying = StreamBuffer(chunks(1000), size=5000, on_short="end")
    assert lying.read(0, 5000) == data(0, 1000)
    assert len(lying) == 1000
    unknown = StreamBuffer(chunks(1000))
    assert unknown.size is None
    assert unknown
    with pytest.raises(TypeError):
        len(unknown)
    assert StreamBuffer([])
    assert StreamBuffer([])[:] == b""


def test_is_exhausted_asks() -> None:
    buf = StreamBuffer(iter([b"abc", b"def"]), 6)
    assert not buf.is_exhausted()
    assert buf.read(0, 6) == b"abcdef"
    assert buf.is_exhausted()


def test_repr_and_closing() -> None:
    buf = StreamBuffer(chunks(10_000, 1000), 10_000)
    buf.read(0, 10)
    assert repr(buf) == "StreamBuffer<10000, 1000, memory 1000, disk 0>"
    assert buf.stream_index == 1000
    with buf as same:
        assert same is buf
    assert buf.closed
    assert repr(buf) == "StreamBuffer<closed>"
    buf.close()
    for call in (
        lambda: buf.read(0, 1),
        lambda: buf.readinto(0, bytearray(1)),
        lambda: buf.read_some(0, 1),
        lambda: buf.read(0, 0),
        lambda: buf[0],
        lambda: len(buf),
        lambda: buf.size,
        buf.stat,
        buf.ranges,
        buf.buffered,
        buf.cancel,
        buf.resume,
        buf.spill,
        buf.prefetch,
        buf.open,
        lambda: buf.save("nowhere"),
        lambda: next(iter(buf)),
    ):
        with pytest.raises(ValueError, match="the buffer is closed"):
            call()


def test_ranges_and_buffered() -> None:
    source = io.BytesIO(data(0, SIZE))
    buf = StreamBuffer(source, seek_gap=0, read_granularity=0)
    places = list(range(SIZE - 100, 0, -10_000))
    for place in places:
        buf.read(place, 10)
    assert buf.ranges() == [range(place, place + 10) for place in reversed(places)]
    assert buf.buffered(places[0] + 4) == 6
    assert buf.buffered(0) == 0


def test_options_are_checked() -> None:
    for options in (
        {"size": -1},
        {"max_size": -1},
        {"prefetch": -1},
        {"prefetch_low": -1},
        {"read_granularity": 20_000},
        {"seek_gap": -1},
        {"size": 2**64},
        {"on_short": "maybe"},
        {"spool_dir": "a\0b"},
    ):
        with pytest.raises(ValueError):
            StreamBuffer([b""], **options)
    with pytest.raises(TypeError):
        StreamBuffer([b""], "5")  # type: ignore[arg-type]


def test_the_memory_limit_holds() -> None:
    buf = StreamBuffer(chunks(4_000_000, 65536), max_size=100_000)
    buf.read(3_999_999, 1)
    stats = buf.stat()
    assert stats.memory <= 100_000 + 256 * 1024
    assert stats.memory + stats.disk == stats.frontier == 4_000_000
    assert stats.spool_dir


def test_memory_of_any_shape(buf: StreamBuffer) -> None:
    numpy = need("numpy")
    for order in "CF":
        out = numpy.zeros((10, 20), "u1", order=order)
        assert buf.readinto(7, out) == 200
        # As it lies there, which is what a file does.
        assert out.tobytes("A") == data(7, 200)
    assert buf.readinto(7, numpy.zeros((0, 4))) == 0
    assert buf.readinto(numpy.int64(7), out) == 200
    assert buf.read(numpy.int64(7), numpy.uint8(5)) == data(7, 5)
    assert buf[numpy.int64(7) : numpy.int64(9)] == data(7, 2)
    with pytest.raises((ValueError, BufferError)):
        buf.readinto(0, numpy.zeros((4, 4))[::2, ::2])
    file = buf.open()
    assert file.readinto(out) == 200 and out.tobytes("A") == data(0, 200)
    assert file.read(numpy.int64(5)) == data(200, 5)


def test_streams_of_arrays() -> None:
    numpy = need("numpy")
    import array

    table = numpy.arange(12, dtype="u1").reshape(3, 4)
    assert StreamBuffer([numpy.asfortranarray(table)])[:] == table.tobytes()
    assert StreamBuffer([b"ab", numpy.zeros((0, 4)), b"c"])[:] == b"abc"
    assert StreamBuffer(table)[:] == table.tobytes()
    assert StreamBuffer(array.array("H", [1, 2]))[:] == array.array("H", [1, 2]).tobytes()
    assert StreamBuffer([array.array("H", [1, 2])])[:] == array.array("H", [1, 2]).tobytes()

    class Stream:
        at = 0

        def readinto(self, out: memoryview) -> object:
            size = min(len(out), 1000 - self.at)
            out[:size] = data(self.at, size)
            self.at += size
            return numpy.int64(size)

    assert StreamBuffer(Stream())[:] == data(0, 1000)


def test_a_spool_directory_is_the_one_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spool").mkdir()
    monkeypatch.chdir(tmp_path)
    buf = StreamBuffer(chunks(1_000_000), max_size=1000, spool_dir="spool")
    monkeypatch.chdir("/")
    assert buf[:] == data(0, 1_000_000)
    assert buf.stat().spool_dir == str(tmp_path / "spool")


def test_a_spool_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    buf = StreamBuffer(chunks(1_000_000), max_size=1000, spool_dir=missing)
    with pytest.raises(FileNotFoundError) as caught:
        buf[:]
    assert caught.value.filename == str(missing)
    assert buf.stat().spool_dir == str(missing)
    assert buf.stat().system_operation == spoolbuf.Operation.SPOOL_CREATE
    with pytest.raises(FileNotFoundError) as again:
        buf.save(tmp_path / "saved")
    # The save met it, and is not its reason.
    for error in (caught.value, again.value):
        assert isinstance(error, spoolbuf.FileError) and error.errno == 2
        assert error.operation == spoolbuf.Operation.SPOOL_CREATE
        assert error.filename == str(missing)
    assert again.value.offset == buf.stat().frontier
    with buf.open() as file, pytest.raises(FileNotFoundError) as third:
        file.read()
    assert isinstance(third.value, spoolbuf.FileError)
    assert third.value.operation == spoolbuf.Operation.SPOOL_CREATE


def test_the_stats_count_bytes_and_time() -> None:
    buf = StreamBuffer(chunks(100_000, 1000))
    before = buf.stat()
    assert (before.pulled, before.pull_seconds, before.underruns) == (0, 0.0, 0)
    buf.read(0, 50_000)
    stats = buf.stat()
    assert stats.pulled == stats.frontier >= 50_000
    assert stats.pull_seconds > 0 and stats.wait_seconds == 0.0 and stats.underruns == 0
