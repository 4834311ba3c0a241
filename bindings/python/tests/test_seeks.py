"""Streams that seek: what they answer counts, others move them too, and they may know their end."""

from __future__ import annotations

import gzip
import io
import random
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from spoolbuf import REACH_AUTO, CanceledError, ShortError, SourceError, StreamBuffer, TimedOutError
from calls import Call
from support import PATIENCE, chunks, data

SIZE = 3_000_000


class File(io.RawIOBase):
    """A file that counts what is taken."""

    def __init__(self, whole: Optional[bytes] = None) -> None:
        self.whole = data(0, SIZE) if whole is None else whole
        self.at = self.taken = self.seeks = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0, /) -> Any:
        self.seeks += 1
        self.at = {0: 0, 1: self.at, 2: len(self.whole)}[whence] + offset
        return self.at

    def readinto(self, out: Any, /) -> int:
        part = self.whole[self.at : self.at + len(out)]
        out[: len(part)] = part
        self.at += len(part)
        self.taken += len(part)
        return len(part)


class Device(File):
    """As a character device: says that it can seek, stays where it is, and says so."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self.at


class Blocks(File):
    """Goes to the start of the block, and says so."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.at = offset // 65536 * 65536
        return self.at


class Silent(File):
    """Says nothing, as files of old do."""

    def seek(self, offset: int, whence: int = 0, /) -> None:
        super().seek(offset, whence)


@pytest.mark.parametrize("kind", [File, Device, Blocks, Silent])
def test_what_seek_answers(kind: type[File]) -> None:
    with StreamBuffer(kind(), seek_gap=1000) as buf:
        rng = random.Random(5)
        for _ in range(50):
            place = rng.randrange(SIZE)
            assert buf.read(place, 100) == data(place, min(100, SIZE - place))
        assert buf[:] == data(0, SIZE)


def test_a_seek_that_fails_is_tried_again() -> None:
    class Failing(File):
        fails = 0

        def seek(self, offset: int, whence: int = 0, /) -> Any:
            if self.fails:
                self.fails -= 1
                raise ConnectionError("503")
            return super().seek(offset, whence)

    file = Failing()
    buf = StreamBuffer(file, seek_gap=1000)
    assert buf.read(0, 10) == data(0, 10)
    file.fails = 2
    for _ in range(2):
        with pytest.raises(ConnectionError, match="503"):
            buf.read(2_000_000, 10)
    assert buf.read(2_000_000, 10) == data(2_000_000, 10)
    assert buf.stat().seekable and file.taken < 100_000
    # And where it stood it reads on.
    file.fails = 1
    with pytest.raises(ConnectionError):
        buf.read(1_000_000, 10)
    assert buf[:] == data(0, SIZE)


@pytest.mark.parametrize("buffering", [0, -1])
def test_two_buffers_over_one_file(tmp_path: Path, buffering: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(data(0, SIZE))
    with open(path, "rb", buffering) as file:
        buffers = [StreamBuffer(file, max_size=100_000) for _ in range(3)]
        rng = random.Random(6)
        for _ in range(200):
            place = rng.randrange(SIZE)
            assert rng.choice(buffers).read(place, 5000) == data(place, min(5000, SIZE - place))
            # The program itself moves it too.
            file.seek(rng.randrange(SIZE))


def test_two_buffers_over_one_file_on_two_threads(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data(0, SIZE))
    with open(path, "rb") as file:
        wrong: list[object] = []

        def read(buf: StreamBuffer, seed: int) -> None:
            rng = random.Random(seed)
            try:
                for _ in range(300):
                    place = rng.randrange(SIZE)
                    if buf.read(place, 1000) != data(place, min(1000, SIZE - place)):
                        wrong.append(place)
            except BaseException as error:
                wrong.append(error)

        threads = [
            threading.Thread(target=read, args=(StreamBuffer(file, seek_gap=0), seed))
            for seed in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


def test_a_stream_that_has_no_tell() -> None:
    class Mute:
        def __init__(self) -> None:
            self.file = File()

        def read(self, size: int) -> bytes:
            return self.file.read(size)

        def seek(self, offset: int) -> None:
            self.file.seek(offset)

    stream = Mute()
    one, other = StreamBuffer(stream, seek_gap=0), StreamBuffer(stream, seek_gap=0)
    for place in (0, 500_000, 20_000, 1_000_000):
        assert one.read(place, 100) == data(place, 100)
        assert other.read(place + 50, 100) == data(place + 50, 100)


def test_two_buffers_over_a_stream_that_goes_once() -> None:
    def stream():
        for at in range(0, 100_000, 1000):
            yield data(at, 1000)

    once = stream()
    one, other = StreamBuffer(once), StreamBuffer(once)
    assert one.read(0, 10) == data(0, 10)
    with pytest.raises(SourceError, match="another buffer"):
        other.read(0, 10)
    assert one[:] == data(0, 100_000)
    # A list begins anew each time.
    parts = [data(0, 1000), data(1000, 1000)]
    assert StreamBuffer(parts)[:] == StreamBuffer(parts)[:] == data(0, 2000)
    # One that is closed has let go.
    once = stream()
    with StreamBuffer(once) as buf:
        buf.read(0, 10)
    assert StreamBuffer(once).read(0, 10) == data(1000, 10)


def test_the_end_is_asked_for() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(50):
            archive.writestr(f"f{number}", data(number * 1000, 50_000))
    whole = out.getvalue()
    file = File(whole)
    assert zipfile.ZipFile(StreamBuffer(file).open()).read("f7") == data(7000, 50_000)
    assert file.taken < len(whole) // 4
    for stream in (File(whole), io.BytesIO(whole)):
        with StreamBuffer(stream) as buf:
            assert buf[-10:] == whole[-10:] and buf[-1] == whole[-1]
            assert sum(map(len, buf.ranges())) < 100_000
            assert buf.stat().final_size == len(whole)
            assert buf.open().seek(-7, 2) == len(whole) - 7
            assert buf[:] == whole


@pytest.mark.parametrize("size", [0, 1])
def test_the_end_of_almost_nothing(size: int) -> None:
    buf = StreamBuffer(File(data(0, size)))
    assert buf[-10:] == data(0, size)
    assert buf.open().seek(0, 2) == size


def test_a_file_that_unpacks_is_not_asked() -> None:
    class Counted(gzip.GzipFile):
        ends = 0

        def seek(self, offset: int, whence: int = 0) -> int:
            Counted.ends += whence == 2
            return super().seek(offset, whence)

    whole = data(0, 500_000)
    buf = StreamBuffer(Counted(fileobj=io.BytesIO(gzip.compress(whole))))
    assert buf[-10:] == whole[-10:] and not Counted.ends


def test_what_is_asked_for_exactly() -> None:
    """Not a byte a call, though not a byte more than is wanted."""
    asked: list[int] = []

    class Stream:
        at = 0

        def read(self, size: int) -> bytes:
            asked.append(size)
            self.at += size
            return data(self.at - size, size)

    buf = StreamBuffer(Stream(), read_granularity=0)
    assert buf.open().read(100_000) == data(0, 100_000)
    assert sum(asked) == 100_000 and len(asked) < 100


def test_find_size() -> None:
    buf = StreamBuffer(chunks(100_000), size=300_000, on_short="end")
    with pytest.raises(TimedOutError):
        buf.find_size(0)
    assert buf.buffered(0) == 0 and len(buf) == 300_000
    assert buf.find_size(PATIENCE) == buf.find_size(0) == len(buf) == 100_000
    assert StreamBuffer(chunks(100_000), size=300).find_size() == 100_000
    with pytest.raises(ShortError):
        StreamBuffer(chunks(100_000), size=300_000).find_size()
    with pytest.raises(ValueError, match="negative"):
        buf.find_size(-1)


def test_a_seek_from_an_unknown_end_is_canceled_with_its_file() -> None:
    inside, goes_on = threading.Event(), threading.Event()

    def stream() -> Iterator[bytes]:
        yield data(0, 1000)
        inside.set()
        assert goes_on.wait(PATIENCE)
        yield data(1000, 1000)

    buf = StreamBuffer(stream())
    file = buf.open()
    first = Call.inside(inside, lambda: buf.read(1500, 1))
    stopper = threading.Timer(0.2, file.cancel)
    stopper.start()
    with pytest.raises(CanceledError):
        file.seek(0, 2)
    goes_on.set()
    assert first.end() == data(1500, 1)
    stopper.join()
    file.resume()
    assert file.seek(0, 2) == 2000


def test_reach(tmp_path: Path) -> None:
    whole = bytes(range(256)) * 4000

    def parts() -> Iterator[bytes]:
        yield from (whole[at : at + 1000] for at in range(0, len(whole), 1000))

    for size in (None, len(whole), 2 * len(whole), 10):
        buf = StreamBuffer(parts(), size, on_short="end")
        for buffering in (0, 8192):
            file = buf.open(buffering=buffering, reach=REACH_AUTO)
            assert file.read(10) == whole[:10]
            for offset, whence in ((500_000, 0), (500_000, 1), (0, 2), (-1, 2)):
                with pytest.raises(io.UnsupportedOperation) as caught:
                    file.seek(offset, whence)
                assert isinstance(caught.value, (OSError, ValueError))
                assert file.tell() == 10
            assert buf.stat().frontier < 100_000 and not file.seekable()
            assert file.seek(60_000) == 60_000 and file.read(4) == whole[60_000:60_004]
            assert file.seek(5) == 5 and file.read(4) == whole[5:9]
        # Without one everything is fetched; then nothing is out of reach.
        assert buf.open().seek(500_000) == 500_000
        assert buf.find_size() == len(whole)
        assert file.seekable() and file.seek(500_000) == 500_000
        assert file.seek(-6, 2) == len(whole) - 6 and file.read() == whole[-6:]
    for wrong in (-1, "far", 1.5):
        with pytest.raises((TypeError, ValueError)):
            buf.open(reach=wrong)  # type: ignore[call-overload]
    # A stream that can seek is not limited.
    (tmp_path / "file").write_bytes(whole)
    with (tmp_path / "file").open("rb") as stream:
        file = StreamBuffer(stream).open(reach=0)
        assert file.seek(-6, 2) == len(whole) - 6 and file.read() == whole[-6:]
        assert file.seek(500_000) == 500_000 and file.read(4) == whole[500_000:500_004]


class Stalls(File):
    """Stalls in its first read."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.goes_on = threading.Event(), threading.Event()

    def readinto(self, out: Any) -> int:
        self.entered.set()
        assert self.goes_on.wait(PATIENCE)
        return super().readinto(out)


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_the_end_of_a_stalled_stream(timeout: float) -> None:
    stream = Stalls()
    with StreamBuffer(stream) as buf:
        first = Call.inside(stream.entered, lambda: buf.read(0, 1))
        with pytest.raises(TimedOutError):
            buf.open(timeout=timeout).seek(0, 2)
        file = buf.open()
        second = Call(lambda: file.seek(0, 2))
        file.cancel()
        with pytest.raises(CanceledError):
            second.end()
        stream.goes_on.set()
        assert first.end() == data(0, 1)
        assert buf.open(timeout=PATIENCE).seek(0, 2) == buf.open().seek(0, 2) == SIZE
        assert buf.stat().pulled < SIZE // 2
