"""What the user's function returns when a cache opens a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional, Union

from ._arguments import function, natural
from ._streams import Stream


class Resource:
    """What the `open` of a cache returns for a key: a stream, and what is known of it.

    >>> def open(key, old_tag):
    ...     return Resource([b"by", b"tes"], size=5, tag=1)
    >>> with Cache(open) as cache:
    ...     cache["key"][:]
    b'bytes'

    Args:
        stream: anything that a `StreamBuffer` takes. It is closed once it is not needed any more,
            if it has a `close`. None: the bytes that the cache has are still right.
        size: the size of the resource, if it is known. It is a hint, and a number or a function, as
            for a `StreamBuffer`.
        tag: a number from 1 to 2**64 - 1 that differs if the bytes do: a hash of the ETag, say. 0:
            nothing is known about them.
        cancel: makes a call that is inside the stream return, as for a `StreamBuffer`.
        interruptible: whether `cancel` does no harm, as for a `StreamBuffer`.
    """

    def __init__(
        self,
        stream: Optional[Stream],
        size: Union[None, int, Callable[[], Optional[int]]] = None,
        tag: int = 0,
        *,
        cancel: Optional[Callable[[], object]] = None,
        interruptible: bool = False,
    ) -> None:
        """Reads nothing from the stream."""
        if size is not None and not callable(size):
            size = natural("size", size)
        function("cancel", cancel)
        self.stream = stream
        self.size = size
        self.tag = natural("tag", tag)
        self.cancel = cancel
        self.interruptible = interruptible
