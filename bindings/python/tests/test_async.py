"""`aread`: the loop goes on, no thread waits, and a canceled read stops alone."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Optional

import pytest

from spoolbuf import CanceledError, PushBuffer, StreamBuffer, _readiness
from spoolbuf._library import lib
from support import chunks, data, eventually


class Watching:
    """The library, and the watches that were not freed."""

    def __init__(self) -> None:
        self.left: set[int] = set()

    def sb_when(self, *arguments: Any) -> int:
        result: int = lib.sb_when(*arguments)
        watch: Optional[int] = arguments[-1]._obj.value
        if watch:
            self.left.add(watch)
        return result

    def sb_watch_free(self, watch: ctypes.c_void_p) -> None:
        self.left.remove(watch.value or 0)
        lib.sb_watch_free(watch)


@pytest.fixture(autouse=True)
def no_watch_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every watch of a test was freed."""
    watching = Watching()
    monkeypatch.setattr(_readiness, "lib", watching)
    yield
    gc.collect()
    # The library's thread may be about to tell a wait that nobody has any more.
    eventually(lambda: not watching.left)
    assert not _readiness._waits and not _readiness._loops


def threads() -> int:
    """How many threads the process has, those of the library included."""
    if sys.platform == "linux":
        return len(os.listdir("/proc/self/task"))
    return threading.active_count()


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
        assert go.wait(60)
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


def test_a_loop_that_is_closed_under_its_tasks() -> None:
    """The next one lets them go, with their buffer."""
    go = threading.Event()

    def stream():
        go.wait(60)
        yield b"abc"

    buf = StreamBuffer(stream())
    alive = weakref.ref(buf)
    loop = asyncio.new_event_loop()
    task = loop.create_task(buf.aread(0, 3))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert len(_readiness._waits) == 1
    # No "was destroyed but it is pending" on stderr.
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del buf, task, loop
    go.set()
    other = PushBuffer()

    async def main() -> None:
        read = asyncio.ensure_future(other.aread(0, 1))
        await asyncio.sleep(0)
        assert len(_readiness._waits) == 1
        # The library's thread may be about to tell a wait of the loop that was closed.
        eventually(lambda: gc.collect() >= 0 and alive() is None)
        other.push(0, b"a")
        assert await read == b"a"

    asyncio.run(main())


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_a_cancel_of_the_buffer(end: str) -> None:
    buf = PushBuffer()

    async def main() -> None:
        reads = [asyncio.ensure_future(buf.aread(0, 3)) for _ in range(3)]
        await asyncio.sleep(0)
        getattr(buf, end)()
        for read in reads:
            with pytest.raises(CanceledError):
                await read

    asyncio.run(main())


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


def program(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code beside an event loop in a daemon thread that waits for a byte of `buf`."""
    start = """
import asyncio, os, sys, threading
from spoolbuf import PushBuffer, StreamBuffer, _readiness
buf = PushBuffer()
def other(): asyncio.run(buf.aread(0, 1))
threading.Thread(target=other, daemon=True).start()
while not _readiness._waits: pass
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", start + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_end_of_the_program_while_a_task_waits() -> None:
    done = program("")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_a_task_waits() -> None:
    """The child leaves the wait to its parent, and both read."""
    done = program(
        """
import gc
def read(): return asyncio.run(StreamBuffer([b"abc"]).aread(0, 3))
child = os.fork()
if not child:
    del buf
    gc.collect()
    assert read() == b"abc"
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert read() == b"abc" and len(_readiness._waits) == 1
buf.push(0, b"a")
while _readiness._waits: pass
"""
    )
    assert (done.returncode, done.stderr) == (0, "")


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
