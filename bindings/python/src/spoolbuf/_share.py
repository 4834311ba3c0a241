"""Several buffers over one stream object: each gets its own bytes, or an error."""

from __future__ import annotations

import errno
import threading
import weakref
from types import TracebackType
from typing import Any, Optional

from ._errors import SourceError


class Share:
    """What the buffers over one object have in common: entered while its place must not change."""

    def __init__(self) -> None:
        """Nobody reads the stream."""
        self._lock = threading.RLock()
        self._user: Optional[weakref.ref[Any]] = None

    @staticmethod
    def of(stream: object) -> Share:
        """The one of this object, which exists as long as somebody holds it."""
        with _lock:
            return _shares.setdefault(id(stream), Share())

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        _kind: Optional[type[BaseException]],
        _error: Optional[BaseException],
        _traceback: Optional[TracebackType],
    ) -> None:
        self._lock.release()

    def take(self, user: object) -> bool:
        """Whether nobody else used the stream since this one did, who does now."""
        current = self._user() if self._user is not None else None
        if current is user:
            return True
        self._user = weakref.ref(user)
        return False

    def claim(self, user: object, is_done: Any) -> None:
        """For a stream that can't go back: whoever begins reads it to the end."""
        current = self._user() if self._user is not None else None
        if current is user:
            return
        if current is not None and not is_done(current):
            raise SourceError(errno.EIO, "another buffer reads this stream, which can't seek")
        self._user = weakref.ref(user)


# By the object's id: whoever holds the share holds the object.
_shares: weakref.WeakValueDictionary[int, Share] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def forget() -> None:
    """In a forked child: nobody gives the parent's locks back."""
    global _lock
    _lock = threading.Lock()
    _shares.clear()
