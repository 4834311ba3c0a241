"""`apush`: it waits for room without a thread, and a canceled push stops alone."""

from __future__ import annotations

import asyncio

import pytest

from spoolbuf import CanceledError, PushBuffer, _readiness
from support import data
from watching import threads

pytestmark = pytest.mark.usefixtures("no_watch_left")


def test_pushes_that_wait_for_room() -> None:
    """For readers, and for the spill: a hundred at a time, and no thread."""
    size = 3_000_000
    # No multiple of the pieces, and less than one of them.
    buf = PushBuffer(max_size=200_000, ahead=50_000)

    async def push() -> None:
        for place in range(0, size, 100_000):
            await buf.apush(place, data(place, 100_000))
        buf.end()

    async def main() -> None:
        before = threads()
        pushing = asyncio.ensure_future(push())
        for place in range(0, size, 7000):
            assert await buf.aread(place, 7000) == data(place, min(7000, size - place))
            assert threads() <= before + 1
        await pushing

    asyncio.run(main())
    assert buf.stat().disk


def test_a_push_waits_and_is_canceled() -> None:
    buf = PushBuffer(ahead=10)

    async def main() -> None:
        goes = asyncio.ensure_future(buf.apush(0, data(0, 20)))
        while not _readiness._waits:
            await asyncio.sleep(0)
        goes.cancel()
        with pytest.raises(asyncio.CancelledError):
            await goes
        assert buf.buffered(0) == 10 and not _readiness._waits
        later = asyncio.ensure_future(buf.apush(15, data(15, 5)))
        await asyncio.sleep(0.03)
        assert not later.done()
        assert await buf.aread(0, 10) == data(0, 10)
        await later
        with pytest.raises(ValueError):
            await buf.apush(-1, b"a")
        await buf.apush(3, b"")
        await buf.apush(10, memoryview(data(10, 10))[::2][:0])
        await buf.apush(10, memoryview(data(10, 5)).cast("b"))
        assert await buf.aread(0, 20) == data(0, 20)

    asyncio.run(main())


def test_a_push_ahead_of_what_is_wanted() -> None:
    """The event loop goes on meanwhile."""
    buf = PushBuffer(ahead=10)

    async def main() -> None:
        await buf.apush(0, data(0, 5))
        later = asyncio.ensure_future(buf.apush(15, data(15, 5)))
        await asyncio.sleep(0.03)
        assert not later.done() and buf.wanted() == range(5, 10)
        await buf.apush(5, data(5, 10)[:5])
        assert await buf.aread(0, 10) == data(0, 10)
        await later
        assert buf.ranges() == [range(10), range(15, 20)]

    asyncio.run(main())


@pytest.mark.parametrize("end", ["cancel", "close", "fail"])
def test_what_ends_a_push_that_waits(end: str) -> None:
    buf = PushBuffer(ahead=10)

    async def main() -> None:
        push = asyncio.ensure_future(buf.apush(0, data(0, 20)))
        while not _readiness._waits:
            await asyncio.sleep(0)
        if end == "fail":
            buf.fail(ConnectionError("cut"))
        else:
            getattr(buf, end)()
        with pytest.raises(ConnectionError if end == "fail" else CanceledError):
            await push

    asyncio.run(main())
