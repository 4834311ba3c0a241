"""Where a stream is, and how it is moved."""

from __future__ import annotations

import contextlib
import errno
import io
import operator
from collections.abc import Callable
from typing import Any, Optional

from . import _known
from ._answer import TAKEN, attempt_at
from ._errors import SourceError
from ._share import Busy, Share


class Elsewhere(Exception):
    """The stream can't seek to the offset, or went to another one."""


class Position:
    """The position of a stream. Offset 0 is where it was at first."""

    def __init__(self, stream: Any) -> None:
        """Does not move the stream."""
        self._stream = stream
        self._seek, self._tell, self._base = _movable(stream)
        # The offset of the next byte.
        self.offset = 0
        self._share = Share.of(stream) if self._is_shared() else None

    def _is_shared(self) -> bool:
        """Whether another buffer over the same object would take bytes from this one."""
        stream = self._stream
        return self._seek is not None or hasattr(stream, "read") or hasattr(stream, "__next__")

    def is_movable(self) -> bool:
        """Whether the stream can seek."""
        return self._seek is not None

    def is_released(self) -> bool:
        """Whether `release` was called."""
        return self._stream is None

    def size(self) -> Optional[int]:
        """The size of a seekable stream, if it is known without reading."""
        return _known.size_of(self._stream, self._base) if self._seek else None

    def guard(self) -> contextlib.AbstractContextManager[object]:
        """Entered while other buffers over the same seekable stream must not move it."""
        return self._share.lock if self._share is not None and self._seek else _NOTHING

    def find_end(self, seconds: float) -> Optional[int]:
        """The end of the stream, if it can report it without reading.

        Raises Busy if another call stays inside the stream for that long.
        """
        if self._seek is None or self._tell is None or _known.unpacks(self._stream):
            return None
        share = self._share
        if share is None:
            return None
        entering = attempt_at(share.lock, seconds)
        try:
            if not entering[None]:
                raise Busy
            return self._ask_end(self._seek, self._tell)
        finally:
            if entering == TAKEN:
                share.lock.release()

    def _ask_end(self, seek: Callable[..., Any], tell: Callable[[], Any]) -> Optional[int]:
        if self._stream is None:
            return None
        try:
            there = tell()
            end = seek(0, io.SEEK_END)
            end = tell() if end is None else end
            seek(there)
            return max(operator.index(end) - self._base, 0)
        except (OSError, ValueError, TypeError):
            # The next `go` checks the position.
            return None

    def go(self, offset: int, interrupted: bool) -> bool:
        """Moves the stream to `offset`, unless it is there already.

        Returns whether the stream itself has shown that it is in order: by moving, or after an
        interrupt by its position.
        """
        if self._seek is None:
            if self.offset != offset:
                raise SourceError(errno.EIO, "an interrupt has lost bytes of the stream")
            if self._share is not None:
                self._share.claim(self, Position.is_released)
            return False
        target = self._base + offset
        if self._tell is not None:
            if operator.index(self._tell()) == target:
                self.offset = offset
                return interrupted
        elif self._is_here_untold(offset) and not interrupted:
            return False
        there = self._move(self._seek, offset, target)
        if there is None:
            there = self._tell() if self._tell is not None else target
        if operator.index(there) != target:
            raise Elsewhere
        self.offset = offset
        return True

    def _is_here_untold(self, offset: int) -> bool:
        """Whether a stream without `tell` is at `offset`."""
        alone = self._share is None or self._share.take(self)
        return alone and self.offset == offset

    def _move(self, seek: Callable[..., Any], offset: int, target: int) -> Any:
        try:
            return seek(target)
        except OSError as error:
            if isinstance(error, io.UnsupportedOperation) or error.errno == errno.ESPIPE:
                raise Elsewhere from error
            # File systems refuse offsets past their largest file: seek to the file's end instead.
            end = _known.size_of(self._stream, self._base)
            if end is None or end > offset:
                raise
            seek(self._base + end)
            return target

    def release(self) -> None:
        """Drops the stream."""
        self._stream = self._seek = self._tell = self._share = None


_NOTHING = contextlib.nullcontext()


def _movable(
    stream: Any,
) -> tuple[Optional[Callable[..., Any]], Optional[Callable[[], Any]], int]:
    """The stream's `seek` and `tell`, and its position at the resource's first byte."""
    seek, tell = _known.seek_of(stream), _known.tell_of(stream)
    if seek is None:
        return None, None, 0
    try:
        return seek, tell, operator.index(tell()) if tell is not None else 0
    except (OSError, TypeError):
        return None, None, 0
