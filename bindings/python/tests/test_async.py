"""`aread`: the loop goes on, no thread waits, and a canceled read stops alone."""

from __future__ import annotations

import asyncio
import threading

import pytest

from spoolbuf import PushBuffer, StreamBuffer, _readiness
from support import PATIENCE, chunks, data
from watching import threads

pytestmark = pytest.mark.usefixtures("no_watch_left")


def test_many_at_once() -> None:
    size = 1_000_000
    buf = StreamBuffer(chunks(size, 5000), max_size=100_000)

    async def main() -> None:
        places = [(at * 7919 * 13) % size for at in range(100)]
        parts = await asyncio.gather(*(buf.aread(place, 1000) for place in places))
        for place, part in zip(places, parts):
            assert part == data(place, min(1000, size - place))
        assert await buf.aread() == data(0, size)
        assert await buf.aread(size, 10) == b""

    asyncio.run(main())


def test_the_loop_goes_on_while_a_read_waits() -> None:
    go = threading.Event()

    def stream():
        assert go.wait(PATIENCE)
        yield b"abc"

    buf = StreamBuffer(stream())

    async def main() -> None:
        before = threads()
        reads = [asyncio.ensure_future(buf.aread(at % 3, 1)) for at in range(1000)]
        while len(_readiness._waits) < 1000:
            await asyncio.sleep(0)
        # The helper, which is inside the stream.
        assert threads() <= before + 1
        # The loop's own executor is free for others.
        await asyncio.get_running_loop().run_in_executor(None, go.set)
        expected = [b"a", b"b", b"c"] * 334
        assert await asyncio.gather(*reads) == expected[:1000]

    asyncio.run(main())


def test_a_thousand_reads_of_one_that_pushes() -> None:
    buf = PushBuffer()

    async def main() -> None:
        before = threads()
        reads = [asyncio.ensure_future(buf.aread(at, 2)) for at in range(1000)]
        while len(_readiness._waits) < 1000:
            await asyncio.sleep(0)
        assert threads() <= before
        # On the loop's own thread, and on another one.
        assert buf.push(0, data(0, 500)) == 500
        await asyncio.to_thread(buf.push, 500, data(500, 400))
        assert await asyncio.gather(*reads[:899]) == [data(at, 2) for at in range(899)]
        buf.end()
        assert await reads[899] == data(899, 1)
        assert await asyncio.gather(*reads[900:]) == [b""] * 100

    asyncio.run(main())


def test_cancel() -> None:
    go = threading.Event()

    def stream():
        yield b"abc"
        assert go.wait(PATIENCE)
        yield b"def"

    buf = StreamBuffer(stream())

    async def main() -> None:
        stays = asyncio.ensure_future(buf.aread(3, 3))
        while buf.stat().pulls < 2:
            await asyncio.sleep(0)
        goes = asyncio.ensure_future(buf.aread(3, 3))
        while len(_readiness._waits) < 2:
            await asyncio.sleep(0)
        goes.cancel()
        with pytest.raises(asyncio.CancelledError):
            await goes
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(buf.aread(3, 3), 0.01)
        # Their watches are freed.
        assert len(_readiness._waits) == 1
        assert not stays.done()
        assert await buf.aread(0, 3) == b"abc"
        go.set()
        assert await stays == b"def"

    asyncio.run(main())


@pytest.mark.parametrize("kind", [ConnectionError, StopIteration, KeyError])
def test_errors(kind: type[Exception]) -> None:
    error = kind("odd")

    class Stream:
        def read(self, size: int) -> bytes:
            raise error

    buf = StreamBuffer(Stream())

    async def main() -> None:
        expected = RuntimeError if isinstance(error, StopIteration) else type(error)
        with pytest.raises(expected) as caught:
            await buf.aread(0, 3)
        assert error in (caught.value, caught.value.__cause__)

    asyncio.run(main())
    # Python 3.13t never collects a class, nor what its functions refer to.
    buf.close()


def test_a_closed_buffer() -> None:
    buf = StreamBuffer([b"abc"])
    buf.close()
    with pytest.raises(ValueError):
        asyncio.run(buf.aread(0, 3))
    with pytest.raises(ValueError):
        asyncio.run(StreamBuffer([b"abc"]).aread(-1, 3))


@pytest.mark.parametrize("size", [1000, 200_000, -1])
@pytest.mark.parametrize("options", [{}, {"read_granularity": 0}, {"seek_gap": 0}])
@pytest.mark.parametrize("seeks", [False, True])
def test_bytes_before_a_failure(size: int, options: dict[str, int], seeks: bool) -> None:
    """They are returned, and the next read raises; one to the end has them in `partial`."""

    class Stream:
        place = 0

        def read(self, size: int) -> bytes:
            if self.place >= 100_500:
                raise ConnectionError("cut")
            part = data(self.place, min(size, 100_500 - self.place))
            self.place += len(part)
            return part

    class Seekable(Stream):
        def seekable(self) -> bool:
            return True

        def tell(self) -> int:
            return self.place

        def seek(self, offset: int, whence: int = 0) -> int:
            assert whence == 0
            self.place = offset
            return offset

    buf = StreamBuffer(Seekable() if seeks else Stream(), **options)

    async def main() -> None:
        if size < 0:
            with pytest.raises(ConnectionError) as caught:
                await buf.aread(100, size)
            assert caught.value.partial == data(100, 100_400)  # type: ignore[attr-defined]
            return
        start = 100_500 - size // 2
        assert await buf.aread(max(start, 0), size) == data(max(start, 0), min(size // 2, 100_500))
        for _ in range(2):
            with pytest.raises(ConnectionError):
                await buf.aread(100_500, 1)

    asyncio.run(main())
    buf.close()


def test_offsets_past_every_end() -> None:
    buf = StreamBuffer([b"abc"])

    async def main() -> None:
        for offset in (2**63 - 2, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1):
            assert await buf.aread(offset, 1) == await buf.aread(offset) == b""
        assert await buf.aread(1, 2**62) == b"bc"

    asyncio.run(main())
    assert asyncio.run(StreamBuffer([b"abc"]).aread(2**64 - 2, 1)) == b""


def test_an_interrupt_where_c_enters_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call around it raises it, and no wake is lost."""

    class Waits(dict):  # type: ignore[type-arg]
        failing = True

        def get(self, number: object, default: object = None) -> object:
            if self.failing:
                self.failing = False
                raise KeyboardInterrupt
            return super().get(number, default)

    monkeypatch.setattr(_readiness, "_waits", Waits())
    buf = PushBuffer()

    async def main() -> None:
        reads = [asyncio.ensure_future(buf.aread(0, 3)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(KeyboardInterrupt):
            buf.push(0, b"abc")
        assert await asyncio.gather(*reads) == [b"abc"] * 3

    asyncio.run(main())
