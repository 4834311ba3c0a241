"""Reads for asyncio: a thread blocks, the event loop does not."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from typing import Optional

from ._core import Core
from ._reader import Reader

# At most this many buffered bytes are copied on the event loop's own thread.
_AT_ONCE = 1 << 16

# An idle thread exits after this many seconds.
_IDLE = 5.0

_idle: list[queue.SimpleQueue[Callable[[], None]]] = []


def _start(work: Callable[[], None]) -> None:
    """Runs `work` on an idle thread, or else on a new one.

    The event loop's own executor is not used: a few reads that wait for a slow stream would fill
    it, and block everything else that the program runs there.
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
                # Another thread has just taken it: work is about to arrive.
                continue
            return
        work()
        del work
        _idle.append(inbox)


async def aread(buffer: Core, offset: int, size: int) -> bytes:
    """Reads like `StreamBuffer.read`, on another thread if the read could block."""
    if 0 <= size <= min(_AT_ONCE, buffer._buffered(offset)):
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
            # The event loop is closed: nobody is waiting.
            pass

    _start(work)
    try:
        return await future
    finally:
        # The task was canceled, or the event loop closed. Bytes that still arrive stay buffered.
        reader.cancel()


def _settle(future: asyncio.Future[bytes], part: bytes, raised: Optional[BaseException]) -> None:
    """Sets the result, on the event loop's thread."""
    if future.done():
        return
    if raised is None:
        future.set_result(part)
    else:
        future.set_exception(raised)


def _fit(error: BaseException) -> BaseException:
    """Wraps a StopIteration, which a future does not accept."""
    if isinstance(error, StopIteration):
        stand_in = RuntimeError("the stream raised StopIteration")
        stand_in.__cause__ = error
        return stand_in
    return error


# The idle threads exist only in the parent.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)
