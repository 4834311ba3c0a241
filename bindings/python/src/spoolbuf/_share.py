"""Several buffers over one stream object: each reads its own bytes, or gets an error."""

from __future__ import annotations

import errno
import threading
import weakref
from typing import Any, Optional

from ._errors import SourceError


class Busy(Exception):
    """Another call is inside the stream."""


class Share:
    """What buffers over one object share: its lock, and which of them has read it last."""

    def __init__(self) -> None:
        """Nobody reads the stream."""
        # Held while its position must not change. Entered as it is: a method of Python's would be a
        # place for an exception, before which it would stay locked.
        self.lock = threading.RLock()
        self._user: Optional[weakref.ref[Any]] = None

    @staticmethod
    def of(stream: object) -> Share:
        """The share of this object, which lives as long as it is referenced."""
        with _lock:
            return _shares.setdefault(id(stream), Share())

    def take(self, user: object) -> bool:
        """Makes `user` the current user of the stream; returns whether it already was."""
        current = self._user() if self._user is not None else None
        if current is user:
            return True
        self._user = weakref.ref(user)
        return False

    def claim(self, user: object, is_done: Any) -> None:
        """For a forward-only stream: the first user reads it to the end. Raises for any other."""
        current = self._user() if self._user is not None else None
        if current is user:
            return
        if current is not None and not is_done(current):
            raise SourceError(errno.EIO, "another buffer reads this stream, which can't seek")
        self._user = weakref.ref(user)


# By the object's id: the owner of a share keeps the object alive.
_shares: weakref.WeakValueDictionary[int, Share] = weakref.WeakValueDictionary()
# Reentrant: a signal handler may make a buffer while the main thread holds it.
_lock = threading.RLock()


def forget() -> None:
    """In a forked child: nobody will release the parent's locks."""
    global _lock
    _lock = threading.RLock()
    _shares.clear()
