"""Saving: the library writes to a path or a descriptor; other files by their own `write`."""

from __future__ import annotations

import ctypes
import errno
import io
import math
import operator
import os
import stat
import time
from collections.abc import Callable
from typing import IO, Any, NamedTuple, Optional, Protocol, Union

from . import _signals
from ._arguments import LONGEST
from ._codes import SIZE_UNKNOWN, SaveFlag
from ._details import Room
from ._entry import Entry, Request
from ._errors import InvalidError, SizeError, UnknownSizeError, joined
from ._library import lib
from ._memory import address_of, fresh
from ._native import ProgressCallback, SaveOptions
from ._queries import Queries

# Not NULL, which ctypes would pass as None.
_OPAQUE = ctypes.c_void_p(1)

# How many bytes are written at a time.
_STEP = 1 << 16


class ProgressBar(Protocol):
    """The interface of tqdm's progress bars and similar ones."""

    total: Any

    def update(self, n: int, /) -> object:
        """Advances the bar by `n`."""


Progress = Union[Callable[[int, Optional[int]], object], ProgressBar]
Target = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]", int, IO[bytes]]


class How(NamedTuple):
    """The options of a save."""

    flags: SaveFlag
    progress: Optional[Progress]
    deadline: Optional[float]
    mode: int


def deadline(timeout: Optional[float]) -> Optional[float]:
    """When a timeout that starts now is over."""
    return None if timeout is None else time.monotonic() + min(timeout, LONGEST)


def save(buffer: Queries, target: Target, how: How) -> int:
    """Saves the resource, and returns the size."""
    if isinstance(target, (str, bytes, os.PathLike)):
        path = os.fsencode(target)
        if b"\0" in path:
            raise ValueError("embedded null byte")
        if not path:
            raise InvalidError("the path of a target must not be empty")
        return _Saved(buffer, how).by_library(path, -1, target)
    file: Any = target
    if hasattr(file, "__index__"):
        return _Saved(buffer, how).by_library(None, operator.index(file), None)
    if not callable(getattr(file, "write", None)):
        raise TypeError(f"a path, a descriptor or a binary file, not {type(file).__name__}")
    if isinstance(file, io.TextIOBase):
        raise TypeError(
            "the file takes str, not bytes: open it in binary mode, or use its `buffer`"
        )
    descriptor = _descriptor_of(file)
    if descriptor is None:
        return _Saved(buffer, how).by_write(file)
    # The bytes in the file object's buffer precede those written to its descriptor.
    file.flush()
    return _Saved(buffer, how).by_library(None, descriptor, None)


def _descriptor_of(file: Any) -> Optional[int]:
    """The descriptor of a plain file or pipe; None for one that compresses or encrypts."""
    raw = file.raw if type(file) is io.BufferedWriter else file
    if type(raw) is not io.FileIO:
        return None
    descriptor = raw.fileno()
    mode = os.fstat(descriptor).st_mode
    return descriptor if stat.S_ISREG(mode) or stat.S_ISFIFO(mode) else None


class _Saved:
    """One save. It reports progress to the user's callable or bar, and stores its exception.

    A callable is called with the number of bytes done and the total, None if that is unknown.
    """

    def __init__(self, buffer: Queries, how: How) -> None:
        """Nothing is saved yet."""
        self._buffer = buffer
        self._how = how
        flags = self._flags = how.flags
        self._progress = how.progress
        self._waits = _signals.is_main() and not flags & SaveFlag.BUFFERED
        self._raised: Optional[BaseException] = None
        self._done = 0
        self._last: tuple[int, Optional[int]] = (0, None)

    def by_library(self, path: Optional[bytes], descriptor: int, named: object) -> int:
        """Saves to a path or descriptor, written by the library."""
        buffer = self._buffer
        if self._waits:
            self._await(0)
        # Always on the main thread: signal handlers run there, and may stop the save.
        entry: Optional[Entry] = None
        callback = ProgressCallback()
        if self._progress is not None or _signals.is_main():
            entry = Entry(ProgressCallback, 3, self, 1)
            callback = entry.function
        options = SaveOptions()
        lib.sb_save_options_init(ctypes.byref(options), ctypes.sizeof(options))
        options.path, options.fd, options.flags = path, descriptor, self._flags
        options.progress, options.opaque = callback, _OPAQUE
        options.mode = self._how.mode
        left = self._left()
        if left is not None:
            # 0 would be no limit.
            options.timeout_ms = max(math.ceil(left * 1000), 1)
        room = Room()
        options.error = ctypes.pointer(room.error)
        try:
            with buffer._source.reading():
                code: int = lib.sb_save_with(buffer._handle, ctypes.byref(options))
        except BaseException:
            buffer._source.take_kept()
            buffer._go_on()
            raise
        raised = joined(buffer._source.take_kept(), entry.take() if entry else None)
        raised = joined(raised, self._raised)
        if raised is not None:
            buffer._go_on()
            self._raised = None
            try:
                raise raised
            finally:
                del raised
        # An option may be refused before the error is filled.
        details = room.details() if room.error.status == code else None
        size = buffer._check(code, details, named)
        self._finish(size)
        return size

    def by_write(self, file: Any) -> int:
        """Saves to any object that has `write`."""
        buffer, flags = self._buffer, self._flags
        if flags & SaveFlag.NO_REPLACE:
            raise InvalidError("replace=False is for a path: what is open exists")
        if self._how.mode:
            raise InvalidError("mode is for a path: what is open has one")
        descriptor: Optional[int] = file.fileno() if flags & SaveFlag.SYNC else None
        limit = self._limit()
        done = 0
        while limit is None or done < limit:
            step = _STEP if limit is None else min(_STEP, limit - done)
            part = buffer.read_some(done, step, timeout=self._left())
            if not part:
                break
            _write(file, part)
            done += len(part)
            self._tell(done, buffer.size)
        if callable(flush := getattr(file, "flush", None)):
            flush()
        if descriptor is not None:
            os.fsync(descriptor)
        self._finish(done)
        return done

    def _limit(self) -> Optional[int]:
        """How many bytes to write, if that must be known first."""
        buffer = self._buffer
        if self._flags & SaveFlag.BUFFERED:
            ranges = buffer.ranges()
            if len(ranges) > 1 or (ranges and ranges[0].start):
                raise SizeError("what is buffered has holes")
            return ranges[0].stop if ranges else 0
        if self._flags & SaveFlag.REQUIRE_SIZE:
            declared = buffer.stat().declared
            if declared is None:
                raise UnknownSizeError("no size was declared")
            if buffer._find_end() != declared:
                raise SizeError("the size is not the declared one")
            return declared
        return None

    # The time.

    def _left(self) -> Optional[float]:
        """The seconds left, if there is a limit."""
        over = self._how.deadline
        return None if over is None else max(over - time.monotonic(), 0)

    def _await(self, offset: int) -> None:
        """On the main thread, waits for the next bytes: signals interrupt this."""
        buffer, left = self._buffer, self._left()
        if not buffer._may_wait() or buffer.buffered(offset) >= _STEP:
            return
        try:
            if left is not None:
                buffer.read_some(offset, 1, timeout=left)
                return
            room: bytes = fresh(None, _STEP)
            buffer._bring(offset, address_of(room), _STEP)
        except Exception as error:  # noqa: BLE001
            # A failure here is one in the save as well.
            if not buffer._source.defer(error):
                raise

    # The progress callback.

    def serve(self, request: Request) -> int:
        """`sb_progress_fn`."""
        _, done, total = request
        try:
            self._tell(done, None if total == SIZE_UNKNOWN else total)
            if self._waits:
                self._await(done)
        except BaseException as error:  # noqa: BLE001
            self._raised = error
        return 0 if self._raised is None else 1

    def _tell(self, done: int, total: Optional[int]) -> None:
        self._last = (done, total)
        if self._progress is None:
            return
        if callable(self._progress):
            self._progress(done, total)
            return
        if total is not None and self._progress.total != total:
            self._progress.total = total
        step, self._done = done - self._done, done
        self._progress.update(step)

    def _finish(self, size: int) -> None:
        """Reports completion, if the last step did not know yet that it was the last."""
        if self._last != (size, size):
            self._tell(size, size)


def _write(file: Any, part: bytes) -> None:
    """Writes all of `part`: a raw file may write less at a time."""
    while part:
        count: Optional[int] = file.write(part)
        if count is None:
            if isinstance(file, io.RawIOBase):
                raise BlockingIOError("the file is non-blocking and takes nothing now")
            # A `write` that returns None has written everything.
            return
        if not count:
            # It would be asked for ever.
            raise OSError(errno.EIO, "the file takes nothing")
        part = part[count:]
