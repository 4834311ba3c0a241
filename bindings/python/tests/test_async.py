"""`aread`: the loop goes on, and a canceled read stops alone."""

from __future__ import annotations

import asyncio
import threading

import pytest

from spoolbuf import StreamBuffer
from support import chunks, data


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
        assert go.wait(60)
        yield b"abc"

    buf = StreamBuffer(stream())

    async def main() -> None:
        reads = [asyncio.ensure_future(buf.aread(0, 3)) for _ in range(40)]
        turns = 0
        while buf.stat().waits < 39:
            await asyncio.sleep(0)
            turns += 1
        # The loop's own executor is free for others.
        await asyncio.get_running_loop().run_in_executor(None, go.set)
        assert await asyncio.gather(*reads) == [b"abc"] * 40
        assert turns

    asyncio.run(main())


def test_cancel() -> None:
    go = threading.Event()

    def stream():
        yield b"abc"
        assert go.wait(60)
        yield b"def"

    buf = StreamBuffer(stream())

    async def main() -> None:
        stays = asyncio.ensure_future(buf.aread(3, 3))
        while buf.stat().pulls < 2:
            await asyncio.sleep(0)
        goes = asyncio.ensure_future(buf.aread(3, 3))
        while buf.stat().waits < 1:
            await asyncio.sleep(0)
        goes.cancel()
        with pytest.raises(asyncio.CancelledError):
            await goes
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(buf.aread(3, 3), 0.01)
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


def test_a_loop_that_ends_first() -> None:
    go = threading.Event()

    def stream():
        go.wait(60)
        yield b"abc"

    buf = StreamBuffer(stream())

    async def main() -> None:
        asyncio.ensure_future(buf.aread(0, 3))
        while not buf.stat().pulls:
            await asyncio.sleep(0)

    asyncio.run(main())
    go.set()
    assert buf[:] == b"abc"
