"""What stands for a stream where the bytes are pushed."""

from __future__ import annotations

import contextlib
import threading
import types
from collections.abc import Callable, Generator
from typing import Optional

from . import _registry
from ._errors import SpoolbufError


class Pusher:
    """The user's code that pushes, as readers see it: C never calls it."""

    def __init__(self) -> None:
        """Has not failed."""
        self.key = _registry.next_key()
        self.taken = 0
        # The exception that it failed with, and its original traceback.
        self._error: Optional[tuple[BaseException, Optional[types.TracebackType]]] = None
        # Held while the exception and the failure in C change together. A signal handler may call
        # what the thread is inside of already.
        self._lock = threading.RLock()

    def error(self) -> Optional[BaseException]:
        """The exception that it failed with, ready to be raised again."""
        failed = self._error
        return None if failed is None else failed[0].with_traceback(failed[1])

    def fail(self, exception: object, tell: Callable[[], None]) -> None:
        """Keeps the exception, and tells C that there is one."""
        if not isinstance(exception, BaseException):
            raise TypeError(f"fail() takes an exception, not {exception!r}")
        with self._lock:
            # First: readers that C wakes look here.
            self._error = (exception, exception.__traceback__)
            tell()

    @contextlib.contextmanager
    def resuming(self) -> Generator[None, None, None]:
        """Entered while this thread clears the failure in C."""
        with self._lock:
            self._error = None
            yield

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """C calls nothing of Python's for a read."""
        return _NOTHING

    def noticing(self) -> contextlib.AbstractContextManager[None]:
        """Nor for anything else."""
        return _NOTHING

    def defer(self, error: BaseException) -> bool:
        """Keeps nothing: C knows of every failure, but not of what a signal handler raises."""
        return error is self.error() or isinstance(error, SpoolbufError)

    def take_kept(self) -> Optional[BaseException]:
        """None: no exception can arise inside C."""
        return None

    def find_end(self, _seconds: float) -> Optional[int]:
        """None: the end is known once it was told."""
        return None


_NOTHING = contextlib.nullcontext()
