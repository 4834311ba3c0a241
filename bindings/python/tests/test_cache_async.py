"""`aread` of a cache's keys: the event loop goes on while the function opens one."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from openers import WHOLE, Opener, Waits, has_paused
from support import data

from spoolbuf import Cache, InvalidError


class Elsewhere(Waits):
    """Refuses to run on the thread that made it."""

    def __init__(self) -> None:
        super().__init__()
        self.maker = threading.get_ident()
        self.calls = 0

    def __call__(self, key: str) -> bytes:
        self.calls += 1
        assert threading.get_ident() != self.maker
        super().__call__(key)
        return data(0, 100)


def test_the_function_runs_elsewhere() -> None:
    opener = Elsewhere()

    async def main() -> None:
        with Cache(opener) as cache, cache["key"] as buf:
            # Several tasks share one buffer, and one has its own.
            reads = [asyncio.ensure_future(buf.aread(at, 5)) for at in range(3)]
            reads.append(asyncio.ensure_future(cache["key"].aread(50)))
            gone = asyncio.ensure_future(buf.aread(0, 5))
            while not opener.entered.is_set() and not reads[0].done():
                await asyncio.sleep(0.001)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert not any(read.done() for read in reads)
            begun = time.monotonic()
            opener.go.set()
            parts = await asyncio.gather(*reads)
            assert parts == [data(0, 5), data(1, 5), data(2, 5), data(50, 50)]
            assert cache.stat().leases == 1
            assert opener.calls == 1 or has_paused(begun)

    asyncio.run(main())


def test_what_it_raises() -> None:
    raised = LookupError()

    def fail(key: str) -> bytes:
        raise raised

    async def main() -> None:
        with Cache(fail) as cache:
            with pytest.raises(LookupError) as caught:
                await cache["key"].aread(0, 5)
            assert caught.value is raised
            buf = cache["key"]
            buf.close()
            with pytest.raises(InvalidError, match="closed"):
                await buf.aread(0, 5)
            with pytest.raises(ValueError):
                await cache["other"].aread(-1, 5)
            buf = cache["key"]
        with pytest.raises(InvalidError, match="closed"):
            await buf.aread(0, 5)

    asyncio.run(main())


def test_an_open_entry() -> None:
    opener = Opener()

    async def main() -> None:
        with Cache(opener) as cache, cache["key"] as buf:
            assert buf[:5] == WHOLE[:5]
            assert await cache["key"].aread(5, 5) == WHOLE[5:10]
            assert await buf.aread() == WHOLE
        assert len(opener.calls) == 1

    asyncio.run(main())
