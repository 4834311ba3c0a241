"""The C handle of a buffer: how its calls block, and what their results mean."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import time
from collections.abc import Callable
from typing import Optional, Protocol

from . import _lifetime, _signals
from ._codes import SourceCode, Status
from ._details import DETAILED, Details, from_stats
from ._errors import InvalidError, TimedOutError, error_for, short_error
from ._library import held, lib
from ._native import Stats as NativeStats

# The largest size of a resource, and so an offset past every end.
LIMIT = 2**63 - 1

# How long a push, or a read with a timeout, may delay signals on the main thread, in milliseconds.
_SLICE = 50

# How many times a read retries after another one was interrupted inside the stream.
_TRIES = 1000


class Cancelable(_signals.Waiter, Protocol):
    """A blocked call that a signal can wake, and its user can cancel."""

    is_canceled: bool

    def details(self, code: int) -> Optional[Details]:
        """What is known about the call that returned this status."""


class Origin(Protocol):
    """Where the bytes of a buffer come from: a stream, a pusher, or an entry of a cache."""

    key: int
    """Its number, which no other buffer has."""
    taken: int
    """How many bytes came in total, at any offset."""

    def error(self) -> Optional[BaseException]:
        """The exception with which the bytes ceased to come, ready to be raised again."""

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """Entered while this thread is in a C call that may need bytes."""
        ...

    def noticing(self) -> contextlib.AbstractContextManager[None]:
        """Entered while this thread is in any other C call that may call Python."""
        ...

    def resuming(self) -> contextlib.AbstractContextManager[None]:
        """Entered while this thread clears a failure."""
        ...

    def defer(self, error: BaseException) -> bool:
        """To be called if a read can return the bytes before an error.

        Returns whether a later read raises it. If not, this one has to.
        """
        ...

    def take_kept(self) -> Optional[BaseException]:
        """The exception that this thread has to raise, if any."""

    def find_end(self, seconds: float, /) -> Optional[int]:
        """The offset of the end, if it is known without reading.

        Raises Busy if another call stays inside the stream for that long.
        """


class Handle:
    """A C handle, and the state that calls on it need."""

    _handle: Optional[int]
    _source: Origin
    # Whether only the main thread ever called the stream, so that it never waits for another.
    _alone: bool
    # Whether the stream is asked only for the bytes needed.
    _is_exact: bool
    _why_closed: str

    # Waiting.

    def _may_wait(self) -> bool:
        """Whether this is the main thread, and it may wait for others."""
        return not self._alone and _signals.is_main()

    def _wait(self, call: Callable[[], int], reader: Optional[Cancelable] = None) -> int:
        """Calls C for bytes that may have to arrive first. Raises its error, or a pending one."""
        # Drops the exception of an earlier call that could no longer raise it.
        self._source.take_kept()
        tries = 0
        while True:
            # `reopen` may replace it.
            source = self._source
            is_main = _signals.is_main()
            if not is_main:
                self._alone = False
            watch: Optional[_signals.Watch] = None
            if is_main and reader is not None and not self._alone:
                watch = _signals.Watch(reader)
            try:
                with source.reading():
                    if watch is None:
                        count = call()
                    else:
                        with watch:
                            count = call()
            except BaseException:
                if watch is not None:
                    watch.end()
                source.take_kept()
                self._go_on()
                raise
            kept = source.take_kept()
            if kept is not None:
                self._go_on()
                try:
                    raise kept
                finally:
                    # Breaks the cycle between the exception and this frame.
                    del kept
            rung = watch is not None and watch.rung
            if count == Status.CANCELED and rung and reader and not reader.is_canceled:
                # A signal woke it, and its handler has run by now.
                continue
            if count != Status.SOURCE or tries == _TRIES or not self._go_on():
                details = reader.details(count) if reader and count in DETAILED else None
                return self._check(count, details)
            # Another thread was interrupted.
            tries += 1
            time.sleep(0.001)

    def _wait_within(self, take: Callable[[int], int], timeout: float) -> int:
        """Reads the bytes that arrive within `timeout` seconds; 0 reads buffered bytes only."""
        if timeout:
            self._alone = False
        until = time.monotonic() + timeout
        while True:
            left = left_until(until) if timeout else 0
            limit = slice_of(left)
            try:
                return self._wait(functools.partial(take, limit))
            except TimedOutError:
                if limit == left:
                    raise

    def _go_on(self) -> bool:
        """Whether the stream failed only because of an interrupt. If so, clears the failure."""
        if self._source.error() is not None:
            return False
        stats = NativeStats()
        size = ctypes.sizeof(stats)
        if lib.sb_stat(self._handle, ctypes.byref(stats), size) == Status.OK:
            if stats.source_error == SourceCode.MISMATCH and stats.status == Status.SOURCE:
                return False
        lib.sb_retry(self._handle)
        return True

    # Results.

    def _buffered(self, offset: int) -> int:
        return self._check(held.sb_buffered(self._handle, offset))

    def _stats(self) -> NativeStats:
        stats = NativeStats()
        self._check(lib.sb_stat(self._handle, ctypes.byref(stats), ctypes.sizeof(stats)))
        return stats

    def _check_open(self) -> None:
        if self._is_closed():
            self._check(Status.INVALID)

    def _is_closed(self) -> bool:
        return self._handle is None

    def _check(
        self, code: int, details: Optional[Details] = None, path: object = None
    ) -> int:
        """Returns the count, or raises the exception for the status.

        `path` is the target of a save.
        """
        if code >= 0:
            return code
        if code == Status.SOURCE:
            error = self._source.error()
            if error is not None:
                try:
                    raise error
                finally:
                    # Breaks the cycle between the exception and this frame.
                    del error
        if self._is_closed():
            if _lifetime.is_ending():
                _lifetime.park()
            if code == Status.INVALID:
                raise InvalidError(self._why_closed)
            if code == Status.CANCELED:
                raise error_for(code, Details("the buffer was closed"))
        if code == Status.SHORT or (details is None and code in DETAILED):
            stats = NativeStats()
            size = ctypes.sizeof(stats)
            if lib.sb_stat(self._handle, ctypes.byref(stats), size) == Status.OK:
                if code == Status.SHORT:
                    raise short_error(min(stats.bound, stats.frontier), stats.declared)
                details = from_stats(code, stats, spool_dir_of(self._handle))
        raise error_for(code, details or Details(text_of(code)), path)

    # Forks.

    def _leave_to_parent(self) -> None:
        """In a forked child: leaves the handle to the parent, and closes nothing."""
        self._handle = None
        self._why_closed = "the buffer belongs to the parent process"


def left_until(until: float) -> int:
    """The milliseconds until this time of the monotonic clock; at least 0."""
    return max(math.ceil((until - time.monotonic()) * 1000), 0)


def slice_of(left: int) -> int:
    """How long C may block at once: on the main thread, a signal must not wait for long."""
    return min(left, _SLICE if _signals.is_main() else LIMIT)


def spool_dir_of(handle: object) -> Optional[str]:
    """The directory of the spool file, or the one where it could not be created."""
    room = 256
    while True:
        path = ctypes.create_string_buffer(room)
        length = lib.sb_spool_dir(handle, path, room)
        if length < room:
            return os.fsdecode(path.value) or None
        room = length + 1


def text_of(code: int) -> str:
    """The library's description of a status."""
    text: bytes = lib.sb_strerror(code)
    return text.decode()
