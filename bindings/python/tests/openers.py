"""What the tests of a cache open: streams that tell whether they were closed."""

from __future__ import annotations

import threading
import time
from typing import Any

from spoolbuf import Resource
from support import PATIENCE, chunks, data

SIZE = 300_000
WHOLE = data(0, SIZE)


class Stream:
    """A stream that tells whether it was closed."""

    def __init__(self, size: int = SIZE) -> None:
        self.rest = chunks(size)
        self.closed = threading.Event()

    def read(self, size: int, /) -> bytes:
        return next(self.rest, b"")

    def close(self) -> None:
        self.closed.set()


class Opener:
    """Opens streams, and remembers them."""

    def __init__(self, tag: int = 0, size: int = SIZE) -> None:
        self.tag = tag
        self.size = size
        self.calls: list[tuple[Any, int]] = []
        self.streams: list[Stream] = []

    def __call__(self, key: Any, old_tag: int) -> Resource:
        self.calls.append((key, old_tag))
        self.streams.append(Stream(self.size))
        return Resource(self.streams[-1], self.size, self.tag)


class Waits:
    """Opens a key once it may go on, and tells that it was called."""

    def __init__(self) -> None:
        self.entered, self.go = threading.Event(), threading.Event()

    def __call__(self, key: Any) -> bytes:
        self.entered.set()
        assert self.go.wait(PATIENCE)
        return b"bytes"


def has_paused(begun: float) -> bool:
    """Whether the machine has stood still for so long that the cache's 5 seconds may be over.

    The cache keeps what the function brought for that long when nobody waited.
    """
    return time.monotonic() - begun > 4
