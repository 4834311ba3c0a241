"""Opens keys of a C cache: how such a call blocks, and what its result means."""

from __future__ import annotations

import contextlib
import ctypes
import math
import threading
import time
import weakref
from collections.abc import Generator
from typing import Optional

from . import _interpreter, _lifetime, _registry, _signals
from ._codes import ReaderFlag, Status
from ._details import Details, Room
from ._errors import InvalidError, error_for, joined
from ._handle import LIMIT, left_until, slice_of, text_of
from ._library import lib
from ._native import CacheOptions, ReaderOptions
from ._opener import GIVEN_UP, Opener, function, inside, opens, raise_failure
from ._origins import Origins, noticing

# How many times an open retries after another one was interrupted inside the user's function.
_TRIES = 1000

# How long the interpreter's exit waits for the user's function, in seconds.
_PATIENCE = 2.0


class Lender:
    """A C cache, and the user's function that opens its keys."""

    def __init__(self, opener: Opener, options: CacheOptions) -> None:
        """Creates the C cache. The cache and all that it has lent keep this alive."""
        self.handle: Optional[int] = None
        self.opener = opener
        self.why_closed = "the cache is closed"
        # Whether only the main thread ever called a stream, so that it never waits for another.
        self.is_alone = not options.prefetch
        options.open = function
        options.opaque = opener.number
        handle = ctypes.c_void_p()
        code = int(Status.OK)
        try:
            code = lib.sb_cache_new(ctypes.byref(options), ctypes.byref(handle))
        finally:
            # Also if an exception was raised right after it was made.
            self.handle = handle.value
            if self.handle is None:
                opener.end()
        self.check(code)
        _lifetime.live[opener.number] = weakref.ref(self)

    def open(
        self, key: bytes, timeout: Optional[float], buffered: bool, reach: Optional[int]
    ) -> tuple[Lease, Origins]:
        """Returns a lease, and the streams of its key."""
        if timeout is not None and not buffered:
            _interpreter.check_helper()
        if timeout is not None or not _signals.is_main():
            self.is_alone = False
        self.check_open()
        origins = self.opener.origins(key)
        self.opener.enter(key, origins)
        try:
            call = _Call(self, key, origins, timeout, buffered, reach)
            return call.lease(), origins
        finally:
            self.opener.leave(origins)

    def close(self) -> None:
        """Frees the C cache."""
        handle = self.handle
        if handle is None:
            return
        with noticing():
            # Before C wakes blocked calls: they look here for the reason.
            self.handle = None
            try:
                # At exit, a function that hangs must not keep the program from ending.
                is_left = _lifetime.is_ending() and not self.opener.wait_for_flights(_PATIENCE)
            except BaseException:
                # Another call frees it.
                self.handle = handle
                raise
            if is_left:
                return
            try:
                lib.sb_cache_free(handle)
            finally:
                _lifetime.live.pop(self.opener.number, None)
                self.opener.end()

    def __del__(self) -> None:
        if getattr(self, "handle", None) is not None:
            self.close()

    def _leave_to_parent(self) -> None:
        """In a forked child: leaves everything to the parent, and closes nothing."""
        self.handle = None
        self.why_closed = "the cache belongs to the parent process"
        self.opener.leave_to_parent()

    def check_open(self) -> None:
        """Raises if the cache is closed."""
        if self.handle is None:
            self.check(Status.INVALID)

    def check(self, code: int, details: Optional[Details] = None) -> None:
        """Raises the exception for the status of a call of the cache."""
        if code >= 0:
            return
        if self.handle is None:
            if _lifetime.is_ending():
                _lifetime.park()
            if code == Status.INVALID:
                raise InvalidError(self.why_closed)
            if code == Status.CANCELED:
                raise error_for(code, Details("the cache was closed"))
        raise error_for(code, details or Details(text_of(code)))


class Lease(ctypes.c_void_p):
    """A C reader. C writes it here, so that no exception can come before it is known.

    A lost one would keep its entry for good. So it ends with this object, if not by `free` before.
    """

    def __init__(self, lender: Lender) -> None:
        """No reader yet."""
        super().__init__()
        self._lender = lender

    def free(self) -> None:
        """Ends the lease. If an exception interrupts this, another call does it."""
        if self.value is not None:
            with noticing():
                lib.sb_reader_free(self.value)
            self.value = None

    def __del__(self) -> None:
        # A closed cache has no entry to keep.
        if self.value is not None and self._lender.handle is not None:
            try:
                self.free()
            except BaseException:
                # Only an exception before this `try` keeps the reader until the cache is closed.
                self.free()
                raise


class _Call:
    """One open."""

    def __init__(
        self,
        lender: Lender,
        key: bytes,
        origins: Origins,
        timeout: Optional[float],
        buffered: bool,
        reach: Optional[int],
    ) -> None:
        self._lender = lender
        self._key = key
        self._origins = origins
        self._timeout = timeout
        self._room = Room()
        self._options = ReaderOptions()
        lib.sb_reader_options_init(ctypes.byref(self._options), ctypes.sizeof(self._options))
        self._options.flags = ReaderFlag.BUFFERED if buffered else 0
        self._options.error = ctypes.pointer(self._room.error)
        if reach is not None:
            self._options.reach = reach

    def lease(self) -> Lease:
        """Opens the key. A signal interrupts it on the main thread."""
        tries = 0
        while True:
            if self._timeout is None:
                self._await_others()
                code, lease = self._ask()
            else:
                code, lease = self._ask_within(self._timeout)
            if code == Status.OK:
                return lease
            # First: the exception may belong to this run.
            if code == Status.SOURCE:
                raise_failure(self._origins.failures.get(self._room.error.source))
                if tries < _TRIES:
                    # It was interrupted on another thread.
                    tries += 1
                    time.sleep(0.001)
                    continue
            details = self._room.details() if self._room.error.status == code else None
            self._lender.check(code, details)
            raise AssertionError(code)

    def _await_others(self) -> None:
        """On the main thread, waits in Python for a run of the function on another thread."""
        if not _signals.is_main() or self._options.flags & ReaderFlag.BUFFERED:
            return
        # Inside such a function only C knows who waits for whom.
        if threading.get_ident() in inside:
            return
        while (flight := self._origins.flight) is not None and not flight.has_landed():
            flight.wait()
            raise_failure(self._origins.failures.get(flight.code))

    def _ask_within(self, timeout: float) -> tuple[int, Lease]:
        """Asks until the time is up: signal handlers run in between."""
        until = time.monotonic() + timeout
        while True:
            left = left_until(until) if timeout else 0
            limit = slice_of(left)
            self._options.timeout_ms = limit
            code, lease = self._ask()
            if code == Status.OK:
                return code, self._with_timeout(lease, limit, timeout)
            if code != Status.TIMEOUT or limit == left:
                return code, lease

    def _with_timeout(self, lease: Lease, limit: int, timeout: float) -> Lease:
        """A reader with the whole timeout, which the open may have used in part."""
        whole = min(math.ceil(timeout * 1000), LIMIT)
        if limit == whole:
            return lease
        self._options.timeout_ms = whole
        other = Lease(self._lender)
        buffer = lib.sb_reader_buffer(lease.value)
        code = lib.sb_reader_new_with(buffer, ctypes.byref(self._options), ctypes.byref(other))
        lease.free()
        self._lender.check(code)
        return other

    def _ask(self) -> tuple[int, Lease]:
        lease = Lease(self._lender)
        try:
            with self._calling():
                code: int = lib.sb_cache_open(
                    self._lender.handle,
                    self._key,
                    len(self._key),
                    ctypes.byref(self._options),
                    ctypes.byref(lease),
                )
        except BaseException:
            # Its traceback keeps this frame.
            lease.free()
            raise
        return code, lease

    @contextlib.contextmanager
    def _calling(self) -> Generator[None, None, None]:
        """Entered while C may call the user's function, or close streams, on this thread.

        Raises the exception that was raised where they entered Python.
        """
        origins, thread = self._origins, threading.get_ident()
        # Drops what is left of an earlier call that was interrupted here.
        origins.kept.pop(thread, None)
        origins.runs.pop(thread, None)
        self._room.error.source = int(Status.OK)
        opening, closing = opens.expect(), _registry.closes.expect()
        try:
            origins.readers.append(thread)
            yield
        finally:
            if thread in origins.readers:
                origins.readers.remove(thread)
            came = joined(opening.take(), _registry.settle(closing))
            came = joined(came, origins.kept.pop(thread, None))
            flight = origins.runs.pop(thread, None)
            if flight is not None and self._room.error.source == GIVEN_UP:
                # Python may have been left by an exception after the function had returned.
                flight.give_up()
            if came is not None:
                try:
                    raise came
                finally:
                    # Breaks the cycle between the exception and this frame.
                    del came
