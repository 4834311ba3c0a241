"""The streams of a cache's entries, by key.

C lends a buffer, and does not tell which of the streams that were opened for its key it has: the
first one, a later one with the same tag, or, if the key was removed meanwhile, another one. So each
stream fails with a code of its own, by which its exception is found. All streams of a key share the
exceptions that are not a stream's.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import threading
import types
import weakref
from collections.abc import Generator
from typing import Optional

from . import _registry
from ._codes import State, Status
from ._errors import SpoolbufError
from ._flight import Flight, Gift
from ._library import lib
from ._native import Callback
from ._native import Stats as NativeStats
from ._registry import next_key
from ._resource import Resource
from ._source import Source

Raised = tuple[BaseException, Optional[types.TracebackType]]


class Origins:
    """The streams that were opened for one key, and the failures to open one."""

    def __init__(self) -> None:
        """No stream yet."""
        self._streams: weakref.WeakValueDictionary[int, EntrySource] = weakref.WeakValueDictionary()
        self.failures: dict[int, Raised] = {}
        # The last run of the user's function, and those of threads that are inside `sb_cache_open`.
        self.flight: Optional[Flight] = None
        self.runs: dict[int, Flight] = {}
        # How many threads open the key.
        self.opens = 0
        # As in a source, for all of them.
        self.readers: list[int] = []
        self.kept: dict[int, BaseException] = {}
        self.unclaimed: collections.deque[BaseException] = collections.deque()

    def add(self, source: EntrySource) -> None:
        """One more stream."""
        self._streams[source.code] = source

    def forget_failures(self) -> None:
        """Forgets them once nobody opens the key: later opens get none."""
        if self.opens:
            return
        self.failures.clear()
        if self.flight is not None and self.flight.has_landed():
            self.flight = None

    def streams(self) -> list[EntrySource]:
        """The streams that were not released yet."""
        return [stream for known in self._streams.valuerefs() if (stream := known()) is not None]

    def find(self, code: int) -> Optional[EntrySource]:
        """The stream that fails with this code."""
        return self._streams.get(code)


class EntrySource(Source):
    """The stream of an entry. The cache keeps it alive until C closes it."""

    def __init__(
        self, gift: Gift, resource: Resource, origins: Origins, owner: dict[int, EntrySource]
    ) -> None:
        """Reads nothing from the stream."""
        self._gift = gift
        self._owner = owner
        size, cancel, interruptible = resource.size, resource.cancel, resource.interruptible
        super().__init__(gift.stream, size, cancel, False, interruptible)
        self._readers, self._kept = origins.readers, origins.kept
        self._unclaimed = origins.unclaimed
        self.code = self._code = new_code()
        # A file that comes later looks for the stream there.
        self._origins = origins

    def register(self) -> Callback:
        """Creates the callbacks. From here on, the cache keeps the source."""
        self._owner[self.code] = self
        self._origins.add(self)
        return super().register()

    def _presumed(self) -> Optional[int]:
        """C may close any stream of the cache."""
        return None

    def finish(self) -> None:
        """Releases the stream, and the source with it."""
        self._gift.close()
        super().finish()
        self._owner.pop(getattr(self, "code", 0), None)

    def give_up(self) -> None:
        """Called if C does not take it."""
        self.finish()
        _registry.forget(self.key)


def new_code() -> int:
    """A failure code that no other stream has. The library's own are far below it."""
    return -(1 << 16) - next_key() % (1 << 30)


class EntryOrigin:
    """Where the bytes of one lent buffer come from."""

    # Bytes of an entry are spilled whenever others need the memory: see `_in_memory`.
    taken = 0

    def __init__(self, origins: Origins, handle: Optional[int]) -> None:
        """`handle` is that of the buffer."""
        self.key = next_key()
        self._origins = origins
        self._handle = handle

    def error(self) -> Optional[BaseException]:
        """The exception that the buffer's stream failed with, ready to be raised again."""
        stats = self._stats()
        source = None if stats is None else self._origins.find(stats.source_error)
        return None if source is None else source.error()

    def _stats(self) -> Optional[NativeStats]:
        stats = NativeStats()
        code: int = lib.sb_stat(self._handle, ctypes.byref(stats), ctypes.sizeof(stats))
        return stats if code == Status.OK else None

    @contextlib.contextmanager
    def reading(self) -> Generator[None, None, None]:
        """Entered while this thread is in a C call that may call the stream."""
        with contextlib.ExitStack() as stack:
            for source in self._origins.streams():
                stack.enter_context(source.reading())
            yield

    def noticing(self) -> contextlib.AbstractContextManager[None]:
        """Entered while this thread is in any other C call that may call `close`."""
        return noticing()

    def resuming(self) -> contextlib.AbstractContextManager[None]:
        """A failed entry is opened anew instead."""
        return contextlib.nullcontext()

    def defer(self, error: BaseException) -> bool:
        """To be called if a read can return the bytes before an error.

        Returns whether a later read raises it. With every byte there, none asks a stream.
        """
        if error is self.error() or isinstance(error, SpoolbufError):
            return True
        stats = self._stats()
        if stats is None or stats.state == State.ENDED:
            return False
        return any(source.defer(error) for source in self._origins.streams())

    def take_kept(self) -> Optional[BaseException]:
        """The exception that this thread has to raise, if any."""
        kept = self._origins.kept
        return kept.pop(threading.get_ident(), None) if kept else None

    def find_end(self, _seconds: float) -> Optional[int]:
        """None: C asks the stream."""
        return None


@contextlib.contextmanager
def noticing() -> Generator[None, None, None]:
    """Entered while this thread is in a C call that may call the `close` of any stream."""
    closing = _registry.closes.expect()
    try:
        yield
    finally:
        came = _registry.settle(closing)
        if came is not None:
            try:
                raise came
            finally:
                # Breaks the cycle between the exception and this frame.
                del came
