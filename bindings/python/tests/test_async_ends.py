"""What ends while `aread` waits: the loop, the buffer or the program; and a fork."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import weakref

import pytest

from spoolbuf import CanceledError, PushBuffer, StreamBuffer, _readiness
from support import PATIENCE, eventually

pytestmark = pytest.mark.usefixtures("no_watch_left")


def test_a_loop_that_ends_first() -> None:
    go = threading.Event()

    def stream():
        go.wait(PATIENCE)
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
        go.wait(PATIENCE)
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
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


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
