"""An entry of a cache, as long as it is lent."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Optional

from ._answer import TAKEN, attempt_at
from ._content import Content
from ._errors import TimedOutError
from ._lender import Lease, Lender
from ._library import lib
from ._opener import key_of
from ._origins import EntryOrigin, Origins
from ._reader import Reader

# How often the event loop looks whether a key was opened, in seconds.
_AGAIN = 0.01


class CachedBuffer(Content):
    """The resource of a key in a cache: `cache[key]`. It is opened when it is first used.

    From then on it is a lease: its bytes stay, and are the same ones, until `close`, the end of its
    `with` block, or its collection. `cache[key][a:b]` holds it only for this slice. Files that
    `open` returns are leases too, but end with this one; those of `cache.open` do not.

    After a failure of its stream, get it from the cache again: that opens a new stream.

    >>> with Cache(lambda key: [b"by", b"tes"]) as cache:
    ...     with cache["key"] as buf:
    ...         buf[1:3], buf.read(3, 2), len(buf[:]), buf.closed
    (b'yt', b'es', 5, False)
    """

    # Another entry may have its bytes spilled at any time.
    _in_memory = -1
    _is_exact = False
    _window = None

    def __init__(self, lender: Lender, key: bytes) -> None:
        """Opens nothing yet."""
        self._lender = lender
        self._key = key
        name = key_of(key)
        self._name = name if isinstance(name, str) else repr(name)
        self._closed = False
        self._opening = threading.RLock()
        self._lease: Optional[Lease] = None
        # The lease goes to the file that is opened next.
        self._is_lent = False

    @property
    def _why_closed(self) -> str:  # type: ignore[override]
        lender = self._lender
        return "the buffer is closed" if lender.handle is not None else lender.why_closed

    @property
    def _alone(self) -> bool:
        return self._lender.is_alone

    @_alone.setter
    def _alone(self, alone: bool) -> None:
        # All who read from the cache share the streams.
        self._lender.is_alone = alone

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Opens it: what follows from that is looked for, and is not there yet."""
            if name not in ("_handle", "_source") or self.__dict__.get("_closed", True):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            # First: in a forked child, nobody may be left to release the lock.
            self._lender.check_open()
            # Threads that use it first at the same time share one lease.
            with self._opening:
                if name not in self.__dict__:
                    self._take(*self._lender.open(self._key, None, False, None))
            return self.__dict__[name]

    async def _aopen(self) -> None:
        # `_check_open` raises if it is closed.
        while "_handle" not in self.__dict__ and not self._is_closed():
            # Another thread that opens it may take long.
            opening = attempt_at(self._opening, 0)
            try:
                if opening[None]:
                    if "_handle" not in self.__dict__:
                        self._take(*self._lender.open(self._key, 0, False, None))
                    return
            except TimedOutError:
                # The function goes on, and its result is for the next open.
                pass
            finally:
                if opening == TAKEN:
                    self._opening.release()
            await asyncio.sleep(_AGAIN)

    def _take(self, lease: Lease, origins: Origins) -> None:
        handle: Optional[int] = lib.sb_reader_buffer(lease.value)
        self._lease = lease
        self._source = EntryOrigin(origins, handle)
        self._handle = handle
        if self._closed:
            # Another thread did that meanwhile.
            self.close()

    def _lend(
        self, timeout: Optional[float], buffered: bool, reach: Optional[int]
    ) -> CachedBuffer:
        """Opens it for one file, whose reader is the lease."""
        self._take(*self._lender.open(self._key, timeout, buffered, reach))
        self._is_lent = True
        return self

    def _new_reader(
        self, timeout: Optional[float] = None, buffered: bool = False, reach: Optional[int] = None
    ) -> Reader:
        reader = _LeaseReader(self, timeout, buffered, reach)
        reader.lender = self._lender
        if self._is_lent and self._lease is not None:
            reader.adopt(self._lease)
            self._lease, self._is_lent = None, False
        return reader

    def _is_closed(self) -> bool:
        return self._closed or self._lender.handle is None

    def _check_open(self) -> None:
        super()._check_open()
        # Opens it. Another thread may close it meanwhile.
        if self._handle is None:
            super()._check_open()

    @property
    def closed(self) -> bool:
        """Whether it was closed.

        >>> with Cache(lambda key: b"bytes") as cache:
        ...     cache["key"].closed
        False
        """
        return self._closed

    def close(self) -> None:
        """Ends the lease.

        >>> with Cache(lambda key: b"bytes") as cache:
        ...     buf = cache["key"]
        ...     buf.close()
        ...     buf.closed
        True
        """
        self._closed = True
        lease, self._lease, self._handle = self._lease, None, None
        if "_source" not in self.__dict__:
            self._source = EntryOrigin(Origins(), None)
        if lease is not None:
            lease.free()

    def __repr__(self) -> str:
        """Shows the key, and opens nothing.

        >>> with Cache(lambda key: b"bytes") as cache:
        ...     cache["key"]
        CachedBuffer<'key'>
        """
        state = ", closed" if self._closed else ""
        return f"CachedBuffer<{key_of(self._key)!r}{state}>"


class _LeaseReader(Reader):
    """A reader of an entry, which is a lease of it."""

    lender: Lender
    _lease: Optional[Lease] = None

    def adopt(self, lease: Lease) -> None:
        """Takes a reader that exists already."""
        self._lease, self._reader = lease, lease.value

    def _room(self) -> Lease:
        self._lease = Lease(self.lender)
        return self._lease

    def free(self) -> None:
        """Ends the lease, which closes the stream if it was the last one."""
        self._reader = None
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.free()
