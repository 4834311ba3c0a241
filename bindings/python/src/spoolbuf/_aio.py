"""Reads for asyncio: a thread waits, the loop does not."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Optional

from ._reader import Reader

if TYPE_CHECKING:
    from ._buffer import StreamBuffer

# So many bytes that are there are copied on the loop's own thread.
_AT_ONCE = 1 << 16

# An idle thread goes after so many seconds.
_IDLE = 5.0

_idle: list[queue.SimpleQueue[Callable[[], None]]] = []


def _start(work: Callable[[], None]) -> None:
    """Runs `work` on a thread that is free, else on a new one.

    Not on the loop's own executor: a few reads that wait for a slow stream would fill that, and
    stop everything else that the program does there.
    """
    inbox: queue.SimpleQueue[Callable[[], None]]
    try:
        inbox = _idle.pop()
    except IndexError:
        inbox = queue.SimpleQueue()
        # A daemon, since a stream that never returns must not keep the interpreter from ending.
        threading.Thread(target=_run, args=(inbox,), name="spoolbuf-aread", daemon=True).start()
    inbox.put(work)


def _run(inbox: queue.SimpleQueue[Callable[[], None]]) -> None:
    while True:
        try:
            work = inbox.get(timeout=_IDLE)
        except queue.Empty:
            try:
                _idle.remove(inbox)
            except ValueError:
                # Taken this very moment: the work comes.
                continue
            return
        work()
        del work
        _idle.append(inbox)


async def aread(buffer: StreamBuffer, offset: int, size: int) -> bytes:
    """Reads as `StreamBuffer.read` does, on another thread if that could wait."""
    if 0 <= size <= min(_AT_ONCE, buffer.buffered(offset)):
        return buffer._read_at(offset, size)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bytes] = loop.create_future()
    buffer._check_open()
    reader = Reader(buffer)

    def work() -> None:
        part, raised = b"", None
        try:
            part = buffer._read_at(offset, size, reader)
        except BaseException as error:  # noqa: BLE001
            raised = _fit(error)
        finally:
            reader.free()
        try:
            loop.call_soon_threadsafe(_settle, future, part, raised)
        except RuntimeError:
            # The loop is closed; nobody waits.
            pass

    _start(work)
    try:
        return await future
    finally:
        # Canceled, or the loop was closed. What the stream still delivers stays buffered.
        reader.cancel()


def _settle(future: asyncio.Future[bytes], part: bytes, raised: Optional[BaseException]) -> None:
    """On the loop's thread."""
    if future.done():
        return
    if raised is None:
        future.set_result(part)
    else:
        future.set_exception(raised)


def _fit(error: BaseException) -> BaseException:
    """A future takes no StopIteration."""
    if isinstance(error, StopIteration):
        stand_in = RuntimeError("the stream raised StopIteration")
        stand_in.__cause__ = error
        return stand_in
    return error


def forget() -> None:
    """The threads of a parent process are not this one's."""
    _idle.clear()
