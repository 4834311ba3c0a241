"""The size of a stream that the user's function states once it is known."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Optional, Protocol

from ._arguments import natural
from ._entry import Request

_NOT_KNOWN = -1


class Sized(Protocol):
    """A source without a declared size."""

    size: Optional[int]

    def keep(self, error: BaseException) -> None:
        """Makes this thread raise `error` once its C call has returned."""
        ...


class Sizer:
    """`size`: asks the user's function, and tells the source. It does not keep the source alive."""

    def __init__(self, source: Sized, ask: Callable[[], Optional[int]]) -> None:
        """Asks nothing yet."""
        self._source = weakref.ref(source)
        self._ask = ask

    def serve(self, request: Request) -> int:
        """Called by C after each call of the stream, until it returns a size."""
        del request  # It has no fields.
        source = self._source()
        if source is None:
            return _NOT_KNOWN
        try:
            size = self._ask()
            if size is None:
                return _NOT_KNOWN
            size = natural("size", size, 2**63 - 1)
        except BaseException as error:  # noqa: BLE001
            # The bytes have arrived: the reader is told of it, and the function is asked again.
            source.keep(error)
            return _NOT_KNOWN
        source.size = size
        return size
