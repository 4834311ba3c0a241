"""Waits of asyncio: C calls a function instead of blocking a thread, and the event loop goes on.

`sb_when` gets the number of the wait. Its function, on any thread, only leaves the result to the
event loop. The coroutine that waits frees the watch: when it goes on, is canceled, or is collected.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
from typing import Optional

from . import _attention, _interpreter
from ._codes import Status
from ._entry import Notices
from ._handle import LIMIT, Handle
from ._library import lib
from ._native import ReadyCallback
from ._registry import next_key

# Stands for SB_ERR_TIMEOUT, which is no error here.
_PENDING = LIMIT

# Every wait under its number, and the numbers of each event loop. A loop does not keep its tasks
# alive: whatever will continue them does.
_waits: dict[int, _Wait] = {}
_loops: dict[asyncio.AbstractEventLoop, set[int]] = {}


async def ready(buffer: Handle, subject: int) -> int:
    """Returns the result of `sb_when` once there is one, or raises its error.

    `subject` is an offset, at most `LIMIT`, or WHEN_WANTED.
    """
    buffer._check_open()
    _interpreter.check_helper()
    _attention.attend(_notices)
    # The helper calls the stream, and others may have to wait for it.
    buffer._alone = False
    wait = _Wait()
    try:
        results: list[int] = []

        def ask() -> int:
            return results.pop() if results else wait.arm(buffer, subject)

        while True:
            count = buffer._wait(ask)
            if count != _PENDING:
                return count
            result = await wait.future
            if result != Status.TIMEOUT:
                results.append(result)
    finally:
        wait.free()


class _Wait:
    """A coroutine's watch, and the future on which it waits."""

    future: asyncio.Future[int]

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._number = next_key()
        # C sets it, so that no exception can come before it is known.
        self._watch = ctypes.c_void_p()
        self.future = self._loop.create_future()
        if self._loop not in _loops:
            _forget_closed()
        _loops.setdefault(self._loop, set()).add(self._number)
        _waits[self._number] = self

    def arm(self, buffer: Handle, subject: int) -> int:
        """Calls `sb_when`. A watch of before is freed."""
        self._free_watch()
        self.future = self._loop.create_future()
        out = ctypes.byref(self._watch)
        code: int = lib.sb_when(buffer._handle, subject, _function, self._number, out)
        return _PENDING if code == Status.TIMEOUT else code

    def wake(self, result: int) -> None:
        """On any thread: continues the coroutine, which asks again if this is TIMEOUT."""
        # RuntimeError: the event loop is closed, and nobody is waiting.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_settle, self.future, result)

    def free(self) -> None:
        """Frees the watch: its function is not running and will not run."""
        try:
            self._free_watch()
        finally:
            _waits.pop(self._number, None)
            numbers = _loops.get(self._loop, set())
            numbers.discard(self._number)
            if not numbers:
                _loops.pop(self._loop, None)

    def _free_watch(self) -> None:
        if self._watch:
            # Without the GIL, since the function may be running.
            lib.sb_watch_free(self._watch)
            self._watch = ctypes.c_void_p()


def _settle(future: asyncio.Future[int], result: int) -> None:
    """On the event loop's thread. A canceled task no longer waits."""
    if not future.done():
        future.set_result(result)


def _forget_closed() -> None:
    """Lets the tasks be collected that a closed event loop has left."""
    for loop in list(_loops):
        if loop.is_closed():
            for number in _loops.pop(loop, ()):
                _waits.pop(number, None)


def _on_ready(number: int, result: int) -> None:
    wait = _waits.get(number)
    if wait is not None:
        # It comes as an unsigned number.
        wait.wake(result if result <= LIMIT else result - 2**64)


class _ReadyNotices(Notices):
    """Makes up for a call that an exception has ended: every wait asks again."""

    def attend(self) -> Optional[BaseException]:
        way = self._thread.way
        failed = way is not None and not way.is_entered() and not way.is_free()
        came = super().attend()
        if failed:
            for wait in list(_waits.values()):
                wait.wake(Status.TIMEOUT)
        return came


# `sb_ready_fn` with its pointer as an integer.
_Integers = ctypes.CFUNCTYPE(None, ctypes.c_size_t, ctypes.c_int64)
_notices = _ReadyNotices(_on_ready, _Integers, 2)
_function = ctypes.cast(_notices.function, ReadyCallback)
